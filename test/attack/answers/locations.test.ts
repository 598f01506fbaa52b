import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { parseUpstream } from '../../../src/config/values/address.ts'
import { rewriteCookie } from '../../../src/proxy/fields/response.ts'
import { compileOwnAddresses, rewriteAddress, rewriteRefresh } from '../../../src/proxy/fields/rewrite-location.ts'
import { parseTarget } from '../../../src/route/target.ts'
import { ATTACK_RUNS } from '../../kit/wire/odd-targets.ts'

/** What readers disagree about, or what begins something else for them. */
const ODD_PARTS = [
  '\\',
  '/\\',
  '@',
  ':',
  '#',
  '?',
  ';',
  ',',
  ', ',
  '.',
  '..',
  '%2e',
  '%2f',
  '%5c',
  '%0d%0a',
  '\t',
  ' ',
  '\0',
]
const PATHS = [
  '/',
  '//',
  '///',
  '/in',
  '/a',
  '/base',
  '/../',
  '/./',
  'x',
  '\u00e9',
  '5;url=',
  '"',
  'evil.test',
  '@evil.test',
]
const SCHEMES = ['http:', 'https:', 'HTTP:', '', 'javascript:', 'data:']
const HOSTS = [
  'app',
  'app.internal',
  'app.example',
  'APP.example',
  'evil.test',
  '127.0.0.1',
  '[::1]',
  '[::0:1]',
  'localhost',
  '',
]
const USERS = [...Array<string>(9).fill(''), 'me:secret@', 'app:3000@', '@']
const PORTS = ['', '', ':3000', ':443', ':80', ':8443', ':9', ':', ':03000']

const some = (parts: readonly string[], maxLength: number) =>
  fc.array(fc.constantFrom(...parts), { maxLength }).map(found => found.join(''))
const one = (parts: readonly string[]) => fc.constantFrom(...parts)

/** Addresses that are nearly those of the application, and any others. */
const address = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        one(SCHEMES),
        one([...Array<string>(9).fill('//'), '/', '', '\\\\', '///']),
        one(USERS),
        one(HOSTS),
        one(PORTS),
        some(PATHS, 4),
      )
      .map(parts => parts.join('')),
  },
  { weight: 2, arbitrary: some(PATHS, 5) },
  { weight: 1, arbitrary: some([...ODD_PARTS, ...PATHS, ...SCHEMES, ...HOSTS, ...PORTS], 9) },
)

const settings = fc.record({
  upstream: fc.constantFrom(
    'http://app:3000',
    'http://app:3000/base',
    'https://app',
    'http://[::1]:3000',
    'unix:/run/app',
  ),
  strip: fc.constantFrom(null, '/a', '/a/in'),
  add: fc.constantFrom(null, '/in', '/in/a'),
  hostHeader: fc.constantFrom(
    { kind: 'pass' } as const,
    { kind: 'upstream' } as const,
    { kind: 'name', name: 'app.internal' } as const,
  ),
  authority: fc.constantFrom('app.example', 'app.example:8443'),
  prefix: fc.constantFrom('', '/out'),
})

function setUp(given: typeof settings extends fc.Arbitrary<infer Value> ? Value : never) {
  const parsed = parseUpstream(given.upstream)
  if (!parsed.ok) throw new Error(parsed.message)
  const own = compileOwnAddresses(given.strip, given.add, given.hostHeader, true, true)
  const asked = { scheme: 'https' as const, target: parseTarget('GET', '/', given.authority), prefix: given.prefix }
  return [own, asked, parsed.value] as const
}

/** The names that are the application's, or the gate's own for it. */
const OWN = /^(?:app|app\.internal|app\.example|\[::1\]|localhost)$/

describe('an address of an application', () => {
  test('leads to no other host than it named, and one that named another is not touched', () => {
    fc.assert(
      fc.property(address, settings, (raw, given) => {
        const made = rewriteAddress(raw, ...setUp(given))
        if (made === raw) return
        const base = `https://${given.authority}/page`
        const [before, after] = [URL.parse(raw, base), URL.parse(made, base)]
        expect(after?.origin).toBe(`https://${given.authority}`)
        expect(before?.hostname).toMatch(OWN)
        expect(before?.username).toBe('')
      }),
      { numRuns: ATTACK_RUNS * 40 },
    )
  })

  test('is the same once it has been written', () => {
    fc.assert(
      fc.property(address, settings, (raw, given) => {
        const set = setUp({ ...given, add: null, upstream: 'http://app:3000' })
        const made = rewriteAddress(raw, ...set)
        expect(rewriteAddress(made, ...set)).toBe(made)
      }),
      { numRuns: ATTACK_RUNS * 5 },
    )
  })

  test('brings no line, and no character that it did not have', () => {
    fc.assert(
      fc.property(address, settings, (raw, given) => {
        const set = setUp(given)
        const made = [
          rewriteAddress(raw, ...set),
          rewriteRefresh(`5; url=${raw}`, one => rewriteAddress(one, ...set)),
          rewriteCookie(`a=b; Path=${raw}; Domain=${raw}`, ...set),
        ].join('')
        for (const odd of ['\r', '\n', '\0', '\\', '\t']) expect(made.includes(odd)).toBe(raw.includes(odd))
      }),
      { numRuns: ATTACK_RUNS * 5 },
    )
  })

  test('that sends people elsewhere stays what it was: that is its own matter', () => {
    const set = setUp({
      upstream: 'http://app:3000',
      strip: '/a',
      add: null,
      hostHeader: { kind: 'pass' },
      authority: 'app.example',
      prefix: '',
    })
    for (const raw of [
      '//evil.test',
      '/\\evil.test',
      'https://evil.test/',
      'javascript:alert(1)',
      'http://app:3000@evil.test/',
    ]) {
      expect(rewriteAddress(raw, ...set)).toBe(raw)
    }
  })
})
