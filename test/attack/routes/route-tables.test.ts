import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { explain } from '../../../src/server/preview/explain.ts'
import { type Gate, portalWith, startGate } from '../../kit/gate.ts'
import { routeTo } from '../../kit/toml.ts'
import { ATTACK_RUNS, oddTargets } from '../../kit/wire/odd-targets.ts'
import { isOwn, linesOfRule, needsOf, type PathRule, readingsOf } from '../../kit/wire/readings.ts'
import { rawRequest, sendThrough } from '../../kit/wire/through.ts'
import { WEBSOCKET_FIELDS } from '../../kit/wire/websocket.ts'
import { httpResponse, type RawUpstream, startRawUpstream } from '../../kit/wire/wire.ts'

interface Route extends PathRule {
  readonly strip?: string
  readonly add?: string
}

interface Table {
  readonly what: string
  /** More keys for the portal. */
  readonly portal?: string
  readonly routes: readonly Route[]
}

/** Files as people write them; the signed-in person of these tests is a `user` and no `admin`. */
const TABLES: readonly Table[] = [
  {
    what: 'protected below public below protected',
    routes: [
      { path: '/', allow: 'user' },
      { path: '/pub', allow: 'public' },
      { path: '/pub/private', allow: 'admin' },
      { path: '/pub/private/open', allow: 'public' },
      { path: '/Files/Mine', allow: 'admin' },
    ],
  },
  {
    what: 'one application, its prefix stripped',
    routes: [
      { path: '/api', allow: 'public', strip: '/api' },
      { path: '/api/admin', allow: 'admin', strip: '/api' },
      { path: '/api/admin/login', allow: 'public', strip: '/api' },
    ],
  },
  {
    what: 'one application, its prefix exchanged for another',
    routes: [
      { path: '/v1', allow: 'public', strip: '/v1', add: '/svc/v1' },
      { path: '/v1/secret', allow: 'admin', strip: '/v1', add: '/svc/v1' },
      { path: '/v1/mine', allow: 'user', strip: '/v1', add: '/svc/v1' },
    ],
  },
  {
    what: 'a prefix in front of all',
    routes: [
      { path: '/', allow: 'public', add: '/site' },
      { path: '/manage', allow: 'admin', add: '/site' },
    ],
  },
  {
    what: 'a callback among the routes',
    portal: 'callback_path = "/oauth2/callback"',
    routes: [
      { path: '/', allow: 'public' },
      { path: '/oauth2', allow: 'admin' },
      { path: '/oauth2/static', allow: 'public' },
    ],
  },
  {
    what: 'names that differ by a letter, a dot or a dash',
    routes: [
      { path: '/', allow: 'public' },
      { path: '/app', allow: 'admin' },
      { path: '/app2', allow: 'public' },
      { path: '/app.js', allow: 'public' },
      { path: '/app-x', allow: 'user' },
      { path: '/a', allow: 'user' },
    ],
  },
]

/** What an earlier run has found. */
const FOUND = [
  '/api//admin//login/x',
  '/api/x/%2e%2e//admin/Login/apix',
  '/%2foauth2/Static/',
  '/%2fpub/private/Open/x',
]

/** Fields by which some backends choose another path or host. */
const LIES = [
  'X-Original-URL: /forged-place',
  'X-Rewrite-URL: /forged-place',
  'X-Forwarded-Prefix: /forged-place',
  'X-Forwarded-Uri: /forged-place',
]

