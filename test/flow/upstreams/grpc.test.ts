/** gRPC, called by its own client, over HTTP/2: it does not pass, and is told so in its own tongue. */
import { describe, expect, test } from 'bun:test'
import { status } from '@grpc/grpc-js'
import { cookieName } from '../../../src/session/cookie.ts'
import { callGrpc, type Outcome, SAY, startGrpc } from '../../kit/applications/grpc.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { eventually, PORTAL, portalWith, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type Fields, fetchFrom } from '../../kit/requests.ts'
import { routeSaying } from '../../kit/toml.ts'
import { APP, askersOf, forwarded, startAsked } from '../../kit/verify.ts'

const HOST = 'grpc.example.com'
const authority = makeAuthority()
const own = authority.issue(`DNS:${HOST}`)
const keep = untilTheEnd()

const application = keep(await startGrpc(authority.issue(`DNS:${HOST},IP:127.0.0.1`)))

const route = (lines: string) => `[[routes]]\nhost = "${HOST}"\nupstream = "@grpc"\nportal = "home"\n${lines}\n`
const files = { 'own.pem': own.cert, 'own.key': own.key, 'ca.pem': authority.cert }
const TLS = `[tls]
listen = ["127.0.0.1:0"]
certificates = [{ cert = "own.pem", key = "own.key" }]
`
const UPSTREAM = `[upstreams.grpc]
to = "https://127.0.0.1:${application.port}"
http2 = true
tls = { ca = "ca.pem" }
`
const gate = keep(
  await startGate(
    `${TLS}${PORTAL}${UPSTREAM}
${route('allow = ["user"]')}${route('path = "/admin"\nallow = ["admin"]')}${route('path = "/open"\nallow = "public"')}
${route('path = "/few"\nallow = "public"\nrate = { requests = 1, per = "1h" }')}
${routeSaying('ours', HOST, 'path = "/ours"\nallow = "public"')}`,
    { files },
  ),
)
/** Behind a proxy on this machine, and in the place of another program. */
const trusting = keep(
  await startGate(`${TLS}${portalWith('compat = "oauth2-proxy"')}${UPSTREAM}${route('allow = ["user"]')}`, {
    files,
    server: 'trusted_proxies = ["127.0.0.1"]',
  }),
)

/** The cookie of somebody who has signed in, as HTTPS has it. */
async function signIn(): Promise<string> {
  const { cookie } = await gate.signIn(HOST)
  return cookie.replace(cookieName('session', false), cookieName('session', true))
}

/** One call by way of the gate, or of another port. */
function call(method: string, cookie?: string, at = gate.securePort): Promise<Outcome> {
  return callGrpc({ port: at, host: HOST, ca: authority.cert }, method, cookie === undefined ? {} : { cookie })
}

needs('openssl').test('the application itself answers calls', async () => {
  expect(await call(SAY, undefined, application.port)).toMatchObject({ code: status.OK, text: 'hello Ada' })
})

needs('openssl').describe('a call', () => {
  test('without a session is UNAUTHENTICATED', async () => {
    const { code, text, metadata } = await call(SAY)
    expect(code).toBe(status.UNAUTHENTICATED)
    expect(text).toContain('Sign in to open this. (access.sign_in, ')
    expect(metadata.get('content-type')).toEqual(['application/grpc'])
  })

  test('of somebody who may not is PERMISSION_DENIED', async () => {
    const cookie = await signIn()
    const { code, text } = await call('/admin/Say', cookie)
    expect(code).toBe(status.PERMISSION_DENIED)
    expect(text).toContain('access.denied')
  })

  test('to where nothing is, or no application, is UNIMPLEMENTED', async () => {
    const cookie = await signIn()
    for (const method of ['/.sallyport/nothing', '/ours/Say']) {
      expect([method, (await call(method, cookie)).code]).toEqual([method, status.UNIMPLEMENTED])
    }
  })

  test('beyond a rate is UNAVAILABLE, and says when to come back', async () => {
    await call('/few/Say')
    const { code, metadata } = await call('/few/Say')
    expect(code).toBe(status.UNAVAILABLE)
    expect(metadata.get('retry-after')).toHaveLength(1)
  })

  test('that may pass is UNIMPLEMENTED, the application is not asked, and the log says it once', async () => {
    const before = application.calls.length
    const cookie = await signIn()
    for (const [method, who] of [
      [SAY, cookie],
      ['/open/Say', undefined],
      [SAY, cookie],
    ] as const) {
      const { code, text } = await call(method, who)
      expect(code).toBe(status.UNIMPLEMENTED)
      expect(text).toContain('This gRPC call does not pass here. (route.grpc, ')
    }
    expect(application.calls.length).toBe(before)
    const lines = gate.told('route.grpc', '"warn"').map(line => JSON.parse(line))
    const told = lines.filter(line => /^[^/]*\/(?:open)?$/.test(line.route))
    expect(told.map(line => line.route)).toEqual([`${HOST}/`, `${HOST}/open`])
    expect(told[0].hint).toContain('verify')
  })

  test('is in the access log as it would be without gRPC', async () => {
    await call('/admin/Logged')
    const lines = () => gate.access.map(line => JSON.parse(line)).filter(line => line.path === '/admin/Logged')
    await eventually(() => lines().length > 0, 'the line is written')
    expect(lines().at(-1).status).toBe(401)
  })
})

