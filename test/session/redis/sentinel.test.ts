import { expect } from 'bun:test'
import { connect, createServer } from 'node:net'
import type { Facts } from '../../../src/base/errors.ts'
import { EVERYONE } from '../../../src/session/ended.ts'
import { openRedisStore } from '../../../src/session/redis/store.ts'
import type { SessionStore } from '../../../src/session/store.ts'
import { troubleOf } from '../../../src/session/store-trouble.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { startPair } from '../../kit/programs/failover.ts'
import { type FakeSentinel, startFakeSentinels } from '../../kit/programs/fake-sentinels.ts'
import { PRIMARY } from '../../kit/programs/sentinels.ts'
import { startValkey, type Valkey } from '../../kit/programs/valkey.ts'
import { addSession } from '../../kit/sessions/database-files.ts'
import { redisAt } from '../../kit/sessions/shared.ts'

const { test } = needs('valkey-server')

const UNKNOWN = 'its sentinels do not say which server is the primary'
const CHANGES = 'sallyport:1:changes'
const AWAY = 'The session store cannot be reached'
const BACK = 'The session store is back'
const ELSEWHERE = 'The session store takes writes elsewhere'

interface Node extends AsyncDisposable {
  readonly store: SessionStore
  told(words: string): readonly Facts[]
}

interface NodeOptions {
  readonly name?: string
  readonly clock?: { readonly ahead: number }
  readonly replyMs?: number
}

/**
 * By a clock that stands still, but for `ahead`, which a test adds: on a busy machine two seconds, for which a sentinel's answer counts,
 * may pass between two lines of a test.
 */
function openNode(
  sentinels: readonly Pick<FakeSentinel, 'port'>[],
  { name = PRIMARY, clock = { ahead: 0 }, replyMs }: NodeOptions = {},
): Node {
  const lines: (readonly [string, Facts])[] = []
  const tell = (message: string, facts: Facts = {}) => void lines.push([message, facts])
  const log = { debug: tell, info: tell, warn: tell, error: tell }
  const address = redisAt(`redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${name}`)
  const store = openRedisStore(address, { now: Date.now, tick: () => 1_000_000 + clock.ahead, log }, { replyMs })
  return {
    store,
    told: words => lines.filter(([message]) => message.includes(words)).map(([, facts]) => facts),
    [Symbol.asyncDispose]: async () => store.close(),
  }
}

async function withSite(
  act: (site: {
    readonly one: Valkey
    readonly other: Valkey
    readonly sentinels: readonly FakeSentinel[]
    readonly promote: () => Promise<void>
  }) => Promise<void>,
): Promise<void> {
  await using pair = await startPair()
  const { primary: one, replica: other } = pair
  using sentinels = startFakeSentinels([one.port, one.port, one.port])
  async function promote(): Promise<void> {
    await pair.lag()
    expect(await other.ask(0, 'REPLICAOF', 'NO', 'ONE')).toBe('OK')
  }
  await act({ one, other, sentinels: sentinels.all, promote })
}

/** A write, and what became of it: null where it was done. */
async function write(store: SessionStore): Promise<string | null> {
  return Promise.resolve(store.tellEnded(EVERYONE)).then(
    () => null,
    (error: unknown) => troubleOf(error) ?? String(error),
  )
}

/** How often it is written before the node has heard what was said. */
async function untilRefused({ store }: Node): Promise<number> {
  for (let done = 0; ; done++) {
    const trouble = await write(store)
    if (trouble === UNKNOWN) return done
    expect(trouble).toBeNull()
  }
}

