import { describe, expect, test } from 'bun:test'
import type { GateError } from '../../../../src/base/errors.ts'
import type { RequestContext } from '../../../../src/server/request/context.ts'
import { challengesOf, finishRefusal, isPreflight } from '../../../../src/server/request/errors/cors.ts'
import { mayRepeat, retryAfterS } from '../../../../src/server/request/errors/error-response.ts'
import { contextOf } from '../../../kit/context.ts'

const QUESTION = { isStatusOnly: true, passes: 204, unknown: 'empty' } as const

/** A request to a route of a portal whose hosts are app.example and other.example. */
function passageAt(config: object, said: Parameters<typeof contextOf>[0] = {}): RequestContext {
  const ports = { http: new Set([80]), https: new Set([443]), usual: { http: 80, https: 443 } }
  const portal = { config: { insecureCookies: true, url: null }, ports } as unknown as RequestContext['portal']
  const lookup = (host: string) => (/^(?:app|other)\.example$/.test(host) ? portal : null)
  const snapshot = { config: { tls: null }, portals: { lookup } } as unknown as RequestContext['snapshot']
  const route = {
    portal,
    config: { mcp: null, allowedOrigins: [], tokens: false, passwords: false, ...config },
  } as never
  return contextOf({ portal, snapshot, route, ...said })
}

describe('Fetch §4.8: a question before a request', () => {
  const ASKS = { origin: 'https://a.example', 'access-control-request-method': 'PUT' }
  const asking = (
    said: object = {},
    sent: Record<string, string> = ASKS,
    method = 'OPTIONS',
    body: string | null = null,
  ) => contextOf({ request: new Request('http://app.example/', { method, body, headers: sent }), sent, ...said })

  test.each<[string, RequestContext, boolean]>([
    ['is OPTIONS with both fields', asking(), true],
    ['is no other method', asking({}, ASKS, 'GET'), false],
    ['is never from somebody', asking({ session: {} }), false],
    ['has an origin', asking({}, { 'access-control-request-method': 'PUT' }), false],
    ['names a method', asking({}, { origin: 'https://a.example' }), false],
    ['asks for no other protocol', asking({}, { ...ASKS, upgrade: 'websocket' }), false],
    ['has no body', asking({}, ASKS, 'OPTIONS', 'x'), false],
    ['is known by its fields where a proxy in front asks', asking({ question: QUESTION }), true],
    ['has no body there either', asking({ question: QUESTION }, { ...ASKS, 'content-length': '1' }), false],
  ])('%s', (_title, context, is) => {
    expect(isPreflight(context)).toBe(is)
  })
})

describe('Fetch §3.3.3: a refusal', () => {
  const refused = (context: RequestContext, status = 403, headers: Record<string, string> = {}) =>
    finishRefusal(context, new Response(null, { status, headers })).headers
  const from = (origin: string, config: object = {}, said: object = {}) =>
    passageAt(config, { sent: { origin }, ...said })
  const readableBy = (context: RequestContext) => {
    const headers = refused(context)
    expect(headers.get('access-control-allow-credentials')).toBe(
      headers.get('access-control-allow-origin')?.startsWith('http') === true ? 'true' : null,
    )
    return headers.get('access-control-allow-origin')
  }

  test.each<[string, RequestContext, string | null]>([
    ['a host of the same portal', from('http://other.example'), 'http://other.example'],
    ['no host of another', from('http://evil.example'), null],
    ['no other scheme', from('https://other.example'), null],
    ['no other port', from('http://other.example:8080'), null],
    ['no other spelling', from('http://OTHER.example'), null],
    ['no origin with its usual port', from('http://other.example:80'), null],
    ['no origin with a path', from('http://other.example/'), null],
    ['nobody in particular', from('null'), null],
    [
      'an origin that the route allows',
      from('https://friend.example', { allowedOrigins: ['https://friend.example'] }),
      'https://friend.example',
    ],
    ['anybody at an MCP server, without credentials', from('https://any.example', { mcp: 'portal' }), '*'],
    ['nobody where there is no portal', from('http://other.example', {}, { portal: null }), null],
    ['nobody before a target is known', from('http://other.example', {}, { target: null }), null],
    [
      'nobody below the paths of our own',
      from('http://other.example', {}, { target: { ...(contextOf().target ?? {}), isReserved: true } }),
      null,
    ],
  ])('can be read by %s', (_title, context, origin) => {
    expect(readableBy(context)).toBe(origin)
  })

  test('says that it depends on the origin, where there is one', () => {
    expect(refused(from('http://evil.example')).get('vary')).toBe('origin')
    expect(refused(passageAt({})).get('vary')).toBeNull()
    expect(refused(from('http://other.example')).get('access-control-expose-headers')).toContain('www-authenticate')
  })

  test('is told from an answer that is none', () => {
    const headers = (status: number) => [
      ...finishRefusal(from('http://other.example'), new Response(null, { status })).headers,
    ]
    expect(headers(303)).toEqual([])
    expect(headers(399)).toEqual([])
    expect(headers(400).length).toBeGreaterThan(0)
  })

  test('says how to come, at 401 alone; and at 403 that a token does not reach this far', () => {
    const tokens = passageAt({ tokens: true })
    expect(refused(tokens, 401).get('www-authenticate')).toContain('Bearer')
    expect(refused(tokens, 403).get('www-authenticate')).toBeNull()
    expect(refused(passageAt({}), 401).get('www-authenticate')).toBeNull()
    const mcp = { mcp: 'portal', path: '/', tokens: true }
    expect(refused(passageAt(mcp, { token: 't' }), 403).get('www-authenticate')).toContain('insufficient_scope')
    expect(refused(passageAt(mcp), 403).get('www-authenticate')).toBeNull()
  })
})

