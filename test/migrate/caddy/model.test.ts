import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { checkConfig } from '../../../src/config/check.ts'
import type { Config } from '../../../src/config/resolve/config.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { explain } from '../../../src/server/preview/explain.ts'
import { imported } from '../imported.ts'
import { caddyJson } from './caddy-json.ts'

interface Asked {
  readonly path: string
  readonly method: string
  readonly ip: string
  /** Whether it has a field, and a query. */
  readonly hasKey: boolean
}

interface Route {
  readonly match: readonly (keyof typeof MATCHERS)[]
  readonly handle: readonly Handler[]
  readonly terminal: boolean
  /** Whether it is in the one group of its list. */
  readonly isGrouped: boolean
}

type Handler =
  | { readonly kind: keyof typeof HANDLERS }
  | { readonly kind: 'subroute'; readonly routes: readonly Route[] }

/** What becomes of a request in Caddy, and whether whoever asks had to be signed in. */
interface Fate {
  readonly end: 'one' | 'two' | 'nobody'
  readonly isGuarded: boolean
}

interface Going {
  readonly asked: Asked
  readonly isGuarded: boolean
  /** Whether its session was taken off. */
  readonly isHidden: boolean
}

const BYPASSED = [
  ['prefix', '/a/b'],
  ['exact', '/c'],
  ['suffix', '.js'],
  ['partial', '/free/'],
  ['regex', '^/r(x|y)'],
  ['regex', '^/s[xy]?/\\d$'],
] as const

/** What the policy lets by. */
function isBypassed({ path }: Asked): boolean {
  const isFree = path.startsWith('/a/b') || path === '/c' || path.endsWith('.js') || path.includes('/free/')
  return isFree || /^\/r(x|y)/.test(path) || /^\/s[xy]?\/\d$/.test(path)
}

/** What Caddy cleans off a path before it looks at it: no more is in these. */
function matches(pattern: string, path: string): boolean {
  const [seen, asked] = [path.toLowerCase(), pattern.toLowerCase()]
  if (asked.length > 2 && asked.startsWith('*') && asked.endsWith('*')) return seen.includes(asked.slice(1, -1))
  if (asked.startsWith('*')) return seen.endsWith(asked.slice(1))
  if (asked.endsWith('*') && asked.split('*').length === 2) return seen.startsWith(asked.slice(0, -1))
  return new RegExp(`^${asked.replace(/[*?]/g, star => (star === '*' ? '[^/]*' : '[^/]'))}$`).test(seen)
}

const paths = (...patterns: readonly string[]) => ({
  json: { path: patterns } as unknown,
  holds: ({ path }: Asked) => patterns.some(pattern => matches(pattern, path)),
})

const MATCHERS = {
  a: paths('/a/*'),
  A: paths('/A'),
  aa: paths('/a*'),
  ab: paths('/a/b/*', '/c'),
  css: paths('*.css'),
  free: paths('*free*'),
  deep: paths('/a/*/x', '/q?'),
  like: {
    json: { path_regexp: { pattern: '^/(a|c)x|\\.js$' } },
    holds: ({ path }: Asked) => /^\/(a|c)x|\.js$/.test(path),
  },
  word: {
    json: { path_regexp: { name: 'w', pattern: '^/a/[a-z]+x?$' } },
    holds: ({ path }: Asked) => /^\/a\/[a-z]+x?$/.test(path),
  },
  post: { json: { method: ['POST'] }, holds: ({ method }: Asked) => method === 'POST' },
  never: { json: { method: ['post'] }, holds: () => false },
  lan: { json: { remote_ip: { ranges: ['10.0.0.0/8'] } }, holds: ({ ip }: Asked) => ip.startsWith('10.') },
  key: { json: { header: { 'X-Key': ['*'] } }, holds: ({ hasKey }: Asked) => hasKey },
  none: { json: { header: { 'X-Key': null } }, holds: ({ hasKey }: Asked) => !hasKey },
  query: { json: { query: { key: ['1'] } }, holds: ({ hasKey }: Asked) => hasKey },
  https: { json: { protocol: 'https' }, holds: () => true },
  rest: {
    json: { not: [{ path: ['/a/*', '/c'] }] },
    holds: ({ path }: Asked) => !matches('/a/*', path) && path.toLowerCase() !== '/c',
  },
  odd: {
    json: { not: [{ method: ['POST'], query: { key: ['1'] } }] },
    holds: ({ method, hasKey }: Asked) => !(method === 'POST' && hasKey),
  },
  cel: { json: { expression: { expr: "path('/a/*')" } }, holds: ({ path }: Asked) => matches('/a/*', path) },
  both: {
    json: { path: ['/a/*', '*.css'], header: { 'X-Key': ['*'] } },
    holds: ({ path, hasKey }: Asked) => (matches('/a/*', path) || matches('*.css', path)) && hasKey,
  },
} as const

