/** The key that seals what is stored: read, made at the first start, and held against the store that it is for. */

import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { sha256, toBase64Url } from '../base/bytes.ts'
import { GateError } from '../base/errors.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import type { Ports } from '../base/ports.ts'
import { fileFailed } from './disk-errors.ts'
import type { SessionStore } from './store.ts'

const KEY_BYTES = 32

/**
 * The key that seals what is at rest and what travels through browsers; made on first use, mode 0600, beside the database.
 *
 * Shape: the file holds 32 bytes as base64url. A second process that starts at the same moment gets the same key: the file
 * appears whole or not at all. Throws `session.store` when the file is unreadable, of another shape, or cannot be made.
 */
export function openKey(path: string, ports: Pick<Ports, 'random'>): Uint8Array<ArrayBuffer> {
  const existing = readKey(path)
  if (existing !== null) return existing
  const fresh = ports.random(KEY_BYTES)
  const draft = `${path}.${crypto.randomUUID()}.new`
  try {
    writeKey(draft, fresh)
    try {
      linkSync(draft, path)
      return fresh
    } catch (error) {
      const theirs = readKey(path)
      if (theirs === null) throw error
      return theirs
    }
  } catch (error) {
    throw fileFailed(`the key file ${path} cannot be made`, path, error)
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Writes a key to a path where nothing is yet, mode 0600. Throws what the system throws, `EEXIST` among it. */
export function writeKey(path: string, key: Uint8Array): void {
  const file = openSync(path, 'wx', 0o600)
  try {
    fillKey(file, key)
  } finally {
    closeSync(file)
  }
}

/** Writes a key to an empty file, by its descriptor. */
export function fillKey(file: number, key: Uint8Array): void {
  writeFileSync(file, `${Buffer.from(key).toString('base64url')}\n`)
  fsyncSync(file)
}

/** The key in a file, which a descriptor of it may stand for; null where there is no such file. Throws `session.store` for what is not a key. */
export function readKey(path: string, opened?: number): Uint8Array<ArrayBuffer> | null {
  let text: string
  try {
    text = readFileSync(opened ?? path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw new GateError('session.store', `the key file ${path} cannot be read`, {
      cause: error,
      hint: 'check its owner and mode',
    })
  }
  const key = Uint8Array.from(Buffer.from(text.trim(), 'base64url'))
  if (key.length !== KEY_BYTES) {
    throw new GateError('session.store', `the key file ${path} does not hold a key`, {
      hint: 'restore it from a backup, or remove it: all users then sign in again',
    })
  }
  return key
}

/** Under which name a store keeps what its key hashes to. */
export const KEY_NAME = 'key'

/** A value that identifies a key without revealing it: a hash of 256 random bits, with its purpose. */
export function printOf(key: Uint8Array): string {
  return sha256(`the key of a session store ${toBase64Url(key)}`)
}

/**
 * Whether one of these keys is the one that a store was sealed with; a store that does not say so yet takes the first as its own, and so
 * does one that was sealed with an older one of them.
 */
export function fitsStore(
  store: Pick<SessionStore, 'readShared' | 'replaceShared'>,
  keys: readonly Uint8Array[],
): MaybePromise<boolean> {
  const prints = keys.map(printOf)
  const [ours = ''] = prints
  const isOurs = (known: string | null) => known !== null && prints.includes(known)
  return andThen(store.readShared(KEY_NAME), known => {
    if (known === ours) return true
    if (known !== null && !isOurs(known)) return false
    return andThen(store.replaceShared(KEY_NAME, known, ours), isDone =>
      // Somebody else was quicker: what they wrote counts.
      isDone ? true : andThen(store.readShared(KEY_NAME), isOurs),
    )
  })
}
