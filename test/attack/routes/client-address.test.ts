import { expect } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { forwarded, original, send } from '../../kit/verify.ts'
import { acceptWebSocket, askForWebSocket, WEBSOCKET_KEY } from '../../kit/wire/websocket.ts'
import { hasHead, httpResponse, sendRaw, startRawUpstream, type WireResponse } from '../../kit/wire/wire.ts'

const { describe, test } = needs('127.0.0.2')

/** Loopback: the proxy that is trusted, and somebody else on this machine. */
const [PROXY, STRANGER] = ['127.0.0.1', '127.0.0.9']

const INNER = 'inner.example'
const BANNED = 'banned.example'
const OPEN = 'open.example'
const ASKED = 'app.example'

const keep = untilTheEnd()
let heads: readonly string[] = []
const upstream = keep(
  await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      const { raw } = await connection.receive({ until: hasHead, timeoutMs: 300_000 })
      if (raw.length === 0) return
      const head = raw.toString('latin1')
      heads = [...heads, head]
      await connection.send(
        /^sec-websocket-key:/im.test(head) ? acceptWebSocket({ raw }) : httpResponse(200, 'UPSTREAM'),
      )
    }
  }),
)
/** A file whose inner network would hold the proxy, and any stranger on this machine, if their own addresses counted. */
const LAN = 'networks = ["127.0.0.0/8", "10.0.0.0/8"]'
const toml = [
  PORTAL,
  routeTo(upstream, INNER, `portal = "home"\nallow = [{ ${LAN}, anonymous = true }]`),
  routeTo(upstream, BANNED, 'allow = "public"\ndeny = [{ networks = ["203.0.113.0/24"] }]'),
  routeTo(upstream, OPEN, 'allow = "public"'),
  `[[routes]]\nhost = "${ASKED}"\nverify = true\nportal = "home"\nallow = [{ ${LAN}, anonymous = true }]`,
  `[[routes]]\nhost = "${ASKED}"\npath = "/banned"\nverify = true\nallow = "public"\ndeny = [{ networks = ["203.0.113.0/24"] }]`,
].join('\n')

/** A gate behind a proxy that says where its clients are in this field. */
function startBehind(field: string): Promise<Gate> {
  const server = [`trusted_proxies = ["${PROXY}"]`, `client_address = "${field}"`, 'verify = "127.0.0.1:0"']
  return startGate(toml, { server: server.join('\n') })
}

const FIELDS = ['X-Real-IP', 'CF-Connecting-IP', 'X-My-Client', 'X-Forwarded-For'] as const
type Field = (typeof FIELDS)[number]
const gates = new Map<Field, Gate>()
for (const field of FIELDS) gates.set(field, keep(await startBehind(field)))

function gateOf(field: Field): Gate {
  const gate = gates.get(field)
  if (gate === undefined) throw new Error(`no gate for ${field}`)
  return gate
}

function ask(gate: Gate, host: string, lines: readonly string[], from = PROXY, path = '/'): Promise<WireResponse> {
  const head = [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...lines]
  return sendRaw(gate.port, `${head.join('\r\n')}\r\n\r\n`, { from })
}

/** What the gate takes the client's address for. */
async function addressOf(gate: Gate, lines: readonly string[], from = PROXY): Promise<unknown> {
  const { status, body } = await ask(gate, OPEN, lines, from, '/.sallyport/address')
  return status === 200 ? JSON.parse(body.toString()) : status
}

/** The fields that the upstream got last, by lower-case names. */
function received(): Record<string, string[]> {
  const head = heads.at(-1)?.split('\r\n\r\n')[0] ?? ''
  const found: Record<string, string[]> = {}
  for (const line of head.split('\r\n').slice(1)) {
    const [name = '', ...rest] = line.split(': ')
    found[name.toLowerCase()] = [...(found[name.toLowerCase()] ?? []), rest.join(': ')]
  }
  return found
}

/** Statuses: of a rule that opens, of one that closes, and of both where the proxy in front asks, as Caddy and as nginx do. */
async function judged(gate: Gate, lines: readonly string[]): Promise<readonly number[]> {
  const at = (page: string, more: readonly string[]) =>
    send(gate.verifyPort, `/.sallyport/verify${page}`, more, 'sallyport')
  const answers = [
    await ask(gate, INNER, lines),
    await ask(gate, BANNED, lines),
    await at('', forwarded('/', lines)),
    await at('', forwarded('/banned', lines)),
    await at('/nginx', original('/', lines)),
    await at('/nginx', original('/banned', lines)),
  ]
  return answers.map(({ status }) => status)
}

