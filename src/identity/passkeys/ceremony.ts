/**
 * Passkeys: what a browser is asked to create or to show, and whether what it brings back is good (Web Authentication Level 3).
 *
 * Nothing here knows a user or a store. No network is needed: a passkey states nothing of its maker that counts.
 */

import { type Facts, GateError } from '../../base/errors.ts'
import { isJsonObject } from '../../base/json.ts'

/** What a new passkey says of itself. All bytes are base64url. */
export interface CreatedPasskey {
  /** The credential's id, unique at its RP ID. */
  readonly id: string
  /** The public key as a COSE_Key (RFC 9052 §7). */
  readonly publicKey: string
  /** The signature counter; 0 for one that does not count, as those that are synced. */
  readonly counter: number
  /** The host that it is for, for good: the portal's when it was made. */
  readonly rpId: string
  /** Whether it may be on several devices ("backup eligible"), which never changes, and whether it is. */
  readonly isSyncable: boolean
  readonly isSynced: boolean
}

/** What is known of a passkey that is shown. */
export interface KnownPasskey extends Pick<CreatedPasskey, 'id' | 'publicKey' | 'rpId'> {
  readonly isBackupEligible: boolean
}

/** Where a ceremony has to have been: what the browser and the authenticator vouch for. */
export interface Ceremony {
  /** Random bytes of this ceremony alone, base64url. */
  readonly challenge: string
  /** The exact origin of the portal. */
  readonly origin: string
  /** Its host. */
  readonly rpId: string
}

/** Whom a passkey is made for. */
export interface PasskeyOwner {
  /** At most 64 bytes, base64url, which say nothing of the person: the authenticator tells them to everyone who may use it. */
  readonly handle: string
  readonly name: string
  readonly displayName: string
}

/** COSE names of ES256, Ed25519 and RS256 (RFC 9053 §2, RFC 8812 §2): what every authenticator has one of, the likeliest first. */
const ALGORITHMS: readonly number[] = [-7, -8, -257]

/** How long a page with a ceremony may stay open. */
export const CEREMONY_MS = 60 * 60_000

/** How long the browser's own dialogue may stay open. */
const TIMEOUT_MS = 5 * 60_000

/** An id has 1023 bytes at most (§6.5.1), in base64url; other texts of a response stay far below this. */
const LONGEST_ID = 1364
const LONGEST = 16 * 1024
/** A reason is a sentence; what is longer repeats what came. */
const LONGEST_WHY = 200

/** The longest answer of a browser that is read. */
export const LONGEST_PASSKEY_ANSWER = LONGEST

/** What `navigator.credentials.create` is asked for, as `PublicKeyCredentialCreationOptionsJSON` (§5.1.9). */
export function creationOptions(
  { rpId, challenge }: Pick<Ceremony, 'rpId' | 'challenge'>,
  site: string,
  { handle, name, displayName }: PasskeyOwner,
  known: readonly Pick<KnownPasskey, 'id'>[],
): object {
  return {
    rp: { id: rpId, name: site },
    user: { id: handle, name, displayName },
    challenge,
    pubKeyCredParams: ALGORITHMS.map(alg => ({ type: 'public-key', alg })),
    timeout: TIMEOUT_MS,
    // One device needs no second passkey of the same user.
    excludeCredentials: known.map(({ id }) => ({ type: 'public-key', id })),
    authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
    attestation: 'none',
    extensions: { credProps: true },
  }
}

/** What `navigator.credentials.get` is asked for, as `PublicKeyCredentialRequestOptionsJSON`: any passkey of this host, whosever it is. */
export function requestOptions({ rpId, challenge }: Pick<Ceremony, 'rpId' | 'challenge'>): object {
  return { challenge, rpId, timeout: TIMEOUT_MS, userVerification: 'required', allowCredentials: [] }
}

/**
 * The passkey that a browser has created. Throws `access.passkey` for a response that is not good, or not of this ceremony.
 *
 * The statement of the authenticator's maker is left out unread: it is asked for nowhere, and to check one may mean to fetch from an
 * address in a certificate.
 */
export async function verifyCreation(raw: string, { challenge, origin, rpId }: Ceremony): Promise<CreatedPasskey> {
  const { id, response } = readCredential(raw)
  const { decodeAttestationObject, verifyRegistrationResponse } = await loadLibrary()
  return refusing(async () => {
    checkClient(response.clientDataJSON, origin)
    const attested = decodeAttestationObject(new Uint8Array(Buffer.from(text(response.attestationObject), 'base64url')))
    const unattested = withoutStatement(attested.get('authData'))
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response: {
        id,
        rawId: id,
        type: 'public-key',
        clientExtensionResults: {},
        response: { clientDataJSON: text(response.clientDataJSON), attestationObject: unattested },
      },
      expectedChallenge: challenge,
      expectedOrigin: origin,
      expectedRPID: rpId,
      requireUserVerification: true,
      supportedAlgorithmIDs: [...ALGORITHMS],
    })
    if (!verified || registrationInfo.credential.id !== id) throw new TypeError('the id is not the one of the key')
    const { credential, credentialDeviceType, credentialBackedUp } = registrationInfo
    return {
      id,
      publicKey: Buffer.from(credential.publicKey).toString('base64url'),
      counter: credential.counter,
      rpId,
      isSyncable: credentialDeviceType === 'multiDevice',
      isSynced: credentialBackedUp,
    }
  })
}

