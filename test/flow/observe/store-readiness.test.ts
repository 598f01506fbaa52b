import { Database } from 'bun:sqlite'
import { afterAll, describe, expect, test } from 'bun:test'
import { closeSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createReadiness } from '../../../src/server/observe/readiness.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { needs, whereThereIs } from '../../kit/needs.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort, startChild } from '../../kit/programs/child.ts'
import { mountSmall } from '../../kit/programs/mount.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { statusOf } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { routeSaying } from '../../kit/toml.ts'

const TOML = PORTAL + routeSaying('here', 'app.example', 'portal = "home"\nallow = ["user"]')

type Verdict = readonly [number, string]
const READY: Verdict = [200, 'ready']

async function readyz({ adminPort }: Pick<Gate, 'adminPort'>): Promise<Verdict> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`)
  return [answer.status, (await answer.text()).trim()]
}

/** Waits for a verdict: one is kept for a moment. */
async function becomes(gate: Pick<Gate, 'adminPort'>, verdict: Verdict): Promise<void> {
  let last: Verdict = [0, '']
  const isIt = async () => {
    last = await readyz(gate)
    return Bun.deepEquals(last, verdict)
  }
  await eventually(isIt, JSON.stringify(verdict)).catch(() => expect(last).toEqual(verdict))
}

const statusFor = (gate: Gate, cookie: string) =>
  statusOf(gate, '/', { host: 'app.example', cookie, accept: 'application/json' })

/** Whether root may not write to files either, whoever has them open. */
function setFrozen(isFrozen: boolean, ...files: readonly string[]): boolean {
  return Bun.spawnSync(['chattr', isFrozen ? '+i' : '-i', ...files], { stderr: 'ignore' }).success
}

/**
 * A folder whose file system keeps to that, also for what was open before: in memory it does not. Null where there is none, and for
 * anybody but root.
 */
function freezingFolder(): ReturnType<typeof temporaryFolder> | null {
  if (process.getuid?.() !== 0 || Bun.which('chattr') === null) return null
  for (const place of [tmpdir(), '/var/tmp']) {
    const folder = temporaryFolder(place)
    const path = join(folder.path, 'file')
    const file = openSync(path, 'w')
    try {
      if (setFrozen(true, path) && !mayWrite(file)) return folder
    } finally {
      setFrozen(false, path)
      closeSync(file)
    }
    folder[Symbol.dispose]()
  }
  return null
}

function mayWrite(file: number): boolean {
  try {
    return writeSync(file, 'x') > 0
  } catch {
    return false
  }
}

const freezing = freezingFolder()
afterAll(() => freezing?.[Symbol.dispose]())

describe('a gate is not ready, and heals, while its SQLite store', () => {
  test.concurrent('is locked by another program', async () => {
    await using gate = await startGate(TOML)
    await becomes(gate, READY)
    const { cookie } = await gate.signIn('app.example')
    expect(await statusFor(gate, cookie)).toBe(200)
    const other = new Database(join(gate.folder, 'sallyport.db'))
    other.run('BEGIN EXCLUSIVE')
    await becomes(gate, [503, 'session store: it takes no writes in time'])
    expect(await statusFor(gate, cookie)).toBe(200)
    other.run('ROLLBACK')
    other.close()
    await becomes(gate, READY)
    expect(gate.told('The session store accepts no writes')).toHaveLength(1)
    expect(gate.told('The session store takes writes again')).toHaveLength(1)
  }, 300_000)

  needs('right to mount').test.concurrent(
    'is on a full disk',
    async () => {
      using folder = temporaryFolder()
      using _disk = mountSmall(folder.path, 'size=2m')
      await using gate = await startGate(TOML, shared(join(folder.path, 's.db')))
      await becomes(gate, READY)
      const filler = join(folder.path, 'filler')
      expect(() => writeFileSync(filler, Buffer.alloc(4 << 20))).toThrow()
      await becomes(gate, [503, 'session store: its disk is full'])
      rmSync(filler)
      await becomes(gate, READY)
    },
    300_000,
  )

  whereThereIs(freezing !== null, 'right to freeze files').test.concurrent(
    'may not be written any more',
    async () => {
      const database = join(freezing?.path ?? '', 's.db')
      await using gate = await startGate(TOML, shared(database))
      await becomes(gate, READY)
      const { cookie } = await gate.signIn('app.example')
      expect(await statusFor(gate, cookie)).toBe(200)
      const files = ['', '-wal'].map(suffix => database + suffix)
      expect(setFrozen(true, ...files)).toBe(true)
      try {
        await becomes(gate, [503, 'session store: its disk takes no writes'])
        expect(await statusFor(gate, cookie)).toBe(200)
      } finally {
        expect(setFrozen(false, ...files)).toBe(true)
      }
      await becomes(gate, READY)
    },
    300_000,
  )
})

const { describe: withValkey } = needs('valkey-server')

withValkey('a gate is not ready, and heals, while its Redis', () => {
  test.concurrent('is over its maxmemory', async () => {
    await using valkey = await startValkey()
    await using gate = await startGate(TOML, shared(valkey.url()))
    await becomes(gate, READY)
    expect(await valkey.ask(0, 'CONFIG', 'SET', 'maxmemory', '1')).toBe('OK')
    await becomes(gate, [503, 'session store: it is over its maxmemory'])
    expect(await valkey.ask(0, 'CONFIG', 'SET', 'maxmemory', '0')).toBe('OK')
    await becomes(gate, READY)
  }, 300_000)

  test.concurrent('is a replica that may only be read', async () => {
    await using valkey = await startValkey()
    await using gate = await startGate(TOML, shared(valkey.url()))
    await becomes(gate, READY)
    expect(await valkey.ask(0, 'REPLICAOF', '127.0.0.1', '1')).toBe('OK')
    await becomes(gate, [503, 'session store: it is a replica, which may only be read'])
    expect(await valkey.ask(0, 'REPLICAOF', 'NO', 'ONE')).toBe('OK')
    await becomes(gate, READY)
  }, 300_000)

  test.concurrent('holds writes back', async () => {
    await using valkey = await startValkey()
    await using gate = await startGate(TOML, shared(valkey.url()))
    await becomes(gate, READY)
    expect(await valkey.ask(0, 'CLIENT', 'PAUSE', '30000', 'WRITE')).toBe('OK')
    await becomes(gate, [503, 'session store: it takes no writes in time'])
    expect(await valkey.ask(0, 'CLIENT', 'UNPAUSE')).toBe('OK')
    await becomes(gate, READY)
  }, 300_000)

  test.concurrent('was sealed with another key, also where it was away when the gate started', async () => {
    await using valkey = await startValkey()
    await using first = await startGate(TOML, shared(valkey.url()))
    await becomes(first, READY)
    await valkey.kill()
    const otherKey = Buffer.alloc(32, 8).toString('base64')
    await using gate = await startGate(TOML, { store: valkey.url(), sessions: `key = "${otherKey}"` })
    await becomes(gate, [503, 'session store: it cannot be reached'])
    await valkey.start()
    await becomes(first, READY)
    await becomes(gate, [503, 'session store: it was sealed with another key than the one of [sessions]'])
    expect(gate.told('The key does not fit the session store')).toHaveLength(1)
    for (const line of gate.log) expect(line).not.toContain(otherKey)
    await valkey.kill()
    await valkey.start({ isEmpty: true })
    await becomes(gate, READY)
  }, 300_000)
})

test('probes that come all the time write to the store at most once a second', async () => {
  const clock = fakeClock()
  let writes = 0
  const unready = createReadiness({
    isDraining: () => false,
    mayOpen: () => true,
    readStore: () => true,
    writeStore: () => writes++,
    certificates: () => null,
    ...quietPorts(clock),
    tick: clock.tick,
  })
  for (let second = 1; second <= 3; second++) {
    for (let probe = 0; probe < 30; probe++) expect(await unready()).toBeNull()
    clock.advance(999)
    await Promise.all([unready(), unready()])
    expect(writes).toBe(second)
    clock.advance(1)
  }
})

test.concurrent.each([1, 2])(
  'a gate of %d processes that may open no more files is not ready, and heals',
  async workers => {
    using folder = temporaryFolder()
    const [port, adminPort] = [await freePort(), await freePort()]
    const limited = ['sh', '-c', 'ulimit -n 192; exec "$0" "$@"', await compiledBinary()]
    const toml = `workers = ${workers}\nadmin = "127.0.0.1:${adminPort}"\ndrain = "1s"\n${TOML}`
    await using _child = await startChild({ command: limited, folder: folder.path, port, toml })
    await becomes({ adminPort }, READY)
    const crowd: Socket[] = Array.from({ length: 300 * workers }, () =>
      connect(port, '127.0.0.1').on('error', () => undefined),
    )
    const words = 'open files: this process has reached its limit (LimitNOFILE of the unit, ulimits in compose)'
    await eventually(async () => (await readyz({ adminPort }))[1].endsWith(words), 'it is not ready')
    expect((await readyz({ adminPort }))[0]).toBe(503)
    for (const socket of crowd) socket.destroy()
    await becomes({ adminPort }, READY)
  },
  300_000,
)
