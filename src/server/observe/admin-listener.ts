/** The admin listener: `/healthz`, `/readyz`, `/metrics`, `/config` and `/status.json`. */

import { basename } from 'node:path'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { canonicalAddress, isLoopbackHost } from '../../base/net.ts'
import type { ListenAddress } from '../../config/values/listen.ts'
import type { FileState } from '../config/file-state.ts'
import type { ReloadState } from '../config/reload.ts'
import { listen } from '../listen/listen.ts'
import { type Family, simpleFamily } from './metric-family.ts'
import { formatFor } from './prometheus.ts'
import { type Status, type StatusFacts, type StatusFrame, tellStatus } from './status.ts'

/** What the admin listener shows, of one process or of several together. */
export interface AdminSources {
  /** Null when requests are taken, else why not, in a few words. */
  unready(): MaybePromise<string | null>
  /** Damaged session databases that were set aside and still exist. They keep no user out. */
  damaged(): readonly string[]
  config(): MaybePromise<ConfigState>
  metrics(): MaybePromise<readonly Family[]>
  /** What this process says of the gate, or all that answer. */
  status(): MaybePromise<readonly StatusFacts[]>
  /** Processes that take requests, and how many there should be. */
  workers(): StatusFrame['workers']
}

/** The current file, in the words of the answer. */
export interface ConfigState {
  readonly fingerprint: string
  readonly routes: number
  /** Its path. */
  readonly file: string
  /** RFC 3339, as `last_read` is. */
  readonly in_force_since: string
  readonly last_read: string
  readonly on_disk: FileState['onDisk']
  /** Keys whose current value differs from the one at the start, and which need a restart. */
  readonly needs_restart: readonly string[]
  /** Why the last save is not in use; null when it is. */
  readonly refused: string | null
}

/** What `/config` says of a file that is followed. */
export function configState(
  { fingerprint, routeCount }: { readonly fingerprint: string; readonly routeCount: number },
  { atMs, inForceSinceMs, refusal }: ReloadState,
  { path, onDisk, needsRestart }: FileState,
): ConfigState {
  return {
    fingerprint,
    routes: routeCount,
    file: path,
    in_force_since: new Date(inForceSinceMs).toISOString(),
    last_read: new Date(atMs).toISOString(),
    on_disk: onDisk,
    needs_restart: needsRestart,
    refused: refusal,
  }
}

/**
 * The admin listener: `/healthz` (alive), `/readyz` (ready for requests; 503 names the part that is not), `/config`
 * (the current file, and why the last save was refused), `/metrics`, `/status.json`. Never on the other listeners.
 * Throws `listen.failed`.
 *
 * It changes nothing. It refuses a request with an Origin, which only a web page sends, and one for a host that is not
 * the listener's: a page whose name was pointed here (DNS rebinding) sends no Origin to its own host.
 */
export function openAdmin(
  address: ListenAddress,
  sources: AdminSources,
  about: AboutProgram,
  socket: number | null = null,
): Bun.Server<unknown> {
  const fetch = answersOf(sources, about, address)
  return listen(address, {
    socket,
    fetch: async (request, server) => {
      // Else Bun 1.4.5 resets the connection after ten seconds, which a slow store or a busy machine may take.
      server.timeout(request, ANSWER_S)
      // Who asks comes seldom, and is to find the process that serves by then.
      return withClose(await fetch(request))
    },
  })
}

/** How long an answer may take: who asks gives up before. */
const ANSWER_S = 120

function withClose(answer: Response): Response {
  answer.headers.set('connection', 'close')
  return answer
}

function answersOf(
  sources: AdminSources,
  about: AboutProgram,
  address: ListenAddress,
): (request: Request) => Promise<Response> {
  return async request => {
    if (request.headers.has('origin')) return text(403, 'not for web pages\n')
    const host = request.headers.get('host') ?? ''
    // Without Host (HTTP/1.0) Bun gives only the path.
    const path = (request.url.startsWith('/') ? request.url : request.url.slice(request.url.indexOf('/', 8))).split(
      '?',
    )[0]
    // HAProxy's plain `option httpchk` sends none; a browser always does.
    const isProbe = host === '' && (path === '/healthz' || path === '/readyz')
    if (!isProbe && !isOwnHost(host, address, about.hosts())) return text(403, FOREIGN_HOST)
    if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'read only\n')
    switch (path) {
      case '/healthz':
        return text(200, 'ok\n')
      case '/readyz': {
        const unready = await sources.unready()
        const notes = sources.damaged().map(path => `note: ${basename(path)} was damaged: see docs/operations.md\n`)
        return text(unready === null ? 200 : 503, [`${unready ?? 'ready'}\n`, ...notes].join(''))
      }
      case '/config':
        return Response.json(await sources.config())
      case '/metrics':
        return tellMetrics(request, sources)
      case '/status.json':
        return Response.json(await readStatus(sources, about))
      default:
        return text(404, '/healthz /readyz /config /metrics /status.json\n')
    }
  }
}

/** What the listener needs to know of the program. */
export interface AboutProgram {
  readonly version: string
  /** The names, and further addresses, by which the listener may be asked; in lower case, IPv6 in brackets. */
  hosts(): readonly string[]
  now(): number
}

async function tellMetrics(request: Request, sources: AdminSources): Promise<Response> {
  const [unready, families] = await Promise.all([sources.unready(), sources.metrics()])
  const ready = simpleFamily(
    'gauge',
    'sallyport_ready',
    'Whether /readyz says so: 1, or 0 for a part that is not.',
    unready === null ? 1 : 0,
  )
  const { contentType, render } = formatFor(request.headers.get('accept'))
  return new Response(render([...families, ready]), { headers: { 'content-type': contentType, vary: 'accept' } })
}

async function readStatus(sources: AdminSources, { version, now }: AboutProgram): Promise<Status> {
  const [unready, config, facts] = await Promise.all([sources.unready(), sources.config(), sources.status()])
  const { in_force_since, on_disk, refused } = config
  const frame = {
    version,
    unready,
    workers: sources.workers(),
    config: { in_force_since, on_disk, refused: refused !== null },
  }
  return tellStatus(facts, frame, now())
}

const FOREIGN_HOST =
  'Host is not known here: ask by localhost or the address, or name the host in admin_hosts of [server]\n'

/**
 * Whether a Host field names this machine, the listener's address, or one of these hosts. No page reaches a local
 * socket. A listener on every address, or on a name, accepts any address: a page is always pointed here by a name.
 */
export function isOwnHost(hostField: string, address: ListenAddress, hosts: readonly string[]): boolean {
  if (address.kind === 'unix') return true
  const host = unbracketed(hostField.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, ''))
  if (host === '') return false
  if (isLoopbackHost(host)) return true
  const literal = canonicalAddress(host)
  if (hosts.some(one => unbracketed(one) === (literal ?? host))) return true
  const own = canonicalAddress(address.host)
  if (own === null) return literal !== null || host === address.host.toLowerCase()
  return own === '0.0.0.0' || own === '::' ? literal !== null : literal === own
}

function unbracketed(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

function text(status: number, body: string): Response {
  return new Response(body, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } })
}
