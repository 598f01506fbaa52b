/** The connection to Redis or Valkey: commands and scripts at the primary, and what is tried again. */

import { errorFacts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { RedisNode } from '../../config/values/redis-address.ts'
import { hintOf, NO_CONNECTION } from '../store-trouble.ts'
import { NotPrimary, type Whereabouts } from './primary.ts'
import { type Line, type LineOptions, NoReply, openLine, within } from './server-connection.ts'

/** A program that the server runs as one step, in Lua. */
export interface Script {
  readonly text: string
  /** The SHA-1 by which the server knows it. */
  readonly sha1: string
}

/** Rows in one step, so that work on many never holds up the server. */
export const BATCH = 500

/** The way to a Redis or Valkey server, made again whenever it is lost. Pairs with `close`. */
export interface RedisLink {
  /** What each key begins with. */
  readonly prefix: string
  /** The reply (`Line.send`). Throws at once while there is no connection, and when no reply comes in time. Nothing is sent twice. */
  send(command: string, args: readonly string[]): Promise<unknown>
  /** Runs a script on the keys under the prefix. */
  run(script: Script, args: readonly (string | number)[]): Promise<unknown>
  /**
   * The same for one that only reads, as `READS` do; undefined where the server knows no such scripts (before Redis 7), or this user may not
   * run them.
   */
  look(script: Script, args: readonly (string | number)[]): Promise<unknown>
  close(): void
}

export interface LinkOptions {
  readonly whereabouts: Whereabouts
  readonly prefix: string
  readonly line: Omit<LineOptions, 'limitMs'>
  /** The address for the log: without the password. */
  readonly shownAs: string
  readonly log: Ports['log']
  /** What to ask first on each new connection; no other command is sent before its answer. */
  readonly greet: (send: RedisLink['send']) => Promise<void>
  /** Called once a new connection serves. */
  readonly onConnected?: () => void
  readonly replyMs?: number
}

/** What keys begin with on one server; 1 is the layout. Two installations on a server have different names. */
export function keysOf(name: string): string {
  return `${name}:1:`
}

/** The server's own time, which all processes share. Throws for an answer that is none. */
export async function serverMs(link: Pick<RedisLink, 'send'>): Promise<number> {
  const time = await link.send('TIME', [])
  const [seconds, micros] = Array.isArray(time) ? time.map(Number) : []
  if (seconds === undefined || micros === undefined) throw new Error('the session store does not say the time')
  return seconds * 1000 + Math.floor(micros / 1000)
}

/** A hash from its reply: names and values in turn. */
export function pairsOf(reply: unknown): readonly (readonly [name: string, value: string])[] {
  const flat = Array.isArray(reply) ? reply.map(String) : []
  return flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? ''] as const] : []))
}

/** A reply that takes longer means that the server hangs or the network swallows: the connection is given up. */
const REPLY_MS = 2000
const CONNECT_MS = 2000
const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 3000

/** How often at most another server is looked for where the one that answers may only be read. */
const LOOK_ELSEWHERE_MS = 1000

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
interface Lines {
  readonly node: RedisNode
  readonly reads: Line
  writes: Promise<Line>
  /** Whether the server has refused scripts that only read. */
  isPlain: boolean
  /** No connection is opened any more. */
  isClosed: boolean
}

/**
 * Keeps a connection to the server that takes writes, and logs when it is lost and when it is back. Writes use another connection: where a
 * server delays writes, later commands on the same connection would wait, too.
 */
