import { describe, expect, test } from 'bun:test'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { askForWebSocket } from '../../kit/wire/websocket.ts'
import { sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

/** The last request's head. */
let head = ''

const keep = untilTheEnd()
/** An application that answers with what `X-Answer` says: a status and fields, with `|` between. */
const upstream = keep(
  await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      const { raw } = await connection.receive({ until: got => got.includes('\r\n\r\n'), timeoutMs: 300_000 })
      head = raw.toString('latin1')
      const [status = '200', ...fields] = (/^x-answer: (.*)\r$/im.exec(head)?.[1] ?? '').split('|')
      await connection.send(
        `HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n${fields.map(one => `${one}\r\n`).join('')}\r\n`,
      )
    }
  }),
)
const at = `127.0.0.1:${upstream.port}`
const unused = await freePort()

const gate = keep(
  await startGate(
    `${PORTAL}
[[routes]]
host = "app.example"
upstream = "http://${at}"
allow = "public"

[[routes]]
host = "app.example"
path = "/a"
strip_prefix = "/a"
add_prefix = "/in"
upstream = "http://${at}/base"
allow = "public"
cookie_path = "prefix"

[[routes]]
host = "app.example"
path = "/plain"
strip_prefix = "/plain"
rewrite_location = false
upstream = "http://${at}"
allow = "public"

[[routes]]
host = "app.example"
path = "/two"
upstream = ["http://127.0.0.1:${unused}/gone", "http://${at}/there"]
allow = "public"

[[routes]]
host = "named.example"
upstream = "http://${at}"
host_header = "app.internal"
allow = "public"
`,
    { server: 'trusted_proxies = ["127.0.0.1"]' },
  ),
)

interface Asked {
  readonly path?: string
  readonly host?: string
  readonly method?: string
  readonly fields?: readonly string[]
  /** The address of this machine to come from. */
  readonly from?: string
}

async function ask(answer: string, { path = '/', host = 'app.example', method = 'GET', ...asked }: Asked = {}) {
  const fields = [`X-Answer: ${answer}`, 'X-Forwarded-Proto: https', ...(asked.fields ?? [])]
  const from = asked.from === undefined ? {} : { from: asked.from }
  const response = await sendRaw(gate.port, rawRequest(`${method} ${path}`, host, fields), from)
  const all = (name: string) => response.fields.filter(([one]) => one.toLowerCase() === name).map(([, value]) => value)
  const sent = (name: string) => [...head.matchAll(new RegExp(`^${name}: (.*)\\r$`, 'gim'))].map(([, value]) => value)
  return { response, all, sent }
}

describe('an address in an answer is one that the browser can follow:', () => {
  for (const [name, status] of [
    ['location', 302],
    ['location', 201],
    ['content-location', 200],
  ] as const) {
    test(`${name} of ${status}`, async () => {
      const { all } = await ask(`${status}|${name}: http://${at}/login?a=b`)
      expect(all(name)).toEqual(['https://app.example/login?a=b'])
    })
  }
  test('Refresh', async () => {
    const { all } = await ask(`200|Refresh: 3; url=http://app.example/x`)
    expect(all('refresh')).toEqual(['3; url=https://app.example/x'])
  })
  test('of HEAD', async () => {
    const { all } = await ask(`302|Location: http://app.example/x`, { method: 'HEAD' })
    expect(all('location')).toEqual(['https://app.example/x'])
  })
  test('below strip_prefix and add_prefix, behind the path of the address', async () => {
    const { all, response } = await ask(`302|Location: /base/in/login|Content-Location: http://${at}/base/in/x`, {
      path: '/a/y',
    })
    expect(head).toStartWith('GET /base/in/y ')
    expect([response.status, all('location'), all('content-location')]).toEqual([
      302,
      ['/a/login'],
      ['https://app.example/a/x'],
    ])
  })
  test('with the port by which the browser came', async () => {
    const { all } = await ask('302|Location: http://app.example/x', { host: 'app.example:8443' })
    expect(all('location')).toEqual(['https://app.example:8443/x'])
  })
  test('where the application has a name of its own', async () => {
    const { all } = await ask('302|Location: http://app.internal/x', { host: 'named.example' })
    expect(all('location')).toEqual(['https://named.example/x'])
  })
  test('of the second address, where the first one takes no connection', async () => {
    for (let index = 0; index < 2; index++) {
      const { all } = await ask(`302|Location: http://${at}/there/two/x`, { path: '/two' })
      expect(all('location')).toEqual(['https://app.example/two/x'])
    }
  })
  test('of a refused WebSocket', async () => {
    const fields = [`X-Answer: 302|Location: /base/in/login`, 'X-Forwarded-Proto: https']
    const { status, field } = await sendRaw(gate.port, askForWebSocket('app.example', '/a/ws', fields))
    expect([status, field('location')]).toEqual([302, '/a/login'])
  })
})

