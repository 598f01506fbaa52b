import { timingSafeEqual } from 'node:crypto'
import type { UserEntry, UsersConfig } from '../../config/types/users.ts'
import { HTPASSWD } from '../../config/values/htpasswd.ts'
import { type Identity, makeIdentity } from '../identity.ts'
import { apr1 } from './apr1.ts'
import { userClaims, userSubject, vouchedBy } from './users.ts'

/** bcrypt reads no further, and every program that writes its hashes cuts here. */
const BCRYPT_BYTES = 72

/**
 * Whether a password has this hash: bcrypt, Argon2 or Apache's MD5, as the checked file has it.
 *
 * bcrypt and Argon2 run on another thread. False for a hash that cannot be read.
 */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  const bytes = Buffer.from(password, 'utf8')
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

/** Whoever a file of passwords names. The subject has a prefix, so that it is never taken for one that a provider gave. */
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
  // Control characters are nobody's (RFC 7617 §2), nor is what is not UTF-8.
  if (colon === -1 || /\p{Cc}|\uFFFD/u.test(pair)) return 'malformed'
  return { name: pair.slice(0, colon), password: pair.slice(colon + 1) }
}

const LONGEST = 2048
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
