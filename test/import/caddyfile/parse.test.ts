import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { lexCaddyfile } from '../../../src/import/caddyfile/lex.ts'
import { type ParsedCaddyfile, parseCaddyfile } from '../../../src/import/caddyfile/parse.ts'

/** As the file system refuses something. */
const refusal = (code: string) => Object.assign(new Error(code), { code })

/** The tree of a text that lies at `/etc/caddy/Caddyfile`, with these files beside it; folders that are called `shut` cannot be read. */
function tree(text: string, files: Readonly<Record<string, string>> = {}): ParsedCaddyfile {
  const folder = '/etc/caddy'
  const paths = Object.keys(files).map(name => `${folder}/${name}`)
  return parseCaddyfile(text, `${folder}/Caddyfile`, {
    readText(path) {
      const found = files[path.slice(folder.length + 1)]
      if (found === undefined) throw new Error(`no ${path}`)
      return found
    },
    listFolder(path) {
      if (path.endsWith('/shut')) throw refusal('EACCES')
      const names = paths
        .filter(one => one.startsWith(`${path}/`))
        .map(one => one.slice(path.length + 1).split('/')[0] ?? '')
      if (names.length === 0) throw refusal(paths.includes(path) ? 'ENOTDIR' : 'ENOENT')
      return [...new Set(names)]
    },
  })
}

/** The words of a text, those that begin a line after a `|`. */
function words(text: string): string {
  const lexed = lexCaddyfile(text)
  if (!lexed.ok) return `line ${lexed.line}: ${lexed.why}`
  return lexed.tokens.map(({ text: word, line, startsLine }) => `${startsLine ? `${line}|` : ''}${word}`).join(' ')
}

describe('the words of a Caddyfile', () => {
  const cases: readonly (readonly [about: string, text: string, expected: string])[] = [
    ['comments end with their line', 'a # b\nc#d', '1|a 2|c#d'],
    ['a quote holds blanks, line breaks and escaped quotes', 'a "b c" "d \\"e\\"" "f\ng"\nh', '1|a b c d "e" f\ng 3|h'],
    ['a backtick holds everything', 'a `b "c" \\d`', '1|a b "c" \\d'],
    ['a backslash continues a line', 'a \\\n  b\nc', '1|a b 3|c'],
    ['a heredoc ends at its marker, without its indent', 'a <<END\n  b\n   c\n  END d\ne', '1|a b\n c d 5|e'],
    ['Windows line ends and a byte order mark are nothing', '\uFEFFa\r\nb', '1|a 2|b'],
    ['a placeholder is a part of its word', '{$HOST}:80 {\n}', '1|{$HOST}:80 { 2|}'],
    ['what is not closed is named by its line', 'a\n"b', 'line 2: a " is not closed'],
    ['a heredoc without its end too', 'a <<END\nb', 'line 1: <<END is not closed'],
  ]
  for (const [about, text, expected] of cases) test(about, () => expect(words(text)).toBe(expected))
})

