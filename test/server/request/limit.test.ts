import { describe, expect, test } from 'bun:test'
import { GateError } from '../../../src/base/errors.ts'
import type { Match } from '../../../src/route/table.ts'
import type { GateRoute } from '../../../src/server/config/snapshot.ts'
import { type RequestContext, tellsOfWebSocket } from '../../../src/server/request/context.ts'
import {
  limitClient,
  limitPerson,
  limitRoute,
  longestBody,
  refuseServiceWorker,
} from '../../../src/server/request/limit.ts'
import { cameByPlainHttp } from '../../../src/server/request/portal/portal-request.ts'
import { contextOf, locatedAt } from '../../kit/context.ts'
import { codeOf } from '../../kit/thrown.ts'

interface Given {
  readonly rate?: { readonly name: string; readonly by: 'client' | 'user' | 'route' }
  readonly maxBodyBytes?: number | null
  readonly serviceWorkers?: boolean
}

function routeOf({ rate, maxBodyBytes = null, serviceWorkers = true }: Given): GateRoute {
  return { rate: rate ?? null, config: { id: 'r', maxBodyBytes, serviceWorkers } } as unknown as GateRoute
}

const matchOf = (first: Given, ...others: Given[]) =>
  ({ value: routeOf(first), also: others.map(routeOf) }) as unknown as Match<GateRoute>

/** The names of the rates of which somebody takes. */
function taken(act: (rates: { take(rate: { readonly name: string }): void }) => void): string[] {
  const names: string[] = []
  act({ take: ({ name }) => names.push(name) })
  return names
}

const CLIENT = { name: 'client', by: 'client' } as const
const USER = { name: 'user', by: 'user' } as const
const ROUTE = { name: 'route', by: 'route' } as const

test.each<[Given, Given[], before: string[], after: string[]]>([
  [{}, [], [], []],
  [{ rate: CLIENT }, [], ['client'], []],
  [{ rate: USER }, [], [], ['user']],
  [{ rate: CLIENT }, [{ rate: USER }, { rate: ROUTE }, {}], ['client', 'route'], ['user']],
  [{ rate: USER }, [{ rate: CLIENT }], ['client'], ['user']],
  [{}, [{ rate: ROUTE }, { rate: ROUTE }], ['route'], []],
  [{ rate: CLIENT }, [{ rate: CLIENT }], ['client'], []],
])('%j beside %j counts by client before anybody is looked up, and by user after', (first, others, before, after) => {
  const match = matchOf(first, ...others)
  expect(taken(rates => limitRoute(locatedAt(match), { rates }))).toEqual(before)
  expect(taken(rates => limitPerson('192.0.2.1', null, match, { rates }))).toEqual(after)
})

test('the rate of a listener counts whatever is asked for, unless its client gives up too many', () => {
  const at = (rate: unknown) => contextOf({ snapshot: { rate } as unknown as RequestContext['snapshot'], target: null })
  const resets = { refuse: () => undefined }
  expect(taken(rates => limitClient(at(CLIENT), { rates, resets }))).toEqual(['client'])
  expect(taken(rates => limitClient(at(null), { rates, resets }))).toEqual([])
  const refuse = () => {
    throw new GateError('limit.rate', 'too many were given up')
  }
  const names = taken(rates =>
    expect(codeOf(() => limitClient(at(CLIENT), { rates, resets: { refuse } }))).toBe('limit.rate'),
  )
  expect(names).toEqual([])
})

test('a request that mentions other addresses is kept as it came, and no other one', () => {
  const kept = (sent: Record<string, string>) => {
    const context = locatedAt(matchOf({}), { sent })
    limitRoute(context, { rates: { take: () => undefined } })
    return context.asked?.sent
  }
  expect(kept({})).toBeUndefined()
  expect(kept({ if: '(["tag"])' })).toBeUndefined()
  expect(kept({ if: '</x> (<urn:t>)' })).toMatchObject({ if: '</x> (<urn:t>)' })
  expect(kept({ destination: '/y' })).toMatchObject({ destination: '/y' })
})