/** Which passkey a browser shows, by its own word: its id, and whose it is. Nothing of it is proven yet. Throws `access.passkey`. */
export function readShown(raw: string): { readonly id: string; readonly handle: string } {
  const { id, response } = readCredential(raw)
  const { userHandle } = response
  if (typeof userHandle !== 'string' || !HANDLE.test(userHandle)) throw refusal('it names no user')
  return { id, handle: userHandle }
}

/** What a passkey shows of itself when it is used. */
export interface ShownPasskey {
  readonly counter: number
  readonly isSynced: boolean
}

/**
 * Whether a browser has shown this very passkey, its user verified, in this ceremony. Throws `access.passkey`.
 *
 * The counter is told and not judged: that it went back counts only where the signature is good (`isCloned`).
 */
export async function verifyShown(
  raw: string,
  { challenge, origin, rpId }: Ceremony,
  passkey: KnownPasskey,
): Promise<ShownPasskey> {
  const { id, response } = readCredential(raw)
  const { verifyAuthenticationResponse } = await loadLibrary()
  return refusing(async () => {
    checkClient(response.clientDataJSON, origin)
    if (id !== passkey.id || passkey.rpId !== rpId) throw new TypeError('it is another passkey')
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: {
        id,
        rawId: id,
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON: text(response.clientDataJSON),
          authenticatorData: text(response.authenticatorData),
          signature: text(response.signature),
        },
      },
      expectedChallenge: challenge,
      expectedOrigin: origin,
      expectedRPID: rpId,
      requireUserVerification: true,
      credential: { id, publicKey: new Uint8Array(Buffer.from(passkey.publicKey, 'base64url')), counter: 0 },
    })
    if (!verified) throw new TypeError('the signature is not of its key')
    // Only another key could have changed this (§7.2, step 19).
    if ((authenticationInfo.credentialDeviceType === 'multiDevice') !== passkey.isBackupEligible)
      throw new TypeError('whether it can be synced has changed')
    return { counter: authenticationInfo.newCounter, isSynced: authenticationInfo.credentialBackedUp }
  })
}

/**
 * Whether a counter says that there are two of a passkey which cannot be copied. Those that are synced always say 0, so a passkey that
 * never counted is not judged (§6.1.1).
 */
export function isCloned(kept: Pick<CreatedPasskey, 'counter'>, shown: Pick<ShownPasskey, 'counter'>): boolean {
  return kept.counter > 0 && shown.counter <= kept.counter
}

const BASE64URL = /^[A-Za-z0-9_-]+$/
const HANDLE = /^[A-Za-z0-9_-]{1,86}$/
const ORIGIN = /^https?:\/\/[a-z0-9.:[\]-]{1,260}$/

/** The parts of a `PublicKeyCredentialJSON` that count, of the shape alone. */
function readCredential(raw: string): { readonly id: string; readonly response: Readonly<Record<string, unknown>> } {
  if (raw.length > LONGEST) throw refusal('it is too long')
  let value: unknown
  try {
    value = JSON.parse(raw)
  } catch {
    throw refusal('it is no JSON')
  }
  if (!isJsonObject(value) || value.type !== 'public-key' || !isJsonObject(value.response))
    throw refusal('it is no credential')
  const { id } = value
  if (typeof id !== 'string' || id.length > LONGEST_ID || !BASE64URL.test(id)) throw refusal('it has no id')
  return { id, response: value.response }
}

function text(value: unknown): string {
  if (typeof value !== 'string' || !BASE64URL.test(value)) throw new TypeError('a part is missing')
  return value
}

/**
 * Where the browser was. Our pages are never framed: who answers out of another site's frame answers that site. The library lets them.
 * An operator whose proxy changes an address has to read which one it was.
 */
function checkClient(clientData: unknown, origin: string): void {
  const said: unknown = JSON.parse(Buffer.from(text(clientData), 'base64url').toString('utf8'))
  if (!isJsonObject(said) || said.origin !== origin) {
    const other =
      isJsonObject(said) && typeof said.origin === 'string' && ORIGIN.test(said.origin) ? said.origin : 'nowhere'
    throw new TypeError(`the origin is ${other}, and not ${origin}`)
  }
  if (said.crossOrigin === true || said.topOrigin !== undefined)
    throw new TypeError('it comes out of a frame of another site')
}

/** An attestation object that attests nothing: `{ fmt: "none", attStmt: {}, authData }` (§8.7), as CBOR (RFC 8949 §3). */
function withoutStatement(authData: Uint8Array): string {
  const length = Buffer.alloc(3)
  length.writeUInt8(0x59)
  length.writeUInt16BE(authData.byteLength, 1)
  return Buffer.concat([
    Buffer.from('\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData', 'latin1'),
    length,
    authData,
  ]).toString('base64url')
}

/** What the library throws says what was wrong, without what it quotes: the challenge, and pieces of what came. A client learns less. */
async function refusing<T>(verify: () => Promise<T>): Promise<T> {
  try {
    return await verify()
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown)
    throw refusal('it does not hold', {}, new TypeError(why.replace(/".*"/s, '"…"').slice(0, LONGEST_WHY)))
  }
}

export function refusal(why: string, facts: Facts = {}, cause?: unknown): GateError {
  return new GateError('access.passkey', `a passkey was refused: ${why}`, { facts, cause })
}

/** Loaded with the first passkey: most gates never see one. What it brings needs the polyfill before it. */
async function loadLibrary() {
  await import('reflect-metadata')
  const { verifyAuthenticationResponse, verifyRegistrationResponse } = await import('@simplewebauthn/server')
  const { decodeAttestationObject } = await import('@simplewebauthn/server/helpers')
  return { verifyAuthenticationResponse, verifyRegistrationResponse, decodeAttestationObject }
}
