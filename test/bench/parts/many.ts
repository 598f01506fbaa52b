import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../kit/programs/free-port.ts'
import { fillRedis } from '../crowd.ts'
import {
  type Child,
  cpuUs,
  LOAD_CORE,
  PROXY_CORE,
  runChild,
  settledRssKb,
  startChild,
  untilServed,
} from '../process.ts'
import type { Findings } from '../report.ts'
import { startGate } from '../sallyport.ts'
import type { Stand } from '../stand.ts'
import type { Effort } from './part.ts'

const HOST = 'app.localhost'
const GATES = 3
const CONNECTIONS = 32
/** Longer than all of it. A last use is written once in a twentieth of it: a million ask less often than that, so each writes one. */
const IDLE_MINUTES = 30
/** Of the memory of sessions, for each session of the crowd: a million have more than half a gigabyte, the most that a gate takes unasked. */
const CACHE_BYTES = 512
/** How long a million sessions ask in each way; fewer ask less long. Ten minutes in all. */
const LOAD_SECONDS = 300
const CROWD = 1_000_000
/** Of which a part fills the memory, and a part is for the few who are surely in it. */
const [FIRST, ANY, KNOWN] = [0.4, 0.5, 0.1]
const FEW = 1000
/** All of it ends by itself in this time: load is left out where the sessions took long to store. */
const MOST_MS = 13 * 60_000
/** What is done besides the load, in each way. */
const BESIDES_SECONDS = 20

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
  /** Each session's first request, which no gate has in memory. */
  readonly first: Used
  /** Anybody's, with what memory holds. */
  readonly any: Used
  /** Those of a few, who are in memory. */
  readonly known: Used
  readonly gateMbBefore: number
  readonly gateMb: number
  /** How full the memory of sessions was, of 1: once the first requests were over, and at the end. */
  readonly full: readonly [number, number]
  readonly redisMb: number
  readonly redisMbBefore: number
}

/**
 * Three gates behind HAProxy over one Valkey, with a crowd who is signed in and whom memory does not hold: what it takes, and what a
 * request costs, where a client stays at its gate and where it changes at each request. The gates have one core together, everything else
 * has the other.
 */
export async function many(stand: Stand, { most: wanted, seconds }: Effort): Promise<Findings> {
  const began = performance.now()
  const folder = join(stand.folder, 'many')
  mkdirSync(folder)
  const redis = await startRedis(folder)
  const redisMbBefore = await redis.usedMb()
  const most = await fillRedis(redis.port, { count: wanted, issuer: stand.asking.provider.issuer, host: HOST })
  const redisMb = await redis.usedMb()
  await redis.filled()
  console.error(`bench: ${most} sessions are stored in Valkey, in ${secondsSince(began).toFixed(0)} s`)
  const ways = ['sticky', 'in turn'] as const
  const rows: Row[] = []
  for (const [at, way] of ways.entries()) {
    const left = (MOST_MS / 1000 - secondsSince(began)) / (ways.length - at) - BESIDES_SECONDS
    const lasts = Math.max(Math.min((LOAD_SECONDS * seconds * most) / CROWD, left), 10)
    console.error(`bench: ${way}, ${lasts.toFixed(0)} s`)
    const front = await startInstallation(join(folder, way.replace(' ', '-')), way, most, redis.port, stand)
    const measure = async (share: number, script: string): Promise<Used> => {
      const parts = [front.gates, redis.child, front.haproxy].map(one => [one, cpuUs(one)] as const)
      const [commands, start] = [await redis.commands(), performance.now()]
      const requests = await load(front.port, script, Math.ceil(lasts * share))
      const [gatesUs = 0, redisUs = 0, haproxyUs = 0] = parts.map(([one, before]) => cpuUs(one) - before)
      const took = secondsSince(start)
      return { seconds: took, requests, gatesUs, redisUs, haproxyUs, commands: (await redis.commands()) - commands }
    }
    const gateMbBefore = (await settledRssKb(front.gates)) / 1024 / GATES
    const each = (count: number) => loadScript(folder, `count = count + 1\n  return (count - 1) % ${count}`, count)
    const first = await measure(FIRST, each(most))
    const filled = await front.full()
    const any = await measure(ANY, loadScript(folder, `return math.random(0, ${most - 1})`))
    const full = [filled, await front.full()] as const
    const gateMb = (await settledRssKb(front.gates)) / 1024 / GATES
    const knownCount = Math.min(FEW, Math.ceil(most / 20))
    const few = loadScript(folder, `return math.random(0, ${knownCount - 1})`)
    for (const port of front.gatePorts) await load(port, each(knownCount), 10)
    const known = await measure(KNOWN, few)
    rows.push({ way, sessions: most, first, any, known, gateMbBefore, gateMb, full, redisMb, redisMbBefore })
    for (const child of [front.haproxy, front.gates]) await child.stop()
  }
  await redis.child.stop()
  const percent = (part: number) => `${(part * 100).toFixed(0)} %`
  return {
    tables: [
      [
        [
          'three gates',
          ...['MB a gate', 'of it sessions', 'full after first', 'at the end', 'Redis MB', 'kB a session'],
        ],
        ...rows.map(row => [
          `${row.way}, ${row.sessions} sessions`,
          `${row.gateMbBefore.toFixed(0)} to ${row.gateMb.toFixed(0)}`,
          (cacheBytes(row.sessions) / 1e6).toFixed(0),
          ...row.full.map(percent),
          row.redisMb.toFixed(0),
          (((row.redisMb - row.redisMbBefore) * 1024) / row.sessions).toFixed(2),
        ]),
      ],
      [
        [
          '',
          'requests/s',
          'gates µs',
          'Redis µs',
          'HAProxy µs',
          'commands per 1000',
          'commands/s',
          'busiest',
          'Redis full at',
        ],
        ...rows.flatMap(row => [
          usedRow(`${row.way}, first requests`, row.first),
          usedRow(`${row.way}, anybody's`, row.any),
          usedRow(`${row.way}, in memory`, row.known),
        ]),
      ],
    ],
    targets: [],
    figures: rows,
  }
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1000
}

