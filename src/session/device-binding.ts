/** The device that a session is bound to (W3C Device Bound Session Credentials): what is kept of it, what it signs, and which cookie proves it. */

import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, errors, importJWK, jwtVerify } from 'jose'
import { sha256 } from '../base/bytes.ts'
import { cookieName, suffixedName, writeCookie } from './cookie.ts'

/** A public key of P-256 (RFC 7518 §6.2.1). */
export interface DeviceKey {
  readonly x: string
  readonly y: string
}

/** The device that a session is bound to, for as long as the session lasts. */
export interface Binding {
  readonly key: DeviceKey
  /** Identifies the key (RFC 7638). */
  readonly thumbprint: string
  readonly boundAtMs: number
  /** Where the device was when it last signed from another network than before. */
  readonly network: string
  /** The name of the cookie that proves the device: one for each session, so that two sessions of a browser do not overwrite each other's. */
  readonly cookie: string
}

/** What a session's row says of its device; throws for what is not that. */
export function parseBinding(sessionId: string, text: string): Binding {
  const raw: unknown = JSON.parse(text)
  if (typeof raw === 'object' && raw !== null && 'key' in raw && typeof raw.key === 'object' && raw.key !== null) {
    const { key } = raw
    const [thumbprint, boundAtMs, network] = ['thumbprint', 'boundAtMs', 'network'].map(name => Reflect.get(raw, name))
    const [x, y] = [Reflect.get(key, 'x'), Reflect.get(key, 'y')]
    const isKey = typeof x === 'string' && typeof y === 'string' && typeof thumbprint === 'string'
    if (isKey && typeof boundAtMs === 'number' && typeof network === 'string') {
      return Object.freeze({ key: { x, y }, thumbprint, boundAtMs, network, cookie: proofCookieName(sessionId) })
    }
  }
  throw new TypeError('a device is kept in another form')
}

/** The text that `parseBinding` reads. */
export function renderBinding({ key, thumbprint, boundAtMs, network }: Omit<Binding, 'cookie'>): string {
  return JSON.stringify({ key: { x: key.x, y: key.y }, thumbprint, boundAtMs, network })
}

/** The same of a session that may be bound to none. */
export function keptOf(bound: Binding | undefined): string | undefined {
  return bound === undefined ? undefined : renderBinding(bound)
}

/** The name of its proof's cookie, for a session that may become bound. It exists by HTTPS only. */
export function proofCookieName(sessionId: string): string {
  return suffixedName(cookieName('bound', true), sha256(sessionId))
}

/** The attributes of that cookie as the browser is told to expect them: they have to be those of Set-Cookie. */
export const PROOF_ATTRIBUTES = 'Path=/; HttpOnly; Secure; SameSite=Lax'

/**
 * The Set-Cookie of a proof. In the browser it ends a tenth earlier than here, since clocks differ and answers take time: one that is
 * over is never sent by a browser, which renews it instead.
 */
export function writeProof(name: string, value: string, lifetimeMs: number): string {
  return writeCookie(name, value, true, Math.max(0, Math.round((lifetimeMs * IN_BROWSER) / 1000) * 1000))
}

const IN_BROWSER = 0.9

/** A proof as it came: what it says is not verified yet. */
interface StatedProof {
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
