import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { GateError } from '../../../src/base/errors.ts'
import { openRedisStore } from '../../../src/session/redis/store.ts'
import { createSealer } from '../../../src/session/seal.ts'
import { AHEAD_MS, RETIRE_MS, ROTATE_MS } from '../../../src/session/signing/keys.ts'
import { createSigning, type OwnSigning } from '../../../src/session/signing/signing.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import type { SessionStore } from '../../../src/session/store.ts'
import { type FakeClock, fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { redisAt } from '../../kit/sessions/shared.ts'
import { refusal } from '../../kit/thrown.ts'

let database = 0

const keep = untilTheEnd()
const valkey = keep(await startValkey())

const STORES: Readonly<Record<string, (folder: string, clock: FakeClock) => () => SessionStore>> = {
  sqlite: (folder, clock) => () => openSqliteStore(join(folder, 'sessions.db'), quietPorts(clock)),
  redis: (_folder, clock) => {
    const url = valkey.url(database++)
    return () => openRedisStore(redisAt(url), quietPorts(clock))
  },
}

interface World {
  readonly clock: FakeClock
  /** One more process on the same store, with the key of its file filled with this byte. */
  open(keyByte?: number): OwnSigning
}

needs('valkey-server').describe.each(Object.entries(STORES))('signing keys in %s', (_name, of) => {
  async function withWorld(act: (world: World) => Promise<void>): Promise<void> {
    using folder = temporaryFolder()
    const clock = fakeClock()
    const openStore = of(folder.path, clock)
    const stores: SessionStore[] = []
    try {
      await act({
        clock,
        open(keyByte = 1) {
          const store = openStore()
          stores.push(store)
          const ports = quietPorts(clock)
          return createSigning(store, createSealer(new Uint8Array(32).fill(keyByte), ports), ports)
        },
      })
    } finally {
      for (const store of stores) await store.close()
    }
  }

  const kidOf = async (signing: OwnSigning) => (await signing.current()).publicJwk.kid
  const publishedBy = async (signing: OwnSigning) => (await signing.published()).map(({ kid }) => kid)

  test('are one for all processes that ask at the same moment, and for one that starts later', () =>
    withWorld(async ({ open }) => {
      const kids = await Promise.all(Array.from({ length: 6 }, () => kidOf(open())))
      expect(new Set(kids).size).toBe(1)
      expect([await kidOf(open())]).toEqual(kids.slice(0, 1))
    }))

  test('cost no promise once they are known, and nothing is made before somebody asks', () =>
    withWorld(async ({ open }) => {
      const signing = open()
      await signing.tend()
      expect(signing.current()).toBeInstanceOf(Promise)
      await signing.current()
      expect(signing.current()).not.toBeInstanceOf(Promise)
    }))

  test('rotate in every process at the same moment, the next one published by all before', () =>
    withWorld(async ({ open, clock }) => {
      const [one, other] = [open(), open()]
      const first = await kidOf(one)
      expect(await kidOf(other)).toBe(first)
      clock.advance(ROTATE_MS - AHEAD_MS)
      await Promise.all([one.tend(), other.tend()])
      const both = await publishedBy(one)
      expect(both).toHaveLength(2)
      expect(await publishedBy(other)).toEqual(both)
      expect([await kidOf(one), await kidOf(other)]).toEqual([first, first])
      clock.advance(AHEAD_MS)
      const [, second = ''] = both
      expect([await kidOf(one), await kidOf(other)]).toEqual([second, second])
      expect(await publishedBy(one)).toEqual(both)
      clock.advance(RETIRE_MS)
      expect([await publishedBy(one), await publishedBy(other)]).toEqual([[second], [second]])
    }))

  test('sealed with another key: a process that starts makes new ones, one that runs goes on with its own', () =>
    withWorld(async ({ open, clock }) => {
      const one = open(1)
      const first = await kidOf(one)
      const second = await kidOf(open(2))
      expect(second).not.toBe(first)
      clock.advance(120_000)
      const refusal: unknown = await one.tend().catch((thrown: unknown) => thrown)
      expect(refusal).toBeInstanceOf(GateError)
      expect([await kidOf(one), await publishedBy(one)]).toEqual([first, [first]])
      expect(await kidOf(open(2))).toBe(second)
    }))
})

test('the private half is nowhere in the database', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 's.db')
  const ports = quietPorts(fakeClock())
  const store = openSqliteStore(path, ports)
  await createSigning(store, createSealer(new Uint8Array(32), ports), ports).current()
  await store.close()
  const database = new Database(path)
  const [row] = database.query<{ name: string; value: string }, []>('SELECT * FROM shared').all()
  database.close()
  expect(row?.name).toBe('signing-keys')
  expect(row?.value).toMatch(/^[\w-]{300,}$/)
  expect(Buffer.from(row?.value ?? '', 'base64url').toString('latin1')).not.toContain('"d"')
})

test('a store that fails is session.store while no key is known, and is done without once there is one', async () => {
  const ports = quietPorts(fakeClock())
  using folder = temporaryFolder()
  const store = openSqliteStore(join(folder.path, 's.db'), ports)
  let isDown = true
  const flaky = {
    readShared(name: string) {
      if (isDown) throw new Error('disk I/O error')
      return store.readShared(name)
    },
    replaceShared: store.replaceShared,
  }
  const signing = createSigning(flaky, createSealer(new Uint8Array(32), ports), ports)
  const thrown: unknown = await Promise.resolve(signing.current()).catch((error: unknown) => error)
  if (!(thrown instanceof GateError)) throw new Error('not refused')
  expect(thrown.code).toBe('session.store')
  isDown = false
  const { kid } = (await signing.current()).publicJwk
  isDown = true
  expect((await signing.published()).map(key => key.kid)).toEqual([kid])
  await store.close()
})

test('where others change the keys again and again, whoever needs one is to come back in a second', async () => {
  const ports = quietPorts(fakeClock())
  const store = openSqliteStore(':memory:', ports)
  const sealer = createSealer(new Uint8Array(32).fill(1), ports)
  const signing = createSigning({ ...store, replaceShared: () => false }, sealer, ports)
  const { code, retryAfterS } = await refusal(Promise.resolve(signing.current()))
  expect([code, retryAfterS]).toEqual(['session.store', 1])
  await store.close()
})
