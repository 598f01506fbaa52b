import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sha256 } from '../../../src/base/bytes.ts'
import { parseRedisAddress } from '../../../src/config/values/redis-address.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { openRedisStore } from '../../../src/session/redis/store.ts'
import { quietPorts } from '../../kit/clock.ts'
import { userOf } from '../../kit/sessions/many-sessions.ts'
import { type Child, cpuUs, freePort, LOAD_CORE, runChild, settledRssKb, startChild, untilServed } from '../process.ts'
import type { Findings } from '../report.ts'
import { startGate } from '../sallyport.ts'
import type { Stand } from '../stand.ts'
import type { Effort } from './part.ts'

const HOST = 'app.localhost'
const GATES = 3
const CONNECTIONS = 32
/** A last use is written once in a twentieth of it: short, so that a short load shows what that costs. */
const IDLE_MINUTES = 5
/** Sessions that are being stored at a time. */
const WAVE = 500
const SECRETS = 'x'.repeat(1400)
const WARM_ROUNDS = 15

/** How HAProxy chooses a gate: by the client's cookie, so that each has a third of the sessions, or the next in turn, so that each has all. */
const WAYS = { sticky: 'balance hdr(cookie)\n  hash-type consistent', 'in turn': 'balance roundrobin' } as const

type WayName = keyof typeof WAYS

/** What the parts of the installation used up. */
interface Used {
  readonly seconds: number
  readonly requests: number
  readonly gatesUs: number
  readonly redisUs: number
  readonly haproxyUs: number
  /** Scripts and commands that the gates sent. */
  readonly commands: number
}

interface Row {
  readonly way: WayName
  readonly sessions: number
  /** Each session's first request at a gate that has not got it in memory. */
  readonly cold: Used
  /** Later ones, of any session. */
  readonly warm: Used
  readonly gateMbBefore: number
  readonly gateMb: number
  readonly redisMb: number
  readonly redisMbBefore: number
}

/**
 * Three gates behind HAProxy over one Valkey, with a crowd who is signed in: what memory holds, and what a request takes, where a
 * client stays at its gate and where it changes at each request. The gates have one core together, everything else has the other.
 */
export async function many(stand: Stand, { most, seconds }: Effort): Promise<Findings> {
  const folder = join(stand.folder, 'many')
  mkdirSync(folder)
  const redis = await startRedis(folder)
  const redisMbBefore = await redis.usedMb()
  console.error(`bench: ${most} sessions are stored in Valkey`)
  await fill(redis.port, most, stand.asking.provider.issuer)
  const redisMb = await redis.usedMb()
  const rows: Row[] = []
  for (const way of ['sticky', 'in turn'] as const) {
    const front = await startInstallation(join(folder, way.replace(' ', '-')), way, most, redis.port, stand)
    const measure = async (path: string, limit: readonly string[]): Promise<Used> => {
      const parts = [front.gates, redis.child, front.haproxy].map(one => [one, cpuUs(one)] as const)
      const [commands, began] = [await redis.commands(), performance.now()]
      const requests = await load(front.port, path, limit)
      const [gatesUs = 0, redisUs = 0, haproxyUs = 0] = parts.map(([one, before]) => cpuUs(one) - before)
      const took = (performance.now() - began) / 1000
      return { seconds: took, requests, gatesUs, redisUs, haproxyUs, commands: (await redis.commands()) - commands }
    }
    const gateMbBefore = (await settledRssKb(front.gates)) / 1024 / GATES
    const once = loadScript(folder, `count = count + 1\n  return (count - 1) % ${most}`, most)
    // Each in its turn, once; where clients change gates, every gate gets to know all of them then.
    const cold = await measure(once, ['-d', '3600s'])
    for (const port of way === 'in turn' ? front.gatePorts : []) await load(port, once, ['-d', '3600s'])
    const gateMb = (await settledRssKb(front.gates)) / 1024 / GATES
    const any = loadScript(folder, `return math.random(0, ${most - 1})`)
    const warm = await measure(any, ['-d', `${Math.max(seconds * WARM_ROUNDS, 5)}s`])
    rows.push({ way, sessions: most, cold, warm, gateMbBefore, gateMb, redisMb, redisMbBefore })
    for (const child of [front.haproxy, front.gates]) await child.stop()
  }
  await redis.child.stop()
  return {
    tables: [
      [
        ['three gates', 'MB a gate', 'kB a session', 'Redis MB', 'kB a session'],
        ...rows.map(row => [
          `${row.way}, ${row.sessions} sessions`,
          `${row.gateMbBefore.toFixed(0)} to ${row.gateMb.toFixed(0)}`,
          perSession((row.gateMb - row.gateMbBefore) * (row.way === 'sticky' ? GATES : 1), row),
          row.redisMb.toFixed(0),
          perSession(row.redisMb - row.redisMbBefore, row),
        ]),
      ],
      [
        ['', 'requests/s', 'gates µs', 'Redis µs', 'HAProxy µs', 'commands per 1000', 'commands/s'],
        ...rows.flatMap(row => [
          usedRow(`${row.way}, not in memory`, row.cold),
          usedRow(`${row.way}, in memory`, row.warm),
        ]),
      ],
    ],
    targets: [],
    figures: rows,
  }
}

