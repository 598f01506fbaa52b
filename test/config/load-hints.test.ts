import { describe, expect, test } from 'bun:test'
import { loadConfig } from '../../src/config/load.ts'
import type { Diagnostic } from '../../src/config/text/diagnostic.ts'
import { ADDRESS_HINTS, NAME_HINTS } from './checks/hints/hint-name-cases.ts'
import { SYNTAX_HINTS } from './checks/hints/hint-syntax-cases.ts'
import { VALUE_HINTS } from './checks/hints/hint-value-cases.ts'
import { GOOD, type HintCase, type Place } from './checks/hints/hints.ts'
import { check } from './checks.ts'

/** What the hints name in the environment. */
const WORLD = { env: { POCKET_ID_SECRET: 'hd83', CLIENT_SECRET: 'hd83', APP_PASSWORD: 'hd83' } }

test('the file into which mistakes are put has none', () => {
  expect(check(GOOD, WORLD)).toMatchObject({ ok: true, warnings: [] })
})

/** The text with what the hint says in its place. */
function follow(text: string, { line, column, length }: Diagnostic, place: Place, written: string): string {
  const lines = text.split('\n')
  const own = lines[line - 1] ?? ''
  const characters = [...own]
  switch (place) {
    case 'caret':
      lines[line - 1] =
        characters.slice(0, column - 1).join('') + written + characters.slice(column - 1 + length).join('')
      break
    case 'value':
      lines[line - 1] = own.replace(/(?<==\s*)\S.*$/, () => written)
      break
    case 'line':
      lines[line - 1] = written
      break
    case 'all':
      return lines.map(one => (one.replace(/[[\]]/g, '') === written.replace(/[[\]]/g, '') ? written : one)).join('\n')
    case 'drop':
      lines.splice(line - 1, 1)
  }
  return lines.join('\n')
}

function mistakeIn({ from, to }: HintCase): string {
  if (!GOOD.includes(from)) throw new Error(`the good file has no ${from}`)
  const text = GOOD.replace(from, () => to)
  // A list that names a provider twice over has to have both.
  return to.includes('pocket-id2')
    ? text.replace(
        '[portals.home]',
        '[providers.pocket-id2]\nissuer = "https://id.example.com"\nclient_id = "b"\n\n[portals.home]',
      )
    : text
}

const KINDS = [
  ['what is no TOML', SYNTAX_HINTS],
  ['a value', VALUE_HINTS],
  ['an address', ADDRESS_HINTS],
  ['a name', NAME_HINTS],
] as const

for (const [kind, cases] of KINDS) {
  describe(`the hint about ${kind}, followed to the letter, mends it:`, () => {
    test.each(cases.map(one => [one.what, one] as const))('%s', (_what, one) => {
      const text = mistakeIn(one)
      const result = check(text, WORLD)
      if (result.ok) throw new Error('no mistake was found')
      const mistakes = result.diagnostics.filter(({ severity }) => severity === 'error')
      expect(mistakes.map(({ code }) => code)).toEqual([one.code])
      const [mistake] = mistakes
      if (mistake === undefined) return
      const line = [...(text.split('\n')[mistake.line - 1] ?? '')]
      expect(mistake.column + mistake.length - 1).toBeLessThanOrEqual(Math.max(1, line.length + 1))
      expect(mistake.hint).toMatch(one.hint)
      const written = one.hint.exec(mistake.hint)?.[1] ?? ''
      const mended = check(follow(text, mistake, one.place, written), WORLD)
      expect(mended.ok ? [] : mended.diagnostics.map(({ message, line: at }) => `${at}: ${message}`)).toEqual([])
    })
  })
}

/** How the only mistake of a text is told. */
function told(text: string): string {
  const result = check(text, WORLD)
  if (result.ok) throw new Error('no mistake was found')
  expect(result.diagnostics).toHaveLength(1)
  return result.diagnostics.map(({ line, message, hint }) => `${line}: ${message} (${hint})`).join()
}

