/** Hashes, random tokens and base64url. */

import { createHash } from 'node:crypto'

/** SHA-256 of bytes, or of text as UTF-8: base64url without padding: 43 characters. How every secret is stored and compared. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('base64url')
}

/** Bytes as base64url without padding (RFC 4648 §5). */
export function toBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/** 256 random bits as base64url: a cookie's value, a state, a ticket. */
export function randomToken(random: (byteCount: number) => Uint8Array): string {
  return toBase64Url(random(32))
}

/** Whether text has the shape that `randomToken` makes. */
export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

const TOKEN = /^[A-Za-z0-9_-]{43}$/
