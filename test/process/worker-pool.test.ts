import { expect, spyOn, test } from 'bun:test'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLog } from '../../src/base/log.ts'
import { ownEnvironment } from '../../src/console/reexec.ts'
import { workerEnvironment } from '../../src/process/worker.ts'
import { createWorkerPool, type WorkerPool } from '../../src/process/worker-pool.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { childToml, FROM_SOURCE, freePort } from '../kit/programs/child.ts'
import { signalOne } from '../kit/programs/ended.ts'

const STUCK = 'A worker was stuck and is started again'

/** By this its timer is known among others: the test beats itself, since on a busy machine nobody knows who has had a turn by when. */
const BEAT_MS = 1_234_567

/** What a worker loads before it is Sallyport: signals by which its event loop stands still, for good or until a file is there. */
const standstills = (folder: string) => `
import { existsSync, writeFileSync } from 'node:fs'
const isStill = () => writeFileSync(${JSON.stringify(folder)} + '/' + process.pid, '')
process.on('SIGALRM', () => { for (isStill(); ; ); })
process.on('SIGVTALRM', () => { for (isStill(); !existsSync(${JSON.stringify(join(folder, 'go-on'))}); ) Bun.sleepSync(10) })
`

interface Running {
  readonly pool: WorkerPool
  readonly told: (what: string) => number
  readonly pids: () => readonly number[]
  /** Asks every worker for a sign of life, so many times without a turn of the event loop between. */
  readonly beat: (times: number) => void
  /** Ends once every worker has had a turn, and its signs of life are here. */
  readonly alive: () => Promise<void>
  /** Makes the event loop of workers stand still, and ends once it does. */
  readonly hold: (signal: NodeJS.Signals, ...pids: readonly number[]) => Promise<void>
  /** Lets those go on that do not stand still for good. */
  readonly release: () => Promise<void>
  /** What a request on a connection of its own is answered with. */
  readonly ask: () => Promise<number>
}

/** Two real workers, under a pool that looks after them when it is told to. */
async function withWorkers(act: (running: Running) => Promise<void>): Promise<void> {
  using folder = temporaryFolder()
  const port = await freePort()
  const config = join(folder.path, 'routes.toml')
  const preload = join(folder.path, 'standstills.ts')
  writeFileSync(preload, standstills(folder.path))
  const goOn = join(folder.path, 'go-on')
  using timers = spyOn(globalThis, 'setInterval')
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
  const alive = async () => {
    for (const member of pool.members)
      await eventually(async () => (await member.ask('view')) !== undefined, `worker ${member.index} answers`)
  }
  try {
    expect(await pool.start()).toBe(true)
    const beat = timers.mock.calls.find(([, everyMs]) => everyMs === BEAT_MS)?.[0]
    await act({
      pool,
      beat(times) {
        for (let time = 0; time < times; time++) beat?.()
      },
      alive,
      async hold(signal, ...pids) {
        rmSync(goOn, { force: true })
        for (const pid of pids) {
          const mark = join(folder.path, `${pid}`)
          rmSync(mark, { force: true })
          signalOne(pid, signal)
          await eventually(() => existsSync(mark), `${pid} stands still`)
        }
      },
      async release() {
        writeFileSync(goOn, '')
        await alive()
      },
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
    withWorkers(async ({ pool, told, pids, beat, alive, hold, release, ask }) => {
      const [spinning = Number.NaN, stopped = Number.NaN] = pids()
      for (let round = 0; round < 2; round++) {
        await hold('SIGVTALRM', spinning, stopped)
        beat(4)
        await release()
      }
      expect(await ask()).toBe(204)
      expect([pids(), pool.restarts]).toEqual([[spinning, stopped], 0])

      await hold('SIGALRM', spinning)
      signalOne(stopped, 'SIGSTOP')
      // Once more than it takes: those that are to end already are not told of again.
      beat(6)
      await eventually(() => pool.restarts === 2 && pool.members.length === 2, 'others are started in their places')
      await eventually(() => pool.members.every(one => one.isListening), 'they listen')
      for (const pid of [spinning, stopped]) expect(pids()).not.toContain(pid)
      for (let index = 0; index < 20; index++) expect(await ask()).toBe(204)
      // More often than it took to notice those.
      for (let times = 0; times < 6; times++) {
        beat(1)
        await alive()
      }
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
