/**
 * The primary that sentinels name: to be written to only while most of them say so.
 *
 * Each sentinel is asked every half second, and at once when one of them reports a change. What it says counts for two seconds. So a gate
 * that is cut off together with an old primary writes nothing there, and nothing is lost when the two are found again: the others need as
 * long before they have a new one (`down-after-milliseconds`). It reads for ten more seconds, in which sentinels can be restarted.
 * After that the store counts as away, since a primary that was replaced knows of no sign-outs any more.
 */

import { inTime } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { type RedisLogin, type RedisNode, showNode } from '../../config/values/redis-address.ts'
import { NotPrimary, type Whereabouts } from './primary.ts'
import { type Line, type LineOptions, openLine, within } from './server-connection.ts'

export interface SentinelOptions extends Pick<LineOptions, 'tls'> {
  readonly nodes: readonly RedisNode[]
  /** What they call it. */
  readonly primary: string
  /** Theirs, not that of the servers. */
  readonly login: RedisLogin
}

/** What they tell of: each message begins with the name, or with `master` and the name. */
const SWITCHED = '+switch-master'
/** A moment before a replica is made the primary, while the one before still takes writes, which would be lost. */
const CHOOSING = '+failover-state-select-slave'
const GIVEN_UP = ['-failover-abort-no-good-slave', '-failover-abort-slave-timeout', '-failover-abort-not-elected']
const CHANNELS: readonly string[] = [SWITCHED, CHOOSING, ...GIVEN_UP]

/** How often each is asked. */
const ASK_MS = 500
/** For how long an answer counts, from when it was asked for. */
const COUNTS_MS = 2000
/** For how long it may be unknown who the primary is before the store is away. */
const UNKNOWN_MS = 10_000
/** How often at most they are asked beyond that, for those who wait. */
const AGAIN_MS = 100
const REPLY_MS = 1000
/** How long a caller waits for an answer. */
const WAIT_MS = 2500
/** For how long nothing is written to a server of which a sentinel says that it is being replaced. */
const REPLACED_MS = 5000

interface Sentinel {
  readonly node: RedisNode
  /** What it said last, and when it was asked. */
  answer: { readonly node: RedisNode; readonly askedMs: number } | null
  failure: unknown
}

