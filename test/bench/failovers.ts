/**
 * What users notice when the store of several gates fails: three gates over one store, with load, while a part of it is lost or moved.
 *
 * Usage: bun test/bench/failovers.ts [--only NAME,…]
 *
 * Prints a row for each: requests of users whom each gate knows; of users who come to a gate for the first time; sign-ins of newcomers,
 * in a browser, at the provider; sign-outs; and how often somebody was let in who had signed out more than a second before: by a gate
 * that is cut off from the others meanwhile, too, in a column of its own. Healing is over at the last failure of any of these.
 */
import { writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parseRedisAddress } from '../../src/config/values/redis-address.ts'
import { makeIdentity } from '../../src/identity/identity.ts'
import { openSessionState } from '../../src/process/session-state.ts'
import { openRedisStore } from '../../src/session/redis/store.ts'
import { startSaying } from '../kit/applications/answering.ts'
import { BrowserLite } from '../kit/browser/browser-lite.ts'
import { makeAuthority } from '../kit/certificates.ts'
import { quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { type Gate, startGate } from '../kit/gate.ts'
import { startCluster } from '../kit/programs/cluster.ts'
import { startPair, startRelay } from '../kit/programs/failover.ts'
import { PRIMARY, startSentinels } from '../kit/programs/sentinels.ts'
import { smallestUser, startValkey, type Valkey } from '../kit/programs/valkey.ts'
import { startProviderFor } from '../kit/provider/provider.ts'
import { shared } from '../kit/sessions/shared.ts'
import { storedSession } from '../kit/sessions/stored.ts'
import { providerTable } from '../kit/toml.ts'
import { align } from './report.ts'

const HOST = 'app.localhost'
const GATES = 3
const KNOWN = 30
/** Signed in, and not yet seen by any gate. */
const STRANGERS = 300
/** Users who sign out, half of them before something happens. */
const LEAVING = 20
/** How long a sign-out may take to count everywhere. */
const GRACE_MS = 1000
/** The load goes on for so long after the store is whole again. */
const AFTER_MS = 4000

/** How long all sentinels are away, and how long one gate is cut off. */
const AWAY_MS = 3000
const PARTED_MS = 12_000

/** What has not healed by then, does not. */
const LONGEST_MS = 30_000

interface Trouble extends AsyncDisposable {
  readonly url: string
  /** More lines of `[sessions]`. */
  readonly sessions?: string
  /** The address of the last gate, which it alone has, and whether it is cut off from the others now. */
  readonly last?: { readonly url: string; readonly isCutOff: () => boolean }
  /** Makes it happen; done once the store says that it is whole again. */
  happen(): Promise<void>
}

const TROUBLES: Readonly<Record<string, () => Promise<Trouble>>> = {
  async 'one server restarted'() {
    const valkey = await startValkey()
    return { url: valkey.url(), ...restarting(valkey) }
  },
  async 'the same by TLS with a client certificate'() {
    const folder = temporaryFolder()
    const file = (name: string, text: string) => {
      writeFileSync(join(folder.path, name), text)
      return join(folder.path, name)
    }
    const authority = makeAuthority()
    const [server, own] = [authority.issue('DNS:localhost'), authority.issue('DNS:gate')]
    const ca = file('ca.pem', authority.cert)
    const tls = { cert: file('server.pem', server.cert), key: file('server.key', server.key) }
    const files = `ca = "${ca}", cert = "${file('gate.pem', own.cert)}", key = "${file('gate.key', own.key)}"`
    const valkey = await startValkey({ tls, clientCa: ca })
    return {
      url: `rediss://localhost:${valkey.port}`,
      sessions: `store_tls = { ${files} }`,
      ...restarting(valkey, folder),
    }
  },
  async 'the same as the user who may do least'() {
    const folder = temporaryFolder()
    const users = join(folder.path, 'users.acl')
    const least = smallestUser('sallyport').join(' ')
    writeFileSync(users, `user default on nopass ~* &* +@all\nuser gate on >secret ${least}\n`)
    const valkey = await startValkey({ settings: ['--aclfile', users] })
    return { url: `redis://gate:secret@127.0.0.1:${valkey.port}`, ...restarting(valkey, folder) }
  },
  async 'a replica takes over behind one address'() {
    const pair = await startPair()
    return { url: pair.url(), happen: () => pair.failOver(), [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose]() }
  },
  async 'a primary lost under Sentinel'() {
    const site = await startSentinels()
    return {
      url: site.url(),
      async happen() {
        const primary = await site.primary()
        await primary.kill()
        await site.another(primary)
      },
      [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
    }
  },
  async 'a planned failover by Sentinel'() {
    const site = await startSentinels()
    return {
      url: site.url(),
      async happen() {
        const primary = await site.primary()
        await site.failOver()
        await site.another(primary)
      },
      [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
    }
  },
  async 'all sentinels restarted'() {
    const site = await startSentinels()
    return {
      url: site.url(),
      async happen() {
        for (const at of site.ports.keys()) await site.stop(at)
        await Bun.sleep(AWAY_MS)
        for (const at of site.ports.keys()) await site.start(at)
        await site.primary()
      },
      [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
    }
  },
  'one gate alone with the old primary': partition,
  'a node of a cluster lost': () => lostNode(15),
  'the node of the first partition lost': () => lostNode(0),
  async 'a planned failover in a cluster'() {
    const cluster = await startCluster()
    return {
      url: cluster.url(),
      async happen() {
        const primary = await cluster.primaryOf(15)
        const replica = await cluster.replicaOf(primary)
        await replica.ask(0, 'CLUSTER', 'FAILOVER')
        while ((await cluster.primaryOf(15)) !== replica) await Bun.sleep(20)
      },
      [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
    }
  },
  async 'a slot of a cluster moved'() {
    const cluster = await startCluster()
    await crowd(cluster.url(), 3000)
    return {
      url: cluster.url(),
      async happen() {
        await cluster.moveSlot(await cluster.slotOf(5), await cluster.primaryOf(15))
      },
      [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
    }
  },
}

/** It is killed, and started again. */
function restarting(valkey: Valkey, folder?: Disposable): Pick<Trouble, 'happen'> & AsyncDisposable {
  return {
    async happen() {
      await valkey.kill()
      await valkey.start()
    },
    async [Symbol.asyncDispose]() {
      await valkey[Symbol.asyncDispose]()
      folder?.[Symbol.dispose]()
    },
  }
}

/** The last gate keeps its connections to the primary, and reaches nothing else; nobody else reaches either. */
async function partition(): Promise<Trouble> {
  const stack = new AsyncDisposableStack()
  const way = stack.use(await startRelay(1))
  const site = stack.use(
    await startSentinels({
      downMs: 2000,
      portOf: (server, index) => (index === 0 ? way.port : server.port),
      onStarted: ([first]) => way.leadTo(first?.port ?? null),
    }),
  )
  const relays = await Promise.all(site.ports.map(port => startRelay(port)))
  for (const relay of relays) stack.use(relay)
  const sentinels = relays.map(({ port }) => `127.0.0.1:${port}`).join(',')
  let isCutOff = false
  return {
    url: site.url(),
    last: { url: `redis+sentinel://${sentinels}/${PRIMARY}`, isCutOff: () => isCutOff },
    async happen() {
      const old = await site.primary()
      isCutOff = true
      for (const relay of relays) {
        relay.leadTo(null)
        relay.cut()
      }
      way.leadTo(null)
      // The gates inside and the other server come by the relay, which has one connection to the primary for each of theirs.
      for (const line of (await old.ask(0, 'CLIENT', 'LIST')).split('\n')) {
        const [, id] = /^id=(\d+) .*(?:name=sentinel-|flags=S)/.exec(line) ?? []
        if (id !== undefined) await old.ask(0, 'CLIENT', 'KILL', 'ID', id)
      }
      await Promise.all([site.another(old), Bun.sleep(PARTED_MS)])
      for (const [at, relay] of relays.entries()) relay.leadTo(site.ports[at] ?? null)
      isCutOff = false
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

async function lostNode(partition: number): Promise<Trouble> {
  const cluster = await startCluster()
  return {
    url: cluster.url(),
    async happen() {
      const lost = await cluster.primaryOf(partition)
      await lost.kill()
      await cluster.takenOver(lost)
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  }
}

/** More sessions in the store: what moves takes longer. */
async function crowd(url: string, count: number): Promise<void> {
  const address = parseRedisAddress(url)
  if (!address.ok) throw new Error(address.message)
  const store = openRedisStore(address.value, quietPorts({ now: Date.now }))
  const nowMs = Date.now()
  for (let index = 0; index < count; index++) {
    const id = `crowd-${index}`
    const session = storedSession(id, { createdAtMs: nowMs, lastSeenMs: nowMs, expiresAtMs: nowMs + 600_000 })
    let hash = id
    while (store.fits?.(hash, id) === false) hash += '.'
    await store.insert(session, { hash, sessionId: id, host: HOST })
  }
  await store.close()
}

/** Of one kind of load. */
class Count {
  asked = 0
  failed = 0
  toString(): string {
    return `${this.failed} of ${this.asked}`
  }
}

const { values } = parseArgs({ options: { only: { type: 'string', default: Object.keys(TROUBLES).join(',') } } })
const upstream = startSaying('the application')
const provider = await startProviderFor(
  [{ sub: 'ada', name: 'Ada', email: 'ada@example.com', email_verified: true, groups: [] }],
  `http://${HOST}/.sallyport/callback`,
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
const rows: string[][] = []
try {
  for (const name of values.only.split(',')) rows.push(await measure(name))
} finally {
  await provider.stop()
  await upstream.stop(true)
}
console.log(
  align([
    [
      '',
      'known users',
      'new to a gate',
      'sign-ins',
      'sign-outs',
      'store whole after s',
      'healed after s',
      'let in wrongly',
      'by a gate cut off',
    ],
    ...rows,
  ]),
)
console.log(
  `load ${loadavg()
    .map(one => one.toFixed(1))
    .join(' ')}`,
)

async function measure(name: string): Promise<string[]> {
  const start = TROUBLES[name]
  if (start === undefined) throw new Error(`there are: ${Object.keys(TROUBLES).join(', ')}`)
  await using trouble = await start()
  await using stack = new AsyncDisposableStack()
  const gates: Gate[] = []
  for (let at = 0; at < GATES; at++) {
    const { store, sessions } = shared(at === GATES - 1 ? (trouble.last?.url ?? trouble.url) : trouble.url)
    const options = { store, sessions: [sessions, trouble.sessions ?? ''].join('\n') }
    gates.push(stack.use(await startGate(TOML, options)))
  }
  const { config } = one(gates, 0).server
  const { sessions } = openSessionState(config, quietPorts({ now: Date.now }))
  stack.defer(() => sessions.close())
  const identity = makeIdentity('id', provider.issuer, 'bob', { sub: 'bob' })
  const signedIn = async () => {
    const secrets = { idToken: 'x', refreshToken: null }
    const { token } = await sessions.start({ portal: 'home', host: HOST, identity, secrets })
    return `sallyport=${token}`
  }
  const known: string[] = []
  for (let index = 0; index < KNOWN; index++) known.push(await signedIn())
  const strangers: string[] = []
  for (let index = 0; index < STRANGERS; index++) strangers.push(await signedIn())
  const leaving: string[] = []
  for (let index = 0; index < LEAVING; index++) leaving.push(await signedIn())
  for (const gate of gates) for (const cookie of [...known, ...leaving]) await statusOf(gate, cookie)

  const counts = { known: new Count(), strangers: new Count(), signIns: new Count(), signOuts: new Count() }
  const gone: { readonly cookie: string; readonly atMs: number }[] = []
  let letIn = 0
  let letInCutOff = 0
  let beganMs = Number.POSITIVE_INFINITY
  let lastFailureMs = 0
  /** When a gate that was cut off came back: from then on it has as long as the others. */
  let rejoinedMs = Number.NEGATIVE_INFINITY
  let isOver = false
  const note = (count: Count, isGood: boolean) => {
    count.asked++
    if (isGood) return
    count.failed++
    lastFailureMs = performance.now()
  }
  async function leave(cookie: string, gate: Gate): Promise<void> {
    const headers = { host: HOST, cookie, origin: `http://${HOST}`, 'sec-fetch-site': 'same-origin' }
    const address = `http://127.0.0.1:${gate.port}/.sallyport/logout`
    const { status } = await fetch(address, { method: 'POST', headers, redirect: 'manual' })
    note(counts.signOuts, status === 303)
    if (status === 303) gone.push({ cookie, atMs: performance.now() })
  }
  async function until(act: (turn: number) => Promise<void>): Promise<void> {
    for (let turn = 0; !isOver; turn++) await act(turn)
  }
  const load = [
    until(async turn => {
      for (const cookie of known) note(counts.known, (await statusOf(one(gates, turn), cookie)) === 200)
    }),
    until(async turn => {
      const cookie = strangers.pop()
      if (cookie !== undefined) note(counts.strangers, (await statusOf(one(gates, turn), cookie)) === 200)
      await Bun.sleep(30)
    }),
    until(async turn => {
      note(counts.signIns, await signInAt(one(gates, turn)))
      await Bun.sleep(50)
    }),
    until(async turn => {
      // What the others have not heard yet when a node is lost, they hear when another has taken over: so not right before.
      const cookie = performance.now() < beganMs + GRACE_MS / 2 ? undefined : leaving.pop()
      if (cookie !== undefined) await leave(cookie, one(gates, turn))
      await Bun.sleep(300)
    }),
    until(async turn => {
      for (const { cookie, atMs } of gone) {
        const isLate = performance.now() - Math.max(atMs, rejoinedMs) > GRACE_MS
        const gate = one(gates, turn)
        const isCutOff = gate === gates.at(-1) && trouble.last?.isCutOff() === true
        if ((await statusOf(gate, cookie)) !== 200 || !isLate) continue
        if (isCutOff) letInCutOff++
        else letIn++
      }
      await Bun.sleep(20)
    }),
  ]
  for (let index = 0; index < LEAVING / 2; index++) await leave(leaving.pop() ?? '', one(gates, index))
  await Bun.sleep(GRACE_MS)
  for (const count of Object.values(counts)) [count.asked, count.failed] = [0, 0]
  beganMs = performance.now()
  lastFailureMs = beganMs
  await trouble.happen()
  const wholeMs = performance.now()
  if (trouble.last !== undefined) rejoinedMs = wholeMs
  while (performance.now() < Math.min(Math.max(wholeMs, lastFailureMs), wholeMs + LONGEST_MS) + AFTER_MS)
    await Bun.sleep(50)
  isOver = true
  await Promise.all(load)
  const seconds = (ms: number) => ((ms - beganMs) / 1000).toFixed(1)
  const { known: knownCount, strangers: strangerCount, signIns, signOuts } = counts
  const cells = [knownCount, strangerCount, signIns, signOuts].map(String)
  return [name, ...cells, seconds(wholeMs), seconds(lastFailureMs), String(letIn), String(letInCutOff)]
}

function one(gates: readonly Gate[], turn: number): Gate {
  const gate = gates[turn % gates.length]
  if (gate === undefined) throw new Error('there is no gate')
  return gate
}

async function statusOf(gate: Gate, cookie: string): Promise<number> {
  const headers = { host: HOST, cookie, accept: 'application/json' }
  return (await fetch(`http://127.0.0.1:${gate.port}/`, { headers, redirect: 'manual' })).status
}

/** A newcomer signs in, all of it at one gate. */
async function signInAt(gate: Gate): Promise<boolean> {
  const browser = new BrowserLite({ hosts: { [HOST]: `127.0.0.1:${gate.port}` } })
  try {
    return (await browser.signIn(`http://${HOST}/`, 'ada')).response.status === 200
  } catch {
    return false
  }
}
