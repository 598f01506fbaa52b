import type { Server } from 'bun'

/** The loopback addresses that a browser may take `*.localhost` for: it tries both, so whoever answers must hold both. */
const LOOPBACK = ['127.0.0.1', '::1']

/** A listener on every loopback address that this machine has, under one port. */
export interface LoopbackListener {
  readonly port: number
  readonly hosts: readonly string[]
  stop(): Promise<void>
}

/**
 * Listens on one port of 127.0.0.1 and, where IPv6 is there, of ::1.
 *
 * `port` 0 takes any port that is free on both. Throws what Bun throws, with code EADDRINUSE where a port is taken.
 */
export function listenOnLoopback<T>(
  port: number,
  serve: (hostname: string, port: number) => Server<T>,
): LoopbackListener {
  for (let attempt = 0; ; attempt++) {
    const servers: Server<T>[] = []
    try {
      for (const hostname of LOOPBACK) {
        try {
          servers.push(serve(hostname, servers[0]?.port ?? port))
        } catch (error) {
          // A machine without IPv6 has no ::1 to hold; every other failure is one.
          if (hostname !== '::1' || codeOf(error) === 'EADDRINUSE') throw error
        }
      }
      return {
        port: servers[0]?.port ?? port,
        hosts: LOOPBACK.slice(0, servers.length),
        async stop() {
          await Promise.all(servers.map(server => server.stop(true)))
        },
      }
    } catch (error) {
      for (const server of servers) void server.stop(true)
      if (port !== 0 || attempt === 10) throw error
    }
  }
}

/** The first port from `port` on that nobody holds on any loopback address; null when none of twenty is free. */
export async function findFreePort(
  port: number,
): Promise<{ readonly port: number; readonly hosts: readonly string[] } | null> {
  for (let candidate = port; candidate < port + 20 && candidate <= 65_535; candidate++) {
    const probe = tryPort(candidate)
    if (probe === null) continue
    await probe.stop()
    return { port: probe.port, hosts: probe.hosts }
  }
  return null
}

function tryPort(port: number): LoopbackListener | null {
  try {
    return listenOnLoopback(port, (hostname, port) => Bun.serve({ hostname, port, fetch: () => new Response() }))
  } catch (error) {
    if (codeOf(error) === 'EADDRINUSE' || codeOf(error) === 'EACCES') return null
    throw error
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
