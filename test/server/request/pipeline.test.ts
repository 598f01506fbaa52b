import { expect, test } from 'bun:test'
import { checkConfig } from '../../../src/config/check.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { createExchanges, type Exchanges } from '../../../src/proxy/lifetime/exchanges.ts'
import { createUpstreamPool } from '../../../src/proxy/upstream/upstream.ts'
import { compileSnapshot } from '../../../src/server/config/compile.ts'
import { createDrain } from '../../../src/server/listen/drain.ts'
import { createMetrics } from '../../../src/server/observe/counts.ts'
import { createRouteUses } from '../../../src/server/observe/route-use.ts'
import type { BunServer } from '../../../src/server/request/context.ts'
import { createPipelines, type Pipeline } from '../../../src/server/request/pipeline.ts'
import { createResets } from '../../../src/server/request/rapid-reset.ts'
import type { Rates } from '../../../src/server/request/rate-limits.ts'
import type { PipelineTools } from '../../../src/server/request/tools.ts'
import type { Session } from '../../../src/session/session.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { PORTAL } from '../../kit/gate.ts'

const SOURCES = { file: 'routes.toml', readText: () => '', readBytes: () => new Uint8Array(), env: () => undefined }

const FILE = `${PORTAL}
[[routes]]
host = "app.example.com"
respond = { status = 200, body = "everybody's" }
allow = "public"

[[routes]]
host = "app.example.com"
path = "/members"
respond = { status = 200, body = "a member's" }
portal = "home"
allow = ["user", { networks = ["192.0.2.0/24"] }]

[[routes]]
host = "app.example.com"
path = "/open"
respond = { status = 200, body = "open to all, at a portal" }
portal = "home"
allow = "public"

[[routes]]
host = "app.example.com"
path = "/counted"
respond = { status = 200, body = "counted" }
portal = "home"
allow = ["user"]
rate = { requests = 1, per = "1h", burst = 1, by = "user" }
`

const MEMBER: Session = {
  id: 'a',
  portal: 'home',
  identity: makeIdentity('id', 'https://id.example.com', 'ada', { groups: ['users'] }),
  isRemembered: false,
  createdAtMs: 0,
  expiresAtMs: Number.MAX_SAFE_INTEGER,
}

const refuse = () => Promise.reject(new Error('there is no upstream'))
const ports = { ...quietPorts(fakeClock()), forward: refuse, ask: refuse }

/** The requests of a gate that has one session, found at once or later. */
function pipeline(find: () => Session | Promise<Session>, given: Partial<PipelineTools> = {}): Pipeline {
  const checked = checkConfig(FILE, SOURCES)
  if (!checked.ok) throw new TypeError(checked.diagnostics.map(({ message }) => message).join('\n'))
  const snapshot = compileSnapshot(checked.config, checked.fingerprint, createUpstreamPool(ports))
  const metrics = createMetrics()
  const tools: Partial<PipelineTools> = {
    ports,
    current: () => snapshot,
    exchanges: createExchanges(),
    idPrefix: 'test',
    answerAuthority: () => null,
    metrics,
    resets: createResets(ports.now, { log: ports.log, metrics }),
    meter: null,
    uses: createRouteUses(),
    noteRequest: () => undefined,
    accessLog: { write: () => undefined, close: () => undefined },
    leaving: createDrain(),
    sessions: { find } as unknown as PipelineTools['sessions'],
    ...given,
  }
  return createPipelines(tools as PipelineTools).requests
}

const FRONT = {
  requestIP: () => ({ address: '192.0.2.1', port: 1, family: 'IPv4' }),
  port: 80,
  protocol: 'http',
} as unknown as BunServer

function asked(path: string): Request {
  const headers = { host: 'app.example.com', cookie: `sallyport=${'a'.repeat(43)}` }
  return new Request(`http://app.example.com${path}`, { headers })
}

const KINDS = [
  { title: 'everybody may see', path: '/', text: "everybody's" },
  { title: 'someone may see whose session is in memory', path: '/members', text: "a member's" },
]

test.each(KINDS)('what $title is answered without a promise on the way', async ({ path, text }) => {
  const answer = pipeline(() => MEMBER)(asked(path), FRONT)
  if (!(answer instanceof Response)) throw new TypeError(`${answer} came of it`)
  expect([answer.status, answer.headers.get('connection'), await answer.text()]).toEqual([200, null, text])
})

test('a session that has to be read is waited for, and the answer is the same', async () => {
  const answer = pipeline(() => Promise.resolve(MEMBER))(asked('/members'), FRONT)
  expect(answer).toBeInstanceOf(Promise)
  expect(await (await answer)?.text()).toBe("a member's")
})

test.each([
  ['that everybody may see', '/', 0],
  ['that everybody may see, of a portal, and that is told of nobody', '/open', 0],
  ['that somebody may see', '/members', 1],
])('what asks the session store: a route %s', async (_, path, times) => {
  let asks = 0
  const requests = pipeline(() => {
    asks++
    return MEMBER
  })
  expect((await requests(asked(path), FRONT))?.status).toBe(200)
  expect(asks).toBe(times)
})

test.each([
  ['at once', () => MEMBER],
  ['later', () => Promise.resolve(MEMBER)],
])('an answer that comes %s is the same and counted once, though its line cannot be written', async (_, find) => {
  const told: unknown[] = []
  const metrics = createMetrics()
  const requests = pipeline(find, {
    ports: { ...ports, log: { ...ports.log, error: (text, facts) => told.push([text, facts?.error]) } },
    metrics,
    accessLog: {
      write() {
        throw new RangeError('no line')
      },
      close: () => undefined,
    },
  })
  expect(await (await requests(asked('/members'), FRONT))?.text()).toBe("a member's")
  expect(metrics.responses.filter(Boolean)).toEqual([1])
  expect(told).toEqual([['A request could not be recorded', 'RangeError: no line']])
})

test.each<[string, (exchanges: Exchanges) => void]>([
  ['by the time that its session is there', exchanges => exchanges.note(null)],
  ['while it waits for its session', exchanges => exchanges.endWhere(() => true, 'the file changed', null)],
])('a request that begins again, since everything has changed %s, is counted once for its user', async (_, change) => {
  const exchanges = createExchanges()
  const found = Promise.withResolvers<Session>()
  let [asks, taken] = [0, 0]
  const rates = { take: () => void taken++ } as unknown as Rates
  const requests = pipeline(() => (++asks === 1 ? found.promise : MEMBER), { exchanges, rates })
  const first = requests(asked('/counted'), FRONT)
  change(exchanges)
  found.resolve(MEMBER)
  expect((await first)?.status).toBe(200)
  // What was given up goes no further, either.
  await new Promise(setImmediate)
  expect([asks, taken]).toEqual([2, 1])
})
