import type { Json } from '../../config/text/raw.ts'
import { foldFieldName, IDENTITY, OWNED, TOKEN } from '../../config/values/headers.ts'
import { type Context, isDynamic, spell } from './context.ts'
import { SECRET } from './header-up.ts'
import { isTable, listOf, tableOf } from './json.ts'

/** What is done to one field of an answer. */
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
  if (!SECRET.test(name) || value.includes('{')) return { name, how, value: spell(context, value) }
  return { name, how, value: context.blanks.add(`HEADER_${name}`, `what Caddy says for ${name}`, 'fill-in') }
}

/** Both: of two changes of one field what takes it out, else the later one, as Caddy has them. */
export function joinChanges(one: FieldChanges, other: FieldChanges): FieldChanges {
  const removed = Object.entries(one).filter(([, { how }]) => how === 'remove')
  return { ...one, ...other, ...Object.fromEntries(removed) }
}

/** `response_headers`; null for no changes. */
export function spellFields(changes: FieldChanges): Json | null {
  const all = Object.values(changes)
  const tableOf = (how: FieldChange['how']) =>
    Object.fromEntries(all.filter(one => one.how === how).map(({ name, value }) => [name, value]))
  const [set, append, remove] = [tableOf('set'), tableOf('append'), Object.keys(tableOf('remove'))]
  if (all.length === 0) return null
  return {
    ...(Object.keys(set).length > 0 ? { set } : {}),
    ...(Object.keys(append).length > 0 ? { append } : {}),
    ...(remove.length > 0 ? { remove } : {}),
  }
}
