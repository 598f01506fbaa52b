/** The connection to Redis or Valkey: commands and scripts at the primary, and what is tried again. */

import { errorFacts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { hintOf, NO_CONNECTION } from '../store-trouble.ts'
import { closePair, createLinePairs, isRead, type LinePair, type LinePairOptions, type LinePairs } from './line-pair.ts'
import { NotPrimary } from './primary.ts'
import { NoReply, within } from './server-connection.ts'

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

export interface LinkOptions extends LinePairOptions {
  /** The address for the log: without the password. */
  readonly shownAs: string
  readonly log: Ports['log']
  /** Called once a new connection serves. */
  readonly onConnected?: () => void
  /** How long a reply or a connection may take; two seconds when absent. */
  readonly replyMs?: number | undefined
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
const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 3000

/** A write that a server has acknowledged too late: another has taken its place, and may lack it. */
export class TakenOver extends Error {}

/** How often at most another server is looked for where the one that answers may only be read. */
const LOOK_ELSEWHERE_MS = 1000

/**
 * Keeps a connection to the server that takes writes, and logs when it is lost and when it is back. Writes use another connection: where a
 * server delays writes, later commands on the same connection would wait, too.
 */
export function openRedisLink(options: LinkOptions): RedisLink {
  const connection = new Connection(options)
  const { prefix } = options

  async function evaluate({ sha1, text }: Script, args: readonly (string | number)[], suffix: '' | '_RO') {
    const rest = ['1', prefix, ...args.map(String)]
    try {
      return await connection.send(`EVALSHA${suffix}`, [sha1, ...rest])
    } catch (error) {
      // The server has forgotten its scripts, or never knew this one.
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return connection.send(`EVAL${suffix}`, [text, ...rest])
    }
  }

  return {
    prefix,
    send: (command, args) => connection.send(command, args),
    run: (script, args) => evaluate(script, args, ''),
    async look(script, args) {
      const asked = connection.lines
      if (asked?.isPlain === true) return undefined
      try {
        return await evaluate(script, args, '_RO')
      } catch (error) {
        if (!(error instanceof Error && /unknown command|^NOPERM/i.test(error.message))) throw error
        const current = asked ?? connection.lines
        if (current !== null) current.isPlain = true
        return undefined
      }
    },
    close: () => connection.close(),
  }
}

/** The lines to the present primary, which are opened again whenever they are lost. */
class Connection {
  /** Null while there are none. */
  lines: LinePair | null = null
  readonly #options: LinkOptions
  readonly #replyMs: number
  readonly #pairs: LinePairs
  #isClosed = false
  #isDown = false
  #lastFailure: unknown
  #looking: Promise<void> | null = null
  #waitMs = FIRST_WAIT_MS
  #timer: Timer | null = null
  #attempt = 0
  /** How often a server was greeted. */
  #greetings = 0
  #connecting: Promise<void>

  constructor(options: LinkOptions) {
    this.#options = options
    this.#replyMs = options.replyMs ?? REPLY_MS
    const greet: LinkOptions['greet'] = send => {
      this.#greetings++
      return options.greet(send)
    }
    this.#pairs = createLinePairs({ ...options, greet }, this.#replyMs)
    this.#connecting = this.#connect()
    options.whereabouts.onChange = error => {
      if (this.#isClosed) return
      if (error === null) this.#moveOn()
      else if (this.lines !== null) this.#lose(this.lines, error)
    }
  }

  async send(command: string, args: readonly string[]): Promise<unknown> {
    // A connection attempt may succeed in a moment: a request right after the start is not refused.
    if (this.lines === null) await this.#connecting
    const current = this.lines
    if (current === null) throw new Error(NO_CONNECTION + this.#options.shownAs, { cause: this.#lastFailure })
    try {
      return await this.#sendBy(current, command, args)
    } catch (error) {
      if (error instanceof NoReply && isRead(command)) this.#lose(current, error)
      // One that has been left by now says so late, and is no reason to leave the one after it.
      if (isReplica(error) && this.lines === current) void this.#lookElsewhere()
      if (!(error instanceof NotPrimary)) throw error
      // It was not sent.
      await within(this.#lookElsewhere(), this.#replyMs).catch(() => undefined)
      if (this.lines === null || this.lines === current) throw error
      return this.#sendBy(this.lines, command, args)
    }
  }

  async #sendBy(pair: LinePair, command: string, args: readonly string[]): Promise<unknown> {
    const before = this.#greetings
    const reply = await this.#pairs.sendBy(pair, command, args)
    // The next server was told before what has ended, and may never get this.
    if (this.#greetings !== before && !isRead(command))
      throw new TakenOver('another server had taken over before the answer came')
    return reply
  }

  close(): void {
    this.#isClosed = true
    this.#options.whereabouts.close()
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.lines !== null) closePair(this.lines)
    this.lines = null
  }

  async #connect(): Promise<void> {
    const { log, shownAs, onConnected } = this.#options
    const mine = ++this.#attempt
    try {
      const fresh = await this.#pairs.open(false)
      if (mine !== this.#attempt) return closePair(fresh)
      this.#use(fresh)
      this.#waitMs = FIRST_WAIT_MS
      if (this.#isDown) log.info('The session store is back', { store: shownAs })
      this.#isDown = false
      onConnected?.()
    } catch (error) {
      if (!this.#isClosed && mine === this.#attempt) this.#retry(error)
    }
  }

  #use(fresh: LinePair): void {
    fresh.reads.onClose = error => this.#lose(fresh, error)
    this.lines = this.#isClosed ? null : fresh
    if (this.#isClosed) closePair(fresh)
  }

  #lose(lost: LinePair, error: unknown): void {
    if (this.lines !== lost) return
    this.lines = null
    closePair(lost)
    if (!this.#isClosed) this.#retry(error)
  }

  #retry(error: unknown): void {
    this.#lastFailure = error
    if (!this.#isDown) {
      const { log, shownAs } = this.#options
      log.error('The session store cannot be reached: users known here stay signed in, others cannot sign in', {
        store: shownAs,
        ...errorFacts(error),
        hint: hintFor(error),
      })
    }
    this.#isDown = true
    this.#timer = setTimeout(() => {
      this.#connecting = this.#connect()
    }, this.#waitMs)
    this.#timer.unref()
    this.#waitMs = Math.min(this.#waitMs * 2, LONGEST_WAIT_MS)
  }

  /** Another server is the primary by now: what was being tried is given up. */
  #moveOn(): void {
    if (this.lines !== null) {
      void this.#lookElsewhere()
      return
    }
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#waitMs = FIRST_WAIT_MS
    this.#connecting = this.#connect()
  }

  /**
   * After a failover the primary is another server, while the connection still leads to a read-only one. That one keeps answering until a
   * server is found that accepts writes.
   */
  #lookElsewhere(): Promise<void> {
    this.#looking ??= (this.lines === null ? Promise.resolve() : this.#leave(this.lines)).finally(() => {
      this.#looking = null
    })
    return this.#looking
  }

  async #leave(before: LinePair): Promise<void> {
    const { whereabouts, log, shownAs, onConnected } = this.#options
    // Lost meanwhile, it is connected to anew.
    while (!this.#isClosed && this.lines === before) {
      try {
        const found = await this.#pairs.open(true)
        if (this.lines !== before) return closePair(found)
        this.#use(found)
        before.reads.onClose = null
        // What was asked by it may still be answered.
        setTimeout(closePair, this.#replyMs, before).unref()
        log.info('The session store takes writes elsewhere', { store: shownAs })
        onConnected?.()
      } catch {
        if (whereabouts.isAt(before.node)) return Bun.sleep(LOOK_ELSEWHERE_MS)
        await Bun.sleep(FIRST_WAIT_MS)
      }
    }
  }
}

function hintFor(error: unknown): string {
  const hint = hintOf(error) ?? 'is it running, and does it take this user, password and database number?'
  return `${hint}${hint.endsWith('?') ? ' It' : '; it'} is tried again`
}

/** The server is a replica, also for what a script was to write. */
function isReplica(error: unknown): boolean {
  return error instanceof Error && error.message.includes('READONLY')
}
