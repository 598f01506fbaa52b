/**
 * One connection to one Redis or Valkey server, over the client of the Redis project.
 *
 * Everything that this client does by itself is off: it neither connects again, nor keeps a command for later, nor sends one twice. Its
 * Sentinel and Cluster are not used either: a gate reads where it may not write, and writes only where it has asked.
 */

import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { inTime } from '../../base/maybe-promise.ts'
import type { RedisLogin, RedisNode } from '../../config/values/redis-address.ts'

/** Own authorities, and the certificate that is shown to a server: files that were good when the config file was read. */
export interface RedisTls {
  /** Null: the system's. */
  readonly ca: PemFile | null
  readonly own: { readonly cert: PemFile; readonly key: PemFile } | null
}

/** A file that is read again for each connection, so that a renewed certificate needs no restart. */
export interface PemFile {
  readonly path: string
  /** What was in it, where it cannot be read by now. */
  readonly text: string
}

export interface LineOptions {
  readonly login: RedisLogin
  readonly database: number
  /** Null: none. */
  readonly tls: RedisTls | null
  readonly limitMs: number
}

/** Pairs with `close`. */
export interface Line {
  readonly isOpen: boolean
  /** The reply: texts, numbers, nulls and lists of them, also for a hash. Throws what the server says, or that the connection is lost. */
  send(command: string, args: readonly string[]): Promise<unknown>
  /** Hears what is published; nothing else can be sent from then on. */
  subscribe(channels: readonly string[], heard: (message: string, channel: string) => void): Promise<void>
  /** Called once, unless `close` was called before. */
  onClose: ((error: unknown) => void) | null
  close(): void
}

/** No reply came in time. */
export class NoReply extends Error {}

/** Connects and signs in. Throws where that cannot be done in time. */
export async function openLine(node: RedisNode, { login, database, tls, limitMs }: LineOptions): Promise<Line> {
  // Not before it is needed: most gates keep their sessions in SQLite.
  const { createClient } = await import('@redis/client')
  const client = createClient({
    ...(login.user === '' ? {} : { username: login.user }),
    ...(login.password === '' ? {} : { password: login.password }),
    database,
    // A hash is a list of names and values in turn, whatever its names are.
    RESP: 2,
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    // The limits are ours (`within`): this one would drop a command that waits, and go on with the next.
    commandOptions: { timeout: 0 },
    socket: {
      ...('path' in node ? node : { ...node, ...(tls === null ? {} : tlsOptions(node.host, tls)) }),
      // The limit is ours here, too: a process that was held up would find this one over before it sees that it is connected.
      connectTimeout: ABANDONED_TIMES * limitMs,
      reconnectStrategy: false,
    },
  })
  let isClosed = false
  const line: Line = {
    get isOpen() {
      return client.isReady
    },
    send: (command, args) => client.sendCommand([command, ...args]),
    subscribe: (channels, heard) => client.subscribe([...channels], heard),
    onClose: null,
    close() {
      if (!isClosed) client.destroy()
      isClosed = true
    },
  }
  client.on('error', error => {
    if (isClosed) return
    isClosed = true
    // What waits for a reply hears of this error first.
    queueMicrotask(() => client.destroy())
    line.onClose?.(error)
  })
  const connecting = client.connect()
  try {
    await within(connecting, limitMs)
    return line
  } catch (error) {
    line.close()
    // What connects after that has nobody who would close it.
    void connecting.then(
      () => client.destroy(),
      () => undefined,
    )
    throw error instanceof NoReply ? new Error(`no connection within ${limitMs} ms`) : error
  }
}

/** After so many times the limit, a socket goes that was never connected, and that nobody waits for. */
const ABANDONED_TIMES = 5

function tlsOptions(host: string, { ca, own }: RedisTls) {
  return {
    tls: true as const,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === null ? {} : { ca: textOf(ca) }),
    ...(own === null ? {} : { cert: textOf(own.cert), key: textOf(own.key) }),
  }
}

function textOf({ path, text }: PemFile): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return text
  }
}

/** The result of what is asked of a server. Throws `NoReply` where none comes in time. */
export async function within<T>(work: Promise<T>, limitMs: number): Promise<T> {
  const reply = await inTime(work, limitMs, LATE)
  if (reply === LATE) throw new NoReply(`no reply within ${limitMs} ms`)
  return reply
}

const LATE = Symbol('late')
