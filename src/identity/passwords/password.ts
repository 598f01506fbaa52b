/** Passwords of people in a file of our own: HTTP Basic, and hashes (bcrypt, Argon2, Apache's MD5). */

import { createHash, timingSafeEqual } from 'node:crypto'
import type { UsersConfig } from '../../config/resolve/providers.ts'
import { HTPASSWD } from '../../config/values/htpasswd.ts'
import type { UserEntry } from '../../config/values/users-file.ts'
import { type Identity, makeIdentity } from '../identity.ts'
import { userClaims, userSubject, vouchedBy } from './users.ts'

/** bcrypt reads no further, and every program that writes its hashes cuts here. */
const BCRYPT_BYTES = 72

/** Far more than anybody types. Our forms take far longer fields, for passkeys, and Apache's MD5 would hash one for half a second. */
const MOST_BYTES = 2048

/**
 * Whether a password has this hash: bcrypt, Argon2 or Apache's MD5, as the checked file has it.
 *
 * bcrypt and Argon2 run on another thread. False for a hash that cannot be read, and for a password over `MOST_BYTES`.
 */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  const bytes = Buffer.from(password, 'utf8')
  if (bytes.length > MOST_BYTES) return false
  if (hash.startsWith('$apr1$')) {
    const [, , salt = ''] = hash.split('$')
    const made = Buffer.from(apr1(bytes, salt))
    const wanted = Buffer.from(hash)
    return made.length === wanted.length && timingSafeEqual(made, wanted)
  }
  try {
    return await Bun.password.verify(hash.startsWith('$2') ? bytes.subarray(0, BCRYPT_BYTES) : bytes, hash)
  } catch {
    return false
  }
}

/** What is hashed with Argon2id by these takes about 50 ms and 64 MiB (RFC 9106 §4 recommends no less for this memory). */
const ARGON2ID = { algorithm: 'argon2id', memoryCost: 64 * 1024, timeCost: 3 } as const

/** The hash of a new password. */
export function hashPassword(password: string): Promise<string> {
  return Bun.password.hash(password, ARGON2ID)
}

/** What is in place of the hash where a user has no password: 32 bytes of zeros, which no password is hashed to. */
const NO_DIGEST = digestText(new Uint8Array(32))

/** 32 bytes as hashes of Argon2 have them: in Base64 without padding. */
function digestText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').slice(0, 43)
}

/**
 * A hash that no password has. It is like any other for a program that reads the file, and takes as long to try, so that nobody learns who
 * has no password. No two are the same: whoever gets the name later is somebody else.
 */
export function hashOfNone(random: (bytes: number) => Uint8Array): string {
  const { memoryCost, timeCost } = ARGON2ID
  return `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=1$${digestText(random(32))}$${NO_DIGEST}`
}

/** Whether a hash is one that no password has. */
export function isHashOfNone(hash: string): boolean {
  return hash.endsWith(`$${NO_DIGEST}`)
}

/** NIST SP 800-63B-4 §3.1.1.2 asks for 8 at least; a field of HTTP Basic has room for far more than the most. */
export const [SHORTEST_PASSWORD, LONGEST_PASSWORD] = [8, 256] as const

export type PasswordFault = 'short' | 'long' | 'control' | 'name'

/** What keeps a password of this user from being taken; null for a good one. An empty name: nobody's in particular. */
export function passwordFault(password: string, name: string): PasswordFault | null {
  const { length } = [...password]
  if (length < SHORTEST_PASSWORD) return 'short'
  if (length > LONGEST_PASSWORD) return 'long'
  if (/\p{Cc}/u.test(password)) return 'control'
  const rest = name === '' ? password : password.toLowerCase().replaceAll(name.toLowerCase(), '')
  return [...rest].length < MOST_OF_NAME ? 'name' : null
}

/** So many characters are left at least where the name is taken out. */
const MOST_OF_NAME = 4

/** A user of a password file. The prefix of the subject keeps it apart from the subjects of providers. */
export function passwordIdentity(users: UsersConfig, name: string, entry: UserEntry): Identity {
  const identity = makeIdentity(HTPASSWD, '', userSubject(name), userClaims(name, entry, users.groups))
  return Object.freeze({ ...identity, ...vouchedBy(users, name, entry) })
}

/** A name and a password from an Authorization field; null where it is not Basic, `malformed` where it is and cannot be read. */
export function parseBasic(
  authorization: string,
): { readonly name: string; readonly password: string } | 'malformed' | null {
  const [lead = '', scheme = ''] = /^([a-z]+)(?: +|$)/i.exec(authorization) ?? []
  if (scheme.toLowerCase() !== 'basic') return null
  const encoded = authorization.slice(lead.length)
  if (encoded.length > LONGEST || !BASE64.test(encoded)) return 'malformed'
  const bytes = Buffer.from(encoded, 'base64')
  const pair = bytes.toString('utf8')
  const colon = pair.indexOf(':')
  // No user name has control characters (RFC 7617 §2), or bytes that are not UTF-8.
  if (colon === -1 || /\p{Cc}|\uFFFD/u.test(pair)) return 'malformed'
  return { name: pair.slice(0, colon), password: pair.slice(colon + 1) }
}

const LONGEST = 2048
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

const MAGIC = '$apr1$'
const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ROUNDS = 1000

/** The order in which bytes of the digest are written, three at a time. */
const TRIPLES = [
  [0, 6, 12],
  [1, 7, 13],
  [2, 8, 14],
  [3, 9, 15],
  [4, 10, 5],
] as const

/**
 * The hash of a password as Apache's `htpasswd -m` writes it: `$apr1$SALT$…`. Takes about a millisecond, on this thread.
 *
 * Old and quick to guess: for files that have it already.
 * Source: Apache HTTP Server, "Password Formats" (APR1); the algorithm is Poul-Henning Kamp's MD5 crypt with another magic.
 */
function apr1(password: Uint8Array, salt: string): string {
  const own = Buffer.from(password)
  const salted = Buffer.from(salt, 'latin1')
  const inner = md5(own, salted, own)
  const parts: Uint8Array[] = [own, Buffer.from(MAGIC), salted]
  for (let left = own.length; left > 0; left -= 16) parts.push(inner.subarray(0, Math.min(16, left)))
  for (let bits = own.length; bits > 0; bits >>= 1) parts.push(bits & 1 ? Buffer.alloc(1) : own.subarray(0, 1))
  let digest = md5(...parts)
  for (let round = 0; round < ROUNDS; round++) {
    const isOdd = (round & 1) === 1
    const between = [...(round % 3 === 0 ? [] : [salted]), ...(round % 7 === 0 ? [] : [own])]
    digest = md5(isOdd ? own : digest, ...between, isOdd ? digest : own)
  }
  let text = ''
  for (const [high, middle, low] of TRIPLES) {
    text += encode(((digest[high] ?? 0) << 16) | ((digest[middle] ?? 0) << 8) | (digest[low] ?? 0), 4)
  }
  return `${MAGIC}${salt}$${text}${encode(digest[11] ?? 0, 2)}`
}

function md5(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('md5')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** Six bits a character, the lowest first. */
function encode(value: number, length: number): string {
  let text = ''
  for (let left = value, index = 0; index < length; index++, left >>= 6) text += ALPHABET[left & 63]
  return text
}
