/** `request_headers` and `response_headers`: fields that a route adds, changes and removes. */

import { good, type Parsed } from '../text/diagnostic.ts'
import { type Path, quote, type Raw, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { foldFieldName, IDENTITY, OWNED, TOKEN } from '../values/headers.ts'
import { type FieldTemplate, parseParts, type TemplatePart } from '../values/template.ts'
import { list, mapped, parsed, type Type, wrongKind } from '../values/value.ts'
import { type Built, type Keys, optional, type TableType, table } from './table.ts'

type Direction = 'request' | 'response'

/** What rules may not touch beyond `OWNED`, by direction: the log's reference upstream, and how a body is to be read. */
const ALSO_OWNED: Readonly<Record<Direction, RegExp>> = {
  request: /^x-request-id$/,
  response: /^content-(?:encoding|range)$/,
}

const TEMPLATE = { label: 'template', expected: 'text, with placeholders such as "{email}" or "{host}"' }

/** A value for an application may be a password that it accepts; a value from it, browsers see anyway. */
const PARTS: Readonly<Record<Direction, Type<readonly TemplatePart[]>>> = {
  request: parsed({ ...TEMPLATE, isHidden: true }, parseParts),
  response: parsed(TEMPLATE, parseParts),
}
const anyName = parsed({ label: 'field name', expected: 'the name of a field' }, (name): Parsed<string> => good(name))

function fieldTable(direction: Direction): Type<readonly FieldTemplate[]> {
  const expected = 'a table of FIELD = "template"'
  const parts = PARTS[direction]
  return {
    label: 'table of templates',
    expected,
    schema: { type: 'object', minProperties: 1, additionalProperties: parts.schema },
    read(raw, report) {
      if (raw.kind !== 'table') return wrongKind(raw, expected, report)
      if (raw.entries.size === 0) {
        report.mistake(raw.at, 'list.empty', 'this table of fields is empty', { hint: 'leave it out' })
      }
      const fields: FieldTemplate[] = []
      for (const [name, entry] of raw.entries) {
        checkFieldName(name, entry, direction, 'key', report)
        const value = parts.read(entry, report)
        if (value !== undefined) fields.push({ name: name.toLowerCase(), parts: value })
      }
      return fields
    },
  }
}

function removals(direction: Direction): Type<readonly string[]> {
  const names = list(anyName, { single: true })
  return mapped(
    {
      ...names,
      read(raw, report) {
        for (const item of raw.kind === 'list' ? raw.items : [raw]) {
          if (item.kind === 'text' && item.text !== null && item.text !== '') {
            checkFieldName(item.text, item, direction, 'value', report)
          }
        }
        return names.read(raw, report)
      },
    },
    values => values.map(name => name.toLowerCase()),
  )
}

function checkFieldName(name: string, entry: Raw, direction: Direction, part: 'key' | 'value', report: Report): void {
  const folded = foldFieldName(name)
  const shown = part === 'value' ? showRaw(entry) : quote(name)
  if (!TOKEN.test(name)) {
    const hint = 'letters, digits and dashes'
    report.mistake(entry.at, 'header.name', `${shown} is not a field name`, { hint, part })
  } else if (OWNED.test(folded) || ALSO_OWNED[direction].test(folded)) {
    const hint = 'Sallyport and the HTTP connection need it as it is'
    report.mistake(entry.at, 'header.owned', `${shown} cannot be changed here`, { hint, part })
  } else if (IDENTITY.test(folded)) {
    const hint = 'only the key headers sends the user'
    report.mistake(entry.at, 'header.owned', `${shown} cannot be changed here`, { hint, part })
  }
}

function keysFor(direction: Direction) {
  return {
    set: optional(
      fieldTable(direction),
      { 'X-Frame-Options': 'DENY' },
      'nothing',
      'Fields to set, in place of existing ones. A field about a user is removed if its value is unknown.',
      { build: fields => fields ?? [] },
    ),
    append: optional(
      fieldTable(direction),
      { Vary: 'Cookie' },
      'nothing',
      'Values to add to existing fields. A value about a user is left out if it is unknown.',
      { build: fields => fields ?? [] },
    ),
    remove: optional(removals(direction), ['Server'], 'nothing', 'Fields to take out.', {
      build: names => names ?? [],
    }),
  } as const satisfies Keys
}

export const REQUEST_FIELDS = keysFor('request')

/** `response_headers` of a route. */
export const RESPONSE_FIELDS = keysFor('response')

/** What becomes of the fields of a request or an answer: first `remove`, then `set`, then `append`. Each name is in one place only. */
export type FieldRules = Built<typeof REQUEST_FIELDS>

type FieldRuleType = TableType<typeof REQUEST_FIELDS, FieldRules>

/** `request_headers`: what changes on the way to the application. */
export const requestRules = once(table(REQUEST_FIELDS, { title: '[routes.request_headers]' }))

/** `response_headers`: what changes on the way back. */
export const responseRules = once(table(RESPONSE_FIELDS, { title: '[routes.response_headers]' }))

/** The same table, each field in at most one place: names that a backend may fold into one count as one. */
function once(rules: FieldRuleType): FieldRuleType {
  return {
    ...rules,
    get schema() {
      return rules.schema
    },
    read(raw, report) {
      const read = rules.read(raw, report)
      if (raw.kind === 'table') checkOnce(raw.entries, report)
      return read
    },
  }
}

function checkOnce(entries: ReadonlyMap<string, Raw>, report: Report): void {
  const seen = new Map<string, Path>()
  for (const entry of entries.values()) {
    for (const [name, raw, part] of namesOf(entry)) {
      const folded = foldFieldName(name)
      const first = seen.get(folded)
      if (first === undefined) seen.set(folded, raw.at)
      else {
        const hint = 'set, append or remove it, once'
        const shown = part === 'value' ? showRaw(raw) : quote(name)
        report.mistake(raw.at, 'header.repeated', `${shown} is here twice`, { hint, part, first })
      }
    }
  }
}

function namesOf(entry: Raw): readonly (readonly [name: string, raw: Raw, part: 'key' | 'value'])[] {
  if (entry.kind === 'table') return [...entry.entries].map(([name, raw]) => [name, raw, 'key'])
  const items = entry.kind === 'list' ? entry.items : [entry]
  const known = new Set<string>()
  return items.flatMap(item => {
    // The very same text twice in a list is reported as such.
    if (item.kind !== 'text' || item.text === null || known.has(item.text)) return []
    known.add(item.text)
    return [[item.text, item, 'value'] as const]
  })
}
