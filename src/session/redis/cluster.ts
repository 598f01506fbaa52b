/**
 * The way to the partitions of a Redis or Valkey cluster: which node has each, and what is asked again elsewhere.
 *
 * A command is sent a second time only where a node has said that it did not do it: MOVED, ASK and TRYAGAIN. What is under way when
 * a node is lost fails, since it may have been done.
 *
 * While a slot moves, its keys are on two nodes, and a script would find some of them missing. So scripts wait: the key that each
 * names is the prefix, which is no key that exists, and then the node that has the slot answers ASK before it runs anything.
 * Commands of one key follow ASK, so who is signed in is found all the time.
 */

import { errorFacts, type Facts } from '../../base/errors.ts'
import { showNode } from '../../config/values/redis-address.ts'
import { isDisconnected, isRefusedWrite, troubleOf } from '../store-trouble.ts'
import {
  createSeats,
  hostOf,
  type Node,
  type NodeAddress,
  type NodeLine,
  type NodeOptions,
  type Seat,
} from './cluster-nodes.ts'
import { type Script, TakenOver } from './connection.ts'
import { isRead } from './line-pair.ts'
import { createPartitions, type RedisPartition, type RedisPartitions } from './partitions.ts'
import { NoReply, within } from './server-connection.ts'

/**
 * The hash tags of the partitions, for good. Each has its slot in a sixteenth of all slots of its own: of nodes that share the slots
 * evenly, up to sixteen, all have the same number of partitions, or one more.
 */
const TAGS = ['18', '3', '1a', 'j', '19', '2', '64', 'k', '6n', '1', '1c', 'h', '6o', '0', '1b', 'i'] as const

/** What the keys of each partition begin with. */
export function clusterPrefixes(prefix: string): readonly string[] {
  return TAGS.map(tag => `${prefix}{${tag}}:`)
}

export interface ClusterOptions extends NodeOptions {
  readonly prefix: string
  /** Called once a node serves the first partition. */
  onConnected(): void
}

/** The partitions of a cluster. Pairs with `close`. */
export interface Cluster extends RedisPartitions {
  close(): void
}

/** A node sends on to another, and that again: more often than a cluster has to settle. */
const MOST_TURNS = 8

/** How long a script waits for a slot that moves, and between two tries. */
const MOVING_MS = 2000
const MOVING_STEP_MS = 50

/** How long a node that is to have a slot has for a reply. */
const ASKING_MS = 2000

export function openCluster(options: ClusterOptions): Cluster {
  const { shownAs, greet, onConnected } = options
  const prefixes = clusterPrefixes(options.prefix)
  const asking = createAsking(options.openLine)
  const reach = createReach(options)
  const tellRefused = createRefusals(options)
  async function greetFirst(...[index, send]: Parameters<NodeOptions['greet']>): Promise<void> {
    await greet(index, send)
    if (index === 0) onConnected()
  }
  const seats = createSeats({ ...options, greet: greetFirst }, sendTo, reach.failed)

  async function sendTo(node: Node, command: string, args: readonly string[]): Promise<unknown> {
    try {
      return await node.link.send(command, args)
    } catch (error) {
      const elsewhere = redirectionOf(error, node.address)
      if (elsewhere?.what === 'ASK' && !command.startsWith('EVAL')) return asking.at(elsewhere.node, command, args)
      throw error
    }
  }

  /** Asks the node of a partition. Where it has not done it, since that is elsewhere by now, this asks there. */
  async function send(index: number, command: string, args: readonly string[]): Promise<unknown> {
    const untilMs = performance.now() + MOVING_MS
    for (let left = MOST_TURNS; ; ) {
      let asked: Seat | undefined
      try {
        asked = await seats.of(index)
        await asked.greeted
        const answer = await sendTo(asked.node, command, args)
        asked.node.isAway = false
        reach.answered(index)
        // The next node was told before what has ended, and may never get this.
        if (!isRead(command) && !seats.isAt(index, asked))
          throw new TakenOver('another node had taken over before the answer came')
        return answer
      } catch (error) {
        if (error instanceof TakenOver) throw error
        noteFailure(index, asked, command, error)
        const elsewhere = asked === undefined ? null : redirectionOf(error, asked.node.address)
        if (elsewhere?.what === 'ASK' && !command.endsWith('_RO')) {
          if (performance.now() > untilMs)
            throw new Error(`a part of ${shownAs} moves from node to node`, { cause: error })
          await Bun.sleep(MOVING_STEP_MS)
        } else if (asked === undefined || left-- === 0 || !(await isSeatedAnew(index, asked, elsewhere, error))) {
          throw error
        }
      }
    }
  }

  /** Whether a partition is at another node than the one that was asked, which has not done what it was to do, or was not reached. */
  async function isSeatedAnew(
    index: number,
    asked: Seat,
    elsewhere: Redirection | null,
    error: unknown,
  ): Promise<boolean> {
    if (isDisconnected(error)) return seats.isElsewhere(index, asked)
    if (elsewhere?.what !== 'MOVED') {
      if (!isReply(error)) void seats.look()
      return false
    }
    seats.move(index, asked, elsewhere.node)
    return true
  }

  function noteFailure(index: number, asked: Seat | undefined, command: string, error: unknown): void {
    const address = asked?.node.address
    const isHeldBack = error instanceof NoReply && !isRead(command)
    if (address !== undefined && (isHeldBack || isRefusedWrite(error))) {
      tellRefused(address, isHeldBack ? 'it takes no writes in time' : troubleOf(error), error)
    } else if (!isReply(error) && !isGivenUp(error)) reach.failed([index], address, errorFacts(error))
    if (asked !== undefined && !isReply(error)) asked.node.isAway = true
  }

  async function evaluate(
    index: number,
    { sha1, text }: Script,
    args: readonly (string | number)[],
    suffix: '' | '_RO',
  ) {
    const rest = ['1', prefixes[index] ?? '', ...args.map(String)]
    try {
      return await send(index, `EVALSHA${suffix}`, [sha1, ...rest])
    } catch (error) {
      // The node has forgotten its scripts, or never knew this one.
      if (!messageOf(error).startsWith('NOSCRIPT')) throw error
      return send(index, `EVAL${suffix}`, [text, ...rest])
    }
  }

  function partition(prefix: string, index: number): RedisPartition {
    return {
      prefix,
      send: (command, args) => send(index, command, args),
      run: (script, args) => evaluate(index, script, args, ''),
      async look(script, args) {
        const { node } = await seats.of(index)
        if (node.isPlain) return undefined
        try {
          return await evaluate(index, script, args, '_RO')
        } catch (error) {
          // Its keys are at two nodes, and are asked for one by one.
          if (messageOf(error).startsWith('ASK ')) return undefined
          if (!/unknown command|^NOPERM/i.test(messageOf(error))) throw error
          node.isPlain = true
          return undefined
        }
      },
    }
  }

  void seats.look()
  const [first = '', ...rest] = prefixes
  return {
    ...createPartitions([partition(first, 0), ...rest.map((prefix, at) => partition(prefix, at + 1))]),
    close() {
      seats.close()
      asking.close()
    },
  }
}

