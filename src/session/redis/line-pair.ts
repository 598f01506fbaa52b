/** The two connections to one server, for reads and for writes: how they are opened, and what is sent by which. */

import type { RedisNode } from '../../config/values/redis-address.ts'
import type { Whereabouts } from './primary.ts'
import { type Line, type LineOptions, NoReply, openLine, within } from './server-connection.ts'

const ROLE_MS = 2000

/** Sends a command and its arguments; resolves with the reply (`Line.send`). */
export type Send = (command: string, args: readonly string[]) => Promise<unknown>

export interface LinePairOptions {
  readonly whereabouts: Whereabouts
  readonly prefix: string
  readonly line: Omit<LineOptions, 'limitMs'>
  /** What to ask first on each new connection; no other command is sent before its answer. */
  readonly greet: (send: Send) => Promise<void>
}

/** What only reads, and is answered by a replica, and while writes are held back (CLIENT PAUSE … WRITE). */
const READS = new Set(
  'GET MGET HGET HMGET HGETALL HVALS SMEMBERS PTTL TIME XRANGE XREVRANGE ZCOUNT ZREVRANGEBYLEX PING EVALSHA_RO EVAL_RO'.split(
    ' ',
  ),
)

export function isRead(command: string): boolean {
  return READS.has(command)
}

/**
 * A connection for reads, which decides whether the server is reachable, and one for writes, which the next write
 * opens again.
 */
export interface LinePair {
  readonly node: RedisNode
  readonly reads: Line
  writes: Promise<Line>
  /** Whether the server has refused scripts that only read. */
  isPlain: boolean
  /** No connection is opened any more. */
  isClosed: boolean
}

/** Opens pairs of connections, and sends by them. */
export interface LinePairs {
  /**
   * Both, greeted: to the primary; where none of the servers is, and it need not be, to a replica that can be read. Throws where that
   * cannot be done, and then nothing is left open.
   */
  open(isToWrite: boolean): Promise<LinePair>
  /** The reply. Throws what the server says, and when no reply comes in time. */
  sendBy(pair: LinePair, command: string, args: readonly string[]): Promise<unknown>
}

/** No connection is open yet. `replyMs`: a reply or a connection that takes longer does not come. */
export function createLinePairs({ whereabouts, prefix, line, greet }: LinePairOptions, replyMs: number): LinePairs {
  /** Changes nothing, and is refused where nothing may be changed: whether a server takes writes. */
  const tryWriting = ['PEXPIRE', [`${prefix}nothing`, '1']] as const

  function open(node: RedisNode): Promise<Line> {
    return openLine(node, { ...line, limitMs: replyMs })
  }

  async function openWrites(node: RedisNode): Promise<Line> {
    const writes = await open(node)
    if (!whereabouts.isChecked || (await isPrimary(writes).catch(() => false))) return writes
    writes.close()
    throw new Error('READONLY the server does not say that it is the primary')
  }

  async function openReads(isToWrite: boolean): Promise<Pick<LinePair, 'node' | 'reads'>> {
    const nodes = await whereabouts.find()
    const [only, ...others] = nodes
    if (only !== undefined && others.length === 0 && !whereabouts.isChecked)
      return { node: only, reads: await open(only) }
    const asked = await Promise.allSettled(
      nodes.map(async node => {
        const reads = await open(node)
        try {
          return { node, reads, isPrimary: await isPrimary(reads) }
        } catch (error) {
          reads.close()
          throw error
        }
      }),
    )
    const found = asked.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []))
    const primaries = found.filter(one => one.isPrimary)
    const chosen = primaries.length > 1 ? undefined : (primaries[0] ?? (isToWrite ? undefined : found[0]))
    for (const { reads } of found) if (reads !== chosen?.reads) reads.close()
    if (chosen !== undefined) return chosen
    if (primaries.length > 1) throw new Error('several of the servers say that they are the primary')
    throw (
      asked.find(one => one.status === 'rejected')?.reason ??
      new Error('none of the servers says that it is the primary')
    )
  }

  async function openBoth(isToWrite: boolean): Promise<LinePair> {
    const { node, reads } = await openReads(isToWrite)
    const fresh: LinePair = { node, reads, writes: openWrites(node), isPlain: false, isClosed: false }
    fresh.writes.catch(() => undefined)
    try {
      if (isToWrite) await sendBy(fresh, ...tryWriting)
      await greet((command, args) => sendBy(fresh, command, args))
      // It may have been lost after the last reply and before somebody listened.
      if (!reads.isOpen) throw new Error('Connection closed: at once')
      return fresh
    } catch (error) {
      closePair(fresh)
      throw error
    }
  }

  async function sendBy(by: LinePair, command: string, args: readonly string[]): Promise<unknown> {
    if (isRead(command)) return within(by.reads.send(command, args), replyMs)
    const asked = by.writes
    const writes = await within(asked, replyMs).catch(error => {
      renewWrites(by, asked)
      throw error
    })
    // After the wait for a connection, in which the primary may have become another one. Nothing is sent that it refuses.
    await whereabouts.permitWrite(by.node)
    writes.onClose = () => renewWrites(by, asked)
    try {
      return await within(writes.send(command, args), replyMs)
    } catch (error) {
      if (error instanceof NoReply) renewWrites(by, asked)
      throw error
    }
  }

  /** The next that writes has another connection, and what waits for this one waits no more. */
  function renewWrites(by: LinePair, lost: Promise<Line>): void {
    if (by.isClosed || by.writes !== lost) return
    lost.then(closeLine, () => undefined)
    by.writes = openWrites(by.node)
    by.writes.catch(() => undefined)
  }

  return { open: openBoth, sendBy }
}

/** What a server says of itself: only a primary is written to. */
async function isPrimary(line: Line): Promise<boolean> {
  const role = await within(line.send('ROLE', []), ROLE_MS)
  return Array.isArray(role) && role[0] === 'master'
}

function closeLine(line: Line): void {
  line.onClose = null
  line.close()
}

export function closePair(pair: LinePair): void {
  pair.isClosed = true
  closeLine(pair.reads)
  pair.writes.then(closeLine, () => undefined)
}
