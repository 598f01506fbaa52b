/** Whatever is still under way ends with what allowed it: not event streams alone. */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { runTokens } from '../../../src/cli/tokens.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { fakeClock } from '../../kit/clock.ts'
import { createToken, runOn } from '../../kit/commands.ts'
import { PAGE_LINES } from '../../kit/fields.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, type GateOptions, PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { openHttp2 } from '../../kit/wire/tls.ts'
import { openWire, startRawUpstream, type UpstreamConnection, type Wire } from '../../kit/wire/wire.ts'

const HOST = 'app.example'

/** What an application answers on each path, as far as it gets before the test goes on. */
const BEGINNINGS: Readonly<Record<string, string>> = {
  '/camera': chunked('multipart/x-mixed-replace; boundary=frame'),
  '/lines': chunked('application/x-ndjson'),
  '/Events': chunked('Text/Event-Stream; charset=utf-8'),
  '/page': chunked('text/html'),
  '/untyped': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n',
  '/until-closed': 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nbegun',
  '/download': `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000000\r\n\r\nbegun${'x'.repeat(70_000)}`,
  '/short': 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nbegun',
  '/late': '',
}

function chunked(type: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n`
}

const keep = untilTheEnd()
const upstream = keep(
  await startRawUpstream(async connection => {
    const { raw } = await connection.receive({ until: received => received.includes('\r\n\r\n'), timeoutMs: 300_000 })
    const path = /^\S+ (\S+)/.exec(raw.toString('latin1'))?.[1] ?? ''
    await connection.send(BEGINNINGS[path] ?? '')
  }),
)

function route(allow: string, { to = `"http://127.0.0.1:${upstream.port}"`, more = '' } = {}): string {
  return `[[routes]]\nhost = "${HOST}"\nupstream = ${to}\nportal = "home"\nallow = ${allow}\n${more}\n`
}

/** One request whose answer never ends by itself, and its other leg. */
interface Open extends Disposable {
  readonly wire: Wire
  readonly leg: UpstreamConnection
}

async function open(
  gate: Gate,
  path: string,
  fields: readonly string[],
  at: number | string = gate.port,
): Promise<Open> {
  const wire = await openWire(at)
  const before = upstream.connections.length
  const isUpload = path === '/upload'
  const line = isUpload ? `POST ${path}` : `GET ${path}`
  const length = isUpload ? ['Content-Length: 1000000'] : []
  await wire.send(
    [`${line} HTTP/1.1`, `Host: ${HOST}`, ...fields, ...length, '', isUpload ? 'a part' : ''].join('\r\n'),
  )
  await eventually(() => upstream.connections.length > before, `${path} reaches the application`)
  const leg = upstream.connections[before]
  if (leg === undefined) throw new Error('no connection')
  if (isUpload) await eventually(() => leg.received.includes('a part'), 'the upload begins')
  else if ((BEGINNINGS[path] ?? '') !== '') await eventually(() => wire.received.includes('begun'), `${path} begins`)
  else await eventually(() => leg.received.includes('\r\n\r\n'), `${path} is asked for`)
  return { wire, leg, [Symbol.dispose]: () => wire.close() }
}

/** Over for both sides: the client has what it would get now, the end of its events, or a connection that was cut; the application is let go. */
function isOver({ wire, leg }: Open): boolean {
  const text = wire.received.toString('latin1')
  return (wire.isClosed || /^HTTP\/1\.1 40[13]/.test(text) || text.endsWith('\r\n0\r\n\r\n')) && leg.isClosed
}

/** Which bodies Bun hands on by itself: what is said below holds for all of them, and for none. */
const UNSEEN = ['every', 'none'] as const

const ALL = [...Object.keys(BEGINNINGS), '/upload']

describe.each(UNSEEN)('a session that ends takes with it what it has open, where of bodies %s goes unseen:', unseen => {
  async function endsWithSession(paths: readonly string[], toml: string, options: GateOptions = {}, at?: string) {
    await using gate = await startGate(PORTAL + toml, { unseen, ...options })
    const ada = await gate.signIn(HOST)
    const bob = await gate.signIn(HOST, { sub: 'bob' })
    for (const path of paths) {
      using hers = await open(gate, path, [`Cookie: ${ada.cookie}`], at)
      using his = await open(gate, path, [`Cookie: ${bob.cookie}`], at)
      const again = await gate.signIn(HOST)
      using other = await open(gate, path, [`Cookie: ${again.cookie}`], at)
      await gate.end(again.sessionId)
      await eventually(() => isOver(other), `${path} ends`)
      expect([isOver(hers), isOver(his)]).toEqual([false, false])
    }
  }

  for (const path of ALL) test(path, () => endsWithSession([path], route('["user"]')))

  test('where the application has limits of its own', () =>
    endsWithSession(
      ALL,
      route('["user"]', { to: `{ to = "http://127.0.0.1:${upstream.port}", max_connections = 9 }` }),
    ))

  test('where answers are read whole first', () =>
    endsWithSession(['/download', '/page'], route('["user"]', { more: 'keep_length = "4MiB"' })))

  test('however long it has been open', async () => {
    await using gate = await startGate(PORTAL + route('["user"]'), { unseen })
    const { cookie, sessionId } = await gate.signIn(HOST)
    using camera = await open(gate, '/camera', [`Cookie: ${cookie}`])
    using late = await open(gate, '/late', [`Cookie: ${cookie}`])
    // Longer than it takes until what goes on is first looked at, and looked at again.
    await Bun.sleep(7000)
    expect([isOver(camera), isOver(late)]).toEqual([false, false])
    await gate.end(sessionId)
    await eventually(() => isOver(camera) && isOver(late), 'both end')
  }, 300_000)

  needs('openssl').test('one stream of HTTP/2 of several', async () => {
    const authority = makeAuthority()
    const own = authority.issue(`DNS:${HOST}`)
    const tls =
      '[tls]\nlisten = ["127.0.0.1:0"]\nredirect_http = false\ncertificates = [{ cert = "own.pem", key = "own.key" }]\n'
    await using gate = await startGate(tls + PORTAL + route('["user"]'), {
      unseen,
      files: { 'own.pem': own.cert, 'own.key': own.key },
    })
    const ada = await gate.signIn(HOST)
    const bob = await gate.signIn(HOST, { sub: 'bob' })
    using client = openHttp2({ port: gate.securePort, name: HOST, ca: authority.cert })
    const hers = await client.hold('/camera', { cookie: `__Host-${ada.cookie}` })
    const his = await client.hold('/camera', { cookie: `__Host-${bob.cookie}` })
    await gate.end(ada.sessionId)
    expect(await hers.closed).not.toBe(0)
    const isHisOver = await Promise.race([his.closed.then(() => true), Bun.sleep(300).then(() => false)])
    expect(isHisOver).toBe(false)
  })

  test('by a local socket, where a request does not show whether it is over', async () => {
    using folder = temporaryFolder()
    const at = join(folder.path, 'gate.sock')
    await endsWithSession(ALL, route('["user"]'), { listen: `unix:${at}` }, at)
  })
})

test('a request that waits for its turn at the application never gets there once its session has ended', async () => {
  const to = `{ to = "http://127.0.0.1:${upstream.port}", max_connections = 1, queue_timeout = "60s" }`
  await using gate = await startGate(PORTAL + route('["user"]', { to }))
  const bob = await gate.signIn(HOST, { sub: 'bob' })
  using first = await open(gate, '/page', [`Cookie: ${bob.cookie}`])
  const ada = await gate.signIn(HOST)
  const waiting = await openWire(gate.port)
  await waiting.send(`GET /waited HTTP/1.1\r\nHost: ${HOST}\r\nCookie: ${ada.cookie}\r\n\r\n`)
  await Bun.sleep(100)
  await gate.end(ada.sessionId)
  await eventually(() => waiting.received.includes('HTTP/1.1 401'), 'it is refused')
  first.wire.close()
  await eventually(() => first.leg.isClosed, 'the turn is free')
  expect(upstream.text).not.toContain('/waited')
  waiting.close()
})

describe('a request that is not answered yet when its session ends gets what the next one gets:', () => {
  /** A request of Ada that has reached the application, after she has signed out; and how often the application was asked. */
  async function outlive(line: string, fields: readonly string[], allow = '["user"]', body = '') {
    await using gate = await startGate(PORTAL + route(allow))
    const ada = await gate.signIn(HOST)
    const before = upstream.connections.length
    const wire = await openWire(gate.port)
    const length = body === '' ? [] : [`Content-Length: ${body.length}`]
    await wire.send(
      [`${line} HTTP/1.1`, `Host: ${HOST}`, `Cookie: ${ada.cookie}`, ...fields, ...length, '', body].join('\r\n'),
    )
    await eventually(() => upstream.connections[before]?.received.includes('\r\n\r\n') === true, 'it is asked for')
    await gate.end(ada.sessionId)
    await eventually(() => upstream.connections[before]?.isClosed === true, 'the application is let go')
    const isAskedAgain = () => upstream.connections[before + 1]?.received.includes('\r\n\r\n') === true
    await eventually(() => wire.received.length > 0 || isAskedAgain(), 'it is answered, or asked for once more')
    const { received } = wire
    wire.close()
    return {
      answer: received.toString('latin1'),
      asked: upstream.connections.slice(before).map(({ received: got }) => got.toString('latin1')),
    }
  }

  test('a page is sent to sign in', async () => {
    const { answer, asked } = await outlive('GET /late', PAGE_LINES)
    expect(answer).toStartWith('HTTP/1.1 302 ')
    expect(answer).toMatch(/\r\nlocation: [^\r]*\/\.sallyport\/login\?return=%2Flate\r\n/i)
    expect(asked).toHaveLength(1)
  })

  for (const line of ['GET /late', 'DELETE /late']) {
    test(`a script that asks by ${line} is told where to sign in`, async () => {
      const { answer, asked } = await outlive(line, ['Accept: application/json'])
      expect(answer).toStartWith('HTTP/1.1 401 ')
      expect(answer).toContain('"sign_in":')
      expect(asked).toHaveLength(1)
    })
  }

  test('so is one whose body the application has, which is not sent again', async () => {
    const { answer, asked } = await outlive('POST /late', ['Accept: application/json'], '["user"]', 'once')
    expect([answer.slice(0, 13), asked.length]).toEqual(['HTTP/1.1 401 ', 1])
  })

  test('where nobody has to sign in, what is safe is asked for as nobody, and all else has to be sent again', async () => {
    const open = '"public"\nheaders = "x-token"'
    const safe = await outlive('GET /late', [], open)
    expect(safe.asked.map(text => text.includes('sallyport='))).toEqual([false, false])
    const other = await outlive('POST /late', ['Accept: application/json'], open, 'once')
    expect([other.answer.slice(0, 13), other.asked.length]).toEqual(['HTTP/1.1 401 ', 1])
  })
})

describe.each(UNSEEN)(
  'a token that is revoked takes with it what is open by it, where of bodies %s goes unseen:',
  unseen => {
    for (const path of ALL) {
      test(path, async () => {
        await using gate = await startGate(PORTAL + route('["user"]', { more: 'tokens = true' }), { unseen })
        const [hers, other] = [await createToken(gate), await createToken(gate)]
        using one = await open(gate, path, [`Authorization: Bearer ${hers.token}`])
        using another = await open(gate, path, [`Authorization: Bearer ${other.token}`])
        expect((await runOn(gate, runTokens, ['revoke', hers.id])).code).toBe(0)
        await eventually(() => isOver(one), `${path} ends`)
        expect(isOver(another)).toBe(false)
      })
    }
  },
)

describe.each(UNSEEN)('what was allowed by rules ends with them, where of bodies %s goes unseen:', unseen => {
  for (const path of ALL) {
    test(`${path}, when the hours are over`, async () => {
      const clock = fakeClock(Date.UTC(2026, 0, 5, 12, 29, 30))
      const rules = '[{ roles = "user", hours = "08:00-12:30" }]'
      await using gate = await startGate(PORTAL + route(rules), { ports: clock, recheckMs: 20, unseen })
      const { cookie } = await gate.signIn(HOST)
      using one = await open(gate, path, [`Cookie: ${cookie}`])
      clock.advance(29_000)
      // Long against the time between two looks.
      await Bun.sleep(100)
      expect(isOver(one)).toBe(false)
      clock.advance(1000)
      await eventually(() => isOver(one), `${path} ends`)
    })
  }

  test('at a reload, anonymous ones too', async () => {
    await using gate = await startGate(PORTAL + route('"public"'), { unseen })
    using camera = await open(gate, '/camera', [])
    using late = await open(gate, '/late', [])
    gate.save(PORTAL + route('"authenticated"'))
    await eventually(() => isOver(camera) && isOver(late), 'both end')
  })

  test('at a reload whose paths are others, and not those whose path is among them', async () => {
    const rule = (paths: string) => PORTAL + route(`[{ paths = [${paths}], anonymous = true }]`)
    await using gate = await startGate(rule('"/camera*", "/late"'), { unseen })
    using camera = await open(gate, '/camera', [])
    using late = await open(gate, '/late', [])
    gate.save(rule('"/camera*"'))
    await eventually(() => isOver(late), 'what is no longer allowed ends')
    expect(isOver(camera)).toBe(false)
  })

  test('at a reload by which another route takes its address, or another reading of that, and nothing else', async () => {
    await using gate = await startGate(PORTAL + route('"public"'), { unseen })
    using camera = await open(gate, '/camera', [])
    using late = await open(gate, '/late', [])
    using events = await open(gate, '/Events', [])
    using lines = await open(gate, '/lines', [])
    const before = upstream.connections.length
    const other = (path: string, allow: string) => route(allow, { more: `path = "${path}"` })
    gate.save(
      PORTAL +
        route('"public"') +
        other('/camera', '"authenticated"') +
        other('=/late', '"public"') +
        other('/events', '["user"]'),
    )
    await eventually(() => [camera, events].every(isOver), 'what leads elsewhere ends')
    // What was not answered yet, and nothing came of it, is asked for where it leads now.
    await eventually(() => late.leg.isClosed && upstream.connections.length === before + 1, 'it is asked for once more')
    expect(isOver(lines)).toBe(false)
  })
})
