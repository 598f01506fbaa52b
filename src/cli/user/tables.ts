/** A users.toml: adds, changes and removes the table of a user, and keeps everything else as it is. */

import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { formatToml } from '../../config/keys/table.ts'
import { readUsers, type UserEntry } from '../../config/values/users-file.ts'

/** What stands above the users of a new file. */
const HEAD = [
  '# Users of Sallyport, for "users" of a provider or "htpasswd" of a portal in routes.toml.',
  '# "sallyport user" writes this file, and so may you: a running server takes it over at once.',
  '# An id is never used again: tokens, guest links and granted roles belong to it, not to the name.',
]

/** A value of a table as this command writes it; null takes the key out. */
type Value = string | number | readonly string[] | Date | null

/** What a table says of a user, beside the name; a key that is absent stays as it is. */
export type Fields = Readonly<
  Partial<
    Record<
      'id' | 'hash' | 'totp' | 'groups' | 'display_name' | 'email' | 'created' | 'password_changed' | 'token_epoch',
      Value
    >
  >
>

/** An id that no other user ever has. */
export function makeUserId({ random }: Pick<Ports, 'random'>): string {
  return Buffer.from(random(16)).toString('base64url')
}

/** The users of a users.toml. Throws `config.unreadable` for one that has mistakes: what is not understood is not changed. */
export function usersIn(path: string, text: string): ReadonlyMap<string, UserEntry> {
  const { entries, faults } = readUsers(path, text)
  const [fault] = faults
  if (fault !== undefined) throw new GateError('config.unreadable', `${fault} of ${path}: fix that first`)
  return entries
}

/** The text with one more user at its end. */
export function addTable(path: string, text: string, name: string, fields: Fields): string {
  const start = text.trim() === '' ? `${HEAD.join('\n')}\n` : text.replace(/\n*$/, '\n')
  const { id = null, ...others } = fields
  const lines = ['[[users]]', ...linesOf({ id }), `name = ${formatToml(name)}`, ...linesOf(others)]
  return checked(path, text, `${start}\n${lines.join('\n')}\n`, name, fields)
}

/** The text with these fields of a user in place of what was there; all else stays as it is, comments too. */
export function changeTable(path: string, text: string, name: string, fields: Fields): string {
  const lines = text.split('\n')
  const { start, end } = blockOf(path, text, lines, name)
  const block = lines.slice(start, end)
  for (const [key, value] of Object.entries(fields)) {
    const at = block.findIndex(line => new RegExp(`^\\s*${key}\\s*=`).test(line))
    const made = lineOf(key, value)
    if (at === -1) block.push(...made)
    else block.splice(at, 1, ...made)
  }
  return checked(path, text, [...lines.slice(0, start), ...block, ...lines.slice(end)].join('\n'), name, fields)
}

/** The text without this user. */
export function removeTable(path: string, text: string, name: string): string {
  const lines = text.split('\n')
  const { start, end } = blockOf(path, text, lines, name)
  const before = lines.slice(0, start)
  while (before.at(-1)?.trim() === '') before.pop()
  return checked(path, text, [...before, ...lines.slice(end)].join('\n').replace(/\n*$/, '\n'), name, null)
}

/** The lines of a user's table, from `[[users]]` to the last that says something. Throws `config.unreadable` where tables are written otherwise. */
function blockOf(
  path: string,
  text: string,
  lines: readonly string[],
  name: string,
): { readonly start: number; readonly end: number } {
  const names = [...usersIn(path, text).keys()]
  const heads = lines.flatMap((line, index) => (/^\s*\[\[\s*users\s*\]\]/.test(line) ? [index] : []))
  const start = heads.length === names.length ? heads[names.indexOf(name)] : undefined
  if (start === undefined) throw oddly(path)
  let end = heads.find(head => head > start) ?? lines.length
  while (end > start + 1 && /^\s*(?:#|$)/.test(lines[end - 1] ?? '')) end--
  return { start, end }
}

function linesOf(fields: Fields): readonly string[] {
  return Object.entries(fields).flatMap(([key, value]) => lineOf(key, value))
}

function lineOf(key: string, value: Value): readonly string[] {
  if (value === null) return []
  const text = value instanceof Date ? value.toISOString().replace(/\.\d+Z$/, 'Z') : formatToml(value)
  return [`${key} = ${text}`]
}

/**
 * The new text, after a check of its content: this user has these fields (null: is removed), and all others are
 * unchanged. TOML can be written in many ways, and a replaced line may have been a part of something else.
 */
function checked(path: string, before: string, after: string, name: string, fields: Fields | null): string {
  const { entries, faults } = readUsers(path, after)
  const old = before.trim() === '' ? new Map<string, UserEntry>() : usersIn(path, before)
  const others = (users: ReadonlyMap<string, UserEntry>) =>
    JSON.stringify([...users].flatMap(([other, { mark }]) => (other === name ? [] : [[other, mark]])))
  const now = entries.get(name)
  const isRight = fields === null ? now === undefined : now !== undefined && says(old.get(name), now, fields)
  if (faults.length > 0 || !isRight || others(old) !== others(entries)) throw oddly(path)
  return after
}

/** Whether an entry is as it was but for these fields. */
function says(before: UserEntry | undefined, now: UserEntry, fields: Fields): boolean {
  const wanted = {
    id: fields.id ?? before?.id,
    hash: fields.hash ?? before?.hash,
    totp: fields.totp === undefined ? (before?.totp ?? null) : fields.totp,
    groups: fields.groups ?? before?.groups ?? [],
    displayName: fields.display_name ?? before?.displayName ?? null,
    email: fields.email ?? before?.email ?? null,
    tokenEpoch: fields.token_epoch ?? before?.tokenEpoch ?? 0,
  }
  const { mark: _, ...got } = now
  return JSON.stringify(wanted) === JSON.stringify({ ...got })
}

function oddly(path: string): GateError {
  return new GateError(
    'config.unreadable',
    `${path} is written in a way that this command cannot change: write each user as [[users]] with a line for each key, or edit it by hand`,
  )
}
