import { exportJWK, generateKeyPair } from 'jose'
import { readProof, verifyProof } from '../../../src/session/device-binding.ts'
import { makeDevice } from '../../kit/device.ts'
import { hold, type Subject, textOf } from '../subject.ts'

const device = await makeDevice()
const CHALLENGE = 'one-that-was-given'
const { x = '', y = '' } = await exportJWK(device.publicKey)
const other = await exportJWK((await generateKeyPair('ES256', { extractable: true })).publicKey)
const OTHER = { x: other.x ?? '', y: other.y ?? '' }
const GOOD = await Promise.all([true, false].map(isNew => device.sign(CHALLENGE, { isNew })))
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The field in which a browser sends what its device signed. */
export const deviceProofs: Subject = {
  name: 'device-proofs',
  seeds: [
    ...GOOD,
    ...GOOD.map(text => `"${text}"`),
    await device.sign(CHALLENGE, { header: { typ: 'JWT' } }),
    `${part({ alg: 'none', typ: 'dbsc+jwt' })}.${part({ jti: CHALLENGE })}.`,
    `${part({ alg: 'HS256', typ: 'dbsc+jwt', jwk: { kty: 'EC', crv: 'P-256', x, y } })}.${part({ jti: 1 })}.AAAA`,
    '..',
  ],
  words: [
    '.',
    '"',
    '=',
    'A',
    part({ alg: 'ES256', typ: 'dbsc+jwt' }),
    part({ jti: 'x' }),
    part({}),
    part([]),
    'bnVsbA',
  ],
  maxBytes: 900,
  open: () => ({
    async attempt(input) {
      const text = textOf(input)
      const stated = readProof(text)
      if (stated === null) return `none ${Math.min(4, text.split('.').length)}`
      const [mine, others] = [await verifyProof(stated, { x, y }), await verifyProof(stated, OTHER)]
      hold(others !== 'good', 'a proof is by no key but the one that signed it', text)
      // What is signed is the two parts before: a signature has spellings, and what it says has not.
      const signed = (one: string) => one.split('.').slice(0, 2).join('.')
      const isGood = GOOD.some(one => signed(one) === signed(stated.text))
      hold(mine !== 'good' || isGood, 'nothing else is taken for what the device signed', text)
      hold(mine !== 'good' || stated.challenge === CHALLENGE, 'a good proof says the challenge that was signed', text)
      return `${mine} ${others} ${stated.key === null} ${stated.challenge === CHALLENGE}`
    },
  }),
}
