import { describe, expect, test } from 'bun:test'
import { foldFieldName } from '../../../src/config/values/headers.ts'
import {
  type FieldTable,
  FORWARDING_FIELDS,
  IDENTITY_FIELDS,
  isListed,
  PATH_FIELDS,
} from '../../../src/config/values/stripped-fields.ts'
import { compileFieldFates, METHOD_OVERRIDES, PRESETS, PROVIDER_FIELDS } from '../../../src/proxy/fields/names.ts'
import { CLIENTS_OWN, SAYS_HOW, SAYS_WHERE, SAYS_WHO } from '../../kit/stripped-fields.ts'

const fateOf = compileFieldFates([])

/** As Bun hands names on, and as backends fold them; CGI's variables, which much code asks for as if they were fields. */
function spellings(name: string): string[] {
  const lower = name.toLowerCase()
  const folded = foldFieldName(name)
  const cgi = folded.replaceAll('-', '_')
  const marked = ['.', '+', '~', '$'].map(mark => folded.replaceAll('-', mark))
  return [
    lower,
    folded,
    cgi,
    ...marked,
    `http_${cgi}`,
    `http-${folded}`,
    `redirect_${cgi}`,
    `redirect_http_http_${cgi}`,
  ]
}

const TABLES: readonly [string, FieldTable, readonly string[], readonly string[]][] = [
  ['who someone is', IDENTITY_FIELDS, SAYS_WHO, ['identity']],
  ['what else is asked for', PATH_FIELDS, SAYS_WHERE, ['path']],
  ['how a request came', FORWARDING_FIELDS, SAYS_HOW, ['drop', 'rewrite']],
]

describe.each(TABLES)('a field that says %s', (_what, table, listed, fates) => {
  test.each(listed)('%s is taken from no client, in no spelling', name => {
    for (const spelling of spellings(name))
      expect([spelling, fates]).toEqual([spelling, expect.arrayContaining([fateOf(spelling)])])
  })

  test('is one of the table, where every entry is of use and has an example here', () => {
    const folded = listed.map(foldFieldName)
    for (const name of table.names) expect([name, folded.includes(name)]).toEqual([name, true])
    for (const prefix of table.prefixes) {
      const made = compileFieldFates([])(`${prefix}anything`)
      expect([prefix, fates.includes(made)]).toEqual([prefix, true])
      expect([prefix, folded.some(name => name.startsWith(prefix) && !table.names.has(name))]).toEqual([prefix, true])
    }
    for (const name of folded) expect([name, isListed(table, name)]).toEqual([name, true])
    for (const name of [...table.names, ...table.prefixes]) expect(foldFieldName(name)).toBe(name)
    for (const name of table.names)
      expect([name, table.prefixes.filter(prefix => name.startsWith(prefix))]).toEqual([name, []])
  })
})

test.each(CLIENTS_OWN)('%s is a client’s own to send', name => {
  expect(fateOf(name.toLowerCase())).toBe('keep')
})

test('what is kept below a prefix is known as such', () => {
  for (const { kept } of [IDENTITY_FIELDS, PATH_FIELDS, FORWARDING_FIELDS])
    for (const name of kept) expect([name, CLIENTS_OWN.map(foldFieldName).includes(name)]).toEqual([name, true])
  expect(fateOf('x-original-filename-url')).toBe('drop')
  expect(fateOf('x-auth-token-2')).toBe('identity')
})

test('what the gate itself writes is nobody else’s, by the name that CGI has for it neither', () => {
  const written = [
    ...Object.values(PRESETS).flatMap(fields => fields.map(({ name }) => name)),
    ...Object.values(PROVIDER_FIELDS),
  ]
  const own = compileFieldFates(['X-Who'], ['x-corp-dn'])
  for (const name of [...written, 'x-who'])
    for (const spelling of name === null ? [] : spellings(name))
      expect([spelling, own(spelling)]).toEqual([spelling, 'identity'])
  for (const name of [
    'http_host',
    'http_cookie',
    'http_via',
    'http_x_forwarded_for',
    'http_content_length',
    'http_connection',
  ])
    expect([name, own(name)]).toEqual([name, 'drop'])
  for (const name of METHOD_OVERRIDES) expect([name, own(`http-${name}`)]).toEqual([name, 'method-override'])
  // A trusted proxy says it in this spelling alone.
  const [exact, ...others] = new Set(spellings('x-corp-dn').map(spelling => `${spelling} ${own(spelling)}`))
  expect(exact).toBe('x-corp-dn trusted')
  expect(others.every(one => one.endsWith(' identity'))).toBe(true)
})
