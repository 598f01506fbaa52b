/** What a device signs, read and verified (Device Bound Session Credentials, "DBSC proof"). Nothing here knows a session. */

import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, errors, importJWK, jwtVerify } from 'jose'
import type { DeviceKey } from './device-binding.ts'

/** A proof as it came: what it says is not verified yet. */
export interface StatedProof {
  readonly text: string
  readonly challenge: string
  /** The key that it brings, as at a registration; null: none, or none of the kind that is taken. */
  readonly key: DeviceKey | null
}

/** The only kind that is offered. */
export const ALGORITHM = 'ES256'

const TYPE = 'dbsc+jwt'

/** A proof has some 400 characters, and a challenge of ours in it. */
const LONGEST = 4096

const FORM = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/** The proof in a field `Secure-Session-Response`; null for anything else, such as another type or algorithm. */
export function readProof(field: string | null): StatedProof | null {
  const text = field?.replace(/^"(.*)"$/, '$1') ?? ''
  if (text.length > LONGEST || !FORM.test(text)) return null
  try {
    const { alg, typ, jwk } = decodeProtectedHeader(text)
    const { jti } = decodeJwt(text)
    if (alg !== ALGORITHM || typ !== TYPE || typeof jti !== 'string') return null
    return { text, challenge: jti, key: keyOf(jwk) }
  } catch {
    return null
  }
}

function keyOf(jwk: unknown): DeviceKey | null {
  if (typeof jwk !== 'object' || jwk === null || !('x' in jwk && 'y' in jwk)) return null
  const { x, y } = jwk
  if (Reflect.get(jwk, 'kty') !== 'EC' || Reflect.get(jwk, 'crv') !== 'P-256') return null
  return typeof x === 'string' && typeof y === 'string' ? { x, y } : null
}

/** Whether a proof is by this key: `other` where its signature is by another one, `malformed` for anything else that is wrong. */
export async function verifyProof({ text }: StatedProof, key: DeviceKey): Promise<'good' | 'other' | 'malformed'> {
  try {
    const imported = await importJWK({ kty: 'EC', crv: 'P-256', ...key }, ALGORITHM)
    await jwtVerify(text, imported, { algorithms: [ALGORITHM], typ: TYPE })
    return 'good'
  } catch (thrown) {
    return thrown instanceof errors.JWSSignatureVerificationFailed ? 'other' : 'malformed'
  }
}

export function thumbprintOf({ x, y }: DeviceKey): Promise<string> {
  return calculateJwkThumbprint({ kty: 'EC', crv: 'P-256', x, y })
}
