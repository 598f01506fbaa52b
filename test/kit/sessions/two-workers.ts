import { expect } from 'bun:test'
import { BrowserLite } from '../browser/browser-lite.ts'
import { eventually } from '../gate.ts'
import { oneHost, siteAt } from '../one-host.ts'
import { compiledBinary } from '../programs/binary.ts'
import { type Child, freePort, startChild } from '../programs/child.ts'
import { isAlive, runToEnd } from '../programs/ended.ts'
import type { TestProvider } from '../provider/provider.ts'

/** Two workers take turns as the system likes: so many answers alike came from both. */
const BOTH = 40

/** The program with two workers, in a folder, and what is done to it there. */
export interface TwoWorkers {
  readonly port: number
  readonly host: string
  start(): Promise<Child>
  /** Ends the supervisor and both workers as a crash does, at once. */
  killAll(child: Child): Promise<void>
  /** A new session's Cookie field. */
  signIn(): Promise<string>
  /** The statuses of so many requests of a session, each on a connection of its own. */
  statuses(cookie: string): Promise<ReadonlySet<number>>
  /** Runs another command of the program, which has to succeed. */
  run(...argv: string[]): Promise<void>
}

/** Pairs with nothing: whoever starts the program ends it. `ofProvider` are lines of the provider's table. */
export async function twoWorkers(
  folder: string,
  provider: TestProvider,
  upstream: Bun.Server<undefined>,
  ofProvider = '',
): Promise<TwoWorkers> {
  const [port, admin] = [await freePort(), await freePort()]
  const site = siteAt(port)
  let clients = 0
  const toml = `workers = 2\ntrusted_proxies = ["127.0.0.1"]\nadmin = "127.0.0.1:${admin}"\n${oneHost(provider, port, upstream, '', ofProvider)}`
  const program = await compiledBinary()
  const at = `127.0.0.1:${port}`
  return {
    port,
    host: site.host,
    async start() {
      const child = await startChild({ command: [program], folder, port, toml })
      await eventually(async () => (await fetch(`http://127.0.0.1:${admin}/readyz`)).status === 200, 'both are ready')
      return child
    },
    async killAll(child) {
      const answer = await fetch(`http://127.0.0.1:${admin}/config`)
      const config = (await answer.json()) as { readonly workers: readonly { readonly pid: number }[] }
      const workers = config.workers.map(({ pid }) => pid)
      expect(workers).toHaveLength(2)
      child.process.kill('SIGKILL')
      for (const pid of workers) process.kill(pid, 'SIGKILL')
      await child.process.exited
      await eventually(() => !workers.some(isAlive), 'nobody is left')
    },
    async signIn() {
      // Each from an address of its own: one may begin so many sign-ins only.
      clients++
      const headers = { connection: 'close', 'x-forwarded-for': `10.0.${clients >> 8}.${clients & 255}` }
      const browser = new BrowserLite({ hosts: { [site.host]: at }, headers })
      expect((await browser.signIn(site, 'ada')).text).toBe('let through')
      return browser.cookieHeader(site)
    },
    async statuses(cookie) {
      const seen = new Set<number>()
      for (let index = 0; index < BOTH; index++) {
        const headers = { host: site.host, cookie, connection: 'close', accept: 'application/json' }
        const answer = await fetch(`http://${at}/`, { headers, keepalive: false, redirect: 'manual' })
        await answer.body?.cancel()
        seen.add(answer.status)
      }
      return seen
    },
    async run(...argv) {
      const { code, stderr } = await runToEnd([program, ...argv], { cwd: folder })
      expect([code, stderr]).toEqual([0, ''])
    },
  }
}

/** Whether every one of some answers had this status. */
export function isOnly(statuses: ReadonlySet<number>, status: number): boolean {
  return statuses.size === 1 && statuses.has(status)
}
