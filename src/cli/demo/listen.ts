import type { Server } from 'bun'

/** The loopback addresses that a browser may take `*.localhost` for: it tries both, so whoever answers must hold both. */
const LOOPBACK = ['127.0.0.1', '::1']

/** How often to let the system choose a port, when what it chose on one address was taken on the other. */
const MAX_CHOICES = 10

/** A listener on every loopback address that this machine has, under one port. */
export interface LoopbackListener {
  readonly port: number
  readonly hosts: readonly string[]
  stop(): Promise<void>
}

/** Starts a server on one address; a port of 0 is the system's choice. */
export type ServeOn = (hostname: string, port: number) => Server<undefined>

/**
 * Listens on 127.0.0.1 and, where IPv6 is there, on ::1, under the first of `count` ports from `port` on that is free on both.
 *
 * `port` 0 takes any. Null when every port is taken; throws what else Bun throws.
 */
export function listenOnLoopback(serve: ServeOn, port: number, count: number): LoopbackListener | null {
  const tries = port === 0 ? MAX_CHOICES : count
  for (let index = 0; index < tries; index++) {
    const listener = listenOnce(serve, port === 0 ? 0 : port + index)
    if (listener !== null) return listener
  }
  return null
}

/** Like `listenOnLoopback`, but only looks: nothing listens when it answers. */
export async function findFreePort(
  port: number,
  count: number,
): Promise<{ readonly port: number; readonly hosts: readonly string[] } | null> {
  const probe = listenOnLoopback(
    (hostname, port) => Bun.serve({ hostname, port, fetch: () => new Response() }),
    port,
    count,
  )
  await probe?.stop()
  return probe
}

function listenOnce(serve: ServeOn, port: number): LoopbackListener | null {
  const servers: Server<undefined>[] = []
  try {
    for (const hostname of LOOPBACK) servers.push(serve(hostname, servers[0]?.port ?? port))
  } catch (error) {
    // A machine without IPv6 has no ::1 to hold, and is complete without it.
    if (servers.length === 0 || isTaken(error)) {
      for (const server of servers) void server.stop(true)
      if (isTaken(error)) return null
      throw error
    }
  }
  return {
    port: servers[0]?.port ?? port,
    hosts: LOOPBACK.slice(0, servers.length),
    async stop() {
      await Promise.all(servers.map(server => server.stop(true)))
    },
  }
}

/** Held by someone else, or not ours to hold. */
function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EADDRINUSE' || error.code === 'EACCES')
}