/** What a call looks like to a gate, but for what is given. */
function ask(
  { securePort }: { readonly securePort: number },
  at: string,
  fields: Fields = {},
  method = 'POST',
): Promise<Response> {
  return fetch(`https://127.0.0.1:${securePort}${at}`, {
    method,
    headers: { host: HOST, 'content-type': 'application/grpc', te: 'trailers', ...fields },
    redirect: 'manual',
    tls: { ca: authority.cert, serverName: HOST },
  })
}

needs('openssl').describe('what looks like a page load', () => {
  test.each(['application/grpc', 'application/grpc+proto', 'APPLICATION/GRPC', 'application/grpc; x=y'])(
    'with %s gets no page, no redirect and no cookie',
    async type => {
      const page = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
      const { status: http, headers, body } = await ask(gate, SAY, { ...page, 'content-type': type })
      expect([http, headers.get('grpc-status'), headers.get('location')]).toEqual([200, '16', null])
      expect(headers.getSetCookie()).toEqual([])
      expect(body === null ? '' : await new Response(body).text()).toBe('')
    },
  )
})

test('gRPC-Web passes with the trailers in its body', async () => {
  const sent = Buffer.concat([Buffer.from([0, 0, 0, 0, 3]), Buffer.from('Ada')])
  const trailers = Buffer.from('grpc-status:0\r\n')
  const answered = Buffer.concat([sent, Buffer.from([0x80, 0, 0, 0, trailers.length]), trailers])
  await using app = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const isWhole = Buffer.from(await request.arrayBuffer()).equals(sent)
      const type = request.headers.get('content-type') ?? ''
      return new Response(answered, { headers: { 'content-type': type, 'x-whole': `${isWhole}` } })
    },
  })
  await using web = await startGate(
    `[[routes]]\nhost = "${HOST}"\nupstream = "http://127.0.0.1:${app.port}"\nallow = "public"\n`,
  )
  for (const type of ['application/grpc-web', 'application/grpc-web+proto', 'application/grpc-web-text']) {
    const got = await fetchFrom(web, SAY, { host: HOST, 'content-type': type }, { method: 'POST', body: sent })
    expect([got.status, got.headers.get('content-type'), got.headers.get('x-whole')]).toEqual([200, type, 'true'])
    expect(Buffer.from(await got.arrayBuffer()).equals(answered)).toBe(true)
  }
})

describe('200 lets nobody in who asks for a verdict: with statuses of HTTP is answered', () => {
  needs('openssl').test.each([
    ['what is asked with another method', 401, () => ask(gate, SAY, {}, 'GET')],
    ['what wants no trailers', 401, () => ask(gate, SAY, { te: 'gzip' })],
    ['what comes to no route', 404, () => ask(gate, SAY, { host: 'other.example.com' })],
    ['a page of ours', 404, () => ask(gate, '/.sallyport/verify')],
    ['a page of another program', 405, () => ask(trusting, '/oauth2/auth')],
    ['a trusted proxy', 401, () => ask(trusting, SAY)],
  ] as const)('%s', async (_, expected, asks) => {
    const { status: http, headers } = await asks()
    expect([http, headers.get('grpc-status')]).toEqual([expected, null])
  })

  test('what comes by plain HTTP', async () => {
    await using plain = await startGate(`${PORTAL}${route('allow = ["user"]').replace('@grpc', 'http://127.0.0.1:9')}`)
    const fields = { host: HOST, 'content-type': 'application/grpc', te: 'trailers' }
    expect((await fetchFrom(plain, SAY, fields, { method: 'POST' })).status).toBe(401)
  })
})

needs('openssl').describe('a proxy in front that asks about a call', () => {
  test('gets verdicts of HTTP: nobody is let in by a 200 that is meant for gRPC', async () => {
    await using asked = await startAsked()
    await using other = await startAsked('192.0.2.1')
    const ask = async (at: { readonly verifyPort: number }, uri: string, cookie: readonly string[] = []) => {
      const lines = [...forwarded(uri, [], 'POST'), 'content-type: application/grpc', ...cookie]
      const fields = lines.map(line => line.split(': ', 2) as [string, string])
      const address = `http://127.0.0.1:${at.verifyPort}/.sallyport/verify`
      return (await fetch(address, { redirect: 'manual', headers: [['host', APP], ...fields] })).status
    }
    const cookie = [await askersOf(() => asked).cookieOf()]
    expect(await ask(other, '/open')).toBe(403)
    expect(await ask(asked, '/')).toBe(401)
    expect(await ask(asked, '/admin', cookie)).toBe(403)
    expect(await ask(asked, '/', cookie)).toBe(204)
  })
})
