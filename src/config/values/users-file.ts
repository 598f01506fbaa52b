/** Files of users: what an entry says, in TOML or as lines of htpasswd. */

import { sha256 } from '../../base/bytes.ts'
import { createLocator } from '../text/locate.ts'
import { parseToml } from '../text/parse.ts'
import type { Path, Raw, RawTable } from '../text/raw.ts'
import { parseEmail } from './email.ts'
import type { ConfigFiles } from './files.ts'
import { hashFault, isTotpSecret, isWeakHash, readHtpasswd } from './htpasswd.ts'

/** A user of a file of our own. */
export interface UserEntry {
  /** What no other user ever has, also one of the same name later; null in a file of `NAME:HASH`, which has no ids. */
  readonly id: string | null
  /** What the password has to hash to. */
  readonly hash: string
  /** The secret of the second factor in Base32, where the file itself has it. */
  readonly totp: string | null
  /** The groups that only this user is in. */
  readonly groups: readonly string[]
  /** What people call this user; null: as the user signs in. */
  readonly displayName: string | null
  readonly email: string | null
  /** API tokens and guest links that were made in an earlier epoch are over. */
  readonly tokenEpoch: number
  /** Another one as soon as anything of the entry is another. */
  readonly mark: string
}

/** The users of a file, by their names. */
export type Users = ReadonlyMap<string, UserEntry>

/** What a file of users says, and what is wrong with it: a sentence's beginning for each fault. No fault repeats what the file holds. */
export interface ReadUsers {
  readonly entries: Users
  readonly faults: readonly string[]
  /** Whether a hash is of a kind that is quick to guess. */
  readonly hasWeak: boolean
}

/** Whether a file of users has tables (`[[users]]`), which hold ids, and not lines of `NAME:HASH`: its name says so. */
export function isUsersToml(path: string): boolean {
  return path.toLowerCase().endsWith('.toml')
}

/** The users of a file; null where none is named. Throws TypeError for one that cannot be read. */
export function buildUsers(path: string | null, files: ConfigFiles): Users | null {
  if (path === null) return null
  const file = files.read(path)
  if (!file.ok) throw new TypeError('a file that cannot be read is a mistake')
  return readUsers(path, file.text).entries
}

/** Reads a file of users in either format. */
export function readUsers(path: string, text: string): ReadUsers {
  if (isUsersToml(path)) return readUsersToml(text)
  const { entries, faults, hasWeak } = readHtpasswd(text)
  return { entries: new Map([...entries].map(([name, hash]) => [name, plainUser(hash)])), faults, hasWeak }
}

/** A user of whom only a password's hash is known, as a line of `NAME:HASH` says it. */
export function plainUser(hash: string): UserEntry {
  return userEntry({ id: null, hash, totp: null, groups: [], displayName: null, email: null, tokenEpoch: 0 })
}

function userEntry(said: Omit<UserEntry, 'mark'>): UserEntry {
  const { id, hash, totp, groups, displayName, email, tokenEpoch } = said
  const mark = sha256(JSON.stringify([id, hash, totp, groups, displayName, email, tokenEpoch]))
  return Object.freeze({ ...said, mark })
}

/** What keeps a name out of a file of users, as the end of a sentence; null for a good one. */
export function userNameFault(name: string): string | null {
  if (name === '') return 'is empty'
  // HTTP Basic ends a name at its colon (RFC 7617 §2).
  if (/[:\p{Cc}]/u.test(name)) return 'has a colon or a control character in it'
  return name.startsWith('#') || name !== name.trim() ? 'begins with # or has blanks at an end' : null
}

/** An id is one word, long enough that no operator gives the same one twice by chance. */
const ID = /^[A-Za-z0-9_-]{8,64}$/

const KEYS = new Set([
  'id',
  'name',
  'hash',
  'totp',
  'groups',
  'display_name',
  'email',
  'created',
  'password_changed',
  'token_epoch',
])

