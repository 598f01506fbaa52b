import { expect } from 'bun:test'
import { startSaying } from '../../kit/applications/answering.ts'
import { createToken } from '../../kit/commands.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type FailoverPair, startPair } from '../../kit/programs/failover.ts'
import { shared } from '../../kit/sessions/shared.ts'

const { test } = needs('valkey-server')

const HOST = 'app.example'
const AWAY = 'The session store cannot be reached'
const BACK = 'The session store is back'
const WENT_BACK = 'The session store has lost what was last written to it'

const keep = untilTheEnd()
const upstream = keep(startSaying('the application'))
const TOML = `${PORTAL}
[[routes]]
host = "${HOST}"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "home"
allow = ["user"]
tokens = true
`

interface Site {
  readonly pair: FailoverPair
  readonly gates: readonly [Gate, Gate, Gate]
}

async function withSite(act: (site: Site) => Promise<void>): Promise<void> {
  await using pair = await startPair()
  await using one = await startGate(TOML, shared(pair.url()))
  await using two = await startGate(TOML, shared(pair.url()))
  await using three = await startGate(TOML, shared(pair.url()))
  await act({ pair, gates: [one, two, three] })
}

type Fields = Readonly<Record<string, string>>

async function status({ port }: Gate, fields: Fields): Promise<number> {
  const headers = { host: HOST, accept: 'application/json', ...fields }
  return (await fetch(`http://127.0.0.1:${port}/`, { headers, redirect: 'manual' })).status
}

function statuses(gates: readonly Gate[], fields: Fields): Promise<readonly number[]> {
  return Promise.all(gates.map(gate => status(gate, fields)))
}

async function untilAll(gates: readonly Gate[], fields: Fields, code: number): Promise<void> {
  await eventually(async () => (await statuses(gates, fields)).every(one => one === code), `every gate says ${code}`)
}

async function signOut({ port }: Gate, cookie: string): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/.sallyport/logout`, {
    method: 'POST',
    headers: { host: HOST, cookie, origin: `http://${HOST}`, 'sec-fetch-site': 'same-origin' },
    redirect: 'manual',
  })
  expect(answer.status).toBe(303)
}

/** Every gate has lost the primary, and serves from what was its replica. */
async function failOver({ pair, gates }: Site): Promise<void> {
  await pair.failOver()
  await eventually(() => gates.every(gate => gate.told(BACK).length === 1), 'every gate is back')
  expect(gates.map(gate => gate.told(AWAY).length)).toEqual([1, 1, 1])
}

test(
  'a sign-out that a lagging replica never heard of holds after it has taken over, at every gate, and is logged',
  () =>
    withSite(async site => {
      const { pair, gates } = site
      const stays = await gates[0].signIn(HOST, { sub: 'ada' })
      const leaves = await gates[0].signIn(HOST, { sub: 'bob' })
      const leavesLater = await gates[1].signIn(HOST, { sub: 'cid' })
      const { token, id } = await createToken(gates[0])
      for (const fields of [stays, leaves, leavesLater, { authorization: `Bearer ${token}` }]) {
        expect(await statuses(gates, fields)).toEqual([200, 200, 200])
      }
      await pair.lag()
      await signOut(gates[0], leaves.cookie)
      await gates[0].end(id)
      await untilAll(gates, leaves, 401)
      await untilAll(gates, { authorization: `Bearer ${token}` }, 401)
      // Whoever has heard of what came last has heard of all, the gate of the first sign-out too: to it, the server has gone back.
      await signOut(gates[1], leavesLater.cookie)
      await untilAll(gates, leavesLater, 401)
      await failOver(site)
      expect(await statuses(gates, leaves)).toEqual([401, 401, 401])
      expect(await statuses(gates, { authorization: `Bearer ${token}` })).toEqual([401, 401, 401])
      expect(await statuses(gates, stays)).toEqual([200, 200, 200])
      expect(gates.map(gate => gate.told(WENT_BACK).length)).toEqual([1, 1, 1])
      // It is gone from the server: a gate that starts now, and has heard nothing, does not honour it either.
      await using fresh = await startGate(TOML, shared(pair.url()))
      expect([await status(fresh, leaves), await status(fresh, stays)]).toEqual([401, 200])
      const again = await gates[1].signIn(HOST, { sub: 'bob' })
      expect(await statuses(gates, again)).toEqual([200, 200, 200])
    }),
  300_000,
)

test(
  'a failover that lost the last sign-in alone has nobody else read again, and whoever is not there signs in again',
  () =>
    withSite(async site => {
      const { pair, gates } = site
      const known = await Promise.all(['ada', 'bob', 'cid', 'dan'].map(sub => gates[0].signIn(HOST, { sub })))
      for (const fields of known) expect(await statuses(gates, fields)).toEqual([200, 200, 200])
      await pair.lag()
      const lost = await gates[1].signIn(HOST, { sub: 'eve' })
      expect(await statuses(gates, lost)).toEqual([200, 200, 200])
      // Whoever has heard of an ending behind it has heard of it.
      for (const [at, sub] of [
        [2, 'fay'],
        [1, 'gus'],
      ] as const) {
        const leaves = await gates[at].signIn(HOST, { sub })
        expect(await statuses(gates, leaves)).toEqual([200, 200, 200])
        await signOut(gates[at], leaves.cookie)
        await untilAll(gates, leaves, 401)
      }
      await failOver(site)
      await untilAll(gates, lost, 401)
      const before = await lookUps(pair)
      for (const fields of known) expect(await statuses(gates, fields)).toEqual([200, 200, 200])
      expect((await lookUps(pair)) - before).toBe(0)
      expect(gates.map(gate => gate.told(WENT_BACK).length)).toEqual([1, 1, 1])
    }),
  300_000,
)

/** How often the server that has taken over was asked for a cookie or a session. */
async function lookUps({ replica }: FailoverPair): Promise<number> {
  const stats = await replica.ask(0, 'INFO', 'commandstats')
  const calls = (name: string) => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
  return calls('evalsha_ro') + calls('eval_ro') + calls('hgetall') + calls('get')
}
