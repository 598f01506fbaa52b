/** Seals values (AES-GCM), such as tickets and what a store keeps, each for one purpose. */

import { createHmac } from 'node:crypto'
import { toBase64Url } from '../base/bytes.ts'
import type { Ports } from '../base/ports.ts'

/**
 * Values that leave our hands (in an address, in a database) and must come back unread and unchanged.
 *
 * `purpose` keeps one use from being taken for another: what was sealed for `to` opens for nothing else.
 */
export interface Sealer {
  /** The value as base64url text. Throws TypeError for a value that JSON cannot hold. */
  seal(value: object, purpose: string, expiresAtMs: number): Promise<string>
  /** The value, or null for anything expired, foreign, sealed for another purpose or forged; the caller checks its shape. */
  open(text: string, purpose: string): Promise<unknown>
  /**
   * Eight letters, digits, `-` and `_` for a text: always the same for one text and key. They reveal nothing of the
   * text.
   */
  mark(text: string, purpose: string): string
}

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const MARK_LENGTH = 8
const BASE64URL = /^[A-Za-z0-9_-]+$/

/**
 * A Sealer with AES-256-GCM: nonce, ciphertext and tag in one text, the purpose as additional data.
 *
 * `older` keys open what they have sealed, and seal nothing any more. Nonces are random 96-bit values, which is sound for 2^32 seals under one key (NIST SP 800-38D §8.3).
 * Throws TypeError for a key that is not 32 bytes long.
 */
export function createSealer(
  key: Uint8Array,
  ports: Pick<Ports, 'now' | 'random'>,
  older: readonly Uint8Array[] = [],
): Sealer {
  const [newest, ...others] = [key, ...older].map(cipherOf)
  if (newest === undefined) throw new TypeError('there is a key to seal by')
  const { raw } = newest

  return Object.freeze({
    async seal(value: object, purpose: string, expiresAtMs: number) {
      if (!Number.isFinite(expiresAtMs)) throw new TypeError('a sealed value needs a finite expiry')
      const plain = new TextEncoder().encode(JSON.stringify({ expiresAtMs, value }))
      const nonce = ports.random(NONCE_BYTES)
      const sealed = await crypto.subtle.encrypt(algorithm(nonce, purpose), await newest.imported(), plain)
      const text = new Uint8Array(NONCE_BYTES + sealed.byteLength)
      text.set(nonce)
      text.set(new Uint8Array(sealed), NONCE_BYTES)
      return toBase64Url(text)
    },

    async open(text: string, purpose: string) {
      if (!BASE64URL.test(text)) return null
      const bytes = Uint8Array.from(Buffer.from(text, 'base64url'))
      // A last character may carry spare bits: only the one spelling that `seal` makes is accepted.
      if (bytes.byteLength <= NONCE_BYTES + TAG_BYTES || toBase64Url(bytes) !== text) return null
      const nonce = bytes.slice(0, NONCE_BYTES)
      let opened: ArrayBuffer | null = null
      for (const { imported } of [newest, ...others]) {
        opened ??= await crypto.subtle
          .decrypt(algorithm(nonce, purpose), await imported(), bytes.slice(NONCE_BYTES))
          .catch(() => null)
      }
      if (opened === null) return null
      const parsed: unknown = JSON.parse(new TextDecoder().decode(opened))
      if (typeof parsed !== 'object' || parsed === null || !('expiresAtMs' in parsed) || !('value' in parsed))
        return null
      return typeof parsed.expiresAtMs === 'number' && ports.now() < parsed.expiresAtMs ? parsed.value : null
    },

    mark: (text: string, purpose: string) =>
      createHmac('sha256', raw)
        .update(JSON.stringify([purpose, text]))
        .digest('base64url')
        .slice(0, MARK_LENGTH),
  })
}

function cipherOf(key: Uint8Array) {
  if (key.byteLength !== KEY_BYTES) throw new TypeError(`the sealing key has ${key.byteLength} bytes, not ${KEY_BYTES}`)
  const raw = new Uint8Array(key)
  let promise: Promise<CryptoKey> | null = null
  const imported = () => {
    promise ??= crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt'])
    return promise
  }
  return { raw, imported }
}

function algorithm(iv: Uint8Array<ArrayBuffer>, purpose: string) {
  return { name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(purpose), tagLength: TAG_BYTES * 8 }
}
