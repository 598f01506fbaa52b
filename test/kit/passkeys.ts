/** An authenticator in software: what a browser would bring back, with any part of it made wrong. */

import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

export interface SoftPasskey {
  readonly id: string
  readonly rpId: string
  readonly handle: string
  readonly privateKey: KeyObject
  /** The key that the relying party gets: a COSE_Key. */
  readonly publicKey: Buffer
  counter: number
}

export interface Options {
  readonly challenge: string
  readonly rp?: { readonly id: string }
  readonly rpId?: string
  readonly user?: { readonly id: string }
}

/** What may be otherwise than a browser and an authenticator would have it. */
export interface Wrong {
  readonly origin?: string
  readonly rpId?: string
  readonly challenge?: string
  readonly type?: string
  readonly isVerified?: boolean
  readonly isPresent?: boolean
  readonly crossOrigin?: boolean
  readonly topOrigin?: string
  readonly isSyncable?: boolean
  readonly isSynced?: boolean
  readonly counter?: number
  readonly handle?: string | null
  readonly id?: string
  readonly signature?: Buffer
  /** An attestation statement of this format. */
  readonly statement?: { readonly fmt: string; readonly attStmt: Buffer }
  /** The COSE name of the algorithm. */
  readonly alg?: number
}

type Kind = 'es256' | 'ed25519' | 'rs256'

/** Creates a passkey for these options at an origin; answers it with what the browser says. */
export function createPasskey(
  { challenge, rp, user }: Options,
  origin: string,
  wrong: Wrong & { readonly kind?: Kind; readonly key?: KeyObject; readonly rawId?: Buffer } = {},
): { readonly passkey: SoftPasskey; readonly answer: string } {
  const rpId = wrong.rpId ?? rp?.id ?? ''
  const { privateKey, publicKey } = makeKey(wrong.kind ?? 'es256', wrong.alg, wrong.key)
  const raw = wrong.rawId ?? Buffer.from(crypto.getRandomValues(new Uint8Array(32)))
  const id = wrong.id ?? raw.toString('base64url')
  const passkey = { id, rpId, handle: user?.id ?? '', privateKey, publicKey, counter: wrong.counter ?? 0 }
  const attested = Buffer.concat([Buffer.alloc(16), uint16(raw.length), raw, publicKey])
  const authData = Buffer.concat([authenticatorData(rpId, passkey.counter, 0x40, wrong), attested])
  const { fmt, attStmt } = wrong.statement ?? { fmt: 'none', attStmt: Buffer.from([0xa0]) }
  const attestationObject = Buffer.concat([
    Buffer.from([0xa3]),
    cborText('fmt'),
    cborText(fmt),
    cborText('attStmt'),
    attStmt,
    cborText('authData'),
    cborBytes(authData),
  ])
  const response = {
    clientDataJSON: clientData('webauthn.create', challenge, origin, wrong).toString('base64url'),
    attestationObject: attestationObject.toString('base64url'),
  }
  return { passkey, answer: JSON.stringify({ id, rawId: id, type: 'public-key', response }) }
}

/** Shows a passkey for these options at an origin. */
export function showPasskey(passkey: SoftPasskey, { challenge }: Options, origin: string, wrong: Wrong = {}): string {
  const data = clientData('webauthn.get', challenge, origin, wrong)
  const authData = authenticatorData(wrong.rpId ?? passkey.rpId, wrong.counter ?? passkey.counter, 0, wrong)
  const signed = Buffer.concat([authData, createHash('sha256').update(data).digest()])
  const algorithm = passkey.privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  const id = wrong.id ?? passkey.id
  const handle = wrong.handle === undefined ? passkey.handle : wrong.handle
  const response = {
    clientDataJSON: data.toString('base64url'),
    authenticatorData: authData.toString('base64url'),
    signature: (wrong.signature ?? sign(algorithm, signed, passkey.privateKey)).toString('base64url'),
    ...(handle === null ? {} : { userHandle: handle }),
  }
  return JSON.stringify({ id, rawId: id, type: 'public-key', response })
}

function clientData(type: string, challenge: string, origin: string, wrong: Wrong): Buffer {
  const { crossOrigin = false, topOrigin } = wrong
  const said = {
    type: wrong.type ?? type,
    challenge: wrong.challenge ?? challenge,
    origin: wrong.origin ?? origin,
    crossOrigin,
  }
  return Buffer.from(JSON.stringify(topOrigin === undefined ? said : { ...said, topOrigin }))
}

/** WebAuthn §6.1: the RP ID's hash, flags, and the counter. */
function authenticatorData(rpId: string, counter: number, more: number, wrong: Wrong): Buffer {
  const { isPresent = true, isVerified = true, isSyncable = false, isSynced = false } = wrong
  const flags = more | (isPresent ? 1 : 0) | (isVerified ? 4 : 0) | (isSyncable ? 8 : 0) | (isSynced ? 16 : 0)
  const count = Buffer.alloc(4)
  count.writeUInt32BE(counter)
  return Buffer.concat([createHash('sha256').update(rpId).digest(), Buffer.from([flags]), count])
}

function makeKey(
  kind: Kind,
  alg?: number,
  key?: KeyObject,
): { readonly privateKey: KeyObject; readonly publicKey: Buffer } {
  if (kind === 'ed25519') {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const { x = '' } = publicKey.export({ format: 'jwk' })
    const cose = [[1, cborInt(1)] as const, [3, cborInt(alg ?? -8)] as const, [-1, cborInt(6)] as const]
    return { privateKey, publicKey: cborMap([...cose, [-2, cborBytes(Buffer.from(x, 'base64url'))]]) }
  }
  if (kind === 'rs256') {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const { n = '', e = '' } = publicKey.export({ format: 'jwk' })
    const cose = [[1, cborInt(3)] as const, [3, cborInt(alg ?? -257)] as const]
    const own = [
      [-1, cborBytes(Buffer.from(n, 'base64url'))] as const,
      [-2, cborBytes(Buffer.from(e, 'base64url'))] as const,
    ]
    return { privateKey, publicKey: cborMap([...cose, ...own]) }
  }
  const privateKey = key ?? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const { x = '', y = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  const cose = [[1, cborInt(2)] as const, [3, cborInt(alg ?? -7)] as const, [-1, cborInt(1)] as const]
  const own = [
    [-2, cborBytes(Buffer.from(x, 'base64url'))] as const,
    [-3, cborBytes(Buffer.from(y, 'base64url'))] as const,
  ]
  return { privateKey, publicKey: cborMap([...cose, ...own]) }
}

/** RFC 8949 §3: as much of it as these need. */
export function cborHead(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([(major << 5) | value])
  if (value < 256) return Buffer.from([(major << 5) | 24, value])
  return Buffer.concat([Buffer.from([(major << 5) | 25]), uint16(value)])
}

function cborInt(value: number): Buffer {
  return value < 0 ? cborHead(1, -1 - value) : cborHead(0, value)
}

export function cborBytes(bytes: Uint8Array): Buffer {
  return Buffer.concat([cborHead(2, bytes.length), bytes])
}

export function cborText(text: string): Buffer {
  return Buffer.concat([cborHead(3, text.length), Buffer.from(text)])
}

function cborMap(entries: readonly (readonly [key: number, value: Buffer])[]): Buffer {
  return Buffer.concat([cborHead(5, entries.length), ...entries.flatMap(([key, value]) => [cborInt(key), value])])
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

/** The same authenticator, copied: both count on from here. */
export function clonePasskey(passkey: SoftPasskey): SoftPasskey {
  const copied = createPrivateKey(passkey.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  return { ...passkey, privateKey: copied }
}
