import { describe, expect, test } from 'bun:test'
import type { GateRoute } from '../../../src/server/config/snapshot.ts'
import { exchangeFacts, presentAt, provenClient, requestFacts } from '../../../src/server/request/context.ts'
import { isStray } from '../../../src/server/request/decide.ts'
import type { Session } from '../../../src/session/session.ts'
import { contextOf } from '../../kit/context.ts'

const routeOf = (config: object) =>
  ({ config: { portal: 'home', tokens: true, passwords: true, mcp: null, ...config } }) as unknown as GateRoute

test.each<[string, 'tokens' | 'passwords', object, object, boolean]>([
  ['a token that is taken at both', 'tokens', {}, {}, false],
  ['a token that is not taken there', 'tokens', {}, { tokens: false }, true],
  ['a token for one MCP server', 'tokens', { mcp: 'portal' }, {}, true],
  ['a token of another portal', 'tokens', {}, { portal: 'other' }, true],
  ['a password that is taken at both', 'passwords', { mcp: 'portal' }, {}, false],
  ['a password that is not taken there', 'passwords', {}, { passwords: false }, true],
])('%s by %s must not lead to another reading: %j, %j, %p', (_title, by, here, there, stray) => {
  expect(isStray(by, routeOf(here), routeOf(there))).toBe(stray)
})

const session = (more: object = {}) => ({ id: 'a', portal: 'home', createdAtMs: 5, ...more }) as unknown as Session

test('somebody of another portal comes to a route as nobody', () => {
  expect(presentAt(routeOf({}), session())).toEqual(session())
  expect(presentAt(routeOf({ portal: 'other' }), session())).toBeNull()
  expect(presentAt(routeOf({ portal: null }), session())).toBeNull()
  expect(presentAt(routeOf({}), null)).toBeNull()
})

describe('what rules look at', () => {
  test('is an address that is beyond doubt, and none that is not', () => {
    expect(provenClient(contextOf({ isClientProven: true }))).toBe('192.0.2.1')
    expect(provenClient(contextOf({ isClientProven: false }))).toBeNull()
    expect(requestFacts(contextOf({ isClientProven: false }), null).client).toBeNull()
  })

  test('is when somebody signed in, and no token’s beginning', () => {
    const context = contextOf({ decidedMs: 9 })
    expect(requestFacts(context, session())).toMatchObject({ signedInAtMs: 5, nowMs: 9, method: 'GET' })
    expect(requestFacts(context, null).signedInAtMs).toBeNull()
    expect(exchangeFacts({ session: null, method: 'PUT', client: null, target: null } as never, 7)).toMatchObject({
      signedInAtMs: null,
      nowMs: 7,
      method: 'PUT',
    })
  })
})