describe('the tree of a Caddyfile', () => {
  test('has options and sites, with their lines', () => {
    const parsed = tree('{\n  debug\n}\n(a) {\n  b\n}\nx.com,\ny.com {\n  c d {\n    e\n  }\n}\n')
    expect(parsed).toEqual({
      ok: true,
      value: {
        options: [{ name: 'debug', args: [], line: 2, block: null }],
        imports: [],
        files: ['/etc/caddy/Caddyfile'],
        sites: [
          {
            addresses: ['x.com', 'y.com'],
            line: 7,
            block: [{ name: 'c', args: ['d'], line: 9, block: [{ name: 'e', args: [], line: 10, block: null }] }],
          },
        ],
      },
    })
  })

  test('a file of one site needs no braces', () => {
    const parsed = tree('x.com\nreverse_proxy app:3000\n')
    expect(
      parsed.ok && parsed.value.sites.map(({ addresses, block }) => [addresses, block.map(one => one.name)]),
    ).toEqual([[['x.com'], ['reverse_proxy']]])
  })

  const broken: readonly (readonly [text: string, line: number, why: string])[] = [
    ['x.com {\n a\n', 1, 'this { is not closed'],
    ['x.com {\n}\n}', 3, 'a } closes nothing'],
    ['x.com {\n {\n }\n}', 2, 'a block without a directive'],
    [`x.com ${'{\na '.repeat(100)}`, 65, 'blocks stand in each other absurdly deep'],
  ]
  for (const [text, line, why] of broken) {
    test(why, () => expect(tree(text)).toEqual({ ok: false, line, why }))
  }

  test('never throws, whatever the text is', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '\n',
      ' ',
      '"',
      '`',
      '<<A\n',
      'A',
      '#',
      '\\',
      '\\\n',
      '(s)',
      'import s',
      '@m',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 5 })), { maxLength: 60 }), pieces => {
        tree(pieces.join(''))
      }),
      { numRuns: 500 },
    )
  })

  const SITE = 'a.com {\n import gate users {\n  extra one\n }\n}\n'
  const imports: readonly (readonly [
    about: string,
    text: string,
    files: Readonly<Record<string, string>>,
    sites: unknown,
  ])[] = [
    [
      'a snippet with arguments',
      `(gate) {\n authorize with {args[0]}\n}\n${SITE}`,
      {},
      { 'a.com': ['authorize with users'] },
    ],
    [
      'and with those that are left',
      `(gate) {\n a {args[:]}\n b x{args.0}\n}\n${SITE}`,
      {},
      { 'a.com': ['a users', 'b xusers'] },
    ],
    ['and with a block', `(gate) {\n {block}\n b {blocks.extra}\n}\n${SITE}`, {}, { 'a.com': ['extra one', 'b one'] }],
    ['a snippet in a snippet', `(in) {\n b\n}\n(gate) {\n import in\n}\n${SITE}`, {}, { 'a.com': ['b'] }],
    [
      'a file beside it',
      'import more\na.com {\n a\n}\n',
      { more: 'b.com {\n b\n}\n' },
      { 'b.com': ['b'], 'a.com': ['a'] },
    ],
    [
      'files of a folder, by name',
      'import sites/*.caddy\n',
      {
        'sites/b.caddy': 'b.com {\n import ../in\n}\n',
        'sites/a.caddy': 'a.com {\n a\n}',
        'sites/.c.caddy': 'c.com {\n}',
        in: 'b',
      },
      { 'a.com': ['a'], 'b.com': ['b'] },
    ],
    ['a snippet of a file', 'import parts\na.com {\n import p\n}\n', { parts: '(p) {\n b\n}\n' }, { 'a.com': ['b'] }],
    [
      'what a snippet imports is beside the file of the snippet',
      'import d/parts\na.com {\n import p\n}\n',
      { 'd/parts': '(p) {\n import in\n}\n', 'd/in': 'right', in: 'wrong' },
      { 'a.com': ['right'] },
    ],
    [
      'nothing of a glob counts where one of its folders cannot be read: a rule may stand there',
      'a.com {\n import */guard\n b\n}\n',
      { 'open/guard': 'c\n', 'shut/guard': 'd\n', file: 'x' },
      { 'a.com': ['import */guard', 'b'] },
    ],
    [
      'files where a glob has folders are none of it',
      'a.com {\n import */guard\n b\n}\n',
      { 'open/guard': 'c\n', file: 'x' },
      { 'a.com': ['c', 'b'] },
    ],
    [
      'what a block imports and is not there stays as it is',
      'a.com {\n import nothing x\n b\n}\n',
      {},
      { 'a.com': ['import nothing x', 'b'] },
    ],
    ['and so does what imports itself', '(a) {\n import a\n}\nb.com {\n import a\n}\n', {}, { 'b.com': ['import a'] }],
  ]
  for (const [about, text, files, sites] of imports) {
    test(`import: ${about}`, () => {
      const parsed = tree(text, files)
      const made =
        parsed.ok &&
        parsed.value.sites.map(({ addresses, block }) => [
          addresses[0],
          block.map(one => [one.name, ...one.args].join(' ')),
        ])
      expect(made && Object.fromEntries(made)).toEqual(sites)
    })
  }

  for (const target of ['sites/*.caddy', 'nothing']) {
    test(`import of ${target}, outside of all sites, that is not there is told`, () => {
      const why = `${target} cannot be followed from here, and may say who may come in`
      expect(tree(`a.com {\n}\nimport ${target}\n`)).toEqual({ ok: false, line: 3, why })
    })
  }
})