const INSIDE = [200, 200, 204, 204, 204, 204]
const OUTSIDE = [403, 200, 403, 204, 403, 204]
const BARRED = [403, 403, 403, 403, 403, 403]
const REFUSED = [400, 400, 400, 400, 403, 403]

describe.each(FIELDS.filter(field => field !== 'X-Forwarded-For'))('client_address = "%s"', field => {
  const gate = gateOf(field)
  const says = (value: string) => `${field}: ${value}`

  test.each([
    ['10.1.2.3', INSIDE, '10.1.2.3'],
    [' ::ffff:10.1.2.3 ', INSIDE, '10.1.2.3'],
    ['198.51.100.1', OUTSIDE, '198.51.100.1'],
    ['2001:DB8:0::9', OUTSIDE, '2001:db8::9'],
    ['203.0.113.9', BARRED, '203.0.113.9'],
    ['', BARRED, null],
    ['unknown', BARRED, null],
    ['junk', BARRED, null],
    ['10.1.2.3:8080', BARRED, null],
    ['[fd00::1]', BARRED, null],
    ['[fd00::1]:443', BARRED, null],
    ['010.1.2.3', BARRED, null],
    ['10.1.2.3;', BARRED, null],
    ['for=10.1.2.3', BARRED, null],
  ] as const)('from the trusted proxy, %j', async (value, statuses, address) => {
    expect(await judged(gate, [says(value)])).toEqual([...statuses])
    expect(await addressOf(gate, [says(value)])).toEqual({ address })
  })

  test('a trusted proxy that says nothing leaves the client unknown, whatever other fields say', async () => {
    const others = ['X-Forwarded-For', 'X-Real-IP', 'CF-Connecting-IP', 'True-Client-IP', 'X-Client-IP']
    const lines = others.filter(name => name !== field).map(name => `${name}: 10.1.2.3`)
    for (const more of [[], lines, [`${field.replaceAll('-', '_')}: 10.1.2.3`], ['Forwarded: for=10.1.2.3']]) {
      expect([more, await judged(gate, more)]).toEqual([more, BARRED])
      expect(await addressOf(gate, more)).toEqual({ address: null })
    }
  })

  test.each([
    [['10.1.2.3', '198.51.100.1']],
    [['10.1.2.3', '10.1.2.3']],
    [['10.1.2.3, 198.51.100.1']],
    [['10.1.2.3,']],
    [[',']],
    [['', '10.1.2.3']],
    [['', '']],
  ])('two addresses are 400, for pages, WebSockets and questions: %j', async values => {
    const lines = values.map(says)
    expect(await judged(gate, lines)).toEqual(REFUSED)
    expect(await addressOf(gate, lines)).toBe(400)
    const before = heads.length
    const socket = await sendRaw(gate.port, askForWebSocket(OPEN, '/', lines))
    expect([socket.status, heads.length]).toEqual([400, before])
    const question = forwarded('/', [...lines, `Sec-WebSocket-Key: ${WEBSOCKET_KEY}`])
    expect((await send(gate.verifyPort, '/.sallyport/verify', question, 'sallyport')).status).toBe(400)
    // Nothing of it is left behind.
    expect((await ask(gate, INNER, [says('10.1.2.3')])).status).toBe(200)
  })

  test('a stranger says nothing by it, in any number, and may not ask', async () => {
    for (const lines of [[says('10.1.2.3')], [says('203.0.113.9'), says('10.1.2.3')], [says('junk, junk')]]) {
      expect(await addressOf(gate, lines, STRANGER)).toEqual({ address: STRANGER })
      // Its own address is in the network; what it says is not, and does not put it there or elsewhere.
      expect((await ask(gate, INNER, lines, STRANGER)).status).toBe(200)
      expect((await ask(gate, BANNED, lines, STRANGER)).status).toBe(200)
      const question = ['GET /.sallyport/verify HTTP/1.1', 'Host: sallyport', ...forwarded('/', lines), '', '']
      expect((await sendRaw(gate.verifyPort, question.join('\r\n'), { from: STRANGER })).status).toBe(403)
    }
  })

  test('the application gets what was decided, and no word of anybody else’s', async () => {
    const forged = ['X-Forwarded-For', 'X-Real-IP', 'CF-Connecting-IP', field]
      .flatMap(name => [name, name.replaceAll('-', '_'), `HTTP-${name}`])
      .filter(name => name !== field)
      .map(name => `${name}: 6.6.6.6`)
    for (const shake of [false, true]) {
      const told = async (lines: readonly string[], from: string) => {
        if (shake) await sendRaw(gate.port, askForWebSocket(OPEN, '/', lines), { from })
        else await ask(gate, OPEN, lines, from)
        const fields = received()
        expect(JSON.stringify(fields)).not.toContain('6.6.6.6')
        expect(fields['x-my-client'] ?? fields['cf-connecting-ip']).toBeUndefined()
        return [fields['x-forwarded-for'], fields['x-real-ip'], fields.forwarded?.[0]?.split(';')[0]]
      }
      expect(await told([...forged, says('10.1.2.3')], PROXY)).toEqual([
        [`10.1.2.3, ${PROXY}`],
        ['10.1.2.3'],
        'for=10.1.2.3',
      ])
      expect(await told(forged, PROXY)).toEqual([[PROXY], undefined, 'for=unknown'])
      expect(await told([...forged, says('6.6.6.6')], STRANGER)).toEqual([[STRANGER], [STRANGER], `for=${STRANGER}`])
      expect(await told([says('10.1.2.3'), `Connection: ${field}, X-Real-IP`], PROXY)).toEqual([
        [`10.1.2.3, ${PROXY}`],
        ['10.1.2.3'],
        'for=10.1.2.3',
      ])
    }
  })

  test('the log has the address, and the proxy’s own where there is none', async () => {
    const last = async (path: string, lines: readonly string[]) => {
      await ask(gate, OPEN, lines, PROXY, path)
      const written = () => gate.access.filter(line => JSON.parse(line).path === path)
      await eventually(() => written().length > 0, 'the record is written')
      return written().map(line => JSON.parse(line).client)
    }
    expect(await last('/said', [says('10.1.2.3')])).toEqual(['10.1.2.3'])
    expect(await last('/unsaid', [])).toEqual([PROXY])
  })
})

