import { createHash, createPrivateKey } from 'node:crypto'
import { GateError } from '../../../src/base/errors.ts'
import { type KnownPasskey, readShown, verifyCreation, verifyShown } from '../../../src/identity/passkeys/ceremony.ts'
import { createPasskey, showPasskey } from '../../kit/passkeys.ts'
import { hold, type Subject, textOf } from '../subject.ts'

const ORIGIN = 'https://auth.example'
const CEREMONY = { challenge: 'Y2hhbGxlbmdlIG9mIGEgZnV6eiBydW4', origin: ORIGIN, rpId: 'auth.example' }
const OPTIONS = { challenge: CEREMONY.challenge, rp: { id: CEREMONY.rpId }, user: { id: 'aGFuZGxl' } }

/** Always the same, so that what was found once is signed well the next time. */
const KEY = createPrivateKey({
  format: 'jwk',
  key: {
    kty: 'EC',
    crv: 'P-256',
    x: '5mQ0WhmFWLgex7sPb3F4YSrdcNPVaIHMEk5asvIoFAs',
    y: 'erT16i0tkKyc8o2n4f7Lud4ya_AtI9G7mxG2A_tsfhc',
    d: 'eKaPezxn3yLznmh10MYMhi3HJ4NHt8ANGNAdCRDM_LU',
  },
})
const RAW_ID = Buffer.alloc(16, 7)
const made = (wrong: Parameters<typeof createPasskey>[2] = {}) =>
  createPasskey(OPTIONS, ORIGIN, { key: KEY, rawId: RAW_ID, ...wrong })
const { passkey, answer: CREATED } = made()
const SHOWN = showPasskey(passkey, OPTIONS, ORIGIN, { counter: 1 })

/** What a browser says of a passkey: `C` and one that it has created, or `S` and one that it shows. */
export const passkeys: Subject = {
  name: 'passkeys',
  seeds: [
    `C${CREATED}`,
    `C${made({ isSyncable: true, isSynced: true, counter: 9 }).answer}`,
    `C${made({ isVerified: false }).answer}`,
    `C${made({ origin: 'https://evil.example' }).answer}`,
    `C${made({ crossOrigin: true }).answer}`,
    `C${CREATED.replace('"response":{', '"response":{"authenticatorData":"AAAA",')}`,
    `S${SHOWN}`,
    `S${showPasskey(passkey, OPTIONS, ORIGIN, { rpId: 'evil.example' })}`,
    `S${showPasskey(passkey, OPTIONS, ORIGIN, { handle: null })}`,
    'C{}',
    'Snull',
  ],
  words: [
    ...'{ } [ ] : , " null true 0 1e999 "id" "rawId" "type":"public-key" "response" "clientDataJSON" "attestationObject"'.split(
      ' ',
    ),
    ...'"authenticatorData" "signature" "userHandle" "__proto__" "transports" AAAA _ - = + / \\u0000 gYGBgYGBgYGB v19fX19f o2NmbXRkbm9uZQ'.split(
      ' ',
    ),
  ],
  maxBytes: 2_000,
  async open() {
    const { isSyncable, ...created } = await verifyCreation(CREATED, CEREMONY)
    const known: KnownPasskey = { ...created, isBackupEligible: isSyncable }
    return {
      async attempt(input) {
        const [kind, raw] = [textOf(input.subarray(0, 1)), textOf(input.subarray(1))]
        try {
          if (kind === 'C') {
            const { counter, isSynced } = await verifyCreation(raw, CEREMONY)
            checkParts(raw, 'webauthn.create')
            return `made ${counter > 0} ${isSynced}`
          }
          const { handle } = readShown(raw)
          const { counter } = await verifyShown(raw, CEREMONY, known)
          checkParts(raw, 'webauthn.get')
          return `shown ${counter} ${handle.length > 20}`
        } catch (thrown) {
          if (!(thrown instanceof GateError) || thrown.code !== 'access.passkey') throw thrown
          const { cause } = thrown
          hold(!String(cause).includes(CEREMONY.challenge), 'no challenge is told', String(cause))
          // The first words: what follows may be a piece of the input.
          const why = cause instanceof Error ? cause.message : thrown.message
          return `${kind} ${why.replace(/[^A-Za-z ].*/s, '').slice(0, 30)}`
        }
      },
    }
  },
}

/** What counts of Web Authentication §7.1 and §7.2 once more, said plainly. */
function checkParts(raw: string, type: string): void {
  const { response } = JSON.parse(raw)
  const said = JSON.parse(Buffer.from(response.clientDataJSON, 'base64url').toString('utf8'))
  hold(said.type === type, 'the ceremony is this one', said)
  hold(said.origin === ORIGIN && said.challenge === CEREMONY.challenge, 'here and now', said)
  hold(said.crossOrigin !== true && said.topOrigin === undefined, 'no frame', said)
  const hash = createHash('sha256').update(CEREMONY.rpId).digest()
  // What a browser says beside it counts for nothing.
  const signed = type === 'webauthn.create' ? response.attestationObject : response.authenticatorData
  const bytes = Buffer.from(signed, 'base64url')
  const at = bytes.indexOf(hash)
  hold(at >= 0, 'the RP ID is ours', raw)
  const flags = bytes[at + hash.length] ?? 0
  hold((flags & 5) === 5, 'somebody was there, and verified', flags)
}
