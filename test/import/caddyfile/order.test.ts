import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { checkConfig } from '../../../src/config/check.ts'
import type { Config } from '../../../src/config/types/config.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { explain } from '../../../src/server/forecast/explain.ts'
import { imported } from '../imported.ts'
import { security } from './security.ts'

/** A directive of a site, in the few words that decide who gets what. */
interface Part {
  readonly kind: keyof typeof WORDS | 'handle' | 'route' | 'handle_path'
  readonly matcher: string
  /** What is in a handle or a route. */
  readonly parts: readonly Part[]
}

interface Asked {
  readonly path: string
  readonly method: string
  readonly ip: string
  /** Whether it has a field that only Caddy looks at. */
  readonly hasKey: boolean
}

/** What becomes of a request in Caddy, and whether whoever asks had to be signed in. */
interface Fate {
  readonly end: 'one' | 'two' | 'portal' | 'nobody'
  readonly isGuarded: boolean
}

interface Going {
  readonly asked: Asked
  readonly isGuarded: boolean
}

/** What each is called, with its matcher before the rest. `key_auth` is a plugin that nobody knows. */
const WORDS = {
  authorize: ['authorize', 'with users'],
  basic: ['basic_auth', '{\n bob $2a$14$x\n}'],
  plugin: ['key_auth', ''],
  abort: ['abort', ''],
  portal: ['authenticate', 'with home'],
  refuse: ['respond', '403'],
  sent: ['redir', '/elsewhere'],
  one: ['reverse_proxy', 'one:1'],
  two: ['reverse_proxy', 'two:2'],
} as const

/** Where Caddy puts each, but in a `route`. */
const ORDER = ['plugin', 'sent', 'authorize', 'basic', 'handle', 'route', 'abort', 'portal', 'refuse', 'proxy']

