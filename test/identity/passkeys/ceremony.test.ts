import { describe, expect, test } from 'bun:test'
import {
  creationOptions,
  isCloned,
  type KnownPasskey,
  readShown,
  requestOptions,
  verifyCreation,
  verifyShown,
} from '../../../src/identity/passkeys/ceremony.ts'
import {
  cborBytes,
  cborHead,
  cborText,
  createPasskey,
  type SoftPasskey,
  showPasskey,
  type Wrong,
} from '../../kit/passkeys.ts'
import { codeOf, refusal } from '../../kit/thrown.ts'

const ORIGIN = 'https://auth.example.com'
const CEREMONY = { challenge: 'Y2hhbGxlbmdlIG9mIHRoaXMgY2VyZW1vbnk', origin: ORIGIN, rpId: 'auth.example.com' }
const ADA = { handle: 'aGFuZGxlIG9mIGFkYQ', name: 'ada', displayName: 'Ada' }
const OPTIONS = { challenge: CEREMONY.challenge, rp: { id: CEREMONY.rpId }, user: { id: ADA.handle } }

async function enrolled(wrong: Parameters<typeof createPasskey>[2] = {}) {
  const { passkey, answer } = createPasskey(OPTIONS, ORIGIN, wrong)
  const created = await verifyCreation(answer, CEREMONY)
  return { passkey, kept: { ...created, isBackupEligible: created.isSyncable } }
}

const shown = (passkey: SoftPasskey, kept: KnownPasskey, wrong: Wrong = {}) =>
  verifyShown(showPasskey(passkey, OPTIONS, ORIGIN, wrong), CEREMONY, kept)

describe('creating a passkey', () => {
  test.each(['es256', 'ed25519', 'rs256'] as const)('a key of %s is taken, and its signature is good', async kind => {
    const { passkey, kept } = await enrolled({ kind })
    expect(kept).toMatchObject({ id: passkey.id, rpId: 'auth.example.com', counter: 0, isSyncable: false })
    expect(await shown(passkey, kept, { counter: 1 })).toEqual({ counter: 1, isSynced: false })
  })

  test('the browser is asked for a discoverable passkey, the user verified, without attestation', () => {
    const options = creationOptions(CEREMONY, 'Home', ADA, [{ id: 'b2xk' }])
    expect(options).toMatchObject({
      rp: { id: 'auth.example.com', name: 'Home' },
      user: { id: ADA.handle, name: 'ada', displayName: 'Ada' },
      attestation: 'none',
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      excludeCredentials: [{ type: 'public-key', id: 'b2xk' }],
    })
    expect(requestOptions(CEREMONY)).toMatchObject({
      rpId: 'auth.example.com',
      userVerification: 'required',
      allowCredentials: [],
    })
  })

  test.each<[string, Parameters<typeof createPasskey>[2]]>([
    ['another origin', { origin: 'https://auth.example.com.evil.test' }],
    ['another port', { origin: 'https://auth.example.com:8443' }],
    ['another RP ID', { rpId: 'example.com' }],
    ['another challenge', { challenge: 'YW5vdGhlcg' }],
    ['another ceremony', { type: 'webauthn.get' }],
    ['a user that was not verified', { isVerified: false }],
    ['nobody there', { isPresent: false }],
    ['a frame of another site', { crossOrigin: true }],
    ['a page in a frame of another site', { topOrigin: 'https://evil.test' }],
    ['an algorithm that was not asked for', { alg: -47 }],
    ['an id of another credential', { id: 'YW5vdGhlciBpZA' }],
    ['a passkey that is synced and cannot be', { isSynced: true }],
  ])('%s is refused', async (_, wrong) => {
    const { answer } = createPasskey(OPTIONS, ORIGIN, wrong)
    expect((await refusal(verifyCreation(answer, CEREMONY))).code).toBe('access.passkey')
  })

  test('a statement of the maker is not looked at, so that no address in a certificate is asked', async () => {
    // An x5c of no certificate: the library would try to read it, and to fetch its revocation list.
    const attStmt = Buffer.concat([
      cborHead(5, 3),
      cborText('alg'),
      Buffer.from([0x26]),
      cborText('sig'),
      cborBytes(Buffer.from('no signature')),
      cborText('x5c'),
      cborHead(4, 1),
      cborBytes(Buffer.from('no certificate')),
    ])
    const { kept } = await enrolled({ statement: { fmt: 'packed', attStmt } })
    expect(kept.rpId).toBe('auth.example.com')
    expect((await enrolled({ statement: { fmt: 'of-tomorrow', attStmt } })).kept.counter).toBe(0)
  })

  test.each([
    ['nothing', ''],
    ['half of it', '{'],
    ['null', 'null'],
    ['a list', '[]'],
    ['a credential without parts', '{"type":"public-key","id":"YQ","response":{}}'],
    ['a long text', `"${'a'.repeat(20_000)}"`],
  ])('what is no credential is refused: %s', async (_, raw) => {
    expect((await refusal(verifyCreation(raw, CEREMONY))).code).toBe('access.passkey')
    expect(codeOf(() => readShown(raw))).toBe('access.passkey')
  })

  test('an attestation object that nests without end is refused, and the next one is taken', async () => {
    const response = {
      clientDataJSON: Buffer.from('{}').toString('base64url'),
      attestationObject: Buffer.alloc(8_000, 0x81).toString('base64url'),
    }
    const raw = JSON.stringify({ id: 'YQ', rawId: 'YQ', type: 'public-key', response })
    expect((await refusal(verifyCreation(raw, CEREMONY))).code).toBe('access.passkey')
    expect((await enrolled()).kept.rpId).toBe('auth.example.com')
  })
})