/** Begins to ask at once. */
export function namedBySentinels(
  options: SentinelOptions,
  { now, tick = now }: Pick<Ports, 'now' | 'tick'>,
): Whereabouts {
  const { nodes, primary, login, tls } = options
  const sentinels: readonly Sentinel[] = nodes.map(node => ({ node, answer: null, failure: null }))
  const line: LineOptions = { login, tls, database: 0, limitMs: COUNTS_MS }
  let known: RedisNode | null = null
  let knownMs = 0
  let isClosed = false
  /** Somebody who looked for the primary was told that it is not known. */
  let isMissed = false
  const wanted = createBell()
  const heard = createBell()
  let wantedMs = 0
  /** The server that is being replaced, as one of them says, and since when. */
  let leaving: { readonly node: RedisNode; readonly sinceMs: number } | null = null

  const agreed = () => mostNamed(sentinels, tick() - COUNTS_MS)

  /** The server that most of them name, where it may be written to. */
  function writable(): RedisNode | null {
    const node = agreed()
    if (node === null || leaving === null) return node
    if (isSame(leaving.node, node) && tick() - leaving.sinceMs < REPLACED_MS) return null
    leaving = null
    return node
  }

  function hear(message: string, channel: string): void {
    const words = message.split(' ')
    if (words[channel === SWITCHED ? 0 : 1] !== primary) return
    const node = agreed()
    if (channel === CHOOSING && node !== null) leaving = { node, sinceMs: tick() }
    if (GIVEN_UP.includes(channel)) leaving = null
    wanted.ring()
  }

  /** After an answer, or the lack of one. */
  function settle(): void {
    const node = agreed()
    const before = known
    if (node !== null) {
      const isAnother = before === null ? isMissed || knownMs > 0 : !isSame(before, node)
      known = node
      knownMs = tick()
      isMissed = false
      if (isAnother && !isClosed) whereabouts.onChange?.(null)
    } else if (before !== null && tick() - knownMs > UNKNOWN_MS) {
      known = null
      whereabouts.onChange?.(disagreement())
    }
    heard.ring()
  }

  const disagreement = () => disagreementOf(sentinels, tick() - COUNTS_MS)

  /** Whether half of them have failed and never answered: they cannot agree before one of these does, as with a wrong password. */
  const isVain = () => sentinels.filter(one => one.answer === null && one.failure !== null).length >= nodes.length / 2

  /** What is asked for once it is known; null where it is not in time, or cannot be. */
  async function soon(asked: () => RedisNode | null): Promise<RedisNode | null> {
    let isOver = false
    async function known(): Promise<RedisNode | null> {
      for (;;) {
        const node = asked()
        if (node !== null || isOver || isClosed || isVain()) return node
        if (tick() - wantedMs >= AGAIN_MS) {
          wantedMs = tick()
          wanted.ring()
        }
        await heard.next(heard.count, ASK_MS)
      }
    }
    const node = await inTime(known(), WAIT_MS, null)
    isOver = true
    return node
  }

  async function ask(sentinel: Sentinel, asks: Line): Promise<void> {
    const askedMs = tick()
    const reply = await within(asks.send('SENTINEL', ['GET-MASTER-ADDR-BY-NAME', primary]), REPLY_MS)
    const [host, port] = Array.isArray(reply) ? reply.map(String) : []
    if (host === undefined || port === undefined) throw new Error(`the sentinels know no "${primary}"`)
    sentinel.answer = { node: { host, port: Number(port) }, askedMs }
    sentinel.failure = null
    settle()
  }

  async function follow(sentinel: Sentinel): Promise<void> {
    while (!isClosed) {
      const open: Line[] = []
      try {
        const asks = await openLine(sentinel.node, line)
        open.push(asks)
        const hears = await openLine(sentinel.node, line)
        open.push(hears)
        await within(hears.subscribe(CHANNELS, hear), REPLY_MS)
        while (!isClosed && hears.isOpen) {
          const { count } = wanted
          await ask(sentinel, asks)
          await wanted.next(count, ASK_MS)
        }
      } catch (error) {
        sentinel.failure = error
        settle()
      }
      for (const one of open) one.close()
      await wanted.next(wanted.count, ASK_MS)
    }
  }

  const whereabouts: Whereabouts = {
    async find() {
      const node = await soon(agreed)
      isMissed = node === null
      if (node === null) throw disagreement()
      return [node]
    },
    isChecked: true,
    isAt: node => known !== null && isSame(known, node),
    permitWrite(node) {
      const named = writable()
      return named !== null && isSame(named, node) ? undefined : permitSoon(node)
    },
    onChange: null,
    close() {
      isClosed = true
      wanted.ring()
      heard.ring()
    },
  }

  async function permitSoon(node: RedisNode): Promise<void> {
    const named = await soon(writable)
    if (named === null) throw disagreement()
    if (!isSame(named, node)) throw new NotPrimary(`another server is the primary: ${showNode(named)}`)
  }

  for (const sentinel of sentinels) void follow(sentinel)
  return whereabouts
}

/** The server that most of them name, by answers that were asked for since then. */
function mostNamed(sentinels: readonly Sentinel[], sinceMs: number): RedisNode | null {
  const named = sentinels.flatMap(({ answer }) => (answer !== null && answer.askedMs > sinceMs ? [answer.node] : []))
  const isMost = (node: RedisNode) => named.filter(one => isSame(one, node)).length > sentinels.length / 2
  return named.find(isMost) ?? null
}

/** Why nothing may be written. */
function disagreementOf(sentinels: readonly Sentinel[], sinceMs: number): Error {
  if (mostNamed(sentinels, sinceMs) !== null) {
    return new Error('the sentinels do not agree on a primary yet: they choose another one')
  }
  const answering = sentinels.filter(({ answer }) => answer !== null && answer.askedMs > sinceMs).length
  const failed = sentinels.find(({ failure }) => failure !== null)
  const why = `the sentinels do not agree on a primary: ${answering} of ${sentinels.length} answer`
  if (failed === undefined) return new Error(why)
  const cause = failed.failure instanceof Error ? failed.failure.message : String(failed.failure)
  return new Error(`${why}, and ${showNode(failed.node)} says: ${cause}`, { cause: failed.failure })
}

interface Bell {
  /** How often it has rung. */
  readonly count: number
  ring(): void
  /** Resolves once it has rung more often than that, or the time is over. */
  next(count: number, limitMs: number): Promise<void>
}

function createBell(): Bell {
  let count = 0
  const waiting = new Set<() => void>()
  return {
    get count() {
      return count
    },
    ring() {
      count++
      for (const go of waiting) go()
      waiting.clear()
    },
    async next(seen, limitMs) {
      if (seen !== count) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, limitMs)
      waiting.add(resolve)
      await promise
      waiting.delete(resolve)
      clearTimeout(timer)
    },
  }
}

function isSame(one: RedisNode, other: RedisNode): boolean {
  return showNode(one) === showNode(other)
}