test.each<[number | null, (number | null)[], number | null]>([
  [null, [], null],
  [5, [], 5],
  [5, [null, 7], 5],
  [5, [7, 3, 4], 3],
  [null, [7, null, 9], 7],
])('of bodies of at most %j here and %j there, at most %j may come', (first, others, least) => {
  const given = (maxBodyBytes: number | null) => ({ maxBodyBytes })
  expect(longestBody(matchOf(given(first), ...others.map(given)))).toBe(least)
})

describe('the script of a service worker', () => {
  const NONE = { serviceWorkers: false }
  test.each<[Record<string, string>, string]>([
    [{ 'service-worker': 'script' }, 'route.service_worker'],
    [{ 'sec-fetch-dest': 'serviceworker' }, 'route.service_worker'],
    [{ 'sec-fetch-dest': 'script' }, 'none'],
    [{}, 'none'],
  ])('%j on a route without any: %s', (sent, code) => {
    const context = contextOf({ sent })
    expect(codeOf(() => refuseServiceWorker(context, routeOf(NONE)))).toBe(code)
    expect(codeOf(() => refuseServiceWorker(context, routeOf({})))).toBe('none')
    const tools = { rates: { take: () => undefined } }
    expect(codeOf(() => limitRoute(locatedAt(matchOf(NONE), { sent }), tools))).toBe(code)
    expect(codeOf(() => limitRoute(locatedAt(matchOf({}, {}, NONE), { sent }), tools))).toBe(code)
  })
})

test.each<[Record<string, string>, boolean]>([
  [{}, false],
  [{ upgrade: 'h2c' }, false],
  [{ upgrade: 'WebSocket' }, true],
  [{ upgrade: 'h2c, websocket' }, true],
  [{ 'sec-websocket-key': 'x' }, true],
  [{ 'sec-websocket-version': '13' }, true],
])('%j tells of a WebSocket: %p', (sent, tells) => {
  expect(tellsOfWebSocket(sent)).toBe(tells)
})

describe('a page loaded by plain HTTP though HTTPS is promised', () => {
  const portal = { config: { insecureCookies: false, url: null } } as unknown as RequestContext['portal']
  const question = { isStatusOnly: true, passes: 204, unknown: 'empty' } as const
  test.each<[string, Parameters<typeof contextOf>[0], boolean]>([
    ['is one that nothing says otherwise of', {}, true],
    [
      'is none where a trusted proxy says https',
      { isPeerTrusted: true, sent: { 'x-forwarded-proto': 'https' } },
      false,
    ],
    ['is one where a trusted proxy says http', { isPeerTrusted: true, sent: { 'x-forwarded-proto': 'http' } }, true],
    ['is none where a trusted proxy says nothing', { isPeerTrusted: true }, false],
    [
      'is none where a proxy wrote the field that counts',
      {
        sent: { 'x-my-client': 'x' },
        snapshot: { config: { tls: null }, clientField: 'x-my-client' } as unknown as RequestContext['snapshot'],
      },
      false,
    ],
    ['is none that came by TLS', { front: { protocol: 'https' } }, false],
    ['is none where plain HTTP is promised', { portal: null }, false],
    ['is none that a proxy in front asks about', { question }, false],
    ['is none that a browser says of what it loads', { sent: { 'sec-fetch-mode': 'navigate' } }, false],
    ...['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-real-ip', 'forwarded', 'via'].map(
      (name): [string, Parameters<typeof contextOf>[0], boolean] => [
        `is none where a proxy wrote ${name}`,
        { sent: { [name]: 'x' } },
        false,
      ],
    ),
  ])('%s', (_title, said, isPlain) => {
    expect(cameByPlainHttp(contextOf({ portal, ...said }))).toBe(isPlain)
  })
})
