import { errorFacts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'

/** A program that the server runs as one step, in Lua. */
export interface Script {
  readonly text: string
  /** The SHA-1 by which the server knows it. */
  readonly sha1: string
}

/** Rows in one step, so that work on many never holds up the server. */
export const BATCH = 500

/** One connection to a Redis or Valkey server, made again whenever it is lost. Pairs with `close`. */
export interface RedisLink {
  /** The reply, converted by Bun. Throws at once while there is no connection, and when no reply comes in time. */
  send(command: string, args: readonly string[]): Promise<unknown>
  run(script: Script, args: readonly (string | number)[]): Promise<unknown>
  close(): void
}

export interface LinkOptions {
  /** With the password. */
  readonly url: string
  /** The address for the log: without the password. */
  readonly shownAs: string
  readonly log: Ports['log']
  /** What to ask first on each new connection; nobody else is served before it is answered. */
  readonly greet: (send: RedisLink['send']) => Promise<void>
  /** Called once a new connection serves. */
  readonly onConnected?: () => void
  readonly replyMs?: number
}

/** A reply that takes longer means that the server hangs or the network swallows: the connection is given up. */
const REPLY_MS = 2000
const CONNECT_MS = 2000
const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 3000

/**
 * Keeps one connection, and tells the log when it is lost and when it is back.
 *
 * Bun's own reconnecting is off: it gives up after a number of tries, and queues or times out nothing (Bun 1.4.5). Neither does it
 * tell a wrong password from a server that is away, so the hint names both.
 */
export function openRedisLink(options: LinkOptions): RedisLink {
  const { log, shownAs } = options
  const replyMs = options.replyMs ?? REPLY_MS
  let client: Bun.RedisClient | null = null
  let isClosed = false
  let isDown = false
  let waitMs = FIRST_WAIT_MS
  let timer: Timer | null = null
  let connecting: Promise<void> = connect()

  async function connect(): Promise<void> {
    const fresh = new Bun.RedisClient(options.url, {
      autoReconnect: false,
      enableOfflineQueue: false,
      connectionTimeout: CONNECT_MS,
    })
    try {
      await within(fresh.connect(), CONNECT_MS)
      await options.greet((command, args) => within(fresh.send(command, [...args]), replyMs))
      if (isClosed) return fresh.close()
      fresh.onclose = error => lose(fresh, error)
      // It may have been lost after the last reply and before somebody listened.
      if (!fresh.connected) throw new Error('the connection was closed at once')
      client = fresh
      waitMs = FIRST_WAIT_MS
      if (isDown) log.info('The session store is back', { store: shownAs })
      isDown = false
      options.onConnected?.()
    } catch (error) {
      fresh.onclose = null
      fresh.close()
      if (!isClosed) retry(error)
    }
  }

  function lose(lost: Bun.RedisClient, error: unknown): void {
    lost.onclose = null
    if (client === lost) {
      client = null
      lost.close()
      if (!isClosed) retry(error)
    }
  }

  function retry(error: unknown): void {
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

  async function ask<T>(call: (client: Bun.RedisClient) => Promise<T>): Promise<T> {
    // An attempt that is under way may succeed in a moment: whoever comes right after the start is not turned away.
    if (client === null) await connecting
    const current = client
    if (current === null) throw new Error(`no connection to ${shownAs}`)
    try {
      return await within(call(current), replyMs)
    } catch (error) {
      if (error instanceof NoReply || isReplica(error)) lose(current, error)
      throw error
    }
  }

  return {
    send: (command, args) => ask(current => current.send(command, [...args])),
    async run(script, args) {
      const rest = ['0', ...args.map(String)]
      try {
        return await ask(current => current.send('EVALSHA', [script.sha1, ...rest]))
      } catch (error) {
        // The server has forgotten its scripts, or never knew this one.
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
        return ask(current => current.send('EVAL', [script.text, ...rest]))
      }
    },
    close() {
      isClosed = true
      if (timer !== null) clearTimeout(timer)
      if (client !== null) client.onclose = null
      client?.close()
      client = null
    },
  }
}

/** No reply came in time. */
class NoReply extends Error {}

/** After a failover the name leads elsewhere, but the connection still to the server that may no longer write. */
function isReplica(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('READONLY')
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
