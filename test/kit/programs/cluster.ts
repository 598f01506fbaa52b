import { clusterPrefixes } from '../../../src/session/redis/cluster.ts'
import { patienceMs } from '../clock.ts'
import { eventually } from '../gate.ts'
import { absent, isProgramHere } from '../needs.ts'
import { startValkey, type Valkey } from './valkey.ts'

/** Six real servers, three of which have the slots, each with a replica: `await using cluster = await startCluster()`. */
export interface Cluster extends AsyncDisposable {
  readonly nodes: readonly Valkey[]
  /** Each prefix is a store of its own; the login has its @. */
  url(prefix?: string, login?: string): string
  /** The node that has a partition now, as most of the others say. */
  primaryOf(partition: number): Promise<Valkey>
  replicaOf(primary: Valkey): Promise<Valkey>
  /** Waits until every replica has what its primary has. */
  settled(): Promise<void>
  /** Waits until a node that does not run, or is no primary any more, has no slots. */
  takenOver(from: Valkey): Promise<void>
  /** Moves one slot, key by key, as `valkey-cli --cluster reshard` does; `during` runs once half of the keys have moved. */
  moveSlot(slot: number, to: Valkey, during?: () => Promise<void>): Promise<void>
  slotOf(partition: number): Promise<number>
}

interface Seen {
  readonly id: string
  readonly port: number
  readonly flags: string
  readonly source: string
  readonly slots: readonly (readonly [number, number])[]
}

/** Those that run make out a lost node in this time: on a busy machine they would take one for lost that waits for the CPU. */
const timeoutMs = () => Math.round(Math.min(patienceMs(1_000), 10_000))