const NAMED: Readonly<Record<string, { readonly text: string; readonly holds: (asked: Asked) => boolean }>> = {
  '@post': { text: 'method POST', holds: ({ method }) => method === 'POST' },
  '@lan': { text: 'remote_ip 10.0.0.0/8', holds: ({ ip }) => ip.startsWith('10.') },
  '@key': { text: 'header X-Key *', holds: ({ hasKey }) => hasKey },
  '@css': { text: 'path *.css', holds: ({ path }) => matches('*.css', path) },
  '@in': { text: 'path *free*', holds: ({ path }) => path.toLowerCase().includes('free') },
  '@like': { text: 'path_regexp ^/(a|c)x|\\.js$', holds: ({ path }) => /^\/(a|c)x|\.js$/.test(path) },
  '@word': { text: 'path_regexp ^/a/[a-z]+x?$', holds: ({ path }) => /^\/a\/[a-z]+x?$/.test(path) },
  '@some': { text: 'path_regexp ^/(a/)?[bc]x?$', holds: ({ path }) => /^\/(a\/)?[bc]x?$/.test(path) },
  '@fold': { text: 'path_regexp (?i)^/A/', holds: ({ path }) => /^\/a\//i.test(path) },
  '@deep': { text: 'path /a/*/x', holds: ({ path }) => /^\/a\/[^/]*\/x$/i.test(path) },
  '@keyed': {
    text: '{\n path /a/* *.css\n header X-Key *\n}',
    holds: ({ path, hasKey }) => (matches('/a/*', path) || matches('*.css', path)) && hasKey,
  },
  '@query': { text: 'query key=1', holds: ({ hasKey }) => hasKey },
  '@asked': {
    text: '{\n method POST\n path /a/*\n query key=1\n}',
    holds: ({ path, method, hasKey }) => matches('/a/*', path) && method === 'POST' && hasKey,
  },
  '@unkeyed': {
    text: '{\n method POST\n not header X-Key *\n}',
    holds: ({ method, hasKey }) => method === 'POST' && !hasKey,
  },
  '@others': {
    text: 'not {\n method POST\n query key=1\n}',
    holds: ({ method, hasKey }) => !(method === 'POST' && hasKey),
  },
  '@rest': { text: 'not path /a/* /c', holds: ({ path }) => !matches('/a/*', path) && !matches('/c', path) },
  '@both': {
    text: '{\n path /a/* *.css\n not method POST\n}',
    holds: ({ path, method }) => (matches('/a/*', path) || matches('*.css', path)) && method !== 'POST',
  },
}
const PATHS = ['/a/*', '/a', '/a*', '/a/b/*', '/c']
const MATCHERS = ['', ...PATHS, ...Object.keys(NAMED)]

function matches(pattern: string, path: string): boolean {
  const seen = path.toLowerCase()
  if (pattern.startsWith('*')) return seen.endsWith(pattern.slice(1))
  return pattern.endsWith('*') ? seen.startsWith(pattern.slice(0, -1)) : seen === pattern
}

const BYPASSED = ['prefix /a/b', 'exact /c', 'suffix .js', 'partial /free/', 'regex ^/r(x|y)', 'regex ^/s[xy]?/\\d$']

/** What the policy lets by. */
function isBypassed({ path }: Asked): boolean {
  return (
    path.startsWith('/a/b') ||
    path === '/c' ||
    path.endsWith('.js') ||
    path.includes('/free/') ||
    /^\/r(x|y)/.test(path) ||
    /^\/s[xy]?\/\d$/.test(path)
  )
}

function holds(matcher: string, asked: Asked): boolean {
  if (matcher === '') return true
  return NAMED[matcher]?.holds(asked) ?? matches(matcher, asked.path)
}

function write(parts: readonly Part[]): string {
  return parts
    .map(({ kind, matcher, parts: inner }) => {
      if (kind === 'handle' || kind === 'route' || kind === 'handle_path')
        return `${kind} ${matcher} {\n${write(inner)}}\n`
      const [word, rest] = WORDS[kind]
      return `${word} ${matcher} ${rest}\n`
    })
    .join('')
}

function rank({ kind }: Part): number {
  return ORDER.indexOf(kind === 'handle_path' ? 'handle' : kind === 'one' || kind === 'two' ? 'proxy' : kind)
}

/** By Caddy's order, those of one directive by their paths: the longest first, and whoever has no matcher last. */
function sorted(parts: readonly Part[]): readonly Part[] {
  const name = (part: Part) => (part.kind === 'refuse' ? 'respond' : rank(part))
  const onlyPathOf = ({ matcher }: Part) =>
    matcher.startsWith('@') ? (/^path (\S+)$/.exec(NAMED[matcher]?.text ?? '')?.[1] ?? '') : matcher
  const compare = (one: Part, other: Part) => {
    if (name(one) !== name(other)) return rank(one) - rank(other)
    const [mine, theirs] = [one, other].map(part => onlyPathOf(part).replace(/\*$/, ''))
    if (mine === undefined || theirs === undefined || mine === '' || theirs === '')
      return Number(one.matcher === '') - Number(other.matcher === '')
    if (mine === theirs) return one.matcher.length - other.matcher.length
    return theirs.length - mine.length || (mine < theirs ? -1 : 1)
  }
  // As Go does it, since without a path neither of two comes first.
  const out: Part[] = []
  for (const part of parts) {
    const passed = [...out].reverse().findIndex(before => compare(part, before) >= 0)
    out.splice(passed === -1 ? 0 : out.length - passed, 0, part)
  }
  return out
}

/** What becomes of a request at these, or as what it goes on to whatever comes after them. */
function follow(parts: readonly Part[], from: Asked, isOrdered: boolean, before: boolean): Fate | Going {
  let asked = from
  let isGuarded = before
  let hasHandled = false
  for (const { kind, matcher, parts: inner } of isOrdered ? parts : sorted(parts)) {
    const isHandle = kind === 'handle' || kind === 'handle_path'
    // In a route, several of them may be met.
    if ((isHandle && hasHandled && !isOrdered) || !holds(matcher, asked)) continue
    if (kind === 'authorize') isGuarded ||= !isBypassed(asked)
    else if (kind === 'one' || kind === 'two' || kind === 'portal') return { end: kind, isGuarded }
    else if (isHandle || kind === 'route') {
      hasHandled ||= isHandle
      const prefix = kind === 'handle_path' ? matcher.replace(/\/?\*$/, '') : ''
      const path = asked.path.toLowerCase().startsWith(prefix) ? asked.path.slice(prefix.length) || '/' : asked.path
      const through = follow(inner, { ...asked, path }, kind === 'route', isGuarded)
      if ('end' in through) return through
      asked = through.asked
      isGuarded = through.isGuarded
    } else return { end: 'nobody', isGuarded }
  }
  return { asked, isGuarded }
}

const OPTIONS = `{
 order key_auth first
 order authorize before basic_auth
 ${security(BYPASSED.map(one => `bypass uri ${one}`).join('\n   '), 'any')}
}
`

const SOMEBODY = makeIdentity('p', 'https://id.example.com', 'ada', { email: 'ada@example.com', email_verified: true })
const REQUESTS: readonly Asked[] = [
  '/',
  '/a',
  '/a/',
  '/a/x',
  '/A/x',
  '/ax',
  '/a/b',
  '/a/bx',
  '/a/b/x',
  '/a/x.css',
  '/c.css',
  '/c',
  '/c/x',
  '/cx',
  '/a/x.js',
  '/a.JS',
  '/free',
  '/a/free/x',
  '/a/Free/x',
  '/rx/y',
  '/sx/1',
  '/s/1',
  '/sx/12',
  '/a/c/x',
  '/a/x;.js',
  '/a/x%3f.js',
  '/%61/b',
  '/c%2ejs',
].flatMap(path =>
  ['GET', 'POST'].flatMap(method =>
    ['10.0.0.1', '8.8.8.8'].flatMap(ip => [true, false].map(hasKey => ({ path, method, ip, hasKey }))),
  ),
)

async function made(parts: readonly Part[]): Promise<Config> {
  const named = Object.entries(NAMED).map(([name, { text }]) => `${name} ${text}\n`)
  const text = `${OPTIONS}app.example.com {\n${named.join('')}${write(parts)}}\n`
  const { routes, unset } = await imported(text, ['--from', 'caddyfile'])
  const result = checkConfig(
    routes.includes('[[routes]]')
      ? routes
      : `${routes}\n[[routes]]\nhost = "x.example"\nrespond = {}\nallow = "public"\n`,
    {
      file: 'routes.toml',
      env: name =>
        unset.some(blank => blank.name === name)
          ? name === 'PROXY_ADDRESS'
            ? '192.0.2.1'
            : 'fill-in.example'
          : undefined,
      readText: () => '',
      readBytes: () => new Uint8Array(),
    },
  )
  if (!result.ok) throw new Error(JSON.stringify(result.diagnostics))
  return result.config
}

test('whoever gets an application by what is made of a site got the same one in Caddy', async () => {
  const matcher = fc.constantFrom(...MATCHERS)
  const { part } = fc.letrec<{ part: Part }>(tie => ({
    part: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.record({
        kind: fc.constantFrom(
          'authorize',
          'one',
          'two',
          'portal',
          'refuse',
          'abort',
          'basic',
          'plugin',
        ) as fc.Arbitrary<Part['kind']>,
        matcher,
        parts: fc.constant([]),
      }),
      fc.record({
        kind: fc.constantFrom('handle', 'route') as fc.Arbitrary<Part['kind']>,
        matcher,
        parts: fc.array(tie('part'), { maxLength: 3 }),
      }),
      fc.record({
        kind: fc.constant('handle_path') as fc.Arbitrary<Part['kind']>,
        matcher: fc.constantFrom('/a/*', '/a/b/*'),
        parts: fc.array(tie('part'), { maxLength: 3 }),
      }),
    ),
  }))
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 5 }), async parts => {
      const config = await made(parts)
      for (const asked of REQUESTS) {
        const fate = follow(parts, { ...asked, path: decodeURIComponent(asked.path) }, false, false)
        for (const identity of [null, SOMEBODY]) {
          const facts = { method: asked.method, client: asked.ip, nowMs: 0, signedInAtMs: 0 }
          const url = new URL(`https://app.example.com${asked.path}`)
          const { verdict, upstream } = explain(config, { url, identity, facts })
          if (verdict !== 'allow' || !upstream.join().includes('http:')) continue
          const mine = upstream.join().includes('one') ? 'one' : 'two'
          const theirs = 'end' in fate && (identity !== null || !fate.isGuarded) ? fate.end : 'nobody'
          // What a portal answered is behind the sign-in of what is around it.
          if ('end' in fate && fate.end === 'portal' && identity !== null) continue
          // Caddy's paths do not heed case or escapes: what is served by the rules of both readings may go to either.
          if (/[A-Z%]/.test(asked.path) && theirs !== 'nobody') continue
          expect({ ...asked, who: identity?.subject, gets: mine }).toEqual({
            ...asked,
            who: identity?.subject,
            gets: theirs,
          })
        }
      }
    }),
    { numRuns: 150 },
  )
})
