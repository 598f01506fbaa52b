import { expect, jest, test } from 'bun:test'
import { checkConfig } from '../../../src/config/check.ts'
import { type Identity, makeIdentity } from '../../../src/identity/identity.ts'
import { createUpstreamPool } from '../../../src/proxy/upstream/upstream.ts'
import { parseTarget } from '../../../src/route/target.ts'
import { compileSnapshot } from '../../../src/server/config/compile.ts'
import { openRecheck, type RecheckOptions } from '../../../src/server/request/recheck.ts'
import { guestIdentity } from '../../../src/session/credentials/guest-links.ts'
import type { Session } from '../../../src/session/session.ts'
import { type FakeClock, fakeClock, quietPorts } from '../../kit/clock.ts'
import { eventually, portalWith } from '../../kit/gate.ts'

const SOURCES = { file: 'routes.toml', readText: () => '', readBytes: () => new Uint8Array(), env: () => undefined }

const FILE = `${portalWith('guest_links = { allow = ["user"] }')}
[[routes]]
host = "app.example"
respond = { status = 200, body = "open" }
portal = "home"
allow = [{ roles = ["user"], headers = { X-App = "mine" }, query = { a = "1" } }, { guest_link = true }]
`

/** Sessions of which nothing is heard, and that all count. */
const NOBODY_TELLS: Partial<RecheckOptions['sessions']> = {
  rejoined: session => session,
  isMember: () => true,
  onStanding: () => undefined,
  onChange: () => undefined,
  onEnd: () => undefined,
  onGrants: () => undefined,
  onLookAgain: () => undefined,
  onOwner: () => undefined,
}

/** The file with what it needs of the process, at this clock. */
function compiled(clock: FakeClock, more = '') {
  const ports = { ...quietPorts(clock), ask: () => Promise.reject(new Error('there is no upstream')) }
  const checked = checkConfig(FILE + more, SOURCES)
  if (!checked.ok) throw new TypeError(checked.diagnostics.map(({ message }) => message).join('\n'))
  const initial = compileSnapshot(checked.config, checked.fingerprint, createUpstreamPool(ports))
  /** A stream of this session at its only route. */
  const owned = (session: Session) => ({
    routeId: initial.routes[0]?.config.id ?? '',
    session,
    elsewhere: null,
    sent: { 'x-app': 'mine' },
    method: 'GET',
    client: '192.0.2.1',
    target: parseTarget('GET', '/?a=1', 'app.example'),
    isWebSocket: false,
  })
  return { ports, initial, owned }
}

const personOf = (subject: string): Identity => makeIdentity('id', 'http://127.0.0.1:9', subject, {})

/** A guest by a link of somebody, whom the store is asked about without an answer. */
const guestOf = (maker: string): Session => ({
  id: `link-of-${maker}`,
  portal: 'home',
  identity: guestIdentity(`link-of-${maker}`, 'a link'),
  isRemembered: false,
  createdAtMs: 0,
  expiresAtMs: Number.MAX_SAFE_INTEGER,
  follows: `owner-${maker}`,
  maker: personOf(maker),
})

test('the open streams of guests end with their maker at once when a directory bars that person, while the store says nothing', () => {
  const { ports, initial, owned } = compiled(fakeClock())
  const owners = ['ada', 'bob'].map(maker => owned(guestOf(maker)))
  const barred = new Set<string>()
  let tellStanding = () => {}
  const ended: (string | undefined)[] = []
  const sessions: Partial<RecheckOptions['sessions']> = {
    directories: {
      isBarred: ({ subject }: Pick<Identity, 'subject'>) => barred.has(subject),
      see: (identity: Identity) => identity,
    } as unknown as RecheckOptions['sessions']['directories'],
    ...NOBODY_TELLS,
    check: () => new Promise(() => {}),
    follower: () => new Promise(() => {}),
    onStanding(listener) {
      tellStanding = listener
    },
  }
  const recheck = openRecheck({
    initial,
    ports,
    sessions: sessions as RecheckOptions['sessions'],
    owners: () => owners,
    onBusy: () => undefined,
    note: () => undefined,
    endWhere: isOver => void ended.push(...owners.filter(isOver).map(({ session }) => session?.id)),
  })
  tellStanding()
  expect(ended).toEqual([])
  barred.add('ada')
  tellStanding()
  expect(ended).toEqual(['link-of-ada'])
  recheck.close()
})

