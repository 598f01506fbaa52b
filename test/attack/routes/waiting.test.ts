/** A request that waits when what allowed it ends is never sent: whatever it waits for, and however it ends. */
import { expect } from 'bun:test'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { aheadClock } from '../../kit/clock.ts'
import { basic } from '../../kit/fields.ts'
import { eventually, type Gate, type GateOptions, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { type Misbehaviour, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { fetchFrom, statusOf } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { portalTable, providerTable, routeSaying, routeTo } from '../../kit/toml.ts'
import { openWire, startRawUpstream, type Wire } from '../../kit/wire/wire.ts'

const { describe, test } = needs('valkey-server')

const HOST = 'app.test'
const AUDIENCE = 'https://gate.example/api'

const keep = untilTheEnd()
const clock = aheadClock()
const provider = keep(await startBadProvider(clock.nowS))
const valkey = keep(await startValkey())

/** An application that begins events for ever, and answers no handshake. */
const upstream = keep(
  await startRawUpstream(async connection => {
    const { raw } = await connection.receive({ until: received => received.includes('\r\n\r\n'), timeoutMs: 300_000 })
    if (/^GET \/socket/.test(raw.toString('latin1'))) return
    await connection.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n')
    await connection.send('7\r\ndata: \n\r\n')
  }),
)

/** What the provider waits for before it answers about a token or a person. */
let held: PromiseWithResolvers<void> | null = null
let introspections = 0
const introspection = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch() {
      introspections++
      await held?.promise
      return Response.json({ active: true, sub: 'ada', aud: AUDIENCE, client_id: 'app', exp: clock.nowS() + 600 })
    },
  }),
)

function behave(how: Misbehaviour = {}): void {
  const discovery = { introspection_endpoint: `http://127.0.0.1:${introspection.port}/introspect` }
  provider.behave({ givesRefreshToken: true, signsInAtOnce: true, discovery, ...how })
}

const HASH = await Bun.password.hash('right', { algorithm: 'bcrypt', cost: 13 })

function file(allow = '["user"]', tool = 'echo'): string {
  const route = (path: string, lines: string, allowed = allow) =>
    routeTo(upstream, HOST, `path = "${path}"\nportal = "home"\nallow = ${allowed}\n${lines}`)
  return [
    providerTable(provider, `access_tokens = { audience = "${AUDIENCE}", introspect = true }`),
    portalTable(
      'htpasswd = "people"\nrefresh = "1m"\nroles.user = { any = true }\nroles.admin = { groups = ["admins"] }',
    ),
    route('/events', ''),
    route('/token', 'pass_token = "access"\ndeny = [{ groups = ["gone"] }]'),
    route('/tools', `tools = { allow = ["${tool}"] }`),
    route('/password', 'passwords = true'),
    route('/introspected', 'tokens = true'),
    route('/copied', '', '"public"'),
    route('/socket', ''),
    routeSaying('here', HOST, 'path = "/here"\nallow = "public"'),
    route('/queue', '').replace(
      /upstream = (".*")/,
      'upstream = { to = $1, max_connections = 1, queue_timeout = "60s" }',
    ),
  ].join('\n')
}

interface Stand {
  readonly gate: Gate
  /** The cookie of who asks. */
  readonly ada: string
}

/** One wait: how a request comes to it, and what has it go on. */
interface Wait {
  readonly title: string
  /** Whose session it is; Ada's, who is asked about nowhere, where that is absent. */
  signIn?(gate: Gate): Promise<string>
  /** Sends the request, and comes back once it waits. */
  begin(stand: Stand): Promise<Wire>
  /** Lets it go on, where it does not by itself. */
  release(stand: Stand, wire: Wire): Promise<void> | void
}

/** What ends what allowed it, and the status that a request gets from then on. */
interface Change {
  readonly title: string
  readonly status: number
  make(stand: Stand): Promise<void>
}

/** Sends it, and comes back once the gate has it: what came later is answered by then. */
async function send(gate: Gate, line: string, fields: readonly string[], body = ''): Promise<Wire> {
  const wire = await openWire(gate.port)
  await wire.send([`${line} HTTP/1.1`, `Host: ${HOST}`, ...fields, '', body].join('\r\n'))
  for (let times = 0; times < 2; times++) expect(await statusOf(gate, '/none', { host: HOST })).toBe(404)
  return wire
}

async function save({ gate }: Stand, toml: string): Promise<void> {
  gate.save(toml)
  await gate.server.reload()
}

const RULE: Change = { title: 'a rule is gone', status: 403, make: stand => save(stand, file('["admin"]')) }
const SESSION: Change = {
  title: 'its session ends',
  status: 401,
  async make({ gate, ada }) {
    const headers = { host: HOST, cookie: ada, origin: `http://${HOST}`, 'sec-fetch-site': 'same-origin' }
    expect((await fetchFrom(gate, '/.sallyport/logout', headers, { method: 'POST' })).status).toBe(303)
  },
}
const TOOL: Change = { title: 'the tool is closed', status: 200, make: stand => save(stand, file('["user"]', 'other')) }