const app = (name: string) => ({ handler: 'reverse_proxy', upstreams: [{ dial: `${name}:1` }] })

/** `plugin` is a handler that nobody knows. */
const HANDLERS = {
  authorize: {
    handler: 'authentication',
    providers: { authorizer: { gatekeeper_name: 'users', route_matcher: '*' } },
  },
  basic: { handler: 'authentication', providers: { http_basic: { accounts: [] } } },
  verifier: { ...app('verifier'), handle_response: [{ match: { status_code: [2] }, routes: [] }] },
  plugin: { handler: 'key_auth' },
  hide: { handler: 'headers', request: { delete: ['Cookie'] } },
  fields: { handler: 'headers', response: { set: { 'X-A': ['1'] } } },
  strip: { handler: 'rewrite', strip_path_prefix: '/a' },
  put: { handler: 'rewrite', uri: '/a{http.request.uri}' },
  swap: { handler: 'rewrite', uri_substring: [{ find: '/b', replace: '/c' }] },
  folder: { handler: 'rewrite', uri_substring: [{ find: '/b/', replace: '/c/' }] },
  invoke: { handler: 'invoke', name: 'guard' },
  portal: { handler: 'authenticator', portal_name: 'home', route_matcher: '*' },
  abort: { handler: 'static_response', abort: true },
  refuse: { handler: 'static_response', status_code: 403 },
  sent: { handler: 'static_response', status_code: 302, headers: { Location: ['/elsewhere'] } },
  one: app('one'),
  two: app('two'),
} as const

function write(routes: readonly Route[], group: { count: number }): readonly unknown[] {
  const name = `group${++group.count}`
  return routes.map(({ match, handle, terminal, isGrouped }) => ({
    ...(isGrouped ? { group: name } : {}),
    ...(match.length === 0 ? {} : { match: match.map(key => MATCHERS[key].json) }),
    handle: handle.map(one =>
      one.kind === 'subroute' ? { handler: 'subroute', routes: write(one.routes, group) } : HANDLERS[one.kind],
    ),
    ...(terminal ? { terminal: true } : {}),
  }))
}

/** What becomes of a request at these, or as what it goes on to whatever comes after them. */
function follow(routes: readonly Route[], from: Going): Fate | Going {
  let going = from
  let hasMet = false
  for (const { match, handle, terminal, isGrouped } of routes) {
    const { asked } = going
    if ((isGrouped && hasMet) || (match.length > 0 && !match.some(key => MATCHERS[key].holds(asked)))) continue
    hasMet ||= isGrouped
    for (const handler of handle) {
      const next = meet(handler, going)
      if ('end' in next) return next
      going = next
    }
    if (terminal) return { end: 'nobody', isGuarded: going.isGuarded }
  }
  return going
}

function meet(handler: Handler, going: Going): Fate | Going {
  const { asked, isGuarded, isHidden } = going
  const { path } = asked
  switch (handler.kind) {
    case 'subroute':
      return follow(handler.routes, going)
    case 'authorize':
    case 'invoke':
      if (isHidden && !isBypassed(asked)) return { end: 'nobody', isGuarded }
      return { ...going, isGuarded: isGuarded || !isBypassed(asked) }
    case 'hide':
      return { ...going, isHidden: true }
    case 'fields':
      return going
    case 'strip':
      return { ...going, asked: { ...asked, path: /^\/a/i.test(path) ? path.slice(2) || '/' : path } }
    case 'put':
      return { ...going, asked: { ...asked, path: `/a${path}` } }
    case 'swap':
      return { ...going, asked: { ...asked, path: path.replaceAll('/b', '/c') } }
    case 'folder':
      return { ...going, asked: { ...asked, path: path.replaceAll('/b/', '/c/') } }
    case 'one':
    case 'two':
      return { end: handler.kind, isGuarded }
    default:
      return { end: 'nobody', isGuarded }
  }
}

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
  '/a/a/b',
  '/qx',
  '/qq/x',
  '/b/x',
  '/b/b/x',
  '/B/b/x',
  '/a/b/b.js',
  '/a/x;.js',
  '/a/x%3f.js',
  '/%61/b',
  '/c%2ejs',
  '/a%2fx',
  '/a%2fb%2fx',
  '/%2561/b',
].flatMap(path =>
  ['GET', 'POST'].flatMap(method =>
    ['10.0.0.1', '8.8.8.8'].flatMap(ip => [true, false].map(hasKey => ({ path, method, ip, hasKey }))),
  ),
)

