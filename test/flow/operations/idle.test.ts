import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { temporaryFolder } from '../../kit/folder.ts'
import { FROM_SOURCE, freePort, startChild } from '../../kit/programs/child.ts'

/** How long each look at the two is, and how many there are at most: what a start brings about has its end. */
const WINDOW_MS = 2000
const WINDOWS = 8

/** What may be more: two timers each half a second, or a look each second where a file system tells nothing. All as before: 40. */
const MARGIN = 8

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

/** How often the thread of a process's event loop was woken so far (proc_pid_status(5)). */
function wakeUps(pid: number): number {
  const status = readFileSync(`/proc/${pid}/task/${pid}/status`, 'utf8')
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1])
}

test.if(existsSync('/proc/self/status'))(
  'a gate that nobody asks is woken no more often than a bare server of the same Bun',
  async () => {
    using folder = temporaryFolder()
    await using gate = await startChild({
      command: FROM_SOURCE,
      folder: folder.path,
      toml: TOML,
      port: await freePort(),
    })
    const bare = Bun.spawn([process.execPath, '-e', BARE], { stdin: 'ignore' })
    try {
      // All that a request winds up runs down again.
      const url = `http://127.0.0.1:${gate.port}/`
      expect((await fetch(url, { headers: { host: 'app.localhost', accept: '*/*' } })).status).toBe(401)
      const more: number[] = []
      for (let window = 0; window < WINDOWS && (more.at(-1) ?? Number.POSITIVE_INFINITY) > MARGIN; window++) {
        const before = [wakeUps(gate.process.pid), wakeUps(bare.pid)] as const
        await Bun.sleep(WINDOW_MS)
        more.push(wakeUps(gate.process.pid) - before[0] - (wakeUps(bare.pid) - before[1]))
      }
      expect(more.at(-1), `wake-ups in ${WINDOW_MS} ms beyond those of Bun: ${more.join(', ')}`).toBeLessThanOrEqual(
        MARGIN,
      )
    } finally {
      bare.kill()
      await bare.exited
    }
  },
  60_000,
)