describe('showing a passkey', () => {
  test('it names itself and its user, of which nothing is proven yet', async () => {
    const { passkey } = await enrolled()
    expect(readShown(showPasskey(passkey, OPTIONS, ORIGIN))).toEqual({ id: passkey.id, handle: ADA.handle })
    expect(codeOf(() => readShown(showPasskey(passkey, OPTIONS, ORIGIN, { handle: null })))).toBe('access.passkey')
  })

  test.each<[string, Wrong]>([
    ['another origin', { origin: 'http://auth.example.com' }],
    ['another RP ID', { rpId: 'evil.test' }],
    ['another challenge', { challenge: 'YW5vdGhlcg' }],
    ['another ceremony', { type: 'webauthn.create' }],
    ['a user that was not verified', { isVerified: false }],
    ['nobody there', { isPresent: false }],
    ['a frame of another site', { crossOrigin: true }],
    ['a signature of something else', { signature: Buffer.from('no signature') }],
    ['a passkey that could not be synced before', { isSyncable: true }],
    ['another id', { id: 'YW5vdGhlciBpZA' }],
  ])('%s is refused', async (_, wrong) => {
    const { passkey, kept } = await enrolled()
    expect((await refusal(shown(passkey, kept, wrong))).code).toBe('access.passkey')
  })

  test('the passkey of another one is refused, and so is one that was made for another host', async () => {
    const [ada, grace] = [await enrolled(), await enrolled()]
    expect((await refusal(shown({ ...grace.passkey, id: ada.kept.id }, ada.kept))).code).toBe('access.passkey')
    expect((await refusal(shown(ada.passkey, { ...ada.kept, rpId: 'old.example.com' }))).code).toBe('access.passkey')
  })

  test('a synced passkey says so', async () => {
    const { passkey, kept } = await enrolled({ isSyncable: true })
    expect(kept).toMatchObject({ isSyncable: true, isSynced: false })
    expect(await shown(passkey, kept, { isSyncable: true, isSynced: true })).toEqual({ counter: 0, isSynced: true })
  })

  test('a counter that goes back is told apart from one that never counted', async () => {
    const { passkey, kept } = await enrolled()
    const back = await shown(passkey, kept, { counter: 7 })
    expect(isCloned({ counter: 7 }, back)).toBe(true)
    expect(isCloned({ counter: 7 }, { counter: 0 })).toBe(true)
    expect(isCloned({ counter: 7 }, { counter: 8 })).toBe(false)
    expect(isCloned({ counter: 0 }, { counter: 0 })).toBe(false)
  })
})
