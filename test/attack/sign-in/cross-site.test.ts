import { describe, expect, test } from 'bun:test'
import { portalWith, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { rawRequest, sendThrough } from '../../kit/wire/through.ts'
import { WEBSOCKET_FIELDS } from '../../kit/wire/websocket.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))
const route = (host: string, more: string) => routeTo(upstream, `${host}.example`, more)
const portal = portalWith('personal_tokens = true\nadmin_role = "admin"')
const gate = keep(
  await startGate(
    [
      portal,
      // A portal that is on several hosts makes no tokens.
      '[portals.told]\nproviders = ["id"]\ninsecure_cookies = true\nroles.user = { any = true }\n',
      route('closed', 'portal = "home"\nallow = ["user"]\nheaders = "x-token"'),
      route('told', 'portal = "told"\nallow = "public"\nheaders = "x-token"'),
      route('open', 'allow = "public"'),
      route('inner', 'allow = [{ networks = ["127.0.0.0/8"], anonymous = true }]'),
    ].join('\n'),
  ),
)
const cookie = (await gate.signIn('closed.example', { sub: 'ada', groups: ['admins'] })).cookie
const openCookie = (await gate.signIn('told.example', { sub: 'ada' }, 'told')).cookie
const other = await gate.signIn('closed.example', { sub: 'bob' })

describe('a WebSocket that a page of another site asks for', () => {
  const asked = (host: string, fields: readonly string[]) =>
    sendThrough(
      gate.port,
      upstream,
      [`GET /ws HTTP/1.1`, `Host: ${host}.example`, ...WEBSOCKET_FIELDS, ...fields, '', ''].join('\r\n'),
    )

  test.each([
    'https://evil.example',
    'http://evil.example',
    'http://closed.example.evil.example',
    'http://xclosed.example',
    'http://closed.example:81',
    'https://closed.example',
    'http://closed.example@evil.example',
    'http://closed.example/',
    'null',
    'file://',
    '',
  ])('(%s) is 403 where people are known, and the upstream is untouched', async origin => {
    for (const [host, ...more] of [['closed', `Cookie: ${cookie}`], ['told', `Cookie: ${openCookie}`], ['inner']]) {
      const from = origin.replaceAll('closed.example', `${host}.example`)
      const { response, received } = await asked(host ?? '', [`Origin: ${from}`, ...more])
      expect([host, response.status, received]).toEqual([host, 403, ''])
    }
  })

  test('passes where nobody is known, and from the page of the host itself', async () => {
    for (const [host, origin, ...more] of [
      ['open', 'https://evil.example'],
      ['told', 'https://evil.example'],
      ['told', 'http://told.example', `Cookie: ${openCookie}`],
      ['closed', 'HTTP://CLOSED.example', `Cookie: ${cookie}`],
    ]) {
      const { received } = await asked(host ?? '', [`Origin: ${origin}`, ...more])
      expect([host, received.startsWith('GET /ws HTTP/1.1')]).toEqual([host, true])
    }
  })
})

describe('a form that another site sends', () => {
  const FORMS: readonly (readonly [page: string, form: string])[] = [
    ['logout', ''],
    ['sessions', 'act=end-all'],
    ['sessions', 'act=end&id=OTHER'],
    ['tokens', 'act=create&name=evil&days=365'],
    ['tokens', 'act=revoke&id=token:1'],
  ]
  const FROM: readonly (readonly string[])[] = [
    ['Origin: https://evil.example', 'Sec-Fetch-Site: cross-site'],
    ['Origin: http://told.example', 'Sec-Fetch-Site: same-site'],
    ['Origin: https://evil.example'],
    ['Origin: http://closed.example', 'Sec-Fetch-Site: cross-site'],
    ['Origin: null'],
    ['Origin: null', 'Sec-Fetch-Site: none'],
    ['Origin: http://closed.example:81'],
    ['Origin: http://closed.example.evil.example'],
    ['Referer: http://closed.example/.sallyport/sessions'],
    [],
  ]

  test.each(FORMS)('to %s (%s) is 403, however it is dressed, and changes nothing', async (page, form) => {
    const body = form.replace('OTHER', other.sessionId)
    for (const from of FROM) {
      for (const type of [
        'application/x-www-form-urlencoded',
        'text/plain',
        'application/json',
        'multipart/form-data',
      ]) {
        const fields = [`Cookie: ${cookie}`, `Content-Type: ${type}`, `Content-Length: ${body.length}`, ...from]
        const { response, received } = await sendThrough(
          gate.port,
          upstream,
          rawRequest(`POST /.sallyport/${page}`, 'closed.example', fields) + body,
        )
        expect([from, response.status, received]).toEqual([from, 403, ''])
      }
    }
    for (const session of [cookie, other.cookie]) {
      const me = await sendRaw(gate.port, rawRequest('GET /.sallyport/me', 'closed.example', [`Cookie: ${session}`]))
      expect(me.status).toBe(200)
    }
    const tokens = await sendRaw(
      gate.port,
      rawRequest('GET /.sallyport/tokens', 'closed.example', [`Cookie: ${cookie}`]),
    )
    expect(JSON.parse(tokens.body.toString())).toEqual({ tokens: [] })
  })

  test('by another method, or as an address, does nothing either', async () => {
    for (const [page, form] of FORMS) {
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY']) {
        const raw = rawRequest(`${method} /.sallyport/${page}?${form}`, 'closed.example', [`Cookie: ${cookie}`])
        expect([200, 404, 405]).toContain((await sendRaw(gate.port, raw)).status)
      }
    }
    const me = await sendRaw(gate.port, rawRequest('GET /.sallyport/me', 'closed.example', [`Cookie: ${cookie}`]))
    expect(me.status).toBe(200)
  })
})

