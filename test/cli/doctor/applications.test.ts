import { expect } from 'bun:test'
import { examineApplications } from '../../../src/cli/doctor/applications.ts'
import { ask } from '../../../src/console/network.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { startGrpc } from '../../kit/applications/grpc.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { quietPorts } from '../../kit/clock.ts'
import { configOf, PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { acceptWebSocket } from '../../kit/wire/websocket.ts'
import { httpResponse, startRawUpstream, type UpstreamConnection } from '../../kit/wire/wire.ts'

const { describe, test } = needs('openssl')

const keep = untilTheEnd()
/** What each application heard, as heads. */
const heard: string[] = []

/** An application that answers each head as it is told, and says who it is by its own address. */
async function startApp(answer: (head: string, own: string) => string | null): Promise<string> {
  const script = async (connection: UpstreamConnection) => {
    while (!connection.isClosed) {
      const got = await connection.receive({ until: bytes => bytes.includes('\r\n\r\n'), timeoutMs: 300_000 })
      const head = got.raw.toString('latin1')
      if (head !== '') heard.push(head)
      await connection.send(answer(head, `127.0.0.1:${upstream.port}`) ?? acceptWebSocket(got))
    }
  }
  const upstream = keep(await startRawUpstream(script))
  return `http://127.0.0.1:${upstream.port}`
}

const field = (head: string, name: string) => new RegExp(`^${name}: (.*)\\r$`, 'im').exec(head)?.[1]
const html = ['Content-Type: text/html']

/** Syncthing. */
const hostChecker = await startApp((head, own) =>
  field(head, 'host') === own ? httpResponse(200, 'ok') : httpResponse(403, 'Host check error\n'),
)
/** Jupyter, Cockpit. */
const originChecker = await startApp((head, own) => {
  if (field(head, 'upgrade') === undefined) return httpResponse(200, 'ok')
  if (!head.startsWith('GET /cockpit/socket ')) return httpResponse(404, 'no')
  const isOwn = field(head, 'host') === own && field(head, 'origin') === `http://${own}`
  return isOwn
    ? null
    : httpResponse(403, '<head><title>403</title></head><p>Received invalid <b>WebSocket</b> request</p>', html)
})
/** Transmission. */
const behindChecker = await startApp((head, own) => {
  if (head.startsWith('GET / ')) return httpResponse(301, '', [`Location: http://${field(head, 'host')}/web/`])
  if (head.startsWith('GET /transmission/rpc ')) {
    return field(head, 'host') === own ? httpResponse(409, 'no') : httpResponse(421, 'Misdirected \u001b[1mRequest')
  }
  return httpResponse(200, 'ok')
})
const redirecting = await startApp((head, own) =>
  head.startsWith('GET /base/in/ ')
    ? httpResponse(302, '', [`Location: http://${own}/base/in/app`])
    : head.startsWith('GET /base/in/app ')
      ? httpResponse(400, 'Bad Host')
      : httpResponse(404, 'no'),
)
/** Django: whoever changes something comes from its own pages, by its own scheme, with a token that a page gave. */
const formChecker = await startApp((head, own) => {
  if (head.startsWith('GET / ')) return httpResponse(302, '', ['Location: /user/login/'])
  if (head.startsWith('GET '))
    return httpResponse(200, 'ok', ['Set-Cookie: csrftoken=abc; Path=/', 'Set-Cookie: other=1'])
  if (field(head, 'origin') !== `http://${own}` || field(head, 'host') !== own)
    return httpResponse(403, 'CSRF verification failed. Request aborted.')
  const isToken = field(head, 'x-csrftoken') === 'abc' && field(head, 'cookie') === 'csrftoken=abc; other=1'
  return isToken ? httpResponse(405, '') : httpResponse(403, 'CSRF cookie not set')
})
/** MLflow. */
const apiChecker = await startApp((head, own) => {
  if (field(head, 'host') !== own)
    return httpResponse(403, 'Invalid Host header - possible DNS rebinding attack detected')
  const isForeign = !head.startsWith('GET ') && field(head, 'origin') !== `http://${own}`
  return isForeign && head.includes(' /ajax-api/')
    ? httpResponse(403, 'Cross-origin request blocked')
    : httpResponse(200, 'ok')
})
/** Home Assistant, before it trusts a proxy. */
const proxyChecker = await startApp(head =>
  field(head, 'x-forwarded-for') === undefined ? httpResponse(200, 'ok') : httpResponse(400, '400: Bad Request'),
)
const refusing = await startApp(() => httpResponse(403, ''))
const working = await startApp(head =>
  field(head, 'upgrade') === undefined ? httpResponse(200, 'ok') : httpResponse(400, 'not here'),
)

const SECURE = PORTAL.replace('insecure_cookies = true', '')
const route = (host: string, upstream: string, more = 'portal = "home"\nallow = ["user"]') =>
  `[[routes]]\nhost = "${host}.example"\nupstream = "${upstream}"\n${more}`

async function examine(...routes: readonly string[]) {
  return examineWith({}, ...routes)
}

async function examineWith(files: Readonly<Record<string, string>>, ...routes: readonly string[]) {
  await using gate = await startGate([SECURE, ...routes].join('\n\n'), { files })
  heard.length = 0
  const { findings } = await examineApplications(configOf(gate), {
    ...quietPorts(Date),
    ask,
  })
  return findings
}

const OWN = '\nhost_header = "upstream"'
const TAKEN = 'one application refuses neither the Host nor the Origin of its route'

describe('doctor, of an application', () => {
  test.each([
    [
      'that refuses the Host',
      route('sync', hostChecker),
      'Host sync.example with 403: “Host check error”',
      'host_header',
    ],
    [
      'whose WebSocket refuses the Origin',
      route('pit', originChecker),
      'a WebSocket with Origin https://pit.example, with 403: “Received invalid WebSocket request”',
      'host_header = "upstream" and origin',
    ],
    [
      'that has its Host and not its Origin',
      route('pit', originChecker) + OWN,
      'a WebSocket with Origin https://pit.example, with 403: “Received invalid WebSocket request”',
      'write origin = "upstream"',
    ],
    [
      'whose page comes, and what is behind it does not',
      route('trans', behindChecker),
      'Host trans.example with 421: “Misdirected [1mRequest”',
      'host_header = "upstream"',
    ],
    [
      'that sends whoever comes to what it refuses',
      route('re', `${redirecting}/base`, 'path = "/a"\nstrip_prefix = "/a"\nadd_prefix = "/in"\nallow = "public"'),
      'Host re.example with 400: “Bad Host”',
      'if the answer is about the user',
    ],
    [
      'whose forms refuse the Origin',
      route('form', formChecker),
      'PATCH requests with Origin https://form.example with 403: “CSRF verification failed. Request aborted.”',
      'write host_header = "upstream" and origin = "upstream"',
    ],
    [
      'whose forms do, with its own Host',
      route('form', formChecker) + OWN,
      'PATCH requests with Origin https://form.example with 403: “CSRF verification failed. Request aborted.”',
      'write origin = "upstream"',
    ],
    [
      'that refuses the Host, and behind it the Origin',
      route('api', apiChecker),
      'Host api.example with 403: “Invalid Host header - possible DNS rebinding attack detected”',
      'write host_header = "upstream" and origin = "upstream"',
    ],
    [
      'that has its Host, and whose scripts refuse the Origin',
      route('api', apiChecker) + OWN,
      'PATCH requests with Origin https://api.example with 403: “Cross-origin request blocked”',
      'write origin = "upstream"',
    ],
    [
      'that trusts no proxy',
      route('home', proxyChecker),
      'X-Forwarded-For with 400: “400: Bad Request”',
      'use_x_forwarded_for and trusted_proxies',
    ],
    ['that refuses anything', route('no', refusing), 'Host no.example with 403', 'if the answer is about the user'],
  ])('%s, says so with what helps', async (_, text, what, hint) => {
    const [finding, ...more] = await examine(text)
    expect(more).toEqual([])
    expect(finding?.grade).toBe('warning')
    expect(finding?.what).toEndWith(`refuses ${what}`)
    expect(finding?.hint).toContain(hint)
  })

  test.each([
    ['that takes both', route('ok', working)],
    ['that gets its own Host', route('sync', hostChecker) + OWN],
    ['that gets its own Host and Origin', `${route('pit', originChecker)}${OWN}\norigin = "upstream"`],
    ['whose forms get its own Host and Origin', `${route('form', formChecker)}${OWN}\norigin = "upstream"`],
    ['whose scripts do', `${route('api', apiChecker)}${OWN}\norigin = "upstream"`],
    ['whose WebSockets do not pass anyway', `${route('pit', originChecker)}\nwebsockets = false`],
  ])('%s, has nothing to say', async (_, text) => {
    expect((await examine(text)).map(({ what }) => what)).toEqual([TAKEN])
  })

  test('that speaks gRPC, says that this does not pass', async () => {
    const authority = makeAuthority()
    using app = await startGrpc(authority.issue('IP:127.0.0.1'))
    const upstream = `[upstreams.app]\nto = "https://127.0.0.1:${app.port}"\nhttp2 = true\ntls = { ca = "ca.pem" }`
    const [finding, ...more] = await examineWith({ 'ca.pem': authority.cert }, upstream, route('grpc', '@app'))
    expect(more).toEqual([])
    expect(finding).toMatchObject({ grade: 'warning' })
    expect(finding?.what).toBe('the application of "grpc.example/" speaks gRPC, which does not pass')
    expect(finding?.hint).toContain('verify')
  })

  test('asks once for a host, where its route is widest, and as the gate does', async () => {
    const text = [route('ok', working), route('ok', working, 'path = "/x"\nallow = "public"')]
    await examine(...text)
    expect(heard.filter(head => /^\S+ \/x/.test(head))).toEqual([])
    const pages = heard.filter(head => field(head, 'upgrade') === undefined && / \/ HTTP/.test(head))
    // By a script's PATCH too, which first gets its page.
    expect(pages.map(head => head.split(' ', 1)[0])).toEqual(['GET', 'GET', 'PATCH'])
    expect(heard.filter(head => /^(?:POST|PUT|DELETE) /.test(head))).toEqual([])
    expect(pages.every(head => Number(field(head, 'content-length') ?? '0') === 0)).toBe(true)
    expect(field(pages[0] ?? '', 'x-forwarded-proto')).toBe('https')
    expect(field(pages[0] ?? '', 'cookie')).toBeUndefined()
  })

  test('that does not answer, leaves that to what is said of upstreams', async () => {
    expect(await examine(route('gone', `http://127.0.0.1:${await freePort()}`))).toEqual([])
  })

  test('that is given credentials, has no word of them', async () => {
    const echoing = await startApp(head => httpResponse(403, `I got ${field(head, 'authorization') ?? 'none'}`))
    const [finding] = await examine(
      route(
        'echo',
        '',
        'upstream = { to = "AT", basic_auth = { user = "a", password = "doctor-secret" } }\nallow = "public"',
      )
        .replace('upstream = ""\n', '')
        .replace('AT', echoing),
    )
    expect(heard.join('')).toContain(`uthorization: Basic ${btoa('a:doctor-secret')}`)
    expect(finding?.what).toEndWith('refuses Host echo.example with 403')
  })

  test('that never ends what it says, reads the beginning', async () => {
    await using endless = startAnswering(
      () =>
        new Response(
          new ReadableStream({
            pull(controller) {
              controller.enqueue(Buffer.from('no '.repeat(2000)))
            },
          }),
          { status: 403, headers: { 'content-type': 'text/plain' } },
        ),
    )
    const [finding] = await examine(route('long', `http://127.0.0.1:${endless.port}`))
    expect(finding?.what).toMatch(/“no no [no ]+…”$/)
  })
})
