/** Signing keys: made, published ahead, rotated and retired. */

import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { sha256 } from '../../base/bytes.ts'

/** A public key as it is published (RFC 7517 §4, RFC 7518 §6.2.1). */
export interface PublicJwk {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly x: string
  readonly y: string
  /** The key's thumbprint (RFC 7638). */
  readonly kid: string
  readonly alg: 'ES256'
  readonly use: 'sig'
}

/** One key with which the gate signs. */
export interface SigningKey {
  readonly publicJwk: PublicJwk
  readonly privateKey: KeyObject
  /** From then on it signs, until the next one does. It is published as soon as it is made. */
  readonly signsFromMs: number
}

const HOUR_MS = 60 * 60 * 1000

/** How long a key signs. */
export const ROTATE_MS = 30 * 24 * HOUR_MS

/** How long a key is published before it signs: longer than anyone keeps a key set without looking again. */
export const AHEAD_MS = 24 * HOUR_MS

/** How long readers may keep the published set. */
export const KEY_SET_MAX_AGE_S = 60 * 60

/** How long a key stays published once the next one signs: its last assertions live for minutes, and clocks differ. */
export const RETIRE_MS = 2 * HOUR_MS

/** A new key. */
export function makeSigningKey(signsFromMs: number): SigningKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return keyOf(privateKey, signsFromMs)
}

/** The key that signs at a moment: the newest whose time has come; the oldest where the clock is before them all. */
export function keyAt(keys: readonly SigningKey[], nowMs: number): SigningKey | undefined {
  return keys.findLast(({ signsFromMs }) => signsFromMs <= nowMs) ?? keys[0]
}

/**
 * The keys as they should be at a moment, oldest first: the next one in time, the old ones gone. The same value where nothing changes.
 *
 * Without a key at all the first one signs at once; any later one is published for `AHEAD_MS` before it does.
 */
export function tendKeys(keys: readonly SigningKey[], nowMs: number): readonly SigningKey[] {
  const newest = keys.at(-1)
  if (newest === undefined) return [makeSigningKey(nowMs)]
  const kept = keys.filter((_, index) => {
    const next = keys[index + 1]
    return next === undefined || nowMs < next.signsFromMs + RETIRE_MS
  })
  const nextAtMs = newest.signsFromMs + ROTATE_MS
  if (nowMs >= nextAtMs - AHEAD_MS) return [...kept, makeSigningKey(Math.max(nextAtMs, nowMs + AHEAD_MS))]
  return kept.length === keys.length ? keys : kept
}

/** Keys as a value that can be kept; with their private halves, so sealed. */
export function packKeys(keys: readonly SigningKey[]): object {
  return {
    keys: keys.map(({ privateKey, signsFromMs }) => ({ signsFromMs, key: privateKey.export({ format: 'jwk' }) })),
  }
}

/** Stored keys, oldest first; null for a value in another form. */
export function parseKeys(raw: unknown): readonly SigningKey[] | null {
  if (typeof raw !== 'object' || raw === null || !('keys' in raw) || !Array.isArray(raw.keys)) return null
  try {
    const keys = raw.keys.map(({ key, signsFromMs }: { key: object; signsFromMs: unknown }) => {
      if (typeof signsFromMs !== 'number' || !Number.isFinite(signsFromMs))
        throw new TypeError('a key without its time')
      return keyOf(createPrivateKey({ key: { ...key }, format: 'jwk' }), signsFromMs)
    })
    return keys.length === 0 ? null : keys.toSorted((one, other) => one.signsFromMs - other.signsFromMs)
  } catch {
    return null
  }
}

function keyOf(privateKey: KeyObject, signsFromMs: number): SigningKey {
  const { kty, crv, x, y } = privateKey.export({ format: 'jwk' })
  if (kty !== 'EC' || crv !== 'P-256' || x === undefined || y === undefined) throw new TypeError('no key for ES256')
  // RFC 7638 §3.2: these members, in this order.
  const kid = sha256(JSON.stringify({ crv, kty, x, y }))
  return Object.freeze({
    privateKey,
    signsFromMs,
    publicJwk: Object.freeze({ kty, crv, x, y, kid, alg: 'ES256', use: 'sig' }),
  })
}