/** Tables of `[[users]]`. An unknown key is a fault: a misspelt key must not leave a user without a second factor. */
function readUsersToml(text: string): ReadUsers {
  const parsed = parseToml(text)
  if (!parsed.ok) {
    const why = parsed.plain === '' ? '' : ` (${parsed.plain})`
    return { entries: new Map(), faults: [`a mistake in TOML${why} is in line ${parsed.line}`], hasWeak: false }
  }
  const locator = createLocator(text)
  const faults: string[] = []
  const fault = (what: string, at: Path, part: 'key' | 'value' = 'value') => {
    faults.push(`${what} line ${locator.find(at, part).line}`)
  }
  for (const [key, { at }] of parsed.value.entries) if (key !== 'users') fault('there is no such key as in', at, 'key')
  const list = parsed.value.entries.get('users')
  if (list !== undefined && list.kind !== 'list')
    fault('[[users]] has to stand above each user, other than in', list.at)
  const entries = new Map<string, UserEntry>()
  const ids = new Set<string>()
  let hasWeak = false
  for (const item of list?.kind === 'list' ? list.items : []) {
    if (item.kind !== 'table') {
      fault('[[users]] has to stand above each user, other than in', item.at)
      continue
    }
    const before = faults.length
    const user = readUser(item, fault)
    if (user === null || faults.length > before) continue
    const { name, entry } = user
    if (entries.has(name)) fault('a user name is defined twice, again in', [...item.at, 'name'])
    else if (ids.has(entry.id ?? '')) fault('an id is defined twice, again in', [...item.at, 'id'])
    else entries.set(name, entry)
    ids.add(entry.id ?? '')
    hasWeak ||= isWeakHash(entry.hash)
  }
  return { entries, faults, hasWeak }
}

type TellFault = (what: string, at: Path, part?: 'key' | 'value') => void

function readUser(
  { at, entries }: RawTable,
  fault: TellFault,
): { readonly name: string; readonly entry: UserEntry } | null {
  for (const [key, raw] of entries) if (!KEYS.has(key)) fault('there is no such key as in', raw.at, 'key')
  const text = (key: string, whyNot: (value: string) => string | null): string | null => {
    const raw = entries.get(key)
    if (raw === undefined) return null
    const value = raw.kind === 'text' ? raw.source : null
    const why = value === null ? `${key} is no text in` : whyNot(value)
    if (why !== null) fault(why, raw.at)
    return value
  }
  const id = text('id', value => (ID.test(value) ? null : 'an id has 8 to 64 letters, digits, - and _, other than in'))
  const name = text('name', value => {
    const why = userNameFault(value)
    return why === null ? null : `the name ${why} in`
  })
  const hash = text('hash', hashFault)
  const totp = text('totp', value =>
    isTotpSecret(value) ? null : 'there is no secret of 128 bits or more in Base32 in',
  )
  const displayName = text('display_name', value =>
    value.trim() === '' || /\p{Cc}/u.test(value) ? 'the display name is empty or has a control character in' : null,
  )
  const email = text('email', value => (parseEmail(value).ok ? null : 'there is no e-mail address in'))
  for (const key of ['created', 'password_changed']) {
    const raw = entries.get(key)
    if (raw !== undefined && raw.kind !== 'date') fault(`${key} is no date in`, raw.at)
  }
  const groups = readGroups(entries.get('groups'), fault)
  const tokenEpoch = readEpoch(entries.get('token_epoch'), fault)
  // Whose tokens they are hangs on the id: without one, the next user of the name would have them.
  if (id === null && !entries.has('id')) fault('there is a user without id in', at)
  if (name === null && !entries.has('name')) fault('there is a user without name in', at)
  if (hash === null && !entries.has('hash')) fault('there is a user without hash in', at)
  if (id === null || name === null || hash === null) return null
  return { name, entry: userEntry({ id, hash, totp, groups, displayName, email, tokenEpoch }) }
}

function readGroups(raw: Raw | undefined, fault: TellFault): readonly string[] {
  if (raw === undefined) return []
  const items = raw.kind === 'list' ? raw.items : [raw]
  const groups = items.flatMap(item => (item.kind === 'text' && item.source !== '' ? [item.source] : []))
  if (raw.kind !== 'list' || groups.length !== items.length) fault('groups are no list of names in', raw.at)
  return Object.freeze(groups)
}

function readEpoch(raw: Raw | undefined, fault: TellFault): number {
  if (raw === undefined) return 0
  if (raw.kind === 'integer' && Number.isSafeInteger(raw.value) && raw.value >= 0) return raw.value
  fault('token_epoch is no whole number of 0 or more in', raw.at)
  return 0
}
