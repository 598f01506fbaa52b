/** The nodes of a Redis or Valkey cluster: which of them has each partition, as they say themselves, and the way to it. */

import type { Facts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { type RedisNode, showNode } from '../../config/values/redis-address.ts'
import { NO_CONNECTION } from '../store-trouble.ts'
import type { RedisLink } from './connection.ts'
import { type Line, within } from './server-connection.ts'

/** Slots of the partitions: CRC16 of their tags (`cluster.ts`). */
export const SLOTS = [
  511, 1584, 2595, 3564, 4574, 5649, 6628, 7629, 8795, 9842, 10849, 11694, 12922, 13907, 14912, 15759,
] as const

export type NodeAddress = Extract<RedisNode, { readonly host: string }>

/** A connection to one node. */
export type NodeLine = Pick<Line, 'send' | 'close'>

export interface NodeOptions {
  /** The address for errors and the log: without the password. */
  readonly shownAs: string
  /** Nodes by which the others are found. */
  readonly seeds: readonly NodeAddress[]
  readonly log: Ports['log']
  /** The way to one node that has partitions, which greets by `greet` on each connection. */
  openLink(
    node: NodeAddress,
    log: Ports['log'],
    greet: (send: RedisLink['send']) => Promise<void>,
  ): Pick<RedisLink, 'send' | 'close'>
  openLine(node: NodeAddress): Promise<NodeLine>
  /** What to ask first in a partition: on each new connection, and when another node has it. */
  greet(index: number, send: RedisLink['send']): Promise<void>
}

export interface Node {
  readonly address: NodeAddress
  readonly link: Pick<RedisLink, 'send' | 'close'>
  /** Whether it has refused scripts that only read. */
  isPlain: boolean
  /** It did not answer since it last did. */
  isAway: boolean
}

/** Where a partition is. */
export interface Seat {
  readonly node: Node
  /** Rejects where it could not be greeted. */
  readonly greeted: Promise<void>
}

/** Pairs with `close`. */
export interface Seats {
  /** Where a partition is. Throws where no node says that it has it. */
  of(index: number): Promise<Seat>
  /** Whether a partition is still where this was asked, as far as is known. */
  isAt(index: number, asked: Seat): boolean
  /** Whether a partition is at another node than the one that was asked, as the nodes say now. */
  isElsewhere(index: number, asked: Seat): Promise<boolean>
  /** A node says that a partition is at another, and `asked` was not. */
  move(index: number, asked: Seat, to: NodeAddress): void
  /** Asks the nodes who has what: one look at a time, and none at once after another. */
  look(): Promise<void>
  close(): void
}

/** How often at most the nodes are asked who has what. */
const LOOK_MS = 200

/** How long a node has to say who has what. */
const SLOTS_MS = 1000

/** How long the other nodes have for an answer after the first. */
const OTHERS_MS = 200

/** How long a node that has nothing any more is waited for. */
const LAST_ANSWERS_MS = 2000

/** `send` asks one node, whether or not a partition was greeted there; `onAway` is called where one with these partitions cannot be reached. */
export function createSeats(
  options: NodeOptions,
  send: (node: Node, command: string, args: readonly string[]) => Promise<unknown>,
  onAway: (indexes: readonly number[], node: NodeAddress, facts: Facts) => void,
): Seats {
  const nodes = new Map<string, Node>()
  const seats: (Seat | null)[] = SLOTS.map(() => null)
  let known: readonly NodeAddress[] = options.seeds
  let looking: Promise<void> | null = null
  let lookedAtMs = Number.NEGATIVE_INFINITY
  let lastFailure: unknown
  let isClosed = false

  function nodeAt(address: NodeAddress): Node {
    const name = showNode(address)
    const found = nodes.get(name)
    if (found !== undefined) return found
    const here = () => [...seats.keys()].filter(index => seats[index]?.node === node)
    let isFirst = true
    // On the first connection each partition that is found there is greeted for itself.
    const greet = async (ask: RedisLink['send']) => {
      if (!isFirst) await Promise.all(here().map(index => options.greet(index, ask)))
      isFirst = false
    }
    const log: Ports['log'] = {
      ...options.log,
      error: (_message, facts = {}) => onAway(here(), address, facts),
      info: () => undefined,
    }
    const node: Node = { address, link: options.openLink(address, log, greet), isPlain: false, isAway: false }
    nodes.set(name, node)
    return node
  }

  function take(index: number, address: NodeAddress): void {
    const before = seats[index]
    if (isClosed || (before != null && showNode(before.node.address) === showNode(address))) return
    const node = nodeAt(address)
    const greeted = options.greet(index, (command, args) => send(node, command, args))
    const taken: Seat = { node, greeted }
    seats[index] = taken
    // Whoever asks next looks for it again.
    greeted.catch(error => {
      lastFailure = error
      if (seats[index] === taken) seats[index] = null
    })
  }

  function dropUnused(): void {
    const used = new Set(seats.map(one => one?.node))
    for (const [name, node] of nodes) {
      if (used.has(node)) continue
      nodes.delete(name)
      setTimeout(() => node.link.close(), LAST_ANSWERS_MS).unref()
    }
  }

  async function lookNow(): Promise<void> {
    const answers = await answersOf(known.map(node => topologyBy(node, options)))
    if (isClosed) return
    const found = mostSaid(answers, JSON.stringify(seats.map(one => one?.node.address ?? null)))
    known = unique([...found.all, ...options.seeds])
    for (const [index, address] of found.primaries.entries()) {
      // One that answers says itself when something is elsewhere; others may not have heard of it yet, and would lead back.
      if (address !== null && seats[index]?.node.isAway !== false) take(index, address)
    }
    dropUnused()
  }

  async function lookInTurn(): Promise<void> {
    const restMs = lookedAtMs + LOOK_MS - performance.now()
    if (restMs > 0) await Bun.sleep(restMs)
    if (isClosed) return
    try {
      await lookNow()
    } catch (error) {
      lastFailure = error
    }
    lookedAtMs = performance.now()
  }

  function look(): Promise<void> {
    looking ??= lookInTurn().finally(() => {
      looking = null
    })
    return looking
  }

  /** A look that begins now, unless the one that is under way has found it. */
  async function lookFor(isFound: () => boolean): Promise<void> {
    const underWay = looking
    if (underWay !== null) await underWay
    if (underWay === null || !isFound()) await look()
  }

  return {
    async of(index) {
      if (seats[index] == null) await lookFor(() => seats[index] != null)
      const found = seats[index]
      if (found != null) return found
      throw new Error(`${NO_CONNECTION}partition ${index} of ${options.shownAs}`, { cause: lastFailure })
    },
    isAt: (index, asked) => seats[index] === asked,
    async isElsewhere(index, asked) {
      const isFound = () => seats[index] != null && seats[index] !== asked
      if (!isFound()) await lookFor(isFound)
      return isFound()
    },
    move(index, asked, to) {
      if (seats[index] != null && seats[index] !== asked) return
      take(index, to)
      dropUnused()
    },
    look,
    close() {
      isClosed = true
      for (const { link } of nodes.values()) link.close()
    },
  }
}

/** A node that does not know its own address names none, or says `?`: then it is where it was asked. */
export function hostOf(raw: unknown, asked: NodeAddress): string {
  return typeof raw === 'string' && raw !== '' && raw !== '?' ? raw.replace(/^\[|\]$/g, '') : asked.host
}

/** The nodes of the partitions, and all that are known besides. */
interface Topology {
  readonly primaries: readonly (NodeAddress | null)[]
  readonly all: readonly NodeAddress[]
}

async function topologyBy(node: NodeAddress, { openLine }: NodeOptions): Promise<Topology> {
  const line = await openLine(node)
  try {
    return parseTopology(await within(line.send('CLUSTER', ['SLOTS']), SLOTS_MS), node)
  } finally {
    line.close()
  }
}

function unique(addresses: readonly NodeAddress[]): readonly NodeAddress[] {
  return [...new Map(addresses.map(one => [showNode(one), one])).values()]
}

/** The answer to CLUSTER SLOTS: ranges, each with its first and last slot, its primary and its replicas. */
function parseTopology(raw: unknown, asked: NodeAddress): Topology {
  const primaries: (NodeAddress | null)[] = SLOTS.map(() => null)
  const all: NodeAddress[] = []
  for (const range of Array.isArray(raw) ? raw : []) {
    const [from, to, ...members] = Array.isArray(range) ? range : []
    const addresses = members.flatMap(member => {
      const [host, port] = Array.isArray(member) ? member : []
      return Number(port) > 0 ? [{ host: hostOf(host, asked), port: Number(port) }] : []
    })
    all.push(...addresses)
    for (const [index, slot] of SLOTS.entries()) {
      if (slot >= Number(from) && slot <= Number(to)) primaries[index] = addresses[0] ?? null
    }
  }
  if (all.length === 0) throw new Error(`${showNode(asked)} is not a node of a cluster that has slots`)
  return { primaries, all: unique(all) }
}

/** What nodes say up to a moment after the first. Throws where none does. */
async function answersOf(asked: readonly Promise<Topology>[]): Promise<readonly Topology[]> {
  const answers: Topology[] = []
  const all = Promise.allSettled(asked.map(async one => answers.push(await one)))
  await Promise.any(asked).catch(({ errors }: AggregateError) => {
    throw errors[0]
  })
  await Promise.race([all, Bun.sleep(OTHERS_MS)])
  return answers
}

/** What most nodes say; of two that as many say, not what was known before: a node that is cut off says that for long. */
function mostSaid(answers: readonly Topology[], before: string): Topology {
  const said = new Map<string, { readonly topology: Topology; votes: number }>()
  for (const topology of answers) {
    const key = JSON.stringify(topology.primaries)
    const one = said.get(key) ?? { topology, votes: 0 }
    one.votes++
    said.set(key, one)
  }
  const [most] = [...said].sort(
    ([oneKey, one], [otherKey, other]) =>
      other.votes - one.votes || Number(oneKey === before) - Number(otherKey === before),
  )
  if (most === undefined) throw new Error('no node of the cluster answers')
  return most[1].topology
}
