/** Fields of requests and answers that Caddy's handlers change, as `request_headers`, `headers` and `response_headers`. */

import type { Json } from '../../config/text/raw.ts'
import { foldFieldName, IDENTITY, OWNED, TOKEN } from '../../config/values/headers.ts'
import type { Entry } from '../draft.ts'
import { mayBeSecret, SECRET_NAME } from '../variables-to-set.ts'
import { type Context, isDynamic, spell } from './context.ts'
import { isTable, listOf, tableOf } from './json.ts'
import { claimFor } from './policy.ts'

interface FieldChange {
  readonly name: string
  readonly how: 'set' | 'append' | 'remove'
  /** Empty for `remove`. */
  readonly value: string
}

/** Changes of an answer's fields, each field once, by its folded name. */
export type FieldChanges = Readonly<Record<string, FieldChange>>

export const NO_CHANGES: FieldChanges = Object.freeze({})

const SAID = {
  set: 'response_headers; where the application sends the field as well, this one alone is sent',
  append: 'response_headers',
  remove: 'response_headers',
} as const

/** `set`, `add`, `delete` and `replace` of fields, as words of which the first is the field with a sign for how. */
export function fieldLines(ops: unknown): readonly (readonly string[])[] {
  const { set, add, delete: removed, replace } = tableOf(ops)
  const valued = (table: unknown, sign: string) =>
    Object.entries(tableOf(table)).map(([name, values]) => [sign + name, ...listOf(values).map(String)])
  return [
    ...valued(set, ''),
    ...valued(add, '+'),
    ...listOf(removed).map(name => [`-${String(name)}`]),
    ...Object.keys(tableOf(replace)).map(name => [name, '{replaced}', '{replaced}']),
  ]
}

/**
 * What is done to the fields of answers, as far as a route can do it as well. The rest is named in the report.
 *
 * Source: Caddy's own answers (`test/flow/migrate/fields.test.ts`).
 */
export function readFields(context: Context, where: string, ops: unknown): FieldChanges {
  if (isTable(ops) && ops.require !== undefined) {
    const say = 'it changes only some answers: write response_headers where it may change all of a route'
    context.notes.add('left', where, null, say)
    return NO_CHANGES
  }
  let changes = NO_CHANGES
  for (const words of fieldLines(ops)) {
    const read = readChange(context, words)
    const shown = `${words[0]} in ${where}`
    if (typeof read === 'string') context.notes.add('left', shown, null, read)
    else {
      context.notes.add('kept', shown, null, SAID[read.how])
      changes = joinChanges(changes, { [foldFieldName(read.name)]: read })
    }
  }
  return changes
}

/** One change; where a route does not do it, what to say. */
function readChange(context: Context, [stated = '', value, ...more]: readonly string[]): FieldChange | string {
  const [, sign = '', name = ''] = /^([-+]?)(.*)$/s.exec(stated) ?? []
  const folded = foldFieldName(name)
  if (name.includes('*')) return 'several fields by one pattern: name each in remove of response_headers'
  if (more.length > 0) return 'what is in a field is not replaced piece by piece: write set in response_headers'
  if (!TOKEN.test(name) || OWNED.test(folded) || IDENTITY.test(folded) || /^content-(?:encoding|range)$/.test(folded))
    return 'Sallyport and the HTTP connection need this field as it is'
  if (sign === '-') return { name, how: 'remove', value: '' }
  const isFixed = value !== undefined && /^[\x20-\x7e]+$/.test(value) && !isDynamic(value)
  if (!isFixed || /[{}]/.test(value.replace(/\{env\.\w+\}/g, '')))
    return 'write set in response_headers, with {host}, {path}, {email} and the like'
  const how = sign === '+' ? 'append' : 'set'
  if (!SECRET_NAME.test(name) || value.includes('{')) return { name, how, value: spell(context, value) }
  return { name, how, value: context.blanks.add(`HEADER_${name}`, `what Caddy says for ${name}`, 'fill-in') }
}

/** Both: of two changes of one field what takes it out, else the later one, as Caddy has them. */
export function joinChanges(one: FieldChanges, other: FieldChanges): FieldChanges {
  const removed = Object.entries(one).filter(([, { how }]) => how === 'remove')
  return { ...one, ...other, ...Object.fromEntries(removed) }
}

/** Fields of a request that are written, and those that are taken out. */
export interface HeaderChanges {
  readonly set: Readonly<Record<string, string>>
  /** Values beside those that are there. */
  readonly append: Readonly<Record<string, string>>
  readonly remove: readonly string[]
}

export const UNCHANGED: HeaderChanges = { set: {}, append: {}, remove: [] }