/** Six servers of one cluster that is up. */
async function startNodes(): Promise<readonly Valkey[]> {
  const nodes = await Promise.all(Array.from({ length: 6 }, () => startValkey({ isCluster: true })))
  for (const node of nodes) {
    await node.ask(0, 'CONFIG', 'SET', 'cluster-node-timeout', `${timeoutMs()}`)
    // As docs/operations.md says: a node that is lost stops no others.
    await node.ask(0, 'CONFIG', 'SET', 'cluster-require-full-coverage', 'no')
    // They wait five seconds for other replicas otherwise.
    await node.ask(0, 'CONFIG', 'SET', 'repl-diskless-sync-delay', '0')
  }
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  const program = Bun.which('valkey-cli') === null ? 'redis-cli' : 'valkey-cli'
  const made = Bun.spawn([program, '--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes'], {
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const told = await new Response(made.stdout).text()
  if ((await made.exited) !== 0) throw new Error(`no cluster was made: ${told}`)
  await eventually(async () => {
    const states = await Promise.all(nodes.map(node => node.ask(0, 'CLUSTER', 'INFO')))
    const replicas = (await seenBy(nodes)).filter(({ flags }) => flags.includes('slave'))
    return states.every(state => state.includes('cluster_state:ok')) && replicas.length === 3
  }, 'the cluster is up')
  return nodes
}

/** What those that run say, of which most agree. */
async function seenBy(nodes: readonly Valkey[]): Promise<readonly Seen[]> {
  const texts = await Promise.all(nodes.map(node => node.ask(0, 'CLUSTER', 'NODES')))
  const views = texts.map(parseNodes).filter(view => view.length > 0)
  const keyOf = (view: readonly Seen[]) => JSON.stringify(view.map(({ port, slots }) => `${port} ${slots}`).sort())
  const count = (view: readonly Seen[]) => views.filter(other => keyOf(other) === keyOf(view)).length
  const [most] = views.sort((one, other) => count(other) - count(one))
  if (most === undefined) throw new Error('no node of the cluster runs')
  return most
}

/** CLUSTER NODES: a line for each. */
function parseNodes(text: string): readonly Seen[] {
  return text.split('\n').flatMap(line => {
    const [id = '', address = '', flags = '', source = '', , , , , ...slots] = line.split(' ')
    const port = Number(/:(\d+)@/.exec(address)?.[1])
    const ranges = slots.flatMap(one => {
      const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(one) ?? []
      return from === undefined ? [] : [[Number(from), Number(to)] as const]
    })
    return Number.isInteger(port) ? [{ id, port, flags, source, slots: ranges }] : []
  })
}

/** Moves one slot, key by key. */
async function move(
  slot: number,
  [from, source]: Side,
  [to, target]: Side,
  during?: () => Promise<void>,
): Promise<void> {
  const count = async () => Number(await from.ask(0, 'CLUSTER', 'COUNTKEYSINSLOT', `${slot}`))
  expectOk(await to.ask(0, 'CLUSTER', 'SETSLOT', `${slot}`, 'IMPORTING', source.id))
  expectOk(await from.ask(0, 'CLUSTER', 'SETSLOT', `${slot}`, 'MIGRATING', target.id))
  const half = (await count()) / 2
  let isHalf = false
  for (;;) {
    if (!isHalf && (await count()) <= half) {
      isHalf = true
      await during?.()
    }
    const listed = await from.ask(0, 'CLUSTER', 'GETKEYSINSLOT', `${slot}`, '4')
    const keys = listed.split('\n').filter(key => key !== '')
    if (keys.length === 0) break
    const answer = await from.ask(0, 'MIGRATE', '127.0.0.1', `${to.port}`, '', '0', '5000', 'KEYS', ...keys)
    if (answer !== 'OK' && answer !== 'NOKEY') throw new Error(`a key did not move: ${answer}`)
  }
  for (const node of [to, from]) expectOk(await node.ask(0, 'CLUSTER', 'SETSLOT', `${slot}`, 'NODE', target.id))
}

type Side = readonly [Valkey, Seen]

export async function startCluster(): Promise<Cluster> {
  if (!isProgramHere('valkey-server')) return absent<Cluster>('valkey-server')
  await using stack = new AsyncDisposableStack()
  const nodes = (await startNodes()).map(node => stack.use(node))
  const slotOf = async (partition: number) =>
    Number(await nodes[5]?.ask(0, 'CLUSTER', 'KEYSLOT', clusterPrefixes('x')[partition] ?? ''))

  async function nodeThat(what: string, holds: (seen: Seen) => boolean): Promise<Side> {
    const seen = (await seenBy(nodes)).find(holds)
    const node = nodes.find(({ port }) => port === seen?.port)
    if (seen === undefined || node === undefined) throw new Error(`there is no node that ${what}`)
    return [node, seen]
  }

  const withSlot = (slot: number) =>
    nodeThat(`has slot ${slot}`, ({ slots }) => slots.some(([from, to]) => slot >= from && slot <= to))
  const at = (node: Valkey) => nodeThat('is there', ({ port }) => port === node.port)
  const all = stack.move()
  return {
    nodes,
    url: (prefix = 'sallyport', login = '') =>
      `redis+cluster://${login}${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}?prefix=${prefix}`,
    slotOf,
    primaryOf: async partition => (await withSlot(await slotOf(partition)))[0],
    async replicaOf(primary) {
      const [, { id }] = await at(primary)
      const [replica] = await nodeThat('copies it', ({ source, flags }) => source === id && !flags.includes('fail'))
      return replica
    },
    async settled() {
      await eventually(async () => {
        const told = await Promise.all(nodes.map(node => node.ask(0, 'INFO', 'replication')))
        return told.every(text =>
          text.includes('role:master')
            ? /slave0:.*offset=(\d+)/.exec(text)?.[1] === /master_repl_offset:(\d+)/.exec(text)?.[1]
            : text.includes('master_link_status:up'),
        )
      }, 'the replicas have everything')
    },
    async takenOver(from) {
      await eventually(async () => {
        const others = (await seenBy(nodes)).filter(({ port }) => port !== from.port)
        return others.flatMap(({ slots }) => slots).reduce((sum, [first, last]) => sum + last - first + 1, 0) === SLOTS
      }, 'another node has its slots')
    },
    moveSlot: async (slot, to, during) => move(slot, await withSlot(slot), await at(to), during),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

const SLOTS = 16_384

function expectOk(answer: string): void {
  if (answer !== 'OK') throw new Error(`the server says ${answer}`)
}
