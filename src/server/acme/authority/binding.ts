import { type FlattenedJWS, FlattenedSign, type JWK } from 'jose'
import type { ExternalAccount } from '../../../config/types/tls.ts'

/** The word of an account elsewhere for the key of the one that is being made: a JWS over that key (RFC 8555 §7.3.4). */
export async function bindAccount({ id, key }: ExternalAccount, jwk: JWK, newAccount: string): Promise<FlattenedJWS> {
  return await new FlattenedSign(new TextEncoder().encode(JSON.stringify(jwk)))
    .setProtectedHeader({ alg: 'HS256', kid: id, url: newAccount })
    .sign(Buffer.from(key, 'base64url'))
}