function perSession(mb: number, { sessions }: Row): string {
  return ((mb * 1024) / sessions).toFixed(2)
}

function usedRow(name: string, used: Used): string[] {
  const per = (us: number) => (us / used.requests).toFixed(1)
  return [
    name,
    (used.requests / used.seconds).toFixed(0),
    ...[used.gatesUs, used.redisUs, used.haproxyUs].map(per),
    ((used.commands / used.requests) * 1000).toFixed(1),
    (used.commands / used.seconds).toFixed(0),
  ]
}

interface Redis {
  readonly child: Child
  readonly port: number
  usedMb(): Promise<number>
  /** How many scripts and commands it was sent so far; what scripts do in it does not count. */
  commands(): Promise<number>
}

/** Commands that no script calls, and the scripts. */
const SENT = ['evalsha', 'evalsha_ro', 'eval', 'eval_ro', 'xrange', 'mget', 'ping']

async function startRedis(folder: string): Promise<Redis> {
  const port = await freePort()
  const lasting = ['--dir', folder, '--appendonly', 'yes', '--save', '', '--maxmemory-policy', 'noeviction']
  const child = startChild(['valkey-server', '--bind', '127.0.0.1', '--port', String(port), ...lasting], {
    core: LOAD_CORE,
  })
  const info = (section: string) => runChild(['valkey-cli', '-p', String(port), 'INFO', section], LOAD_CORE)
  for (let tries = 0; !(await info('server').catch(() => '')).includes('redis_version'); tries++) {
    if (tries > 100) throw new Error('Valkey does not answer')
    await Bun.sleep(50)
  }
  return {
    child,
    port,
    usedMb: async () => Number(/used_memory:(\d+)/.exec(await info('memory'))?.[1]) / 1024 / 1024,
    async commands() {
      const text = await info('commandstats')
      return SENT.reduce(
        (sum, name) => sum + Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(text)?.[1] ?? 0),
        0,
      )
    },
  }
}

/** A cookie's value: 43 digits are as good as 43 others, and wrk can make them. */
function cookieOf(index: number): string {
  return String(index).padStart(43, '0')
}

/** Stores live sessions of a crowd, as sign-ins would. */
async function fill(port: number, count: number, issuer: string): Promise<void> {
  const address = parseRedisAddress(`redis://127.0.0.1:${port}`)
  if (!address.ok) throw new Error(address.message)
  const store = openRedisStore(address.value, quietPorts({ now: Date.now }))
  const nowMs = Date.now()
  for (let from = 0; from < count; from += WAVE) {
    const wave = Array.from({ length: Math.min(WAVE, count - from) }, (_, at) => from + at)
    await Promise.all(
      wave.map(index => {
        const { subject, claims } = userOf(index)
        const id = sha256(`session ${index}`)
        const session = {
          ...{ id, portal: 'home', issuer, subject, sid: `sid-${index}`, secrets: SECRETS },
          identity: JSON.stringify(makeIdentity('bench', issuer, subject, claims)),
          ...{ agent: 'Firefox on Linux', client: '192.0.2.1', isRemembered: false, isRefreshable: false },
          ...{ createdAtMs: nowMs, expiresAtMs: nowMs + 12 * 3_600_000, lastSeenMs: nowMs, checkedAtMs: nowMs },
        }
        return store.insert(session, { hash: sha256(cookieOf(index)), sessionId: id, host: HOST })
      }),
    )
  }
  await store.close()
}