/** What gives every command this answer, until it leads to another port. */
async function startAnswering(answer: string) {
  let target: number | null = null
  const server = createServer(client => {
    client.on('error', () => undefined)
    if (target === null) {
      client.on('data', () => client.write(answer))
      return
    }
    const way = connect(target, '127.0.0.1')
    way.on('error', () => undefined)
    way.on('close', () => client.destroy())
    client.on('close', () => way.destroy())
    client.pipe(way).pipe(client)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { readonly port: number }
  return {
    port,
    leadTo: (next: number) => {
      target = next
    },
    close: () => void server.close(),
  }
}

const writtenAt = async (server: Valkey) => Number(await server.ask(0, 'XLEN', CHANGES))

test.concurrent('the server that two of three sentinels name is written to, and no other, whatever one of them says', () =>
  withSite(async ({ one, other, sentinels: [first, second, third], promote }) => {
    if (first === undefined || second === undefined || third === undefined) throw new Error('three')
    third.names = 1
    await using node = openNode([first, second, third])
    expect(await write(node.store)).toBeNull()
    await promote()
    const before = [await writtenAt(one), await writtenAt(other)]
    first.names = other.port
    await first.publish('+switch-master', `${PRIMARY} 127.0.0.1 ${one.port} 127.0.0.1 ${other.port}`)
    const done = await untilRefused(node)
    expect([await writtenAt(one), await writtenAt(other)]).toEqual([(before[0] ?? 0) + done, before[1] ?? 0])
    second.names = other.port
    await second.publish('+switch-master', `${PRIMARY} 127.0.0.1 ${one.port} 127.0.0.1 ${other.port}`)
    await eventually(() => node.told(ELSEWHERE).length > 0, 'the other is the primary')
    expect(await write(node.store)).toBeNull()
    expect(await writtenAt(one)).toBe((before[0] ?? 0) + done)
    expect(await writtenAt(other)).toBeGreaterThan(before[1] ?? 0)
  }))

test.concurrent('a server that sentinels name and that does not say itself that it is the primary is not written to', () =>
  withSite(async ({ one, other, sentinels, promote }) => {
    await using node = openNode(sentinels)
    expect(await write(node.store)).toBeNull()
    expect(await other.ask(0, 'CONFIG', 'SET', 'replica-read-only', 'no')).toBe('OK')
    for (const sentinel of sentinels) {
      sentinel.names = other.port
      await sentinel.publish('+switch-master', `${PRIMARY} 127.0.0.1 ${one.port} 127.0.0.1 ${other.port}`)
    }
    await eventually(async () => (await write(node.store)) !== null, 'the one before is left')
    const before = await writtenAt(other)
    expect(await write(node.store)).not.toBeNull()
    expect(await writtenAt(other)).toBe(before)
    await promote()
    await eventually(async () => (await write(node.store)) === null, 'once it says so, it is')
    expect(await writtenAt(other)).toBeGreaterThan(before)
  }))

test.concurrent('while sentinels choose another primary, a write waits for it, and is sent to that one alone', () =>
  withSite(async ({ one, other, sentinels, promote }) => {
    await using node = openNode(sentinels)
    expect(await write(node.store)).toBeNull()
    const [leader] = sentinels
    await promote()
    const before = [await writtenAt(one), await writtenAt(other)]
    await leader?.publish('+failover-state-select-slave', `master another 127.0.0.1 ${one.port}`)
    expect(await write(node.store)).toBeNull()
    expect(await writtenAt(one)).toBe((before[0] ?? 0) + 1)
    await leader?.publish('+failover-state-select-slave', `master ${PRIMARY} 127.0.0.1 ${one.port}`)
    const done = await untilRefused(node)
    const waiting = write(node.store)
    for (const sentinel of sentinels) sentinel.names = other.port
    await leader?.publish('+switch-master', `${PRIMARY} 127.0.0.1 ${one.port} 127.0.0.1 ${other.port}`)
    expect(await waiting).toBeNull()
    expect([await writtenAt(one), (await writtenAt(other)) > (before[1] ?? 0)]).toEqual([
      (before[0] ?? 0) + 1 + done,
      true,
    ])
  }))

test.concurrent('what a server acknowledges only once another has taken over is not done, and ends there when it is tried again', () =>
  withSite(async ({ one, other, sentinels, promote }) => {
    await using node = openNode(sentinels, { replyMs: 200_000 })
    await addSession(node.store, 'left')
    // So that the server knows the script, and was asked for something else last.
    await node.store.remove('nobody')
    expect(await write(node.store)).toBeNull()
    await promote()
    const [leader] = sentinels
    expect(await one.ask(0, 'CLIENT', 'PAUSE', '200000', 'WRITE')).toBe('OK')
    const removing = Promise.resolve(node.store.remove('left')).then(
      () => 'done',
      () => 'failed',
    )
    await eventually(async () => (await one.ask(0, 'CLIENT', 'LIST')).includes('cmd=evalsha '), 'it has been asked')
    for (const sentinel of sentinels) sentinel.names = other.port
    await leader?.publish('+switch-master', `${PRIMARY} 127.0.0.1 ${one.port} 127.0.0.1 ${other.port}`)
    await eventually(() => node.told(ELSEWHERE).length > 0, 'the other is the primary')
    expect(await one.ask(0, 'CLIENT', 'UNPAUSE')).toBe('OK')
    const leftAt = (server: Valkey) => server.ask(0, 'EXISTS', 'sallyport:1:session:left')
    expect([await removing, await leftAt(one), await leftAt(other)]).toEqual(['failed', '0', '1'])
    await node.store.remove('left')
    expect(await leftAt(other)).toBe('0')
  }))

test.concurrent('what ended at primaries that were replaced before anybody got it ends at the next one, also by a gate that skipped one', () =>
  withSite(async ({ one, other, sentinels, promote }) => {
    await using third = await startValkey()
    using outside = startFakeSentinels([one.port, one.port, one.port])
    await using node = openNode(sentinels)
    await using skipping = openNode(outside.all)
    for (const id of ['first', 'second', 'heard', 'kept']) await addSession(node.store, id)
    expect(await third.ask(0, 'REPLICAOF', '127.0.0.1', `${one.port}`)).toBe('OK')
    const isAt = (server: Valkey, id: string) => server.ask(0, 'EXISTS', `sallyport:1:session:${id}`)
    const left = async (server: Valkey) =>
      (await Promise.all(['first', 'second', 'heard', 'kept'].map(id => isAt(server, id)))).join('')
    await eventually(async () => (await left(third)) === '1111', 'the third has them all')
    expect(await third.ask(0, 'REPLICAOF', 'NO', 'ONE')).toBe('OK')
    await promote()
    async function lead(all: readonly FakeSentinel[], to: Valkey): Promise<void> {
      for (const sentinel of all) sentinel.names = to.port
      await all[0]?.publish('+switch-master', `${PRIMARY} 127.0.0.1 1 127.0.0.1 ${to.port}`)
    }
    // Only the primary that goes ever has these two, and the second is heard of by nobody but this gate.
    await skipping.store.remove('heard')
    await node.store.remove('first')
    await lead(sentinels, other)
    await eventually(async () => (await left(other)) === '0111', 'the second has what this gate ended')
    await node.store.remove('second')
    await lead(sentinels, third)
    await eventually(async () => (await left(third)) === '0011', 'the third has it all')
    await lead(outside.all, third)
    await eventually(async () => (await left(third)) === '0001', 'the third has what the gate ended that skipped one')
  }))

test.concurrent('sentinels that refuse a gate are told before a wait for others is over, and it has the primary once they do not', async () => {
  await using pair = await startPair()
  using sentinels = startFakeSentinels([pair.primary.port, pair.primary.port, pair.primary.port])
  const refusing = await Promise.all(
    sentinels.all.map(() => startAnswering('-WRONGPASS invalid username-password pair\r\n')),
  )
  const silent = await Promise.all(sentinels.all.map(() => startAnswering('')))
  try {
    await using late = openNode(silent)
    await using node = openNode(refusing)
    const told: (string | null)[] = []
    await Promise.all([late, node].map(async ({ store }) => told.push(await write(store))))
    expect(told[0]).toBe('it does not take this user and password')
    for (const [at, one] of refusing.entries()) one.leadTo(sentinels.all[at]?.port ?? 0)
    await eventually(() => node.told(BACK).length > 0, 'it is back')
    expect(await write(node.store)).toBeNull()
  } finally {
    for (const one of [...refusing, ...silent]) one.close()
  }
})

test.concurrent('a choice that was given up lets writes go on', () =>
  withSite(async ({ one, sentinels }) => {
    await using node = openNode(sentinels)
    expect(await write(node.store)).toBeNull()
    const [leader] = sentinels
    await leader?.publish('+failover-state-select-slave', `master ${PRIMARY} 127.0.0.1 ${one.port}`)
    await leader?.publish('-failover-abort-no-good-slave', `master ${PRIMARY} 127.0.0.1 ${one.port}`)
    expect(await write(node.store)).toBeNull()
  }))

test.concurrent(
  'sentinels that hang stop writes, then reads, and all goes on once they answer',
  () =>
    withSite(async ({ one, sentinels }) => {
      const clock = { ahead: 0 }
      await using node = openNode(sentinels, { clock })
      expect(await write(node.store)).toBeNull()
      const before = await writtenAt(one)
      for (const sentinel of sentinels) sentinel.names = null
      clock.ahead += 2500
      expect(await write(node.store)).toBe('its sentinels do not say which server is the primary')
      expect(await node.store.readShared('nothing')).toBeNull()
      expect(node.told(AWAY)).toEqual([])
      clock.ahead += 10_000
      await eventually(() => node.told(AWAY).length > 0, 'the store is away')
      expect(await writtenAt(one)).toBe(before)
      for (const sentinel of sentinels) sentinel.names = one.port
      await eventually(() => node.told(BACK).length > 0, 'it is back')
      expect(await write(node.store)).toBeNull()
    }),
  300_000,
)

test.concurrent('a primary that refuses writes is read from, and who reads notices nothing', () =>
  withSite(async ({ one, sentinels }) => {
    await using node = openNode(sentinels)
    expect(await write(node.store)).toBeNull()
    expect(await one.ask(0, 'CONFIG', 'SET', 'min-replicas-to-write', '5')).toBe('OK')
    expect(await write(node.store)).toBe('it has too few replicas (min-replicas-to-write)')
    expect(await node.store.readShared('nothing')).toBeNull()
    expect(await one.ask(0, 'CONFIG', 'SET', 'min-replicas-to-write', '0')).toBe('OK')
    expect(await write(node.store)).toBeNull()
    expect([...node.told(AWAY), ...node.told(ELSEWHERE)]).toEqual([])
  }))

test.concurrent('a name that the sentinels do not know is told', () =>
  withSite(async ({ sentinels }) => {
    await using node = openNode(sentinels, { name: 'misspelt' })
    expect(await write(node.store)).toBe('its sentinels do not know it')
    const [facts] = node.told(AWAY)
    expect(facts?.hint).toContain('as the sentinels call it')
    expect(String(facts?.error)).toContain('the sentinels know no "misspelt"')
  }))
