import { createPrivateKey, sign } from 'node:crypto'
import { createLocalJWKSet } from 'jose'
import type { KeySource } from '../../src/identity/jwks.ts'

/** A key for these tests alone. */
const PUBLIC = {
  kty: 'EC',
  crv: 'P-256',
  x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
  y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
}
const PRIVATE = createPrivateKey({
  key: { ...PUBLIC, d: 'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI' },
  format: 'jwk',
})
const SET = createLocalJWKSet({ keys: [{ ...PUBLIC, kid: 'one', alg: 'ES256', use: 'sig' }] })
/** The provider's keys, which do not change. */
export const KEYS: KeySource = { get: async () => SET, refetch: async () => null, askAnew() {} }

export const encode = (text: string | Uint8Array) => Buffer.from(text).toString('base64url')

/** A token that the provider signed, whatever it says. */
export function signed(header: string, claims: string): string {
  const head = `${encode(Buffer.from(header, 'latin1'))}.${encode(Buffer.from(claims, 'latin1'))}`
  return `${head}.${encode(sign('sha256', Buffer.from(head), { key: PRIVATE, dsaEncoding: 'ieee-p1363' }))}`
}

/** An input that has these said by the provider: `S`, a head and claims in JSON. */
export const said = (header: object, claims: object) => `S${JSON.stringify(header)}\n${JSON.stringify(claims)}`

/** The token of an input: `T` and one as it comes, or `S`, a head and claims in JSON, which are signed well. */
export function tokenOf(text: string): { readonly token: string; readonly isOurs: boolean } {
  const isOurs = text.startsWith('S')
  const [header = '', ...rest] = text.slice(1).split('\n')
  return { token: isOurs ? signed(header, rest.join('\n')) : text.slice(1), isOurs }
}
