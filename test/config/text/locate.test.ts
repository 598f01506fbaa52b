import { expect, test } from 'bun:test'
import { createLocator } from '../../../src/config/text/locate.ts'
import { parseToml } from '../../../src/config/text/parse.ts'
import type { Path, Raw } from '../../../src/config/text/raw.ts'

/** A file of which nothing is looked for in parts, since it does not have so many routes. */
const IN_WHOLE = -1

const HEAD = `# [[routes]] of a comment
title = "of the root"

[portals.home]
title = """
[[not.a.header]]
"""
`

const KINDS = [
  `[[routes]]
host = "plain.example.com"
allow = ["user", { networks = ["10.0.0.0/8"] }]
`,
  `  [[ routes ]]   # indented
  "host" = 'quoted.example.com'
  request_headers.set.X-User = "{email}"
  [routes.app]
  name = "An application"
  [[routes.deep]]
  a = 1
  [[routes.deep]]
  a = { b = [1, 2, [3, 4]] }
`,
  `[[routes]]
host = "long.example.com"
respond = { body = """
first
second""" }
[providers.NUMBER]
issuer = "https://id.example.com"
`,
  `[[routes]]
host = "list.example.com"
allow = [
  "user",
  [ "nested" ],
]
[[tls.certificates]]
cert = "NUMBER.pem"
`,
]

/** A text of more than 64 kB, in which parts are looked for. */
function long(kinds: readonly string[], count: number): string {
  const parts = Array.from({ length: count }, (_, index) =>
    (kinds[index % kinds.length] ?? '').replaceAll('NUMBER', String(index)),
  )
  return `${HEAD}${parts.join('\n')}\n[server]\nlog_level = "info"\n# the end`
}

function pathsOf(raw: Raw): Path[] {
  if (raw.kind === 'list') return [raw.at, ...raw.items.flatMap(pathsOf)]
  if (raw.kind === 'table') return [raw.at, [...raw.at, 'not there'], ...[...raw.entries.values()].flatMap(pathsOf)]
  return [raw.at]
}

const TEXTS: readonly (readonly [what: string, text: string])[] = [
  ['every kind of table', long(KINDS, 1200)],
  ['Windows line breaks and a byte order mark', `\uFEFF${long(KINDS, 1200).replaceAll('\n', '\r\n')}`],
  ['a list that has a line like a header', long([...KINDS, `[[routes]]\nallow = [\n["user"]\n]\n`], 1200)],
  [
    'a text that has a line like a route',
    long([...KINDS, `[[routes]]\nname = """\n[[routes]]\nhost = "a"\n"""\n`], 1200),
  ],
  [
    'routes in one list',
    `routes = [${Array.from({ length: 3000 }, (_, index) => `{ host = "h${index}.example" }`).join(',\n')}]\n`,
  ],
  ['a table of a route far from it', `${long(KINDS, 1200)}\n[routes.app2]\nname = "the last one's"\n`],
]

test.each(TEXTS)('in a long text with %s, everything is found where it is', (_what, text) => {
  expect(text.length).toBeGreaterThan(65_536)
  const parsed = parseToml(text)
  if (!parsed.ok) throw new TypeError(parsed.refusal.message)
  const routes = parsed.value.entries.get('routes')
  if (routes?.kind !== 'list') throw new TypeError('it has routes')
  const [inParts, inWhole] = [createLocator(text, routes.items.length), createLocator(text, IN_WHOLE)]
  const lines = text.split('\n')
  // Of each kind of route a few, near both ends.
  const isFar = ([first, number]: Path) => first === 'routes' && Number(number) > 12 && Number(number) < 1190
  for (const at of pathsOf(parsed.value).filter(path => !isFar(path))) {
    for (const part of ['key', 'value'] as const) {
      const found = inParts.find(at, part)
      expect({ at, part, ...found }).toEqual({ at, part, ...inWhole.find(at, part) })
      const name = at.at(-1)
      if (part === 'key' && typeof name === 'string' && name !== 'not there' && at.length > 2) {
        expect(lines[found.line - 1]).toContain(name)
      }
    }
  }
})

test('a route that the second parser does not take keeps the places of the others exact', () => {
  const odd = `[[routes]]\nhost = "odd.example.com"\n# \ud800\n`
  const text = `${odd}${long(KINDS.slice(0, 1), 1200)}`
  const parsed = parseToml(text)
  if (!parsed.ok) throw new TypeError(parsed.refusal.message)
  const { line } = createLocator(text, 1201).find(['routes', 1000, 'host'], 'value')
  expect(text.split('\n').slice(0, line).join('\n').split('[[routes]]\nhost').length - 1).toBe(1001)
})
