import { expect } from 'bun:test'
import { startSaying } from '../../kit/applications/answering.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startCluster } from '../../kit/programs/cluster.ts'
import { shared } from '../../kit/sessions/shared.ts'

const { test } = needs('valkey-server')

const HOST = 'app.example'

const keep = untilTheEnd()
const upstream = keep(startSaying('the application'))
const TOML = `${PORTAL}
[[routes]]
host = "${HOST}"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "home"
allow = ["user"]
`

async function status(gate: Gate, cookie: string): Promise<number> {
  const headers = { host: HOST, cookie, accept: 'application/json' }
  return (await fetch(`http://127.0.0.1:${gate.port}/`, { headers, redirect: 'manual' })).status
}

async function signOut(gate: Gate, cookie: string): Promise<number> {
  const headers = { host: HOST, cookie, origin: `http://${HOST}`, 'sec-fetch-site': 'same-origin' }
  const address = `http://127.0.0.1:${gate.port}/.sallyport/logout`
  return (await fetch(address, { method: 'POST', headers, redirect: 'manual' })).status
}

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
