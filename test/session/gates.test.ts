import { expect, spyOn, test } from 'bun:test'
import { join } from 'node:path'
import { makeIdentity } from '../../src/identity/identity.ts'
import { type Gates, joinGates } from '../../src/session/gates.ts'
import type { SessionLimits } from '../../src/session/lifetimes.ts'
import { openSessions } from '../../src/session/open.ts'
import { providerTrustOf } from '../../src/session/provider-trust.ts'
import { createSealer } from '../../src/session/seal.ts'
import { openSqliteStore } from '../../src/session/sqlite/store.ts'
import type { SessionStore } from '../../src/session/store.ts'
import { fakeClock, quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { LIFETIMES } from '../kit/sessions/lifetimes.ts'

const SECOND = 1_000
const HOUR = 3_600 * SECOND
const OLD = { file: 'old', trust: 'old', idleMs: HOUR, portals: ['home'] }
const NEW = { file: 'new', trust: 'new', idleMs: 2 * HOUR, portals: ['home', 'other'] }
const STORE = quietPorts({ now: Date.now })

/** A store with a clock of its own, and gates that speak when they are asked, and never by themselves. */
async function withStore(act: (stand: Stand) => Promise<void>): Promise<void> {
  const clock = fakeClock()
  const memory = openSqliteStore(':memory:', STORE)
  let isAway = false
  let storeAheadMs = 0
  const store: SessionStore = {
    ...memory,
    clock() {
      if (isAway) throw new Error('the store is away')
      return clock.now() + storeAheadMs
    },
  }
  const opened: Gates[] = []
  try {
    await act({
      store,
      clock,
      join(name, aheadMs = 0) {
        const ports = quietPorts({ now: () => clock.now() + aheadMs })
        const gates = joinGates({ id: `${name} 1`, gate: name, name }, store, ports, 1e9)
        opened.push(gates)
        return gates
      },
      setAway(next) {
        isAway = next
      },
      setStoreClock(byMs) {
        storeAheadMs += byMs
      },
    })
  } finally {
    isAway = false
    for (const gates of opened) await gates.close()
    await memory.close()
  }
}

interface Stand {
  readonly store: SessionStore
  readonly clock: ReturnType<typeof fakeClock>
  join(name: string, aheadMs?: number): Gates
  setAway(next: boolean): void
  setStoreClock(byMs: number): void
}

/** As many seconds, in which these gates say what they run as often as they do. */
async function pass({ clock }: Stand, seconds: number, ...speaking: readonly Gates[]): Promise<void> {
  for (let left = seconds; left > 0; left -= 10) {
    clock.advance(Math.min(left, 10) * SECOND)
    for (const gates of speaking) await gates.look()
  }
}

test('gates agree once all of them let in the same people, and each knows who runs another file and since when', () =>
  withStore(async stand => {
    const [one, two] = [stand.join('one'), stand.join('two', 3 * HOUR)]
    one.run(OLD)
    expect(await one.agree()).toBe(true)
    two.run(OLD)
    expect([await two.agree(), await one.agree()]).toEqual([true, true])
    await pass(stand, 60, one, two)
    const changedMs = stand.clock.now()
    two.run(NEW)
    await two.look()
    stand.clock.advance(2 * SECOND)
    expect([await two.agree(), await one.agree()]).toEqual([false, false])
    await pass(stand, 60, one, two)
    // By the store's clock, though that of the gate is three hours ahead.
    expect(await one.look()).toEqual([
      { name: 'one', isOwn: true, isSameFile: true, sinceMs: changedMs - 60 * SECOND },
      { name: 'two', isOwn: false, isSameFile: false, sinceMs: changedMs },
    ])
    expect((await two.look()).map(({ name, isSameFile }) => [name, isSameFile])).toEqual([
      ['one', false],
      ['two', true],
    ])
    expect([one.longestIdleMs(HOUR), two.longestIdleMs(HOUR)]).toEqual([2 * HOUR, 2 * HOUR])
    expect(await one.portals()).toEqual(['home', 'other'])
    one.run(NEW)
    await one.look()
    stand.clock.advance(2 * SECOND)
    expect([await one.agree(), await two.agree()]).toEqual([true, true])
  }))

test('a gate that spoke a moment ago, of the file that it runs, needs not speak again to know the others', () =>
  withStore(async stand => {
    const writes = spyOn(stand.store, 'changeRecord')
    const one = stand.join('one')
    one.run(OLD)
    await one.look()
    writes.mockClear()
    expect([await one.agree(), (await one.look()).length, writes.mock.calls.length]).toEqual([true, 1, 0])
    stand.clock.advance(2 * SECOND)
    await one.look()
    expect(writes).toHaveBeenCalledTimes(1)
  }))

test('files that differ in what lets nobody in are different files, and no reason to wait', () =>
  withStore(async stand => {
    const [one, two] = [stand.join('one'), stand.join('two')]
    one.run(OLD)
    two.run({ ...OLD, file: 'other' })
    expect([await one.agree(), await two.agree()]).toEqual([true, true])
    expect((await one.look()).map(({ isSameFile }) => isSameFile)).toEqual([true, false])
  }))

test('a gate that ends says so; one that died is waited for until it was silent for long', () =>
  withStore(async stand => {
    const [one, two, three] = [stand.join('one'), stand.join('two'), stand.join('three')]
    for (const gates of [one, two, three]) gates.run(OLD)
    for (const gates of [one, two, three]) await gates.look()
    await two.close()
    one.run(NEW)
    await pass(stand, 10, one)
    expect((await one.look()).map(({ name }) => name)).toEqual(['one', 'three'])
    await pass(stand, 30, one)
    expect(await one.agree()).toBe(false)
    await pass(stand, 10, one)
    expect(await one.agree()).toBe(true)
    expect((await one.look()).map(({ name }) => name)).toEqual(['one'])
  }))

test('after a while in which nobody could say anything, nobody is taken for dead at once', () =>
  withStore(async stand => {
    const [one, two] = [stand.join('one'), stand.join('two')]
    for (const gates of [one, two]) gates.run(OLD)
    for (const gates of [one, two]) await gates.look()
    one.run(NEW)
    stand.setAway(true)
    expect(await one.agree()).toBe(false)
    stand.clock.advance(HOUR)
    stand.setAway(false)
    expect(await one.agree()).toBe(false)
    await pass(stand, 10, one, two)
    await pass(stand, 60, one, two)
    expect(await one.agree()).toBe(false)
    // Nor by one that starts meanwhile, and finds only old words.
    stand.clock.advance(HOUR)
    const late = stand.join('late')
    late.run(NEW)
    expect(await late.agree()).toBe(false)
  }))

test('a store that has lost what gates said makes nobody agree, and a clock that was set back keeps nobody for dead', () =>
  withStore(async stand => {
    const [one, two] = [stand.join('one'), stand.join('two')]
    for (const gates of [one, two]) gates.run(OLD)
    for (const gates of [one, two]) await gates.look()
    one.run(NEW)
    await pass(stand, 10, one, two)
    await stand.store.changeRecord('shared', { id: 'gates' }, () => null)
    stand.clock.advance(2 * SECOND)
    expect(await one.agree()).toBe(false)
    stand.setStoreClock(-HOUR)
    await pass(stand, 10, one, two)
    expect(await one.agree()).toBe(false)
    await pass(stand, 60, one)
    expect(await one.agree()).toBe(true)
  }))

test('a value of another form is as none', () =>
  withStore(async stand => {
    const one = stand.join('one')
    for (const value of ['', 'null', '{}', '[1, null, {}, {"id": "x", "gate": 7}]']) {
      await stand.store.changeRecord('shared', { id: 'gates' }, () => ({ id: 'gates', value }))
      one.run(OLD)
      expect((await one.look()).map(({ name }) => name)).toEqual(['one'])
    }
  }))

const ADA = makeIdentity('id', 'https://id.example', 'ada', {})

function limitsWith(...providers: readonly string[]): SessionLimits {
  return {
    ...LIFETIMES,
    lifetimeMs: 24 * HOUR,
    idleMs: 12 * HOUR,
    cacheBytes: 500_000,
    portals: new Map([['home', { ...LIFETIMES, lifetimeMs: 24 * HOUR, idleMs: 12 * HOUR }]]),
    providerTrust: providerTrustOf({
      providers: new Map([['id', { issuer: 'https://id.example', users: null }]]),
      portals: new Map([['home', { name: 'home', providers }]]),
    }),
  }
}

test('what one gate does not accept any more ends after an hour, though others do; that was logged an hour before', async () => {
  const clock = fakeClock(Date.now())
  const told: { message: string; facts: Readonly<Record<string, unknown>> }[] = []
  const quiet = quietPorts({ now: clock.now })
  const warn = (message: string, facts = {}) => void told.push({ message, facts })
  const ports = { ...quiet, tick: clock.now, log: { ...quiet.log, warn } }
  using folder = temporaryFolder()
  const openStore = () => openSqliteStore(join(folder.path, 's.db'), ports)
  const store = openStore()
  const open = (name: string) =>
    openSessions({
      store: openStore(),
      sealer: createSealer(new Uint8Array(32).fill(7), ports),
      limits: limitsWith('id'),
      ports,
      timers: { watchMs: 20, flushMs: 1e9, purgeMs: 1e9, gatesMs: 20 },
      gate: { own: { id: name, gate: name, name }, fingerprint: 'old' },
    })
  const [here, there] = [open('here'), open('there')]
  try {
    const secrets = { idToken: 'x', refreshToken: null }
    const { token, session } = await here.start({ portal: 'home', host: 'app.example', identity: ADA, secrets })
    expect((await there.find(token, 'app.example'))?.id).toBe(session.id)
    here.configure(limitsWith(), 'new')
    expect(await here.find(token, 'app.example')).toBeNull()

    await eventually(() => told.length === 1, 'it is logged')
    expect(told[0]?.message).toContain('run another file')
    expect(told[0]?.facts.portal).toBe('home')
    expect(told[0]?.facts.gates).toStartWith('there since ')
    expect(told[0]?.facts.hint).toContain('sessions revoke --provider')
    const endsAtMs = Date.parse(String(told[0]?.facts.ends_at))
    expect(endsAtMs - clock.now()).toBe(HOUR)
    clock.advance(HOUR - 1)
    // As often as they say what they run.
    for (let turn = 0; turn < 3; turn++) expect((await here.gates.look()).length).toBe(2)
    expect((await there.find(token, 'app.example'))?.id).toBe(session.id)
    expect(await store.findById(session.id)).not.toBeNull()
    clock.advance(1)
    await eventually(async () => (await store.findById(session.id)) === null, 'it has ended')
    await eventually(async () => (await there.find(token, 'app.example')) === null, 'the other gate has heard')
    expect(told.map(({ message }) => message.slice(0, 10))).toEqual(['Other gate', 'What this '])
  } finally {
    await here.close()
    await there.close()
    await store.close()
  }
})
