import { describe, expect, test } from 'bun:test'
import type { Code } from '../../../../src/base/errors.ts'
import type { Match } from '../../../../src/route/table.ts'
import type { GatePortal, GateRoute } from '../../../../src/server/config/snapshot.ts'
import { judgeMessages, readMessages } from '../../../../src/server/request/mcp/judge.ts'
import { answerPreflight } from '../../../../src/server/request/mcp/preflight.ts'
import { resourceAudiences, resourceChallenge, scopeChallenge } from '../../../../src/server/request/mcp/resource.ts'
import { contextOf } from '../../../kit/context.ts'
import { refusal } from '../../../kit/thrown.ts'

/** Nobody counts what is read. */
const FLOWS = {
  admit: () => undefined,
  enter: () => ({ given: () => undefined, taken: () => undefined, mayGive: () => null, leave: () => undefined }),
}

const call = (name: unknown, more: object = {}) => ({
  jsonrpc: '2.0',
  id: 7,
  method: 'tools/call',
  params: { name },
  ...more,
})

describe('JSON-RPC 2.0: messages', () => {
  const read = (body: unknown) => readMessages(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)))

  test.each<[string, unknown, string[], string | number | null]>([
    ['a call', call('a'), ['a'], 7],
    ['several', [call('a'), call('b', { id: 'x' })], ['a', 'b'], null],
    ['a call without an id', { ...call('a'), id: undefined }, ['a'], null],
    ['one whose id is text', call('a', { id: 'x' }), ['a'], 'x'],
    ['another method', { id: 1, method: 'tools/list' }, [], 1],
    ['an answer', { id: 1, result: { name: 'a' } }, [], 1],
  ])('%s names its tools', (_title, body, tools, id) => {
    expect(read(body)).toEqual({ kind: 'messages', tools, id })
  })

  test.each<[string, unknown]>([
    ['no JSON', '{'],
    ['none', []],
    ['no object', [1]],
    ['null', 'null'],
    ['a list in a list', [[call('a')]]],
    ['a name that is none', call(1)],
    ['no parameters', { ...call('a'), params: undefined }],
    ['parameters in a list', { ...call('a'), params: ['a'] }],
    ['a method in capitals', { ...call('a'), method: 'Tools/Call' }],
    ['a method with a blank', { ...call('a'), method: 'tools/call ' }],
    ['a method that is no text', { ...call('a'), method: ['tools/call'] }],
    ['a member in capitals', { ...call('a'), Method: 'x' }],
    ['a name in capitals', { ...call('a'), params: { name: 'a', NAME: 'b' } }],
    ['a long s', { ...call('a'), 'param\u017f': {} }],
    ['a member twice', '{"method":"tools/list","method":"tools/call","params":{"name":"a"}}'],
    ['a name twice', '{"method":"tools/call","params":{"name":"a","name":"b"}}'],
    ['a byte order mark', `\ufeff${JSON.stringify(call('a'))}`],
  ])('of %s are unclear', (_title, body) => {
    expect(read(body)).toEqual({ kind: 'unclear' })
  })

  test('of bytes that are not UTF-8 are unclear', () => {
    expect(readMessages(Buffer.from('{"method":"\xff"}', 'latin1'))).toEqual({ kind: 'unclear' })
  })
})