/** `response_headers`; null for no changes. */
export function spellFields(changes: FieldChanges): Json | null {
  const tableOf = (how: FieldChange['how']) =>
    Object.fromEntries(Object.values(changes).flatMap(one => (one.how === how ? [[one.name, one.value]] : [])))
  return spellChanges({ set: tableOf('set'), append: tableOf('append'), remove: Object.keys(tableOf('remove')) })
}

export function spellChanges({ set, append, remove }: HeaderChanges): Json | null {
  const changes = {
    ...(Object.keys(set).length > 0 ? { set } : {}),
    ...(Object.keys(append).length > 0 ? { append } : {}),
    ...(remove.length > 0 ? { remove } : {}),
  }
  return Object.keys(changes).length > 0 ? changes : null
}

/** The placeholder for `{http.auth.user.id}`, until the policy of the users is known. */
export const USER_ID = 'auth.id'

/** What is done to the fields of what goes to an application: `headers` are those with facts about the user. */
export interface UpFields extends HeaderChanges {
  readonly headers: Readonly<Record<string, string>>
  readonly entries: readonly Entry[]
}

/** Fields that Sallyport writes itself, as Caddy does. */
const FORWARDING = /^(?:x-forwarded-(?:for|proto|host|port)|x-real-ip|forwarded|via|connection|upgrade)$/i
const FORWARDED = 'nothing to write: Sallyport says it itself, and believes only trusted_proxies'

/**
 * One more change of what goes to an application: a field with a sign for how, and its values. A second value is what the first is
 * replaced by, which is said as little as a placeholder.
 */
export function readHeaderUp(
  context: Context,
  [name = '', first = '', ...more]: readonly string[],
  where: string,
  to: UpFields,
): UpFields {
  const field = name.replace(/^[+?-]/, '')
  const value = more.length > 0 ? '{replaced}' : first
  const said = (outcome: 'decide' | 'left' | 'kept' | 'changed', say: string, made: UpFields = to): UpFields => {
    context.notes.add(outcome, `${name} in ${where}`, null, say)
    return made
  }
  const how = name.startsWith('+') ? 'append' : 'set'
  const changed = (put: string): UpFields => ({ ...to, [how]: { ...to[how], [field]: put } })
  const removed: UpFields = { ...to, remove: [...new Set([...to.remove, field])] }
  const user = /^\{http\.auth\.user\.([^}]+)\}$/.exec(value)?.[1]
  const claim = user === undefined ? null : user === 'id' ? USER_ID : claimFor(user)
  if (/^host$/i.test(name)) {
    const isUpstreams = /^\{(?:upstream_hostport|http\.reverse_proxy\.upstream\.hostport)\}$/.test(value)
    if (!isUpstreams && value.includes('{')) return said('kept', 'the Host that the client asked for')
    const entry = { key: 'host_header', value: isUpstreams ? 'upstream' : value }
    return said('kept', 'host_header', { ...to, entries: [...to.entries, entry] })
  }
  if (/^x-real-ip$/i.test(field))
    return said('changed', 'not sent, and a client’s neither: X-Forwarded-For says where a client comes from')
  if (FORWARDING.test(field)) return said('kept', FORWARDED)
  if (claim !== null) return said('kept', 'headers of the route', { ...to, headers: { ...to.headers, [field]: claim } })
  const isRemoval = name.startsWith('-')
  if (isOwn(field)) {
    const say = isRemoval ? OWN : 'name it in headers of the route: only headers send the user'
    return said(isRemoval ? 'kept' : 'decide', say)
  }
  if (isRemoval) return said('kept', 'request_headers', removed)
  if (value.includes('{') && !/^\{env\.\w+\}$/.test(value)) {
    // The route overwrote this field, so a client could set it now.
    const say =
      'write it as request_headers = { set = … }, with {host}, {path}, {email} and the like; a client’s is removed'
    return said('decide', say, removed)
  }
  if (value.includes('{') || PLACES.test(field) || !mayBeSecret(field, value))
    return said('kept', 'request_headers', changed(spell(context, value)))
  const blank = context.blanks.add(`HEADER_${field}`, `what ${where} says for it`, 'fill-in')
  return said('kept', 'request_headers, from the environment: it may be a secret', changed(blank))
}

/** Fields that say where something is: of these no value is a secret as a whole. */
const PLACES = /^(?:x-forwarded-(?:prefix|path|scheme|server)|x-(?:scheme|script-name|url-scheme)|origin|referer)$/i

/** Fields that say who the user is, or that a connection needs: a route changes none of them. */
function isOwn(field: string): boolean {
  const folded = foldFieldName(field)
  return OWNED.test(folded) || IDENTITY.test(folded)
}

const OWN = 'nothing to write: no client may send it, and only headers send the user to an application'

/** Whether it takes out several fields by one pattern, which may be what an application relies on. */
export function isGuarding([name = '']: readonly string[]): boolean {
  return name.startsWith('-') && name.includes('*')
}
