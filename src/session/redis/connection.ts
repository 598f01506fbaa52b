import { errorFacts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { Partition } from '../records.ts'

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
  /** The reply, converted by Bun. Throws at once while there is no connection, and when no reply comes in time. */
  send(command: string, args: readonly string[]): Promise<unknown>
  /** Runs a script on the keys of one partition. */
  run(script: Script, args: readonly (string | number)[], partition?: Partition): Promise<unknown>
  /**
   * The same for one that only reads, as `READS` do; undefined where the server knows no such scripts (before Redis 7), or this user may not
   * run them.
   */
  look(script: Script, args: readonly (string | number)[]): Promise<unknown>
  close(): void
}

export interface LinkOptions {
  /** With the password. */
  readonly url: string
  /** The address for the log: without the password. */
  readonly shownAs: string
  readonly log: Ports['log']
  /** What to ask first on each new connection; no other command is sent before its answer. */
  readonly greet: (send: RedisLink['send']) => Promise<void>
  /** Called once a new connection serves. */
  readonly onConnected?: () => void
  readonly replyMs?: number
}

/** Where the keys of a partition are: everything is in one place on one server. 1 is the layout. */
export function prefixOf(_partition: Partition): string {
  return 'sallyport:1:'
}

/** The server's own time, which all processes share. Throws for an answer that is none. */
export async function serverMs(link: Pick<RedisLink, 'send'>): Promise<number> {
  const time = await link.send('TIME', [])
  const [seconds, micros] = Array.isArray(time) ? time.map(Number) : []
  if (seconds === undefined || micros === undefined) throw new Error('the session store does not say the time')
  return seconds * 1000 + Math.floor(micros / 1000)
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

/** What changes nothing, and is refused where nothing may be changed: whether a server takes writes. */
const TRY_WRITING = ['PEXPIRE', ['sallyport:1:nothing', '1']] as const

/**
 * A connection for reads, which decides whether the server is reachable, and one for writes, which the next write
 * opens again.
 */
interface Lines {
  readonly reads: Bun.RedisClient
  writes: Promise<Bun.RedisClient>
  /** Whether the server has refused scripts that only read. */
  isPlain: boolean
  /** No connection is opened any more. */
  isClosed: boolean
}

/**
 * Keeps a connection, and logs when it is lost and when it is back. Writes use another connection: where a server
 * delays writes, later commands on the same connection would wait, too.
 *
 * Bun's own reconnecting is off: it gives up after a number of tries, and has no queue and no time limits (Bun 1.4.5).
 * It does not distinguish a wrong password from an unreachable server either, so the hint names both.
 */
export function openRedisLink(options: LinkOptions): RedisLink {
  const { log, shownAs } = options
  const replyMs = options.replyMs ?? REPLY_MS
  let lines: Lines | null = null
  let isClosed = false
  let isDown = false
  let lastFailure: unknown
  let isLooking = false
  let waitMs = FIRST_WAIT_MS
  let timer: Timer | null = null
  let connecting: Promise<void> = connect()

  async function openLine(): Promise<Bun.RedisClient> {
    const fresh = new Bun.RedisClient(options.url, {
      autoReconnect: false,
      enableOfflineQueue: false,
      connectionTimeout: CONNECT_MS,
    })
    try {
      await within(fresh.connect(), CONNECT_MS)
      return fresh
    } catch (error) {
      closeLine(fresh)
      throw error
    }
  }

  /** Both, greeted. Throws where that cannot be done, and then nothing is left open. */
  async function openLines(isToWrite: boolean): Promise<Lines> {
    const reads = await openLine()
    const fresh: Lines = { reads, writes: openLine(), isPlain: false, isClosed: false }
    fresh.writes.catch(() => undefined)
    try {
      if (isToWrite) await sendBy(fresh, ...TRY_WRITING)
      await options.greet((command, args) => sendBy(fresh, command, args))
      // It may have been lost after the last reply and before somebody listened.
      if (!reads.connected) throw new Error('the connection was closed at once')
      return fresh
    } catch (error) {
      closeLines(fresh)
      throw error
    }
  }

  async function connect(): Promise<void> {
    try {
      use(await openLines(false))
      waitMs = FIRST_WAIT_MS
      if (isDown) log.info('The session store is back', { store: shownAs })
      isDown = false
      options.onConnected?.()
    } catch (error) {
      if (!isClosed) retry(error)
    }
  }

  function use(fresh: Lines): void {
    fresh.reads.onclose = error => lose(fresh, error)
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
      log.error('The session store cannot be reached: who is known here stays signed in, nobody else can sign in', {
        store: shownAs,
        ...errorFacts(error),
        hint: 'is it running, and does it take this user, password and database number? It is tried again',
      })
    }
    isDown = true
    timer = setTimeout(() => {
      connecting = connect()
    }, waitMs)
    timer.unref()
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)
  }

  /**
   * After a failover the name may lead to another server, while the connection still leads to a read-only one. That
   * one keeps answering until a server is found that accepts writes.
   */
  async function lookElsewhere(): Promise<void> {
    if (isLooking || isClosed) return
    isLooking = true
    try {
      const found = await openLines(true)
      const before = lines
      use(found)
      if (before !== null) {
        before.reads.onclose = null
        // What was asked by it may still be answered.
        setTimeout(closeLines, replyMs, before).unref()
      }
      log.info('The session store takes writes elsewhere', { store: shownAs })
      options.onConnected?.()
    } catch {
      await Bun.sleep(LOOK_ELSEWHERE_MS)
    } finally {
      isLooking = false
    }
  }

  async function sendBy(by: Lines, command: string, args: readonly string[]): Promise<unknown> {
    if (READS.has(command)) return within(by.reads.send(command, [...args]), replyMs)
    const asked = by.writes
    const line = await within(asked, CONNECT_MS).catch(error => {
      renewWrites(by, asked)
      throw error
    })
    line.onclose = () => renewWrites(by, asked)
    try {
      return await within(line.send(command, [...args]), replyMs)
    } catch (error) {
      if (error instanceof NoReply) renewWrites(by, asked)
      throw error
    }
  }

  /** The next that writes has another connection, and what waits for this one waits no more. */
  function renewWrites(by: Lines, lost: Promise<Bun.RedisClient>): void {
    if (by.isClosed || by.writes !== lost) return
    lost.then(closeLine, () => undefined)
    by.writes = openLine()
    by.writes.catch(() => undefined)
  }

  async function send(command: string, args: readonly string[]): Promise<unknown> {
    // A connection attempt may succeed in a moment: a request right after the start is not refused.
    if (lines === null) await connecting
    const current = lines
    if (current === null) throw new Error(`no connection to ${shownAs}`, { cause: lastFailure })
    try {
      return await sendBy(current, command, args)
    } catch (error) {
      if (error instanceof NoReply && READS.has(command)) lose(current, error)
      if (isReplica(error)) void lookElsewhere()
      throw error
    }
  }

  async function evaluate(
    { sha1, text }: Script,
    args: readonly (string | number)[],
    suffix: '' | '_RO',
    partition: Partition = 'global',
  ) {
    const rest = ['1', prefixOf(partition), ...args.map(String)]
    try {
      return await send(`EVALSHA${suffix}`, [sha1, ...rest])
    } catch (error) {
      // The server has forgotten its scripts, or never knew this one.
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return send(`EVAL${suffix}`, [text, ...rest])
    }
  }

  return {
    send,
    run: (script, args, partition) => evaluate(script, args, '', partition),
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
      if (timer !== null) clearTimeout(timer)
      if (lines !== null) closeLines(lines)
      lines = null
    },
  }
}

function closeLine(line: Bun.RedisClient): void {
  line.onclose = null
  line.close()
}

function closeLines(lines: Lines): void {
  lines.isClosed = true
  closeLine(lines.reads)
  lines.writes.then(closeLine, () => undefined)
}

/** No reply came in time. */
class NoReply extends Error {}

/** The server is a replica, also for what a script was to write. */
function isReplica(error: unknown): boolean {
  return error instanceof Error && error.message.includes('READONLY')
}

async function within<T>(work: Promise<T>, limitMs: number): Promise<T> {
  const { promise: limit, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new NoReply(`no reply within ${limitMs} ms`)), limitMs)
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}