test('every other address is the same, byte for byte', async () => {
  for (const address of [
    'https://elsewhere.example/caf\u00e9?to=http://app.example/',
    'http://app.example:9000/x',
    'relative/../x',
    `http://me:secret@${at}/x`,
  ]) {
    expect((await ask(`302|Location: ${address}`)).all('location')).toEqual([address])
  }
})

test('rewrite_location = false leaves all of them', async () => {
  for (const address of [`http://${at}/x`, 'http://app.example/x', '/x']) {
    const { all } = await ask(`302|Location: ${address}|Refresh: 1; url=${address}`, { path: '/plain' })
    expect([all('location'), all('refresh')]).toEqual([[address], [`1; url=${address}`]])
  }
})

test('a Location that Connection names stays away', async () => {
  const { all } = await ask('302|Connection: Location|Location: http://app.example/x')
  expect(all('location')).toEqual([])
})

test("cookies follow the prefix where the route asks, and none is of the application's own name", async () => {
  const { all } = await ask('200|Set-Cookie: a=1; Path=/base/in/x|Set-Cookie: b=2; Domain=127.0.0.1|Set-Cookie: c=3', {
    path: '/a',
  })
  expect(all('set-cookie')).toEqual(['a=1; Path=/a/x', 'b=2', 'c=3'])
  const left = await ask('200|Set-Cookie: a=1; Path=/|Set-Cookie: __Host-sallyport=x; Path=/|Set-Cookie: b=2', {
    path: '/plain',
  })
  expect(left.all('set-cookie')).toEqual(['a=1; Path=/', 'b=2'])
})

describe('an application is told', () => {
  const forged = [
    'X-Forwarded-Prefix: /evil',
    'X-Forwarded-Port: 99',
    'X_Forwarded_Prefix: /evil',
    'X-Forwarded_Port: 9',
  ]
  test('the port by which the browser came', async () => {
    expect((await ask('200')).sent('x-forwarded-port')).toEqual(['443'])
    expect((await ask('200', { host: 'app.example:8443' })).sent('x-forwarded-port')).toEqual(['8443'])
  })
  test('what was taken off its paths, and nothing where nothing was', async () => {
    expect((await ask('200', { path: '/plain/x' })).sent('x-forwarded-prefix')).toEqual(['/plain'])
    expect((await ask('200')).sent('x-forwarded-prefix')).toEqual([])
  })
  needs('127.0.0.2').test('neither by a client', async () => {
    const { sent } = await ask('200', { fields: forged, from: '127.0.0.2' })
    expect([sent('x-forwarded-port'), sent('x-forwarded-prefix')]).toEqual([['80'], []])
    expect(head).not.toMatch(/evil|forwarded_/i)
    const stripped = await ask('200', { path: '/plain', fields: forged, from: '127.0.0.2' })
    expect(stripped.sent('x-forwarded-prefix')).toEqual(['/plain'])
  })
  test('both by a trusted proxy, and its prefix is before every path', async () => {
    const fields = ['X-Forwarded-Prefix: /gate', 'X-Forwarded-Port: 8443']
    const { sent, all } = await ask('302|Location: /x', { path: '/plain', fields })
    expect([sent('x-forwarded-port'), sent('x-forwarded-prefix'), all('location')]).toEqual([
      ['8443'],
      ['/gate/plain'],
      ['/x'],
    ])
    const below = await ask('302|Location: /base/in/x', { path: '/a', fields })
    expect(below.all('location')).toEqual(['/gate/a/x'])
  })
  test('no prefix that is none, by anyone', async () => {
    for (const prefix of ['//evil.test', '/a, /b', '/a/../b', 'x', '/a?b', '/', '/%2e%2e', `/${'a/'.repeat(20)}`]) {
      const { sent } = await ask('200', { fields: [`X-Forwarded-Prefix: ${prefix}`, 'X-Forwarded-Port: 0x50'] })
      expect([prefix, sent('x-forwarded-prefix'), sent('x-forwarded-port')]).toEqual([prefix, [], ['443']])
    }
  })
})