function cacheBytes(count: number): number {
  return Math.max(count * CACHE_BYTES, 1e6)
}

function usedRow(name: string, used: Used): string[] {
  const { gatesUs, redisUs, haproxyUs, requests, seconds } = used
  const per = (us: number) => (us / requests).toFixed(1)
  const [busiest = ''] = Object.entries({ gates: gatesUs, Redis: redisUs, HAProxy: haproxyUs })
    .sort(([, one], [, other]) => other - one)
    .map(([part, us]) => `${part} ${(us / seconds / 1e4).toFixed(0)} %`)
  return [
    name,
    (requests / seconds).toFixed(0),
    ...[gatesUs, redisUs, haproxyUs].map(per),
    ((used.commands / requests) * 1000).toFixed(1),
    (used.commands / seconds).toFixed(0),
    busiest,
    // It has one thread for commands, and there may be as many gates as one likes.
    `${(gatesUs / redisUs).toFixed(0)} cores of gates`,
  ]
}

interface Redis {
  readonly child: Child
  readonly port: number
  usedMb(): Promise<number>
  /** How many scripts and commands it was sent so far; what scripts do in it does not count. */
  commands(): Promise<number>
  /** Has it write down what it has, and all that comes, as in use; and lets the gates have their core alone. */
  filled(): Promise<void>
}

/** Commands that no script calls, and the scripts. */
const SENT = ['evalsha', 'evalsha_ro', 'eval', 'eval_ro', 'xrange', 'mget', 'ping']

async function startRedis(folder: string): Promise<Redis> {
  const port = await freePort()
  const settings = ['--dir', folder, '--appendonly', 'no', '--save', '', '--maxmemory-policy', 'noeviction']
  const child = startChild(['valkey-server', '--bind', '127.0.0.1', '--port', String(port), ...settings], {
    // What fills it has the other.
    core: PROXY_CORE,
  })
  const ask = (...command: readonly string[]) => runChild(['valkey-cli', '-p', String(port), ...command], LOAD_CORE)
  const info = (section: string) => ask('INFO', section)
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
    async filled() {
      await ask('CONFIG', 'SET', 'appendonly', 'yes')
      while (/aof_rewrite_(?:in_progress|scheduled):1/.test(await info('persistence'))) await Bun.sleep(200)
      for (const pid of child.pids) {
        await runChild(['taskset', '-a', '-c', '-p', String(LOAD_CORE), String(pid)], LOAD_CORE)
      }
    },
  }
}

interface Installation {
  readonly port: number
  readonly gatePorts: readonly number[]
  readonly gates: Child
  readonly haproxy: Child
  /** How full the gates' memory of sessions is, of 1. */
  full(): Promise<number>
}

async function startInstallation(
  folder: string,
  way: WayName,
  count: number,
  redisPort: number,
  { asking: { provider, app } }: Stand,
): Promise<Installation> {
  const ports: number[] = []
  const admins: number[] = []
  const children: Child[] = []
  for (let at = 0; at < GATES; at++) {
    const own = join(folder, String(at))
    mkdirSync(own, { recursive: true })
    const [port, admin] = [await freePort(), await freePort()]
    const file = join(own, 'routes.toml')
    writeFileSync(
      file,
      `[server]
listen = ["127.0.0.1:${port}"]
admin = "127.0.0.1:${admin}"
trusted_proxies = ["127.0.0.1"]

[sessions]
store = "redis://127.0.0.1:${redisPort}"
key = "${Buffer.alloc(32, 7).toString('base64')}"
idle = "${IDLE_MINUTES}m"
cache = "${cacheBytes(count)}B"

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
    admins.push(admin)
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
    async full() {
      const texts = await Promise.all(admins.map(async at => (await fetch(`http://127.0.0.1:${at}/metrics`)).text()))
      const sum = (name: string) =>
        texts.reduce((total, text) => total + Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]), 0)
      return sum('sallyport_session_cache_bytes') / sum('sallyport_session_cache_max_bytes')
    },
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

/** How many requests were answered in this time, or before where the script has an end; throws where any was not with 200. */
async function load(port: number, script: string, seconds: number): Promise<number> {
  const limits = ['-t', '1', '-c', String(CONNECTIONS), '--timeout', '60s', '-d', `${seconds}s`]
  const out = await runChild(['wrk', ...limits, '-s', script, `http://127.0.0.1:${port}/`], LOAD_CORE)
  if (/Non-2xx|Socket errors/.test(out)) throw new Error(`requests failed:\n${out}`)
  return Number(/(\d+) requests in/.exec(out)?.[1])
}