describe('a request where tools are judged', () => {
  const route = { config: { id: 'r' }, opensTool: (tool: string) => tool === 'open' } as unknown as GateRoute
  const JSON_TYPE = { 'content-type': 'application/json' }

  function asked(method: string, body: string | null, sent: Record<string, string>) {
    const request = new Request('http://app.example/', { method, body, headers: sent })
    return contextOf({ request, sent })
  }

  const judged = (
    method: string,
    body: string | null,
    sent: Record<string, string> = JSON_TYPE,
    max: number | null = null,
    now = () => 0,
  ) => judgeMessages(asked(method, body, sent), route, max, { ports: { now }, flows: FLOWS })

  test('passes with the body that was read, by its length', async () => {
    const context = asked('POST', JSON.stringify(call('open')), { ...JSON_TYPE, 'transfer-encoding': 'chunked' })
    expect(await judgeMessages(context, route, null, { ports: { now: () => 0 }, flows: FLOWS })).toEqual({
      kind: 'passes',
    })
    expect(await context.request.json()).toEqual(call('open'))
    expect(context.sent).toMatchObject({ 'content-length': `${JSON.stringify(call('open')).length}` })
    expect(context.sent['transfer-encoding']).toBeUndefined()
  })

  test('is refused by the first tool that is not open', async () => {
    expect(await judged('POST', JSON.stringify(call('shut')))).toEqual({ kind: 'closed', tool: 'shut', id: 7 })
    expect(await judged('POST', JSON.stringify([call('open'), call('shut')]))).toEqual({
      kind: 'closed',
      tool: 'shut',
      id: null,
    })
  })

  test.each(['GET', 'HEAD', 'DELETE', 'OPTIONS'])('passes by %s without a body', async method => {
    expect(await judged(method, null)).toEqual({ kind: 'passes' })
  })

  test.each<[string, string, string | null, Record<string, string>, Code]>([
    ['DELETE with a body', 'DELETE', JSON.stringify(call('open')), JSON_TYPE, 'target.malformed'],
    ['PUT', 'PUT', JSON.stringify(call('open')), JSON_TYPE, 'target.malformed'],
    ['PATCH without a body', 'PATCH', null, JSON_TYPE, 'target.malformed'],
    ['a WebSocket', 'GET', null, { upgrade: 'websocket' }, 'target.malformed'],
    ['a body that is packed', 'POST', '{}', { ...JSON_TYPE, 'content-encoding': 'gzip' }, 'target.malformed'],
    ['a body of no type', 'POST', '{}', {}, 'target.malformed'],
    ['a body of another', 'POST', '{}', { 'content-type': 'application/json-seq' }, 'target.malformed'],
    [
      'a body in another coding',
      'POST',
      '{}',
      { 'content-type': 'application/json; charset=utf-16' },
      'target.malformed',
    ],
    ['messages that are unclear', 'POST', '[]', JSON_TYPE, 'target.malformed'],
    ['more than a megabyte', 'POST', ' '.repeat(1024 * 1024 + 1), JSON_TYPE, 'target.too_large'],
  ])('is refused for %s', async (_title, method, body, sent, code) => {
    expect((await refusal(judged(method, body, sent))).code).toBe(code)
  })

  test('is read in UTF-8, however that is written', async () => {
    for (const type of ['application/json;charset=UTF-8', 'Application/JSON ; charset="utf-8"'])
      expect(await judged('POST', JSON.stringify(call('open')), { 'content-type': type })).toEqual({ kind: 'passes' })
  })

  test('is bounded by what the route takes, and by the time that it takes', async () => {
    const body = JSON.stringify(call('open'))
    expect((await refusal(judged('POST', body, JSON_TYPE, body.length - 1))).code).toBe('target.too_large')
    expect(await judged('POST', body, JSON_TYPE, body.length)).toEqual({ kind: 'passes' })
    const lasting = (ms: number) => {
      const times = [0, ms]
      return () => times.shift() ?? ms
    }
    expect(await judged('POST', body, JSON_TYPE, null, lasting(10_000))).toEqual({ kind: 'passes' })
    expect((await refusal(judged('POST', body, JSON_TYPE, null, lasting(10_001)))).code).toBe('target.stalled')
  })
})