interface Installation {
  readonly port: number
  readonly gatePorts: readonly number[]
  readonly gates: Child
  readonly haproxy: Child
}

async function startInstallation(
  folder: string,
  way: WayName,
  count: number,
  redisPort: number,
  { asking: { provider, app } }: Stand,
): Promise<Installation> {
  const ports: number[] = []
  const children: Child[] = []
  for (let at = 0; at < GATES; at++) {
    const own = join(folder, String(at))
    mkdirSync(own, { recursive: true })
    const port = await freePort()
    const file = join(own, 'routes.toml')
    writeFileSync(
      file,
      `[server]
listen = ["127.0.0.1:${port}"]
trusted_proxies = ["127.0.0.1"]

[sessions]
store = "redis://127.0.0.1:${redisPort}"
key = "${Buffer.alloc(32, 7).toString('base64')}"
idle = "${IDLE_MINUTES}m"
cache = ${Math.min(count * 2, 10_000_000)}

[providers.bench]
issuer = "${provider.issuer}"
client_id = "bench"
client_secret = "benchmark secret"

[portals.home]
providers = ["bench"]
insecure_cookies = true

[portals.home.roles]
user = { groups = ["users"] }

[[routes]]
host = "${HOST}"
upstream = "http://127.0.0.1:${app}"
portal = "home"
allow = ["user"]
headers = "x-token"

[[routes]]
host = "open.localhost"
upstream = "http://127.0.0.1:${app}"
allow = "public"
`,
    )
    chmodSync(file, 0o600)
    children.push(startGate(file, null))
    await untilServed(port, 'open.localhost')
    ports.push(port)
  }
  const port = await freePort()
  writeFileSync(
    join(folder, 'haproxy.cfg'),
    `global
  nbthread 1
defaults
  mode http
  option forwardfor
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:${port}
  default_backend gates
backend gates
  ${WAYS[way]}
  http-reuse always
${ports.map((gate, at) => `  server gate${at} 127.0.0.1:${gate}\n`).join('')}`,
  )
  const haproxy = startChild(['haproxy', '-db', '-f', join(folder, 'haproxy.cfg')], { core: LOAD_CORE })
  await untilServed(port, 'open.localhost')
  return {
    port,
    gatePorts: ports,
    haproxy,
    gates: {
      pids: children.flatMap(({ pids }) => pids),
      died: Promise.race(children.map(({ died }) => died)),
      stop: async () => void (await Promise.all(children.map(child => child.stop()))),
    },
  }
}

let scripts = 0

/**
 * What wrk asks: `next` is the body of a function in Lua that answers whose turn it is. With `most` it ends after so many answers: wrk itself ends
 * by its time alone, or by SIGINT, which it does not hear while it runs a command.
 */
function loadScript(folder: string, next: string, most = Number.POSITIVE_INFINITY): string {
  const path = join(folder, `load-${scripts++}.lua`)
  writeFileSync(
    path,
    `local count, answers = 0, 0
local function next_one()
  ${next}
end
function request()
  return wrk.format("GET", "/", { ["Host"] = "${HOST}", ["Cookie"] = string.format("sallyport=%043d", next_one()) })
end
function response()
  answers = answers + 1
  if answers == ${Number.isFinite(most) ? most : -1} then os.execute("wrk=$PPID; (sleep 0.1; kill -INT $wrk) &") end
end
`,
  )
  return path
}

/** How many requests were answered; throws where any was not with 200. */
async function load(port: number, script: string, limit: readonly string[]): Promise<number> {
  const connections = ['-t', '1', '-c', String(CONNECTIONS), '--timeout', '60s']
  const out = await runChild(['wrk', ...connections, ...limit, '-s', script, `http://127.0.0.1:${port}/`], LOAD_CORE)
  if (/Non-2xx|Socket errors/.test(out)) throw new Error(`requests failed:\n${out}`)
  return Number(/(\d+) requests in/.exec(out)?.[1])
}
