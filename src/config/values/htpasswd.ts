/** Lines of htpasswd and of TOTP secrets, and which hashes are weak. */

import type { ConfigFiles } from './files.ts'

/** The name by which rules call a portal's file of passwords among its providers. */
export const HTPASSWD = 'htpasswd'

/** What a file of lines of names and hashes says, and what is wrong with it: a sentence's beginning for each line that is. */
export interface ReadHtpasswd {
  /** Names, and what a password has to hash to. */
  readonly entries: ReadonlyMap<string, string>
  readonly faults: readonly string[]
  readonly hasWeak: boolean
}

/** bcrypt and Argon2 in their own spelling, and the MD5 of Apache, which `htpasswd` makes by default. */
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/
const ARGON2 = /^\$argon2(?:id|i|d)\$v=19\$m=(\d{1,9}),t=(\d{1,4}),p=(\d{1,3})\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$/
const APR1 = /^\$apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}$/

/** A hash beyond these would let one request keep a core or the memory busy for seconds. */
const MOST_BCRYPT_COST = 16
const MOST_ARGON2_KIB = 1024 * 1024

/** What is wrong with the text of such a file, a sentence for each line that is; none for a good one. */
export function passwordFaults(text: string): readonly string[] {
  const { entries, faults } = readHtpasswd(text)
  return faults.length === 0 && entries.size === 0 ? ['it names nobody'] : faults
}

/** Lines of `NAME:HASH`; blank ones, and those that begin with #, say nothing. No fault repeats what a line holds. */
export function readHtpasswd(text: string): ReadHtpasswd {
  const entries = new Map<string, string>()
  const faults: string[] = []
  let hasWeak = false
  for (const { line, number } of linesOf(text)) {
    const colon = line.indexOf(':')
    const [name, hash] = [line.slice(0, colon), line.slice(colon + 1).trimEnd()]
    const fault = colon < 1 ? 'has no name and hash in' : (nameFault(name) ?? hashFault(hash))
    if (fault !== null) faults.push(`${fault} line ${number}`)
    else if (entries.has(name)) faults.push(`a user name is defined twice, again in line ${number}`)
    else entries.set(name, hash)
    hasWeak ||= isWeakHash(hash)
  }
  return { entries, faults, hasWeak }
}

/** A text without the mark that some editors begin it with (U+FEFF), which would be a part of the first name. */
export function withoutMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text
}

/** The lines that say something. */
function linesOf(text: string): readonly { readonly line: string; readonly number: number }[] {
  return withoutMark(text)
    .split('\n')
    .map((raw, index) => ({ line: raw.replace(/\r$/, ''), number: index + 1 }))
    .filter(({ line }) => line.trim() !== '' && !line.startsWith('#'))
}

/** What is wrong with a name, as the beginning of a sentence; null for a good one. */
function nameFault(name: string): string | null {
  if (name.includes('\uFFFD')) return 'has a name that is not UTF-8 in'
  return /\p{Cc}/u.test(name) ? 'has a control character in' : null
}

/** Whether a hash is of an old kind that is quick to guess. */
export function isWeakHash(hash: string): boolean {
  return APR1.test(hash)
}

/** What is wrong with a hash, as the beginning of a sentence; null for a good one. */
export function hashFault(hash: string): string | null {
  const bcrypt = BCRYPT.exec(hash)
  if (bcrypt !== null) {
    const cost = Number(bcrypt[1])
    if (cost < 4) return 'bcrypt needs a cost of 4 or more in'
    return cost > MOST_BCRYPT_COST ? `bcrypt may cost ${MOST_BCRYPT_COST} at most in` : null
  }
  const argon2 = ARGON2.exec(hash)
  if (argon2 !== null) return Number(argon2[1]) > MOST_ARGON2_KIB ? 'Argon2 may take 1 GiB of memory at most in' : null
  if (APR1.test(hash)) return null
  if (hash.startsWith('{SHA}')) return 'SHA-1 is no protection for the password in'
  if (/^\$[56]\$/.test(hash)) return 'the SHA of crypt(3) is not read in'
  if (/^[./A-Za-z0-9]{13}$/.test(hash)) return 'the old crypt(3) is no protection for the password in'
  return 'there is no hash that can be read, perhaps a password in clear text, in'
}

/** Who has to bring a code of an authenticator application: names, and the secret of each in Base32. */
export type Totp = ReadonlyMap<string, string>

/** What a file of such secrets says, and what is wrong with it: a sentence's beginning for each line that is. */
export interface ReadTotp {
  readonly entries: Totp
  readonly faults: readonly string[]
}

/** 128 bits, the least that RFC 4226 §4 R6 takes, are 26 characters (RFC 4648 §6). */
const SECRET = /^[A-Z2-7]{26,128}$/

/** Whether this is a secret for codes, as long as it has to be. */
export function isTotpSecret(text: string): boolean {
  return SECRET.test(text)
}

/** The secrets of a file; empty without a file. */
export function buildTotp(path: string | null, files: ConfigFiles): Totp {
  if (path === null) return new Map()
  const file = files.read(path)
  if (!file.ok) throw new TypeError('a file that cannot be read is a mistake')
  return readTotp(file.text).entries
}

/**
 * Lines of `NAME:SECRET`; blank ones, and those that begin with #, are skipped. An empty file is valid: no user has a
 * secret yet.
 *
 * No fault repeats the content of a line.
 */
export function readTotp(text: string): ReadTotp {
  const entries = new Map<string, string>()
  const faults: string[] = []
  for (const { line, number } of linesOf(text)) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon)
    const secret = line
      .slice(colon + 1)
      .trimEnd()
      .toUpperCase()
      .replace(/=+$/, '')
    const fault = colon < 1 ? 'has no name and secret in' : nameFault(name)
    if (fault !== null) faults.push(`${fault} line ${number}`)
    else if (!isTotpSecret(secret)) faults.push(`has no secret of 128 bits or more in Base32 in line ${number}`)
    else if (entries.has(name)) faults.push(`a user name is defined twice, again in line ${number}`)
    else entries.set(name, secret)
  }
  return { entries, faults }
}