const CALL = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo' } })

const WAITS: readonly (Wait & { readonly changes: readonly Change[] })[] = [
  {
    title: 'the refresh of its token',
    changes: [
      RULE,
      SESSION,
      { title: 'that very refresh takes the group away', status: 403, make: async () => undefined },
    ],
    async signIn(gate) {
      behave({ token: { expires_in: 60 } })
      const browser = browserAt(gate, HOST)
      expect((await browser.open(`http://${HOST}/.sallyport/login?return=/here`)).response.status).toBe(200)
      clock.advance(2 * 60_000)
      return `sallyport=${browser.cookie(HOST, 'sallyport')}`
    },
    async begin({ gate, ada }) {
      const before = provider.asked.userinfo
      held = Promise.withResolvers()
      const userinfo = async () => {
        await held?.promise
        return Response.json({ sub: 'user-1', groups: ['gone'] })
      }
      behave({ instead: { userinfo } })
      const wire = await send(gate, 'GET /token', [`Cookie: ${ada}`])
      await eventually(() => provider.asked.userinfo > before, 'the provider is asked')
      return wire
    },
    release: () => held?.resolve(),
  },
  {
    title: 'the body of a call whose tools are judged',
    changes: [RULE, SESSION, TOOL],
    begin: ({ gate, ada }) =>
      send(
        gate,
        'POST /tools',
        [`Cookie: ${ada}`, 'Content-Type: application/json', `Content-Length: ${CALL.length}`],
        CALL.slice(0, 20),
      ),
    release: (_, wire) => wire.send(CALL.slice(20)),
  },
  {
    title: 'the hash of a password',
    changes: [RULE],
    begin: ({ gate }) => send(gate, 'GET /password', [`Authorization: ${basic('ada:right').authorization}`]),
    release: () => undefined,
  },
  {
    title: 'introspection of a token',
    changes: [RULE],
    async begin({ gate }) {
      const before = introspections
      held = Promise.withResolvers()
      const wire = await send(gate, 'GET /introspected', ['Authorization: Bearer opaque'])
      await eventually(() => introspections > before, 'the provider is asked')
      return wire
    },
    release: () => held?.resolve(),
  },
  {
    title: 'its session, in Redis',
    changes: [RULE],
    async begin({ gate, ada }) {
      valkey.freeze()
      return send(gate, 'GET /events', [`Cookie: ${ada}`])
    },
    release: () => valkey.thaw(),
  },
  {
    title: 'the address that a field of it names to be judged',
    changes: [RULE],
    async begin({ gate, ada }) {
      valkey.freeze()
      return send(gate, 'COPY /copied', [`Cookie: ${ada}`, `Destination: http://${HOST}/events`])
    },
    release: () => valkey.thaw(),
  },
  {
    title: 'the answer to the handshake of its WebSocket',
    changes: [RULE, SESSION],
    async begin({ gate, ada }) {
      const before = upstream.connections.length
      const wire = await send(gate, 'GET /socket', [
        `Cookie: ${ada}`,
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      ])
      const asked = () => upstream.connections[before]?.received.includes('\r\n\r\n') === true
      await eventually(asked, 'the application is dialled')
      return wire
    },
    release: () => undefined,
  },
  {
    title: 'a place at an application that has enough to do',
    changes: [RULE, SESSION],
    async begin({ gate, ada }) {
      const bob = await gate.signIn(HOST, { sub: 'bob', groups: ['admins'] })
      const first = await send(gate, 'GET /queue', [`Cookie: ${bob.cookie}`])
      await eventually(() => first.received.includes('data:'), 'the place is taken')
      return send(gate, 'GET /queue', [`Cookie: ${ada}`])
    },
    release: () => undefined,
  },
]

describe('a request that waits is never sent once what allowed it has ended, while it waits for', () => {
  for (const wait of WAITS) {
    for (const change of wait.changes) {
      test(`${wait.title}: ${change.title}`, async () => {
        clock.setAhead(0)
        behave()
        await valkey.ask(0, 'FLUSHALL')
        const options: GateOptions = {
          ...shared(valkey.url()),
          ports: { now: clock.now },
          files: { people: `ada:${HASH}\n` },
        }
        await using gate = await startGate(file(), options)
        const ada = await (wait.signIn?.(gate) ?? gate.signIn(HOST).then(({ cookie }) => cookie))
        const stand = { gate, ada }
        const before = upstream.text.length
        const wire = await wait.begin(stand)
        const seen = upstream.text.length
        expect(wire.received.length).toBe(0)
        await change.make(stand)
        await wait.release(stand, wire)
        const { status, body } = await wire.receive()
        wire.close()
        expect([status, body.toString().includes('data:')]).toEqual([change.status, false])
        // The application has seen nothing more of it, and the gate is as well as before.
        expect([before <= seen, upstream.text.slice(seen)]).toEqual([true, ''])
        expect(await statusOf(gate, '/none', { host: HOST })).toBe(404)
      })
    }
  }
})
