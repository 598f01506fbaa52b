import { expect } from 'bun:test'
import { createHash } from 'node:crypto'
import { SLOTS } from '../../../src/session/redis/cluster-nodes.ts'
import { startSaying } from '../../kit/applications/answering.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startCluster } from '../../kit/programs/cluster.ts'
import type { Valkey } from '../../kit/programs/valkey.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { signOutOf, statusOf } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { providerTable } from '../../kit/toml.ts'

const { test } = needs('valkey-server')

const HOST = 'app.localhost'

const keep = untilTheEnd()
const upstream = keep(startSaying('the application'))
const provider = keep(
  await startProviderFor([{ sub: 'eve', name: 'Eve', groups: [] }], `http://${HOST}/.sallyport/callback`),
)
const TOML = `${providerTable(provider)}
[portals.home]
providers = ["id"]
insecure_cookies = true

[portals.home.roles]
user = { any = true }

[[routes]]
host = "${HOST}"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "home"
allow = ["user"]
`

const status = (gate: Gate, cookie: string) => statusOf(gate, '/', { host: HOST, cookie, accept: 'application/json' })

const signOut = (gate: Gate, cookie: string) => signOutOf(gate, HOST, cookie)

test('over a cluster: a node is lost, and nobody who is known or new notices; a sign-out counts at the other gate', async () => {
  await using cluster = await startCluster()
  await using one = await startGate(TOML, shared(cluster.url()))
  await using other = await startGate(TOML, shared(cluster.url()))
  const cookies: string[] = []
  for (let index = 0; index < 24; index++) {
    const { cookie } = await one.signIn(HOST, { sub: `user-${index}` })
    expect([await status(one, cookie), await status(other, cookie)]).toEqual([200, 200])
    cookies.push(cookie)
  }
  // The one with what all of them share stays.
  const lost = await cluster.primaryOf(15)
  expect(lost).not.toBe(await cluster.primaryOf(0))
  await cluster.settled()
  await lost.kill()
  const fresh: string[] = []
  let isOver = false
  const taken = cluster.takenOver(lost).then(() => {
    isOver = true
  })
  while (!isOver || fresh.length < 24) {
    const { cookie } = await one.signIn(HOST, { sub: `new-${fresh.length}` })
    fresh.push(cookie)
    const answers = cookies.flatMap(known => [status(one, known), status(other, known)])
    expect(new Set(await Promise.all(answers))).toEqual(new Set([200]))
  }
  await taken
  // Whom this gate did not know it finds, wherever they are.
  const all = [...cookies, ...fresh]
  for (const cookie of all) {
    await eventually(async () => (await status(other, cookie)) === 200, 'the other gate finds them')
  }
  expect(await Promise.all(all.map(cookie => signOut(one, cookie)))).toEqual(all.map(() => 303))
  for (const cookie of all) {
    expect(await status(one, cookie)).toBe(401)
    await eventually(async () => (await status(other, cookie)) === 401, 'the other denies it')
  }
  for (const gate of [one, other]) {
    expect(gate.told('A node of the session store cannot be reached')).toHaveLength(1)
    await eventually(() => gate.told('The session store is back').length === 1, 'it is said')
  }
}, 300_000)

const REFUSED = 'A node of the session store takes no writes'

interface Refusal {
  readonly why: string
  begin(node: Valkey): Promise<string>
  end(node: Valkey): Promise<string>
  /** Of whom the node has: what removes needs no memory. */
  readonly signOut: 303 | 503
}

const FULL: Refusal = {
  why: 'it is over its maxmemory',
  begin: node => node.ask(0, 'CONFIG', 'SET', 'maxmemory', '1'),
  end: node => node.ask(0, 'CONFIG', 'SET', 'maxmemory', '0'),
  signOut: 303,
}

const HELD_BACK: Refusal = {
  why: 'it takes no writes in time',
  begin: node => node.ask(0, 'CLIENT', 'PAUSE', '300000', 'WRITE'),
  end: node => node.ask(0, 'CLIENT', 'UNPAUSE'),
  signOut: 503,
}

/** Users who ask every gate in turn, each of them once at least, until the end of the scope; `seen` is what they were answered. */
function askAll(gates: readonly Gate[], cookies: readonly string[]) {
  const seen = new Set<number>()
  let isOver = false
  const asking = gates.map(async gate => {
    for (let turn = 0; !isOver || turn < cookies.length; turn++) {
      seen.add(await status(gate, cookies[turn % cookies.length] ?? ''))
      await Bun.sleep(5)
    }
  })
  return {
    seen,
    async [Symbol.asyncDispose]() {
      isOver = true
      await Promise.all(asking)
    },
  }
}

/** A newcomer, at the provider. */
async function canSignIn(gate: Gate): Promise<boolean> {
  const browser = browserAt(gate, HOST)
  const page = await browser.signIn(`http://${HOST}/`, 'eve').catch(() => null)
  return page?.text === 'the application'
}

test.each([
  ['is full', FULL],
  ['holds writes back', HELD_BACK],
])(
  'over a cluster: a node %s, and who is signed in stays so; what failed is made up for once it heals',
  async (_what, refusal) => {
    await using cluster = await startCluster()
    const options = shared(cluster.url())
    // Fewer in memory than there are people: nearly every request asks the store.
    const small = { ...options, sessions: `${options.sessions}\ncache = 2` }
    await using one = await startGate(TOML, small)
    await using other = await startGate(TOML, small)
    const gates = [one, other]
    const nodes = await Promise.all(SLOTS.map((_, partition) => cluster.primaryOf(partition)))
    const nodeOf = (sessionId: string) => nodes[(createHash('sha256').update(sessionId).digest()[0] ?? 0) % 16]
    for (const node of [nodes[15], nodes[0]]) {
      if (node === undefined) throw new Error('no node')
      /** Somebody whose session it has, or another one. */
      async function signIn(isHere: boolean): Promise<string> {
        for (;;) {
          const { cookie, sessionId } = await one.signIn(HOST)
          if ((nodeOf(sessionId) === node) === isHere) return cookie
        }
      }
      const people = await Promise.all(Array.from({ length: 18 }, (_, index) => signIn(index % 2 === 0)))
      const [here = '', elsewhere = '', ...stay] = people
      for (const cookie of people) for (const gate of gates) expect(await status(gate, cookie)).toBe(200)
      expect(await refusal.begin(node)).toBe('OK')
      await using crowd = askAll(gates, stay)
      expect(await Promise.all([signOut(one, here), signOut(one, elsewhere)])).toEqual([refusal.signOut, 303])
      // What all share is at the first: without it nobody signs in.
      if (node === nodes[0]) expect(await canSignIn(one)).toBe(false)
      else if (refusal === FULL) for (let person = 0; person < 8; person++) expect(await canSignIn(one)).toBe(true)
      const told = () => one.told(REFUSED, refusal.why, `"node":"127.0.0.1:${node.port}"`)
      await eventually(() => told().length === 1, 'it is told')
      await crowd[Symbol.asyncDispose]()
      expect([...crowd.seen]).toEqual([200])

      expect(await refusal.end(node)).toBe('OK')
      for (const gate of gates) {
        for (const cookie of [here, elsewhere]) {
          await eventually(async () => (await status(gate, cookie)) === 401, 'who signed out is out everywhere')
        }
        await eventually(() => canSignIn(gate), 'newcomers sign in')
        for (const cookie of stay) expect(await status(gate, cookie)).toBe(200)
      }
      expect(told()).toHaveLength(1)
    }
    for (const gate of gates) expect(gate.told('A node of the session store cannot be reached')).toEqual([])
  },
  300_000,
)