/** A path as Caddy reads it, and as an application may that decodes it never or twice, or ends it at a mark. */
function readingsOf(path: string): readonly string[] {
  const decoded = decodeURIComponent(path)
  return [decoded, path, decodeURIComponent(decoded), ...[path, decoded].map(text => text.replace(/[;?].*/, ''))]
}

async function made(routes: readonly Route[]): Promise<Config> {
  const text = caddyJson({
    routes: [
      {
        match: [{ host: ['app.example.com'] }],
        handle: [{ handler: 'subroute', routes: write(routes, { count: 0 }) }],
        terminal: true,
      },
    ],
    server: { named_routes: { guard: { handle: [HANDLERS.authorize] } } },
    policy: { bypass_configs: BYPASSED.map(([match_type, uri]) => ({ match_type, uri })) },
  })
  const { routes: file, unset } = await imported(text)
  const none = '\n[[routes]]\nhost = "x.example"\nrespond = {}\nallow = "public"\n'
  const result = checkConfig(file.includes('[[routes]]') ? file : file + none, {
    file: 'routes.toml',
    env: name => {
      if (!unset.some(blank => blank.name === name)) return undefined
      return name === 'PROXY_ADDRESS' ? '192.0.2.1' : 'fill-in.example'
    },
    readText: () => '',
    readBytes: () => new Uint8Array(),
  })
  if (!result.ok) throw new Error(JSON.stringify(result.diagnostics))
  return result.config
}

const { route } = fc.letrec<{ route: Route; handler: Handler }>(tie => ({
  handler: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 6, arbitrary: fc.constantFrom('one', 'two', 'authorize').map(kind => ({ kind }) as Handler) },
    {
      weight: 4,
      arbitrary: fc
        .constantFrom(...(Object.keys(HANDLERS) as readonly (keyof typeof HANDLERS)[]))
        .map(kind => ({ kind }) as Handler),
    },
    {
      weight: 4,
      arbitrary: fc
        .array(tie('route'), { minLength: 1, maxLength: 3 })
        .map(routes => ({ kind: 'subroute' as const, routes })),
    },
  ),
  route: fc.record({
    match: fc.uniqueArray(fc.constantFrom(...(Object.keys(MATCHERS) as readonly (keyof typeof MATCHERS)[])), {
      maxLength: 2,
    }),
    handle: fc.array(tie('handler'), { minLength: 1, maxLength: 3 }),
    terminal: fc.constantFrom(false, false, false, true),
    isGrouped: fc.boolean(),
  }),
}))

/** What is led elsewhere below a path, and by its other spellings too. */
const SENT_AWAY: readonly Route[] = ['a' as const, null].map(match => ({
  match: match === null ? [] : [match],
  handle: [{ kind: match === null ? 'one' : 'sent' }],
  terminal: false,
  isGrouped: false,
}))

test('whoever gets an application by what is made of routes got the same one in Caddy', async () => {
  const met = { both: 0, theirs: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(route, { minLength: 1, maxLength: 5 }), async routes => {
      const config = await made(routes)
      for (const asked of REQUESTS) {
        const fates = readingsOf(asked.path).map(path =>
          follow(routes, { asked: { ...asked, path }, isGuarded: false, isHidden: false }),
        )
        for (const identity of [null, SOMEBODY]) {
          const sent = asked.hasKey ? { 'x-key': '1' } : {}
          const facts = { method: asked.method, client: asked.ip, nowMs: 0, signedInAtMs: 0, sent }
          const url = new URL(`https://app.example.com${asked.path}${asked.hasKey ? '?key=1' : ''}`)
          const { verdict, upstream } = explain(config, { url, identity, facts })
          const [theirs = 'nobody', ...others] = fates.map(fate =>
            'end' in fate && (identity !== null || !fate.isGuarded) ? fate.end : 'nobody',
          )
          if (theirs !== 'nobody') met.theirs++
          if (verdict !== 'allow' || !upstream.join().includes('http:')) continue
          const gets = upstream.join().includes('one') ? 'one' : 'two'
          if (gets === theirs) met.both++
          // Where another reading of a path leads elsewhere, whoever may have both may get either.
          if (theirs !== 'nobody' && others.includes(gets)) continue
          const who = { ...asked, who: identity?.subject }
          expect({ ...who, gets }).toEqual({ ...who, gets: theirs })
        }
      }
    }),
    { numRuns: 60, examples: [[SENT_AWAY]] },
  )
  // A gate that closes everything does not pass.
  expect(met.both).toBeGreaterThan(met.theirs / 3)
})