test('a stream by a cookie from before its person signed in again ends by the time of that, and takes no later one with it', async () => {
  const clock = fakeClock()
  const { ports, initial, owned } = compiled(clock)
  const signedIn = (createdAtMs: number, expiresAtMs: number): Session => ({
    id: 'one',
    portal: 'home',
    identity: personOf('ada'),
    isRemembered: false,
    createdAtMs,
    expiresAtMs,
  })
  const startMs = clock.now()
  const latest = signedIn(startMs + 1000, startMs + 100_000)
  const [before, after] = [signedIn(startMs, startMs + 60_000), latest].map(owned)
  const open = new Set([before, after])
  const owners = () => [...open].filter(one => one !== undefined)
  let tellBusy = () => {}
  let tellChange = (_: Session) => {}
  const sessions: Partial<RecheckOptions['sessions']> = {
    directories: {
      isBarred: () => false,
      see: (identity: Identity) => identity,
    } as unknown as RecheckOptions['sessions']['directories'],
    ...NOBODY_TELLS,
    check: async () => true,
    follower: async () => null,
    onChange(listener) {
      tellChange = listener
    },
  }
  const recheck = openRecheck({
    initial,
    ports,
    sessions: sessions as RecheckOptions['sessions'],
    owners,
    onBusy(listener) {
      tellBusy = listener
    },
    note: () => undefined,
    endWhere(isOver) {
      for (const owner of owners()) if (isOver(owner)) open.delete(owner)
    },
  })
  tellChange(latest)
  tellBusy()
  expect(owners()).toHaveLength(2)
  clock.advance(60_000)
  await eventually(() => !open.has(before), 'the older one has ended')
  expect(open.has(after)).toBe(true)
  clock.advance(60_000)
  await eventually(() => open.size === 0, 'the later one has ended')
  recheck.close()
})

test('a stream by a token stays open where a new file lets its route take tokens, and ends where it takes none', () => {
  const { ports, initial, owned } = compiled(fakeClock(), 'tokens = true\n')
  const token: Session = {
    id: 'token:1',
    portal: 'home',
    identity: personOf('ada'),
    isRemembered: false,
    createdAtMs: 0,
    expiresAtMs: Number.MAX_SAFE_INTEGER,
  }
  const open = new Set([owned(token), owned({ ...token, id: 'signed-in' })])
  const recheck = openRecheck({
    initial,
    ports,
    sessions: {
      directories: { isBarred: () => false, see: (identity: Identity) => identity },
      ...NOBODY_TELLS,
      check: async () => true,
    } as unknown as RecheckOptions['sessions'],
    owners: () => open,
    onBusy: () => undefined,
    note: () => undefined,
    endWhere(isOver) {
      for (const owner of open) if (isOver(owner)) open.delete(owner)
    },
  })
  recheck.takeOver(initial)
  expect(open.size).toBe(2)
  recheck.takeOver(compiled(fakeClock()).initial)
  expect([...open].map(({ session }) => session.id)).toEqual(['signed-in'])
  recheck.close()
})