export function openRedisLink(options: LinkOptions): RedisLink {
  const { whereabouts, prefix, log, shownAs } = options
  const replyMs = options.replyMs ?? REPLY_MS
  /** Changes nothing, and is refused where nothing may be changed: whether a server takes writes. */
  const tryWriting = ['PEXPIRE', [`${prefix}nothing`, '1']] as const
  let lines: Lines | null = null
  let isClosed = false
  let isDown = false
  let lastFailure: unknown
  let looking: Promise<void> | null = null
  let waitMs = FIRST_WAIT_MS
  let timer: Timer | null = null
  let attempt = 0
  let connecting: Promise<void> = connect()
  whereabouts.onChange = error => {
    if (isClosed) return
    if (error === null) moveOn()
    else if (lines !== null) lose(lines, error)
  }

  function open(node: RedisNode): Promise<Line> {
    return openLine(node, { ...options.line, limitMs: CONNECT_MS })
  }

  async function openWrites(node: RedisNode): Promise<Line> {
    const line = await open(node)
    if (!whereabouts.isChecked || (await isPrimary(line).catch(() => false))) return line
    line.close()
    throw new Error('READONLY the server does not say that it is the primary')
  }

  /** The primary; where none of them is, and it need not be, a replica that can be read. */
  async function openReads(isToWrite: boolean): Promise<Pick<Lines, 'node' | 'reads'>> {
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

  /** Both, greeted. Throws where that cannot be done, and then nothing is left open. */
  async function openLines(isToWrite: boolean): Promise<Lines> {
    const { node, reads } = await openReads(isToWrite)
    const fresh: Lines = { node, reads, writes: openWrites(node), isPlain: false, isClosed: false }
    fresh.writes.catch(() => undefined)
    try {
      if (isToWrite) await sendBy(fresh, ...tryWriting)
      await options.greet((command, args) => sendBy(fresh, command, args))
      // It may have been lost after the last reply and before somebody listened.
      if (!reads.isOpen) throw new Error('Connection closed: at once')
      return fresh
    } catch (error) {
      closeLines(fresh)
      throw error
    }
  }

  async function connect(): Promise<void> {
    const mine = ++attempt
    try {
      const fresh = await openLines(false)
      if (mine !== attempt) return closeLines(fresh)
      use(fresh)
      waitMs = FIRST_WAIT_MS
      if (isDown) log.info('The session store is back', { store: shownAs })
      isDown = false
      options.onConnected?.()
    } catch (error) {
      if (!isClosed && mine === attempt) retry(error)
    }
  }

  function use(fresh: Lines): void {
    fresh.reads.onClose = error => lose(fresh, error)
    lines = isClosed ? null : fresh
    if (isClosed) closeLines(fresh)
  }

  function lose(lost: Lines, error: unknown): void {
    if (lines !== lost) return
    lines = null
    closeLines(lost)
    if (!isClosed) retry(error)
  }

  function retry(error: unknown): void {
    lastFailure = error
    if (!isDown) {
      log.error('The session store cannot be reached: users known here stay signed in, others cannot sign in', {
        store: shownAs,
        ...errorFacts(error),
        hint: hintFor(error),
      })
    }
    isDown = true
    timer = setTimeout(() => {
      connecting = connect()
    }, waitMs)
    timer.unref()
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)
  }

  /** Another server is the primary by now: what was being tried is given up. */
  function moveOn(): void {
    if (lines !== null) {
      void lookElsewhere()
      return
    }
    if (timer !== null) clearTimeout(timer)
    waitMs = FIRST_WAIT_MS
    connecting = connect()
  }

  /**
   * After a failover the primary is another server, while the connection still leads to a read-only one. That one keeps answering until a
   * server is found that accepts writes.
   */
  function lookElsewhere(): Promise<void> {
    looking ??= (lines === null ? Promise.resolve() : leave(lines)).finally(() => {
      looking = null
    })
    return looking
  }

  async function leave(before: Lines): Promise<void> {
    // Lost meanwhile, it is connected to anew.
    while (!isClosed && lines === before) {
      try {
        const found = await openLines(true)
        if (lines !== before) return closeLines(found)
        use(found)
        before.reads.onClose = null
        // What was asked by it may still be answered.
        setTimeout(closeLines, replyMs, before).unref()
        log.info('The session store takes writes elsewhere', { store: shownAs })
        options.onConnected?.()
      } catch {
        if (whereabouts.isAt(before.node)) return Bun.sleep(LOOK_ELSEWHERE_MS)
        await Bun.sleep(FIRST_WAIT_MS)
      }
    }
  }

  async function sendBy(by: Lines, command: string, args: readonly string[]): Promise<unknown> {
    if (isRead(command)) return within(by.reads.send(command, args), replyMs)
    const asked = by.writes
    const line = await within(asked, CONNECT_MS).catch(error => {
      renewWrites(by, asked)
      throw error
    })
    // After the wait for a connection, in which the primary may have become another one. Nothing is sent that it refuses.
    await whereabouts.permitWrite(by.node)
    line.onClose = () => renewWrites(by, asked)
    try {
      return await within(line.send(command, args), replyMs)
    } catch (error) {
      if (error instanceof NoReply) renewWrites(by, asked)
      throw error
    }
  }

  /** The next that writes has another connection, and what waits for this one waits no more. */
  function renewWrites(by: Lines, lost: Promise<Line>): void {
    if (by.isClosed || by.writes !== lost) return
    lost.then(closeLine, () => undefined)
    by.writes = openWrites(by.node)
    by.writes.catch(() => undefined)
  }

  async function send(command: string, args: readonly string[]): Promise<unknown> {
    // A connection attempt may succeed in a moment: a request right after the start is not refused.
    if (lines === null) await connecting
    const current = lines
    if (current === null) throw new Error(NO_CONNECTION + shownAs, { cause: lastFailure })
    try {
      return await sendBy(current, command, args)
    } catch (error) {
      if (error instanceof NoReply && isRead(command)) lose(current, error)
      if (isReplica(error)) void lookElsewhere()
      if (!(error instanceof NotPrimary)) throw error
      // It was not sent.
      await within(lookElsewhere(), replyMs).catch(() => undefined)
      if (lines === null || lines === current) throw error
      return sendBy(lines, command, args)
    }
  }

  async function evaluate({ sha1, text }: Script, args: readonly (string | number)[], suffix: '' | '_RO') {
    const rest = ['1', prefix, ...args.map(String)]
    try {
      return await send(`EVALSHA${suffix}`, [sha1, ...rest])
    } catch (error) {
      // The server has forgotten its scripts, or never knew this one.
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return send(`EVAL${suffix}`, [text, ...rest])
    }
  }

  return {
    prefix,
    send,
    run: (script, args) => evaluate(script, args, ''),
    async look(script, args) {
      const asked = lines
      if (asked?.isPlain === true) return undefined
      try {
        return await evaluate(script, args, '_RO')
      } catch (error) {
        if (!(error instanceof Error && /unknown command|^NOPERM/i.test(error.message))) throw error
        const current = asked ?? lines
        if (current !== null) current.isPlain = true
        return undefined
      }
    },
    close() {
      isClosed = true
      whereabouts.close()
      if (timer !== null) clearTimeout(timer)
      if (lines !== null) closeLines(lines)
      lines = null
    },
  }
}

function hintFor(error: unknown): string {
  const hint = hintOf(error) ?? 'is it running, and does it take this user, password and database number?'
  return `${hint}${hint.endsWith('?') ? ' It' : '; it'} is tried again`
}

/** What a server says of itself: only a primary is written to. */
async function isPrimary(line: Line): Promise<boolean> {
  const role = await within(line.send('ROLE', []), CONNECT_MS)
  return Array.isArray(role) && role[0] === 'master'
}

function closeLine(line: Line): void {
  line.onClose = null
  line.close()
}

function closeLines(lines: Lines): void {
  lines.isClosed = true
  closeLine(lines.reads)
  lines.writes.then(closeLine, () => undefined)
}

/** The server is a replica, also for what a script was to write. */
function isReplica(error: unknown): boolean {
  return error instanceof Error && error.message.includes('READONLY')
}
