import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLog } from '../../src/base/log.ts'
import { ownEnvironment } from '../../src/console/reexec.ts'
import { workerEnvironment } from '../../src/process/worker.ts'
import { createWorkerPool, type WorkerPool } from '../../src/process/worker-pool.ts'
import { patienceMs } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { childToml, FROM_SOURCE, freePort } from '../kit/programs/child.ts'
import { signalOne } from '../kit/programs/ended.ts'

/** A worker that has no turn itself for five of these is stuck, too: on a busy machine they are longer. */
const BEAT_MS = patienceMs(400)
const STUCK = 'A worker was stuck and is started again'

/** What a worker loads before it is Sallyport: signals by which its event loop stands still, for good or for a while. */
const STANDSTILLS = `
process.on('SIGALRM', () => { for (;;); })
process.on('SIGVTALRM', () => Bun.sleepSync(${2.5 * BEAT_MS}))
`

interface Running {
  readonly pool: WorkerPool
  readonly told: (what: string) => number
  readonly pids: () => readonly number[]
  /** What a request on a connection of its own is answered with. */
  readonly ask: () => Promise<number>
}

/** Two real workers, under a pool that looks after them quickly. */
async function withWorkers(act: (running: Running) => Promise<void>): Promise<void> {
  using folder = temporaryFolder()
  const port = await freePort()
  const config = join(folder.path, 'routes.toml')
  const preload = join(folder.path, 'standstills.ts')
  writeFileSync(preload, STANDSTILLS)
  const route = '[[routes]]\nhost = "app.example"\nallow = "public"\nrespond = { status = 204 }\n'
  writeFileSync(config, childToml(port, `workers = 2\ndrain = "1s"\n${route}`))
  let log = ''
  const quiet = { stdout: false, stderr: false }
  const pool = createWorkerPool({
    size: 2,
    log: createLog({
      write(line) {
        log += line
      },
      now: Date.now,
      style: 'json',
    }),
    now: Date.now,
    beatMs: BEAT_MS,
    worker: index => ({
      command: [...FROM_SOURCE, 'serve', config],
      env: {
        ...ownEnvironment(),
        BUN_OPTIONS: `--preload=${preload}`,
        ...workerEnvironment({ index, pseudonym: 'sallyport-test', terminal: quiet }),
      },
      input: '',
      sockets: [],
      stdout: () => undefined,
      stderr: () => undefined,
    }),
  })
  try {
    expect(await pool.start()).toBe(true)
    await act({
      pool,
      told: what => log.split(what).length - 1,
      pids: () => pool.members.map(({ pid }) => pid),
      ask: async () => {
        const headers = { host: 'app.example', connection: 'close' }
        return (await fetch(`http://127.0.0.1:${port}/`, { headers, keepalive: false })).status
      },
    })
  } finally {
    await pool.stop(2000, false)
  }
}

test(
  'workers that are stuck are replaced, each once and told of once; one that is slow stays',
  () =>
    withWorkers(async ({ pool, told, pids, ask }) => {
      const [spinning = Number.NaN, stopped = Number.NaN] = pids()
      for (let round = 0; round < 2; round++) {
        for (const pid of [spinning, stopped]) signalOne(pid, 'SIGVTALRM')
        await Bun.sleep(3 * BEAT_MS)
      }
      expect(await ask()).toBe(204)
      expect([pids(), pool.restarts]).toEqual([[spinning, stopped], 0])

      signalOne(spinning, 'SIGALRM')
      signalOne(stopped, 'SIGSTOP')
      await eventually(() => pool.restarts === 2 && pool.members.length === 2, 'others are started in their places')
      await eventually(() => pool.members.every(one => one.isListening), 'they listen')
      for (const pid of [spinning, stopped]) expect(pids()).not.toContain(pid)
      for (let index = 0; index < 20; index++) expect(await ask()).toBe(204)
      // As long again as it took to notice them.
      await Bun.sleep(6 * BEAT_MS)
      expect([pool.restarts, told(STUCK), told('A worker died')]).toEqual([2, 2, 0])
    }),
  300_000,
)

test('a worker that cannot be started again at first, as without descriptors, is once it can be', async () => {
  const program = "process.send({ kind: 'listening' }); setInterval(() => {}, 60_000)"
  const real = [process.execPath, '-e', program]
  const commands = [real, ['/nowhere/sallyport'], ['/nowhere/sallyport']]
  const lines: string[] = []
  const pool = createWorkerPool({
    size: 1,
    log: createLog({ write: line => void lines.push(line), now: Date.now, style: 'json' }),
    now: Date.now,
    worker: () => ({
      command: commands.shift() ?? real,
      env: process.env,
      input: '',
      sockets: [],
      stdout: () => undefined,
      stderr: () => undefined,
    }),
  })
  try {
    expect(await pool.start()).toBe(true)
    pool.members[0]?.kill()
    await eventually(() => lines.some(line => line.includes('A worker is back')), 'it is back')
    expect([pool.members.length, pool.restarts]).toEqual([1, 1])
    expect(lines.filter(line => line.includes('A worker could not be started'))).toHaveLength(2)
  } finally {
    pool.kill()
  }
})