test('a page that only listens has its session looked at four times a minute, and at every reload', async () => {
  jest.useFakeTimers()
  try {
    const { ports, initial, owned } = compiled(fakeClock())
    const looked: string[] = []
    const open = new Set([owned(guestOf('ada'))])
    let tellBusy = () => {}
    const recheck = openRecheck({
      initial,
      ports,
      sessions: {
        ...NOBODY_TELLS,
        check: async ({ id }: Session) => looked.push(id) > 0,
      } as unknown as RecheckOptions['sessions'],
      owners: () => open,
      onBusy(listener) {
        tellBusy = listener
      },
      note: () => undefined,
      endWhere: () => undefined,
    })
    tellBusy()
    // One look at a time: the next begins once this one is over.
    const isOver = async () => {
      for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    }
    for (let quarter = 1; quarter <= 4; quarter++) {
      jest.advanceTimersByTime(15_000)
      await isOver()
      expect(looked).toEqual(Array.from({ length: quarter }, () => 'link-of-ada'))
    }
    recheck.takeOver(initial)
    await isOver()
    expect(looked).toHaveLength(5)
    // Nothing wakes a process in which nothing is under way.
    open.clear()
    jest.advanceTimersByTime(15_000)
    expect(jest.getTimerCount()).toBe(0)
    recheck.close()
    expect(jest.getTimerCount()).toBe(0)
  } finally {
    jest.useRealTimers()
  }
})

/** A recheck of these, whose sessions are looked at like this. `lookAgain` begins a look. */
function recheckOf(
  open: Set<ReturnType<ReturnType<typeof compiled>['owned']>>,
  { initial, ports }: Pick<RecheckOptions, 'initial' | 'ports'>,
  check: RecheckOptions['sessions']['check'],
) {
  let lookAgain = () => {}
  const recheck = openRecheck({
    initial,
    ports,
    sessions: {
      ...NOBODY_TELLS,
      check,
      onLookAgain(listener: () => void) {
        lookAgain = listener
      },
    } as unknown as RecheckOptions['sessions'],
    owners: () => [...open],
    onBusy: () => undefined,
    note: () => undefined,
    endWhere(isOver) {
      for (const owner of open) if (isOver(owner)) open.delete(owner)
    },
  })
  return { lookAgain: () => lookAgain(), close: recheck.close }
}

test('sessions that cannot be looked at keep no other one from it, end nothing, and are one warning together', async () => {
  const { ports, initial, owned } = compiled(fakeClock())
  const open = new Set(['ada', 'eve', 'bob'].map(maker => owned(guestOf(maker))))
  const warned: unknown[] = []
  const log: typeof ports.log = { ...ports.log, warn: (text, facts) => warned.push({ text, ...facts }) }
  const recheck = recheckOf(open, { initial, ports: { ...ports, log } }, async ({ id }) => {
    if (id === 'link-of-bob') return false
    throw new Error(`${id} cannot be read`)
  })
  recheck.lookAgain()
  await eventually(() => open.size < 3 && warned.length > 0, 'the one behind them has ended, and all is told')
  expect([...open].map(({ session }) => session.id)).toEqual(['link-of-ada', 'link-of-eve'])
  expect(warned).toMatchObject([{ number: 2, error: 'Error: link-of-ada cannot be read' }])
  recheck.close()
})

test('sessions that take long to be looked at keep no other one from being looked at', async () => {
  const { ports, initial, owned } = compiled(fakeClock())
  const makers = Array.from({ length: 200 }, (_, index) => `ada-${index}`)
  const open = new Set([...makers, 'bob'].map(maker => owned(guestOf(maker))))
  const answers: ((isGood: boolean) => void)[] = []
  const recheck = recheckOf(open, { initial, ports }, async ({ id }) =>
    id === 'link-of-bob' ? false : new Promise<boolean>(resolve => answers.push(resolve)),
  )
  recheck.lookAgain()
  await eventually(() => open.size === 200, 'the one behind them has ended')
  expect([...open].every(({ session }) => session.id !== 'link-of-bob')).toBe(true)
  // What comes late counts all the same.
  for (const answer of answers) answer(false)
  await eventually(() => open.size === 0, 'the others have ended')
  recheck.close()
}, 300_000)
