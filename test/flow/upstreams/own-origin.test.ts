import { describe, expect, test } from 'bun:test'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { acceptWebSocket, askForWebSocket } from '../../kit/wire/websocket.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

/** The last head that came through. */
let head = ''

const keep = untilTheEnd()
/** An application that takes pages of its own address alone, as Jupyter, Cockpit and Syncthing do. */
const upstream = keep(
  await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      const got = await connection.receive({ until: bytes => bytes.includes('\r\n\r\n'), timeoutMs: 300_000 })
      head = got.raw.toString('latin1')
      const [origin, host] = [sent('origin')[0], sent('host')[0]]
      const isOwn = host === at && (origin === undefined || origin === `http://${at}`)
      if (!isOwn) await connection.send(httpResponse(403, 'Cross origin websockets not allowed'))
      else if (/^upgrade:/im.test(head)) await connection.send(acceptWebSocket(got))
      else await connection.send(httpResponse(200, 'ok'))
    }
  }),
)
const at = `127.0.0.1:${upstream.port}`
const unused = await freePort()

function sent(name: string): readonly (string | undefined)[] {
  return [...head.matchAll(new RegExp(`^${name}: (.*)\\r$`, 'gim'))].map(([, value]) => value)
}

const route = (host: string, more: string) =>
  `[[routes]]\nhost = "${host}"\nhost_header = "upstream"\norigin = "upstream"\n${more}\n`
const gate = keep(
  await startGate(
    [
      PORTAL,
      route('app.example', `upstream = "http://${at}"\nallow = "public"\nallowed_origins = ["http://friend.example"]`),
      route('app.example', `path = "/a"\nstrip_prefix = "/a"\nupstream = "http://${at}/base"\nallow = "public"`),
      route('two.example', `upstream = ["http://127.0.0.1:${unused}", "http://${at}/there"]\nallow = "public"`),
      route('mine.example', `upstream = "http://${at}"\nportal = "home"\nallow = ["user"]`),
      route(
        'ruled.example',
        `upstream = "http://${at}"\nallow = "public"\nrequest_headers = { remove = ["Origin", "Referer"] }`,
      ),
      `[[routes]]\nhost = "plain.example"\nupstream = "http://${at}"\nallow = "public"\nhost_header = "upstream"`,
    ].join('\n\n'),
  ),
)

async function ask(host: string, fields: readonly string[], path = '/', method = 'POST') {
  const { status } = await sendRaw(gate.port, rawRequest(`${method} ${path}`, host, ['Content-Length: 0', ...fields]))
  return { status, origin: sent('origin'), referer: sent('referer') }
}

async function open(host: string, fields: readonly string[]): Promise<number> {
  const answer = await sendRaw(gate.port, askForWebSocket(host, '/', fields), {
    until: got => got.includes('\r\n\r\n'),
  })
  return answer.status
}

describe('origin = "upstream"', () => {
  test("Origin and Referer of the public host are the application's own", async () => {
    expect(await ask('app.example', ['Origin: http://app.example', 'Referer: http://app.example/x?y'])).toEqual({
      status: 200,
      origin: [`http://${at}`],
      referer: [`http://${at}/x?y`],
    })
  })
  test('a page below the prefix is where the application has it, and another one where it was', async () => {
    const fields = (page: string) => ['Origin: http://app.example', `Referer: http://app.example${page}`]
    expect((await ask('app.example', fields('/a/x?y=/a'), '/a/z')).referer).toEqual([`http://${at}/base/x?y=/a`])
    expect((await ask('app.example', fields('/ab'), '/a/z')).referer).toEqual([`http://${at}/ab`])
  })
  test('without the key both stay, and the application refuses', async () => {
    const fields = ['Origin: http://plain.example', 'Referer: http://plain.example/x']
    expect(await ask('plain.example', fields)).toEqual({
      status: 403,
      origin: ['http://plain.example'],
      referer: ['http://plain.example/x'],
    })
  })
  test.each([
    ['another host', 'https://evil.test'],
    ['another scheme', 'https://app.example'],
    ['another port', 'http://app.example:81'],
    ['a longer name', 'http://app.example.evil.test'],
    ['nobody', 'null'],
  ])('%s stays what it is, so that the application can refuse it', async (_, origin) => {
    const made = await ask('app.example', [`Origin: ${origin}`, `Referer: ${origin}/x`])
    expect([made.status, made.origin, made.referer]).toEqual([403, [origin], [`${origin}/x`]])
  })
  test("a page at the very address of the application is nobody's", async () => {
    const made = await ask('app.example', [`Origin: http://${at}`, `Referer: http://${at}/x`])
    expect([made.status, made.origin, made.referer]).toEqual([403, ['null'], []])
    const near = await ask('app.example', [`Referer: http://${at}1/x`])
    expect(near.referer).toEqual([`http://${at}1/x`])
  })
  test('user information before the host makes it another one', async () => {
    const referer = 'http://app.example@evil.test/'
    expect((await ask('app.example', [`Referer: ${referer}`])).referer).toEqual([referer])
  })
  test('what a rule has taken away stays away', async () => {
    const made = await ask('ruled.example', ['Origin: http://ruled.example', 'Referer: http://ruled.example/'])
    expect([made.origin, made.referer]).toEqual([[], []])
  })
  test('the address that answers in the end is the one that is named', async () => {
    for (let index = 0; index < 2; index++) {
      const made = await ask('two.example', ['Origin: http://two.example', 'Referer: http://two.example/x'], '/', 'GET')
      expect([made.status, made.origin, made.referer]).toEqual([200, [`http://${at}`], [`http://${at}/there/x`]])
    }
  })
  test('a WebSocket opens from a page of the public host', async () => {
    expect(await open('app.example', ['Origin: http://app.example'])).toBe(101)
    expect(await open('two.example', ['Origin: http://two.example'])).toBe(101)
    expect(await open('plain.example', ['Origin: http://plain.example'])).toBe(403)
    expect(await open('app.example', ['Origin: http://friend.example'])).toBe(403)
    expect(await open('app.example', [`Origin: http://${at}`])).toBe(403)
  })
  test('whose page it really was is looked at before, where someone is signed in', async () => {
    const { cookie } = await gate.signIn('mine.example')
    head = ''
    for (const origin of ['https://evil.test', `http://${at}`]) {
      expect(await open('mine.example', [`Cookie: ${cookie}`, `Origin: ${origin}`])).toBe(403)
    }
    expect(head).toBe('')
    expect(await open('mine.example', [`Cookie: ${cookie}`, 'Origin: http://mine.example'])).toBe(101)
  })
})