/** Tells the log once that a node cannot be reached, and once that every partition answers again. */
function createReach({ log, shownAs }: Pick<ClusterOptions, 'log' | 'shownAs'>) {
  const failing = new Set<number>()
  return {
    failed(indexes: readonly number[], node: NodeAddress | undefined, facts: Facts) {
      const isFirst = failing.size === 0 && indexes.length > 0
      for (const index of indexes) failing.add(index)
      if (!isFirst) return
      log.error(
        'A node of the session store cannot be reached: who is known here stays signed in, others of that node cannot sign in or out',
        {
          ...facts,
          store: shownAs,
          ...(node === undefined ? {} : { node: showNode(node) }),
        },
      )
    },
    answered(index: number) {
      if (failing.delete(index) && failing.size === 0) log.info('The session store is back', { store: shownAs })
    },
  }
}

/** How often at most the log says of a node that it takes no writes: some of them, as those that remove, it takes meanwhile. */
const REFUSED_AGAIN_MS = 10 * 60_000

/** Tells the log that a node answers, and takes no writes. */
function createRefusals({ log, shownAs }: Pick<ClusterOptions, 'log' | 'shownAs'>) {
  const told = new Map<string, number>()
  return (address: NodeAddress, why: string | null, error: unknown) => {
    const [node, nowMs] = [showNode(address), performance.now()]
    if (nowMs - (told.get(node) ?? Number.NEGATIVE_INFINITY) < REFUSED_AGAIN_MS) return
    told.set(node, nowMs)
    log.error(
      'A node of the session store takes no writes: users stay signed in, sign-ins and sign-outs that need it fail',
      { ...errorFacts(error), why, store: shownAs, node },
    )
  }
}

/** Connections to nodes that are to have a slot, and have some of its keys already: ASKING counts for the command after it. */
function createAsking(openLine: NodeOptions['openLine']) {
  const lines = new Map<string, Promise<NodeLine>>()
  const closeLine = (opening: Promise<NodeLine>) => opening.then(line => line.close()).catch(() => undefined)
  return {
    async at(node: NodeAddress, command: string, args: readonly string[]): Promise<unknown> {
      const name = showNode(node)
      const opening = lines.get(name) ?? openLine(node)
      lines.set(name, opening)
      const giveUp = () => {
        if (lines.get(name) !== opening) return
        lines.delete(name)
        void closeLine(opening)
      }
      const line = await opening.catch((error: unknown) => {
        giveUp()
        throw error
      })
      try {
        const [, reply] = await within(Promise.all([line.send('ASKING', []), line.send(command, args)]), ASKING_MS)
        return reply
      } catch (error) {
        if (!isReply(error)) giveUp()
        throw error
      }
    },
    close() {
      for (const opening of lines.values()) void closeLine(opening)
    },
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : ''
}

/** Whether a node has answered, with an error that is no sign of another node having its slots. */
function isReply(error: unknown): boolean {
  return /^[A-Z]{2,} /.test(messageOf(error)) && !/^(?:CLUSTERDOWN|LOADING|MASTERDOWN|READONLY) /.test(messageOf(error))
}

/** Whether the gate has closed the connection itself, for a reason that was told. */
function isGivenUp(error: unknown): boolean {
  return messageOf(error) === 'Disconnects client'
}

interface Redirection {
  readonly what: 'MOVED' | 'ASK'
  readonly node: NodeAddress
}

/** Where a node says that something else is to be asked, having done nothing. */
function redirectionOf(error: unknown, asked: NodeAddress): Redirection | null {
  const [, what, host = '', port] = /^(MOVED|ASK) \d+ (.*):(\d+)$/.exec(messageOf(error)) ?? []
  if (what !== 'MOVED' && what !== 'ASK') return null
  return { what, node: { host: hostOf(host, asked), port: Number(port) } }
}
