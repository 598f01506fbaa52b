import { describe, expect, test } from 'bun:test'
import { createToken } from '../../kit/commands.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { rawRequest, sendThrough } from '../../kit/wire/through.ts'
import { httpResponse, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
/** An API that may only be read, beside an application where any method goes. */
const upstream = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))
const route = (path: string, more: string, allow = '["user"]') =>
  `[[routes]]\nhost = "app.example"\npath = "${path}"\nupstream = "http://127.0.0.1:${upstream.port}"\nportal = "home"\nallow = ${allow}\n${more}\n`
const gate = keep(
  await startGate(
    [
      PORTAL,
      route('/', 'tokens = true'),
      route('/api', 'methods = ["GET"]'),
      route('/ruled', 'deny = [{ methods = ["DELETE"] }]'),
      route('/allowed', '', '["admin", { roles = ["user"], methods = ["GET"] }]'),
      route('/asked', 'cors_preflight = true'),
    ].join('\n'),
  ),
)
const cookie = (await gate.signIn('app.example', { sub: 'bob' })).cookie

const OVERRIDES = [
  'X-HTTP-Method-Override: DELETE',
  'X-HTTP-Method: DELETE',
  'X-Method-Override: DELETE',
  'X_HTTP_METHOD_OVERRIDE: DELETE',
  'x.http.method: DELETE',
]

async function received(path: string, fields: readonly string[]): Promise<string> {
  const raw = rawRequest(`GET ${path}`, 'app.example', [...fields, ...OVERRIDES])
  const { response, received: bytes } = await sendThrough(gate.port, upstream, raw)
  expect([path, response.status]).toEqual([path, 200])
  return bytes
}

test('a field names another method only where no rule looks at methods', async () => {
  expect(await received('/free', [`Cookie: ${cookie}`])).toContain('DELETE')
  for (const path of ['/api/x', '/ruled/x', '/allowed/x'])
    expect(await received(path, [`Cookie: ${cookie}`])).not.toContain('DELETE')
})

test('nor where another reading of the path leads to such a rule', async () => {
  for (const path of ['/x;/../api'.replace('/..', ''), '/API/x', '/%61pi/x', '/api%2fx', '//api/x'])
    expect([path, (await received(path, [`Cookie: ${cookie}`])).includes('DELETE')]).toEqual([
      path,
      path.startsWith('/x'),
    ])
})

test('nor where a preflight passes because nobody has signed in', async () => {
  const asks = ['Origin: http://other.example', 'Access-Control-Request-Method: DELETE']
  const raw = rawRequest('OPTIONS /asked', 'app.example', [...asks, ...OVERRIDES])
  const { response, received: bytes } = await sendThrough(gate.port, upstream, raw)
  expect(response.status).toBe(200)
  expect(bytes).toContain('Access-Control-Request-Method: DELETE')
  expect(bytes.match(/DELETE/g)).toHaveLength(1)
})

test('a preflight reaches the application as one, whatever Connection names', async () => {
  const asks = ['Origin: http://other.example', 'Access-Control-Request-Method: DELETE']
  const drop = 'Connection: close, origin, Access-Control-Request-Method'
  const raw = `OPTIONS /asked HTTP/1.1\r\nHost: app.example\r\n${[...asks, drop].join('\r\n')}\r\n\r\n`
  const { response, received: bytes } = await sendThrough(gate.port, upstream, raw)
  expect(response.status).toBe(200)
  for (const line of asks) expect(bytes).toContain(line)
})

test('nor for a token that is for some methods', async () => {
  const create = async (...more: string[]) => `Authorization: Bearer ${(await createToken(gate, more)).token}`
  expect(await received('/free', [await create()])).toContain('DELETE')
  expect(await received('/free', [await create('--methods', 'GET')])).not.toContain('DELETE')
})

/** Queries by which some framework takes another method than the request's own. */
const PARAMETERS = [
  '_method=DELETE',
  'a=b&_method=DELETE',
  'a=b;_method=DELETE',
  '_METHOD=delete',
  '%5fmethod=DELETE',
  '_%6Dethod=DELETE',
  '.method=DELETE',
  '+_method=DELETE',
  '_method%00=DELETE',
  '_method[]=DELETE',
  '_method[x]=DELETE',
  '_method%5Bx%5D[y]=DELETE',
  '_method%00x=DELETE',
  '-method=DELETE',
  'x-method-override=DELETE',
  'X-HTTP-Method-Override=DELETE',
  'x_http_method=DELETE',
]

describe('a parameter cannot be taken off, and so the request is refused', () => {
  test.each(PARAMETERS)('?%s', async query => {
    const ask = (path: string, ...fields: string[]) =>
      sendThrough(gate.port, upstream, rawRequest(`GET ${path}?${query}`, 'app.example', fields))
    for (const path of ['/api/x', '/ruled/x', '/allowed/x', '/API/x']) {
      const { response, received: bytes } = await ask(path, `Cookie: ${cookie}`)
      expect([path, response.status, bytes]).toEqual([path, 403, ''])
    }
    expect((await ask('/free', `Cookie: ${cookie}`)).response.status).toBe(200)
  })

  test('names that only look alike pass', async () => {
    const raw = rawRequest('GET /api/x?method=a&my_method=b&_methods=c&x=_method', 'app.example', [`Cookie: ${cookie}`])
    expect((await sendThrough(gate.port, upstream, raw)).response.status).toBe(200)
  })
})