describe.each(TABLES)('$what', table => {
  let upstream: RawUpstream
  let gate: Gate
  let cookie: string

  beforeAll(async () => {
    upstream = await startRawUpstream([httpResponse(200, 'UPSTREAM')])
    const routes = table.routes.map(route => {
      const strip = route.strip === undefined ? '' : `strip_prefix = "${route.strip}"`
      const add = route.add === undefined ? '' : `add_prefix = "${route.add}"`
      return routeTo(upstream, 'app.example', `${linesOfRule(route)}\n${strip}\n${add}`)
    })
    gate = await startGate(portalWith(table.portal ?? '') + routes.join('\n'))
    cookie = (await gate.signIn('app.example', { sub: 'bob' })).cookie
  })

  afterAll(async () => {
    await gate[Symbol.asyncDispose]()
    await upstream.close()
  })

  /** What a path of the application is called outside: every table gives all of its routes one way in. */
  function outside(path: string): string | null {
    const { strip = '', add = '' } = table.routes[0] ?? {}
    if (path !== add && !path.startsWith(`${add}/`)) return null
    return `${strip}${path.slice(add.length)}` || '/'
  }

  function isBeyond(target: string, isSignedIn: boolean): string | null {
    const allowed = isSignedIn ? ['public', 'user'] : ['public']
    for (const reading of readingsOf(target)) {
      const path = outside(reading)
      // A reading that ignores case may have its prefix in another spelling.
      if (path === null && outside(reading.toLowerCase()) === null) return `${reading} is outside of the prefix`
      if (path === null) continue
      if (isOwn(path)) return `${path} is one of ours`
      if (!needsOf(table.routes, path).every(need => need !== null && allowed.includes(need)))
        return `${path} is not theirs`
    }
    return null
  }

  test.each([
    ['no spelling', true, []],
    ['no spelling', false, []],
    // Its path is written by ourselves, with nothing of fetch in between; this upstream refuses them all.
    ['no WebSocket', true, WEBSOCKET_FIELDS],
    ['no WebSocket', false, WEBSOCKET_FIELDS],
  ])(
    '%s leads beyond what someone may reach (signed in: %p)',
    async (_what, isSignedIn, more) => {
      let passed = 0
      await fc.assert(
        fc.asyncProperty(oddTargets(table.routes.map(({ path }) => path)), async target => {
          const fields = [...(isSignedIn ? [`Cookie: ${cookie}`] : []), ...LIES, ...more]
          const head = [`GET ${target} HTTP/1.1`, 'Host: app.example', ...fields, '', '']
          const raw = Buffer.from(
            more.length === 0 ? rawRequest(`GET ${target}`, 'app.example', fields) : head.join('\r\n'),
            'latin1',
          )
          const { response, received } = await sendThrough(gate.port, upstream, raw)
          if (received === '') {
            expect([0, 302, 400, 401, 403, 404, 414, 503, 505]).toContain(response.status)
            return
          }
          passed++
          expect(received).not.toContain('forged-place')
          const [, seen = ''] = /^GET (\S+) HTTP\/1\.1\r\n/.exec(received) ?? []
          expect(seen).not.toContain('#')
          expect([target, seen, isBeyond(seen, isSignedIn)]).toEqual([target, seen, null])
        }),
        { numRuns: ATTACK_RUNS },
      )
      // It is no proof to refuse everything.
      expect(passed).toBeGreaterThan(ATTACK_RUNS / 50)
    },
    600_000,
  )

  test('explain says what the gate does', async () => {
    const codes = { allow: [200, 302, 503], 'sign-in': [401], deny: [403], refused: [400], 'no-route': [404] }
    const identity = makeIdentity('id', 'http://127.0.0.1:9', 'bob', { sub: 'bob' })
    await fc.assert(
      fc.asyncProperty(oddTargets(table.routes.map(({ path }) => path)), fc.boolean(), async (target, isSignedIn) => {
        const url = URL.parse(target, 'http://app.example')
        // As a browser would send it: what it makes of an address before that is not the gate's.
        if (url === null || url.host !== 'app.example') return
        const raw = rawRequest(`GET ${url.pathname}${url.search}`, url.host, isSignedIn ? [`Cookie: ${cookie}`] : [])
        const { response } = await sendThrough(gate.port, upstream, raw)
        const facts = {
          method: 'GET',
          client: '127.0.0.1',
          nowMs: Date.now(),
          signedInAtMs: isSignedIn ? Date.now() : null,
        }
        const { verdict } = explain(gate.server.config, { url, identity: isSignedIn ? identity : null, facts })
        const expected: readonly number[] = verdict === 'step-up' ? [] : codes[verdict]
        expect([url.href, verdict, expected.includes(response.status)]).toEqual([url.href, verdict, true])
      }),
      { numRuns: ATTACK_RUNS },
    )
  }, 600_000)

  test.each(FOUND)('%s, which was found so, leads nowhere beyond either', async target => {
    const { received } = await sendThrough(gate.port, upstream, rawRequest(`GET ${target}`, 'app.example'))
    const [, seen] = /^GET (\S+) HTTP\/1\.1\r\n/.exec(received) ?? []
    if (seen !== undefined) expect([seen, isBeyond(seen, false)]).toEqual([seen, null])
  })

  test('each route is reached by its plain path', async () => {
    for (const { path, allow, strip = '', add = '' } of table.routes) {
      for (const isSignedIn of [true, false]) {
        const raw = rawRequest(`GET ${path}?q=/../admin`, 'app.example', isSignedIn ? [`Cookie: ${cookie}`] : [])
        const { received } = await sendThrough(gate.port, upstream, raw)
        const isOpen = allow === 'public' || (isSignedIn && allow === 'user')
        const inner = add + (path.slice(strip.length) || '/')
        const seen = path === '/' && add !== '' ? `${add}/` : inner
        expect([path, isSignedIn, received.split(' HTTP', 1)[0]]).toEqual([
          path,
          isSignedIn,
          isOpen ? `GET ${seen}?q=/../admin` : '',
        ])
      }
    }
  })
})