describe('a file that is something else says so at its first line:', () => {
  const others: readonly (readonly [what: string, text: string, said: string])[] = [
    ['YAML', '# mine\nserver:\n  listen: 0.0.0.0:8080\nroutes:\n  - host: app.example.com\n', '2: this is YAML'],
    ['YAML with a mark before it', '---\nserver:\n  listen: 0.0.0.0:8080\n', '1: this is YAML'],
    ['JSON', '{ "server": { "listen": "0.0.0.0:8080" } }', '1: this is JSON'],
    ['JSON on several lines', '{\n  "server": {\n    "listen": "0.0.0.0:8080"\n  }\n}\n', '1: this is JSON'],
    ['a Caddyfile', 'app.example.com {\n\treverse_proxy 10.0.0.5:3000\n}\n', '1: this looks like a Caddyfile'],
  ]
  test.each(others)('%s', (_what, text, said) => expect(told(text)).toStartWith(said))
})

test('what editors of Windows leave in a file is no mistake', () => {
  for (const text of [
    GOOD.replaceAll('\n', '\r\n'),
    `\uFEFF${GOOD}`,
    GOOD.replaceAll('  ', '\t').replaceAll(' = ', '\t=\t'),
  ]) {
    expect(check(text, WORLD)).toMatchObject({ ok: true, warnings: [] })
  }
})

test('a list over several lines that is not closed is shown where it begins', () => {
  const text = GOOD.replace('["pocket-id"]', '[\n  "pocket-id",\n  "other"\n')
  expect(told(text)).toStartWith('11: what this bracket opens is not closed')
})

test('what may be a path is none of a regular expression', () => {
  for (const path of ['/$metadata', '/Items(1)', '/a+b', '/a.b/c$', "/it's", '/@scope/x', '/a~b']) {
    expect(check(`${GOOD}path = "${path}"\n`, WORLD).ok).toBe(true)
  }
})

test('no hint shows a secret of a line that is no TOML', () => {
  const result = check(GOOD.replace('client_secret = "hd83-jf93-ks02"', 'client_secret: hd83-jf93-ks02'), WORLD)
  expect(JSON.stringify(result.ok ? [] : result.diagnostics)).not.toContain('hd83')
})

test('what a variable or a file holds is a secret, whatever it looks like', () => {
  for (const secret of ['$POCKET_ID_SECRET', '...', 'changeme']) {
    const text = GOOD.replace('"hd83-jf93-ks02"', '"${POCKET_ID_SECRET}"')
    expect(check(text, { env: { POCKET_ID_SECRET: secret } })).toMatchObject({ ok: true, warnings: [] })
  }
})

test('secrets that only look a little like a variable are taken', () => {
  for (const secret of ['$abc', '$1aB', 'a$B', '%2F', 'xxAxx', '$A-B', '[a', 'your', 'p...']) {
    expect(check(GOOD.replace('hd83-jf93-ks02', secret), WORLD)).toMatchObject({ ok: true, warnings: [] })
  }
})

test.each([
  ['EACCES', 'may not be read by this user', 'chmod o+r FILE'],
  ['EISDIR', 'is a folder', 'name the file in it: conf/routes.toml'],
  ['ENOENT', 'does not exist', 'sallyport init writes a first one'],
])('a file that cannot be read for %s says what helps', (code, said, hinted) => {
  const fail = () => {
    throw Object.assign(new Error('no'), { code })
  }
  const result = loadConfig('conf/', { env: () => undefined, readText: fail, readBytes: fail })
  const [diagnostic] = result.ok ? [] : result.diagnostics
  expect(diagnostic).toMatchObject({ code: 'file.unreadable', message: `conf/ ${said}` })
  expect(diagnostic?.hint).toContain(hinted)
})

