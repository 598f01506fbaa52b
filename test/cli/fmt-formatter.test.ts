import { beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Glob } from 'bun'
import fc from 'fast-check'
import { demoConfig } from '../../src/cli/demo/start.ts'
import { type Format, openFormatter } from '../../src/cli/fmt.ts'
import { parseToml } from '../../src/config/text/parse.ts'
import { commentsOf } from '../../src/config/text/positions.ts'

const ROOT = resolve(import.meta.dir, '../..')

let format: Format
beforeAll(async () => {
  format = await openFormatter()
})

async function formatted(text: string): Promise<string> {
  const result = await format(text)
  if (!result.ok) throw new TypeError(`${result.why}: ${text}`)
  return result.text
}

/** Formats a text, and holds what comes of it to the text. */
async function holds(text: string): Promise<string> {
  const once = await formatted(text)
  expect(parseToml(once)).toEqual(parseToml(text))
  expect(commentsOf(once)).toEqual(commentsOf(text))
  expect(await formatted(once)).toBe(once)
  return once
}

describe('a formatted text', () => {
  test('has one spelling for blanks, empty lines and quotes', async () => {
    const text =
      '#:schema ./routes.schema.json\n[server]\n\n\n\n  listen=\':80\'   # plain\n[[routes]]\n#why\nhost   = "a.example"\nallow=[\'user\',\n { group="x" }, # them\n]\n# the end'
    expect(await holds(text)).toBe(`#:schema ./routes.schema.json

[server]
listen = ":80"  # plain

[[routes]]
# why
host = "a.example"
allow = [
  "user",
  { group = "x" },  # them
]
# the end
`)
  })

  test.each([
    ['line breaks of Windows', 'a=1\r\n\r\n\r\n[b]\r\nc=2\r\n'],
    ['what quotes are for', `a='C:\\x'\nb='''\nx\n  y'''\nc="a\\u00e9"\nd="""\n# no comment\n"""`],
    ['tables of several lines (TOML 1.1)', 'a = {b=1, # x\n c=2 }\n'],
    ['long lists', `a=[${Array.from({ length: 40 }, (_, index) => `"host${index}.example.com"`).join(',')}]`],
    ['odd keys', '"a b".c=1\n\'d.e\'=2\n[x."y.z"]\nq=1\n[[l]]\n[[l]]\n[l.m]\nn=1'],
    ['nothing', ''],
    ['comments alone', '# one\n\n\n#two'],
    ['references', 'a="${file:secret}" # ${X}\n'],
  ])('keeps %s', (_what, text) => holds(text))

  test('is the same file for every example of the documents', async () => {
    const texts = [...new Glob('*.md').scanSync(join(ROOT, 'docs'))].flatMap(name =>
      Array.from(
        readFileSync(join(ROOT, 'docs', name), 'utf8').matchAll(/^```toml\n([\s\S]*?)^```$/gm),
        match => match[1] ?? '',
      ),
    )
    expect(texts.length).toBeGreaterThan(20)
    for (const text of [...texts, readFileSync(join(ROOT, 'routes.toml'), 'utf8')]) await holds(text)
  })

  test('is the same file for the demo', async () => {
    const plan = { port: 8080, providerPort: 8081, servicePort: 8082, clientSecret: 'secret of the demo' }
    const text = demoConfig(plan, ['127.0.0.1', '::1'])
    expect(await formatted(text)).toBe(text)
  })

  test('means the same, has every comment, and is formatted, whatever the text is', async () => {
    const blank = fc.constantFrom('', ' ', '  ', '\t')
    const word = fc.stringMatching(/^[a-z]{1,6}$/)
    const comment = fc.oneof(
      fc.constant(''),
      fc.stringMatching(/^[ -~é]{0,12}$/).map(text => ` #${text}`),
    )
    const scalar = fc.oneof(
      fc
        .string({ maxLength: 12 })
        .filter(text => !/[\p{Cc}\p{Cs}\uFFFD]/u.test(text))
        .map(text => JSON.stringify(text)),
      fc.stringMatching(/^[ -&(-~]{0,10}$/).map(text => `'${text}'`),
      fc.integer().map(String),
      fc.constantFrom('true', 'false', '1.5', '2026-12-24', '0x1F', '1_000'),
    )
    const value = fc.oneof(
      scalar,
      fc
        .tuple(fc.array(fc.tuple(scalar, comment), { maxLength: 4 }), blank)
        .map(([items, gap]) => `[${items.map(([item, note]) => `${gap}${item},${note}\n`).join('')}]`),
      fc
        .uniqueArray(fc.tuple(word, scalar), { maxLength: 3, selector: ([name]) => name })
        .map(pairs => `{${pairs.map(([name, one]) => `${name}=${one}`).join(', ')}}`),
    )
    const line = fc.tuple(blank, word, blank, value, comment, fc.constantFrom('\n', '\n\n\n', '\n# alone\n'))
    const body = fc
      .uniqueArray(line, { maxLength: 4, selector: ([, name]) => name })
      .map(lines =>
        lines.map(([before, name, gap, one, note, end]) => `${before}${name}${gap}=${gap}${one}${note}${end}`).join(''),
      )
    const file = fc
      .tuple(body, fc.array(fc.tuple(comment, body), { maxLength: 3 }))
      .map(([top, tables]) => top + tables.map(([note, own], index) => `[[t${index}]]${note}\n${own}`).join(''))
    await fc.assert(
      fc.asyncProperty(file, async text => void (await holds(text))),
      { numRuns: 150 },
    )
  })

  test('is none where the text is no TOML', async () => expect((await format('a = [')).ok).toBe(false))
})