test('what the admin listener tells is on no public listener, under no name', async () => {
  for (const host of ['closed.example', 'open.example', '127.0.0.1', 'localhost', `127.0.0.1:${gate.adminPort}`]) {
    for (const path of [
      '/metrics',
      '/config',
      '/healthz',
      '/readyz',
      '/.sallyport/metrics',
      '/debug/pprof',
      '/.sallyport/config',
    ]) {
      const { response } = await sendThrough(
        gate.port,
        upstream,
        rawRequest(`GET ${path}`, host, [`Cookie: ${cookie}`]),
      )
      expect([host, path, /sallyport_|fingerprint/.test(response.raw.toString())]).toEqual([host, path, false])
    }
  }
})

test('a page reads nothing of the admin listener, and nobody changes anything there', async () => {
  const at = (line: string, fields: readonly string[] = []) =>
    sendRaw(gate.adminPort, rawRequest(line, `127.0.0.1:${gate.adminPort}`, fields))
  expect((await at('GET /metrics')).status).toBe(200)
  for (const fields of [['Origin: https://evil.example'], ['Origin: null']])
    expect((await at('GET /metrics', fields)).status).toBe(403)
  // DNS rebinding: the page's own name leads here, so that nothing is of another origin.
  const named = (host: string) => sendRaw(gate.adminPort, rawRequest('GET /config', host))
  for (const host of [
    'evil.example',
    `evil.example:${gate.adminPort}`,
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil',
    '192.168.1.7:9464',
  ])
    expect([host, (await named(host)).status]).toEqual([host, 403])
  for (const host of ['localhost', 'LOCALHOST.', 'gate.localhost:80', '[::1]', '127.0.0.7:9464'])
    expect([host, (await named(host)).status]).toEqual([host, 200])
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'])
    expect((await at(`${method} /config`)).status).toBe(405)
  for (const path of ['/../config/x', '/%2e%2e/metricsx', '//metrics', '/metrics/', '/config.json', '/'])
    expect([path, (await at(`GET ${path}`)).status]).toEqual([path, 404])
})
