import { expect } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { type Child, freePort, startChild } from '../../kit/programs/child.ts'

/** What fires no more often than this may go on while nobody asks: looks that are a second thought. */
const SELDOM_MS = 15_000

/** How long each look is. Longer than any timer of a request or of a batch. */
const LOOK_MS = 4000

/** What more the gate may be woken in that time than a bare server of the same Bun. It was 80. */
const MARGIN = 16

const ROOT = join(import.meta.dir, '../../..')
const TELLING = join(ROOT, 'test/kit/programs/tell-timers.ts')

/** Proxies nowhere: it has the timers of Bun itself, and no other. */
const BARE = `Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => fetch('http://127.0.0.1:9/') })`

const TOML = `
[sessions]
store = "sqlite:sallyport.db"

[providers.id]
issuer = "http://127.0.0.1:9"
client_id = "gate"
client_secret = "a secret of the test"

[portals.home]
url = "http://auth.localhost"
providers = ["id"]
insecure_cookies = true
roles.user = { groups = ["users"] }

[[routes]]
host = "app.localhost"
upstream = "http://127.0.0.1:9"
portal = "home"
allow = ["user"]
`

async function startQuiet(folder: string): Promise<Child> {
  const gate = await startChild({
    command: [process.execPath, '--preload', TELLING, join(ROOT, 'src/main.ts')],
    folder,
    toml: TOML,
    port: await freePort(),
    // Set already, the program does not start itself again without what is loaded before it.
    env: { BUN_CONFIG_MAX_HTTP_REQUESTS: '65535' },
  })
  // All that a request winds up runs down again.
  const url = `http://127.0.0.1:${gate.port}/`
  expect((await fetch(url, { headers: { host: 'app.localhost', accept: '*/*' } })).status).toBe(401)
  return gate
}

/** The timers that fired so far, but for those that seldom do. */
function fired(gate: Child): readonly string[] {
  const lines = gate.output().match(/^timer .*$/gm) ?? []
  return lines.filter(line => Number(line.split(' ')[1]) < SELDOM_MS)
}

/** How often the thread of a process's event loop was woken so far (proc_pid_status(5)). */
function wakeUps(pid: number): number {
  const status = readFileSync(`/proc/${pid}/task/${pid}/status`, 'utf8')
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1])
}

needs('/proc').test(
  'a gate that nobody asks has no timer that fires, and is woken no more often than a bare server of the same Bun',
  async () => {
    using folder = temporaryFolder()
    await using gate = await startQuiet(folder.path)
    await eventually(() => fired(gate).length > 0, 'a timer of the request fires')
    const bare = Bun.spawn([process.execPath, '-e', BARE], { stdin: 'ignore' })
    try {
      let seen: readonly string[] = []
      let more = Number.POSITIVE_INFINITY
      await eventually(async () => {
        const before = [fired(gate).length, wakeUps(gate.process.pid), wakeUps(bare.pid)] as const
        await Bun.sleep(LOOK_MS)
        seen = fired(gate).slice(before[0])
        more = wakeUps(gate.process.pid) - before[1] - (wakeUps(bare.pid) - before[2])
        return seen.length === 0 && more <= MARGIN
      }, 'nothing fires, and nothing wakes it').catch((error: unknown) => {
        throw new Error(`fired: ${[...new Set(seen)].join('; ')}; woken ${more} times more`, { cause: error })
      })
    } finally {
      bare.kill()
      await bare.exited
    }
  },
  300_000,
)