describe('Fetch §3.3.2: a browser’s question before a request to an MCP server', () => {
  const match = (mcp: unknown, also: unknown[] = [], methods: string[] | null = null) =>
    ({ value: { config: { mcp, methods } }, also }) as unknown as Match<GateRoute>
  const ASKS = { origin: 'https://any.example', 'access-control-request-method': 'POST' }
  const asking = (method = 'OPTIONS', sent: Record<string, string> = ASKS, body: string | null = null) =>
    contextOf({ request: new Request('http://app.example/mcp', { method, body, headers: sent }), sent })

  test('is answered without credentials', () => {
    const answer = answerPreflight(asking(), match('portal'))
    expect([answer?.status, answer?.headers.get('access-control-allow-origin')]).toEqual([204, '*'])
    expect(answer?.headers.get('access-control-allow-credentials')).toBeNull()
    expect(answer?.headers.get('access-control-allow-methods')).toBe('GET, POST, DELETE')
    expect(answer?.headers.get('access-control-allow-headers')).toContain('authorization')
    const limited = answerPreflight(asking(), match('portal', [], ['GET']))
    expect(limited?.headers.get('access-control-allow-methods')).toBe('GET')
  })

  test.each<[string, ReturnType<typeof contextOf>, Match<GateRoute>]>([
    ['on another route', asking(), match(null)],
    ['by another method', asking('POST'), match('portal')],
    ['where the path can be read as another', asking(), match('portal', [{}])],
    ['without an origin', asking('OPTIONS', { 'access-control-request-method': 'POST' }), match('portal')],
    ['without the method that is to come', asking('OPTIONS', { origin: 'https://any.example' }), match('portal')],
    ['with a body', asking('OPTIONS', ASKS, 'x'), match('portal')],
    ['with another protocol', asking('OPTIONS', { ...ASKS, upgrade: 'websocket' }), match('portal')],
  ])('is no answer of ours %s', (_title, context, at) => {
    expect(answerPreflight(context, at)).toBeNull()
  })
})

describe('RFC 9728: a route as a protected resource', () => {
  const portal = {
    ports: { http: new Set([80, 8080]), https: new Set([443]), usual: { http: 80, https: 443 } },
  } as unknown as GatePortal
  const route = (path: string, mcp: unknown = 'portal') => ({ portal, config: { mcp, path } }) as never
  const context = (path: string, more: object = {}) => contextOf({ route: route(path), ...more })

  test('is known by its address, and a whole host with and without a slash', () => {
    const audiences = (path: string, host = 'app.example') => {
      const one = contextOf({ host })
      return resourceAudiences('http', portal, one.target ?? expect.unreachable(), path)
    }
    expect(audiences('/mcp')).toEqual(['http://app.example/mcp'])
    expect(audiences('/')).toEqual(['http://app.example', 'http://app.example/'])
    expect(audiences('/mcp', 'app.example:8080')).toEqual(['http://app.example:8080/mcp'])
    // Another program may have a port that Host alone names.
    expect(audiences('/mcp', 'app.example:9999')).toEqual(['http://app.example/mcp'])
  })

  test('says where its metadata is, and leaves other schemes’ challenges alone', () => {
    const at = (path: string) => `resource_metadata="http://app.example/.well-known/oauth-protected-resource${path}"`
    expect(resourceChallenge(context('/mcp'), null)).toBe(`Bearer realm="sallyport", ${at('/mcp')}`)
    expect(resourceChallenge(context('/'), null)).toBe(`Bearer realm="sallyport", ${at('')}`)
    const bad = 'Bearer realm="sallyport", error="invalid_token"'
    expect(resourceChallenge(context('/mcp'), bad)).toBe(`${bad}, ${at('/mcp')}`)
    expect(resourceChallenge(context('/mcp'), 'Basic realm="application"')).toBeNull()
    expect(resourceChallenge(contextOf({ route: route('/mcp', null) }), null)).toBeNull()
    expect(resourceChallenge(contextOf(), null)).toBeNull()
    expect(resourceChallenge(context('/mcp', { target: null }), null)).toBeNull()
  })

  test('says to whoever has a token that it does not reach this far', () => {
    expect(scopeChallenge(context('/mcp'))).toBeNull()
    expect(scopeChallenge(context('/mcp', { token: 't' }))).toContain('error="insufficient_scope", resource_metadata=')
  })
})