test.each([
  ['users = "user.toml"', 'users.toml'],
  ['issuer = "https://id.example.com"\nclient_id = "a"\nclient_key = "cilent-key.pem"', 'client-key.pem'],
  ['issuer = "https://id.example.com"\nclient_id = "a"\nclient_secret = "${file:client-sercet}"', 'client-secret'],
])('a file that does not exist has the one beside it that is meant in its hint: %s', (lines, meant) => {
  const text = `[providers.people]\n${lines}\n[portals.home]\nproviders = ["people"]`
  const listed = { '/etc/sallyport': ['routes.toml', 'users.toml', 'client-key.pem', 'client-secret'] }
  const result = check(text, { listed })
  const hints = result.ok ? [] : result.diagnostics.map(({ message, hint }) => `${message}: ${hint}`)
  expect(hints).toContainEqual(expect.stringContaining(`does not exist: did you mean "${meant}"?`))
  // Where the folder cannot be listed, nothing is guessed.
  const alone = check(text)
  expect(JSON.stringify(alone)).not.toContain('did you mean')
})

test.each([
  [
    'a file that may not be read',
    { files: { '/etc/sallyport/site': '' } },
    '"site" is a file',
    'name the folder that it is in',
  ],
  [
    'a folder that may not be read',
    { folders: ['/etc/sallyport/site'] },
    'the folder "site" may not be read by this user',
    'must be able to enter and read it (in the container: chown 65532 FOLDER)',
  ],
])('%s is called what it is where files names it', (_, world, message, hint) => {
  const text = GOOD.replace('upstream = "http://10.0.0.5:3000"', 'files = "site"')
  const result = check(text, { ...world, closed: ['/etc/sallyport/site'] })
  expect(result.ok ? result.warnings : result.diagnostics).toMatchObject([
    { code: 'files.missing', message, hint: expect.stringContaining(hint) },
  ])
})

test('a users.toml that is no TOML says of its line why, and names no command that refuses it', () => {
  const people = GOOD.replace(/issuer[^[]*/, 'users = "people.toml"\n')
  const said = (text: string) => {
    const result = check(people, { files: { '/etc/sallyport/people.toml': text } })
    const [first, ...more] = result.ok ? [] : result.diagnostics.filter(({ code }) => code === 'portal.htpasswd')
    return { ...first, more: more.length }
  }
  const hint = expect.stringMatching(
    /^mend that line, or name the file of users: .* NEW\.toml NAME writes one into another/,
  )
  const where = (why: string, line: number) => `a mistake in TOML${why} is in line ${line} of the file "people.toml"`
  expect(said('\nsomething else\n')).toMatchObject({
    message: where(' (a key and its value have one = between them)', 2),
    hint,
    more: 0,
  })
  // What is there twice is told by its name, which is a part of the line.
  expect(said('hunter2 = 1\nhunter2 = 2\n')).toMatchObject({ message: where('', 2), hint, more: 0 })
})

test.each([
  ['[routes.assertion]\nissuers = "x"', '[routes.assertion]'],
  ['[[expect]]\naddress = "https://app.example.com/"\nverdict = "sign-in"\nas = { roels = ["x"] }', '[expect.as]'],
  ['[tls.acme]\ncas = "x"', '[tls.acme]'],
  ['[routes.upstream]\nto = "http://a"\ntls = { cas = "x" }', '[routes.upstream.tls]'],
  ['[[routes.deny]]\nnot = { rom = "x" }', 'a rule of deny'],
])('an unknown key of %j is told with the header of its table', (more, table) => {
  const text = more.startsWith('[routes.upstream]') ? GOOD.replace(/upstream = .*\n/, '') : GOOD
  const result = check(`${text}${more}\n`, WORLD)
  const messages = result.ok ? [] : result.diagnostics.map(({ message }) => message)
  expect(messages.filter(message => message.startsWith('unknown key'))).toEqual([
    expect.stringMatching(/^unknown key "\w+" in /),
  ])
  expect(messages.find(message => message.startsWith('unknown key'))).toEndWith(` in ${table}`)
})
