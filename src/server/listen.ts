import { rmSync, statSync } from 'node:fs'
import { GateError } from '../base/errors.ts'
import type { ListenAddress } from '../config/types.ts'
import type { RelayData } from '../proxy/websocket.ts'

/** What a listener does with a request, in Bun's terms. */
export interface ListenerOptions {
  fetch(request: Request, server: Bun.Server<unknown>): Response | undefined | Promise<Response | undefined>
  /** The answer when a body fails before its head was sent; without it Bun answers in its own words. */
  error?(error: unknown): Response
  readonly websocket?: Bun.WebSocketHandler<RelayData>
  readonly idleTimeoutS?: number
  /** Share the port with other processes of this program. */
  readonly reusePort?: boolean
}

/** How long the head of a request may be, its line and fields together: Bun answers a longer one with 431 by itself. */
export const MAX_HEAD_BYTES = 64 * 1024

/**
 * Raises Bun's limit of 16 KiB for the whole process: cookies and tokens of some applications are longer.
 *
 * Bun 1.4.5 has no option for it in `Bun.serve`; its parser reads what node:http's `maxHeaderSize` is set to, in a compiled
 * executable as from the sources, which `--max-http-header-size` could be given to only in different ways.
 */
function raiseHeadLimit(): void {
  Reflect.set(process.getBuiltinModule('node:http'), 'maxHeaderSize', MAX_HEAD_BYTES)
}

/**
 * Starts one listener. A socket file left by a process that is gone is replaced.
 *
 * Throws `listen.failed` with what to do: port in use, no right to a low port, unknown address.
 */
export function listen(address: ListenAddress, options: ListenerOptions): Bun.Server<unknown> {
  const common = {
    fetch: options.fetch,
    // Bodies stream: their size is the upstream's business, not Bun's default of 128 MiB.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    ...(options.error === undefined ? {} : { error: options.error }),
    ...(options.idleTimeoutS === undefined ? {} : { idleTimeout: options.idleTimeoutS }),
    ...(options.websocket === undefined ? {} : { websocket: options.websocket }),
  }
  raiseHeadLimit()
  try {
    if (address.kind === 'unix') {
      if (statSync(address.path, { throwIfNoEntry: false })?.isSocket() === true) rmSync(address.path)
      return Bun.serve({ ...common, unix: address.path } as Bun.Serve.Options<unknown>)
    }
    return Bun.serve({
      ...common,
      hostname: address.host,
      port: address.port,
      reusePort: options.reusePort ?? false,
    } as Bun.Serve.Options<unknown>)
  } catch (error) {
    throw listenFailed(address, error)
  }
}

/** An address as the file writes it. */
export function addressText(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

function listenFailed(address: ListenAddress, error: unknown): GateError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const where = addressText(address)
  if (code === 'EADDRINUSE') {
    return new GateError('listen.failed', `${where} is already in use`, {
      cause: error,
      hint: 'another program (or another Sallyport) listens there: stop it, or change listen in [server]',
    })
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new GateError('listen.failed', `${where} may not be opened by this user`, {
      cause: error,
      hint: 'ports below 1024 need a capability (setcap cap_net_bind_service=+ep) or a higher port in [server] listen',
    })
  }
  return new GateError('listen.failed', `${where} cannot be opened`, {
    cause: error,
    hint: 'check listen and admin in [server]',
  })
}
