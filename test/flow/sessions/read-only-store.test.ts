import { expect } from 'bun:test'
import { startSaying } from '../../kit/applications/answering.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey, type Valkey } from '../../kit/programs/valkey.ts'
import { signOutOf, statusOf } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'

const { test } = needs('valkey-server')

const HOST = 'app.example'
const PEOPLE = 8
/** Fewer than there are people: every request of one of them asks the store. */
const CACHE = 2
/** Requests while nothing can be written. */
const MANY = 400
const WRITERS = 3

const keep = untilTheEnd()
const upstream = keep(startSaying('the application'))
const TOML = `${PORTAL}
[[routes]]
host = "${HOST}"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "home"
allow = ["user"]
`

function startNode(valkey: Valkey): Promise<Gate> {
  const options = shared(valkey.url())
  return startGate(TOML, { ...options, sessions: `${options.sessions}\ncache = ${CACHE}` })
}

const status = (gate: Gate, cookie: string) => statusOf(gate, '/', { host: HOST, cookie, accept: 'application/json' })

const signOut = (gate: Gate, cookie: string) => signOutOf(gate, HOST, cookie)

const HELD_BACK = {
  signOut: 503,
  begin: (valkey: Valkey) => valkey.ask(0, 'CLIENT', 'PAUSE', '60000', 'WRITE'),
  end: (valkey: Valkey) => valkey.ask(0, 'CLIENT', 'UNPAUSE'),
}

const REPLICA = {
  signOut: 503,
  begin: (valkey: Valkey) => valkey.ask(0, 'REPLICAOF', '127.0.0.1', '1'),
  end: (valkey: Valkey) => valkey.ask(0, 'REPLICAOF', 'NO', 'ONE'),
}

/** What removes needs no memory. */
const FULL = {
  signOut: 303,
  begin: (valkey: Valkey) => valkey.ask(0, 'CONFIG', 'SET', 'maxmemory', '1'),
  end: (valkey: Valkey) => valkey.ask(0, 'CONFIG', 'SET', 'maxmemory', '0'),
}

test.each([
  ['is full', FULL],
  ['holds writes back', HELD_BACK],
  ['is a replica that may only be read', REPLICA],
])(
  'people who are signed in never notice that Redis %s, whoever else writes, and it heals',
  async (_what, { begin, end, signOut: answer }) => {
    await using valkey = await startValkey()
    await using gate = await startNode(valkey)
    const people: string[] = []
    for (let index = 0; index < PEOPLE; index++) {
      people.push((await gate.signIn(HOST, { sub: `person-${index}` })).cookie)
    }
    const leaving = (await gate.signIn(HOST, { sub: 'leaving' })).cookie
    expect(await status(gate, leaving)).toBe(200)
    expect(await begin(valkey)).toBe('OK')
    // Each of them writes, and gets an answer, a refusal, or none, at any time while the others come.
    let answered = 0
    const writers = Array.from({ length: WRITERS }, async () => {
      expect(await signOut(gate, leaving)).toBe(answer)
      answered++
    })
    const statuses = new Map<number, number>()
    for (let asked = 0; asked < MANY || answered < WRITERS; asked++) {
      const code = await status(gate, people[asked % PEOPLE] ?? '')
      statuses.set(code, (statuses.get(code) ?? 0) + 1)
    }
    await Promise.all(writers)
    expect([...statuses.keys()]).toEqual([200])
    const refused = await gate.signIn(HOST, { sub: 'refused' }).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'session.store' })
    expect(gate.told('The session store cannot be reached')).toEqual([])
    expect(await end(valkey)).toBe('OK')
    // What was owed is done, and what comes is taken.
    await eventually(async () => (await status(gate, leaving)) === 401, 'the sign-out is made up for')
    const late = await gate.signIn(HOST, { sub: 'late' })
    for (const cookie of [...people, late.cookie]) expect(await status(gate, cookie)).toBe(200)
  },
  300_000,
)

test('memory stays over a connection that was lost for a moment, and what others did meanwhile is heard', async () => {
  await using valkey = await startValkey()
  await using gate = await startNode(valkey)
  const stays = await gate.signIn(HOST, { sub: 'ada' })
  const leaves = await gate.signIn(HOST, { sub: 'bob' })
  for (const { cookie } of [stays, leaves]) expect(await status(gate, cookie)).toBe(200)
  await valkey.kill()
  await eventually(() => gate.told('The session store cannot be reached').length === 1, 'it is noticed')
  await valkey.start()
  await eventually(() => gate.told('The session store is back').length === 1, 'it is back')
  await gate.end(leaves.sessionId)
  await eventually(async () => (await status(gate, leaves.cookie)) === 401, 'the end is heard')
  // Nobody tells of it: whoever asks the store would find nobody.
  for (const key of (await valkey.ask(0, 'KEYS', 'sallyport:1:handle:*')).split('\n')) await valkey.ask(0, 'DEL', key)
  expect(await status(gate, stays.cookie)).toBe(200)
}, 300_000)

test('whom a gate knows to have signed out stays out on a server that does not know it and takes no writes', async () => {
  await using valkey = await startValkey()
  await using gate = await startNode(valkey)
  const { cookie, sessionId } = await gate.signIn(HOST, { sub: 'ada' })
  expect(await status(gate, cookie)).toBe(200)
  const keys = (await valkey.ask(0, 'KEYS', '*')).split('\n').filter(key => !key.endsWith(':changes'))
  for (const key of keys) expect(await valkey.ask(0, 'COPY', key, key, 'DB', '1')).toBe('1')
  expect(await signOut(gate, cookie)).toBe(303)
  // As after a failover to a replica that was behind: what was removed is there again.
  for (const key of keys) await valkey.ask(1, 'COPY', key, key, 'DB', '0', 'REPLACE')
  expect(await valkey.ask(0, 'EXISTS', `sallyport:1:session:${sessionId}`)).toBe('1')
  expect(await REPLICA.begin(valkey)).toBe('OK')
  await valkey.ask(0, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await eventually(() => gate.told('The session store is back').length === 1, 'it is back')
  expect(await status(gate, cookie)).toBe(401)
  expect(await REPLICA.end(valkey)).toBe('OK')
  const isGone = async () => (await valkey.ask(0, 'EXISTS', `sallyport:1:session:${sessionId}`)) === '0'
  await eventually(isGone, 'it is ended again once the server takes writes')
  expect(await status(gate, cookie)).toBe(401)
}, 300_000)