describe('RFC 7617 §2: WWW-Authenticate', () => {
  const BEARER = 'Bearer realm="sallyport"'
  const BASIC = 'Basic realm="sallyport", charset="UTF-8"'
  const BAD = `${BEARER}, error="invalid_token"`
  const by = (config: object, headers: Record<string, string> = {}, more: object = {}) =>
    passageAt(config, { request: new Request('http://app.example/', { headers }), sent: headers, ...more })
  const CURL = { 'user-agent': 'curl/8' }
  const BROWSER = { 'user-agent': 'Mozilla/5.0' }

  test.each<[string, RequestContext, string | null, string | null]>([
    ['nothing where nothing is taken', by({}, CURL), null, null],
    ['both to a program where tokens are taken', by({ tokens: true }, CURL), null, `${BASIC}, ${BEARER}`],
    ['Basic to a program where passwords are', by({ passwords: true }, CURL), null, BASIC],
    ['no Basic to a browser', by({ tokens: true }, BROWSER), null, BEARER],
    ['nothing to a browser where passwords are taken', by({ passwords: true }, BROWSER), null, null],
    ['no Basic to whoever came by Bearer', by({ tokens: true }, { ...CURL, authorization: 'Bearer x' }), BAD, BAD],
    [
      'Basic to whoever came by it',
      by({ tokens: true }, { ...CURL, authorization: 'Basic eDp4' }),
      BAD,
      `${BASIC}, ${BAD}`,
    ],
    ['what it says already', by({ tokens: true }, CURL), 'Negotiate', 'Negotiate'],
    [
      'no Basic to whoever does not say what it is, behind a proxy',
      by({ passwords: true }, {}, { question: QUESTION }),
      null,
      null,
    ],
    ['Basic to whoever does', by({ passwords: true }, CURL, { question: QUESTION }), null, BASIC],
    ['Basic to whoever does not, without a proxy', by({ passwords: true }), null, BASIC],
  ])('says %s', (_title, context, own, says) => {
    expect(challengesOf(context, own)).toBe(says)
  })
})

describe('when to come again', () => {
  const failing = (...failures: number[]) =>
    ({ route: { upstream: { origins: failures.map(count => ({ failures: count })) } } }) as never
  const after = (status: number, context: object, given?: number) =>
    retryAfterS({ status, retryAfterS: given } as GateError, contextOf(context))

  test('is longer the longer an application fails, up to half a minute', () => {
    for (const status of [502, 503, 504])
      expect([0, 1, 2, 3, 4, 9].map(count => after(status, failing(count)))).toEqual([5, 5, 10, 20, 30, 30])
    expect(after(502, failing(1, 3, 2))).toBe(20)
    expect(after(502, {})).toBe(5)
  })

  test('is what an error says, and nothing where that changes nothing', () => {
    expect(after(429, {}, 7)).toBe(7)
    for (const status of [400, 403, 429, 500, 501, 505]) expect(after(status, failing(3))).toBeUndefined()
  })

  test.each([
    ['GET', true],
    ['HEAD', true],
    ['POST', false],
    ['PUT', false],
    ['OPTIONS', false],
  ])('by itself is for what does nothing twice: %s %p', (method, may) => {
    expect(mayRepeat(contextOf({ request: new Request('http://app.example/', { method }) }))).toBe(may)
  })
})