describe('client_address = "X-Forwarded-For"', () => {
  const gate = gateOf('X-Forwarded-For')

  test('a trusted proxy that says nothing leaves the client unknown', async () => {
    for (const lines of [[], ['X-Real-IP: 10.1.2.3']]) {
      expect(await judged(gate, lines)).toEqual(BARRED)
      expect(await addressOf(gate, lines)).toEqual({ address: null })
    }
    expect(await judged(gate, ['X-Forwarded-For: 10.1.2.3'])).toEqual(INSIDE)
    expect(await judged(gate, ['X-Forwarded-For: 10.1.2.3', 'X-Forwarded-For: 198.51.100.1'])).toEqual(OUTSIDE)
  })

  test('the application gets the list as it came, and the address that was found in it', async () => {
    await ask(gate, OPEN, ['X-Forwarded-For: 6.6.6.6, 10.1.2.3', 'X-Real-IP: 6.6.6.6'])
    expect(received()).toMatchObject({
      'x-forwarded-for': [`6.6.6.6, 10.1.2.3, ${PROXY}`],
      'x-real-ip': ['10.1.2.3'],
    })
  })
})

test('a save changes the field, for requests that come after it', async () => {
  await using gate = await startBehind('X-Real-IP')
  const lines = ['X-Real-IP: 10.1.2.3', 'True-Client-IP: 10.9.9.9']
  expect(await addressOf(gate, lines)).toEqual({ address: '10.1.2.3' })
  const text = readFileSync(gate.configPath, 'utf8')
  writeFileSync(gate.configPath, text.replace('client_address = "X-Real-IP"', 'client_address = "True-Client-IP"'))
  await gate.server.reload()
  expect(await addressOf(gate, lines)).toEqual({ address: '10.9.9.9' })
})

describe('/.sallyport/address', () => {
  const gate = gateOf('X-Real-IP')

  test('is kept by nobody, and answers on hosts that are served alone, by GET and HEAD', async () => {
    const at = (method: string, host: string) =>
      send(gate.port, '/.sallyport/address', ['X-Real-IP: 10.1.2.3'], host, method)
    const answer = await at('GET', OPEN)
    expect([answer.status, answer.field('cache-control'), answer.field('content-type')]).toEqual([
      200,
      'no-store',
      'application/json',
    ])
    expect([answer.field('access-control-allow-origin'), answer.field('set-cookie')]).toEqual([null, null])
    expect(answer.body.toString()).toBe('{"address":"10.1.2.3"}\n')
    const head = await at('HEAD', INNER)
    expect([head.status, head.body.length]).toEqual([200, 0])
    expect((await at('GET', 'elsewhere.example')).status).toBe(404)
    const post = await at('POST', OPEN)
    expect([post.status, post.field('allow')]).toEqual([405, 'GET, HEAD'])
  })

  test('is not answered where proxies ask', async () => {
    expect((await send(gate.verifyPort, '/.sallyport/address', ['X-Real-IP: 10.1.2.3'], OPEN)).status).toBe(404)
  })
})
