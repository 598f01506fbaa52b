import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { lexCaddyfile } from '../../../src/cli/import/caddyfile/lex.ts'
import { parseCaddyfile } from '../../../src/cli/import/caddyfile/parse.ts'

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
  test('has options, snippets and sites, with their lines', () => {
    const parsed = parseCaddyfile('{\n  debug\n}\n(a) {\n  b\n}\nx.com,\ny.com {\n  c d {\n    e\n  }\n}\n')
    expect(parsed).toEqual({
      ok: true,
      value: {
        options: [{ name: 'debug', args: [], line: 2, block: null }],
        snippets: new Map([['a', [{ name: 'b', args: [], line: 5, block: null }]]]),
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
    const parsed = parseCaddyfile('x.com\nreverse_proxy app:3000\n')
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
    test(why, () => expect(parseCaddyfile(text)).toEqual({ ok: false, line, why }))
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
        parseCaddyfile(pieces.join(''))
      }),
      { numRuns: 500 },
    )
  })
})
