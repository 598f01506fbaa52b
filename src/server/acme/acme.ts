import { randomToken, sha256 } from '../../base/bytes.ts'
import { errorFacts, GateError, toGateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { repeatEvery } from '../../base/repeat.ts'
import type { AcmeConfig, ServerCertificate } from '../../config/types/tls.ts'
import type { Sealer } from '../../session/seal.ts'
import type { SessionStore } from '../../session/store.ts'
import { obtainCertificate, thumbprintOf } from './client.ts'
import { type AcmeState, holdCertificate, isDue, newState, packState, parseState } from './state.ts'

/** Certificates from an authority, asked for, kept and renewed by themselves. Pairs with `close`. */
export interface Acme {
  /** Those in hand for the names that are wanted now. */
  readonly certificates: readonly ServerCertificate[]
  /** The answer to an authority that looks for its token (http-01); null for any other request. */
  answer(request: Request): Promise<Response> | null
  close(): void
}

export interface AcmeTimers {
  /** How often to look what other processes did, and what is due. */
  readonly lookMs: number
  /** The wait after a first failure, doubled with each: when the authority refused, and when it was not even reached. */
  readonly refusedMs: number
  readonly unreachableMs: number
}

export interface AcmeOptions {
  /** Null while the file names no authority. */
  readonly config: () => AcmeConfig | null
  readonly store: Pick<SessionStore, 'readShared' | 'replaceShared'>
  readonly sealer: Sealer
  readonly ports: Pick<Ports, 'fetch' | 'now' | 'random' | 'log'>
  /** After the certificates are others than before. */
  readonly onChange: () => void
  readonly timers?: AcmeTimers | undefined
}

const DEFAULT_TIMERS: AcmeTimers = { lookMs: 3_000, refusedMs: 5 * 60_000, unreachableMs: 30_000 }

const LONGEST_WAIT_MS = 12 * 60 * 60 * 1000

/** Longer than one name takes at most: whoever holds the lease and dies does not stop the others for good. */
const LEASE_MS = 10 * 60_000

const SEALED_MS = 10 * 365 * 24 * 60 * 60 * 1000
const PURPOSE = 'acme'
const PREFIX = '/.well-known/acme-challenge/'

/**
 * Certificates for the names of the file. What is known is in the session store, sealed, so that processes and machines share it; a
 * lease there lets one alone ask at a time. Any of them answers the authority: an answer takes the account's key and nothing
 * else, so that no token has to be passed around.
 */
export function createAcme(options: AcmeOptions): Acme {
  const { store, sealer, ports, timers = DEFAULT_TIMERS } = options
  const owner = randomToken(ports.random)
  let text: string | null = null
  let state: AcmeState | null = null
  let directory = ''
  let thumbprint: string | null = null
  let shown = ''
  let isClosed = false

  const place = (config: AcmeConfig) => `acme-${sha256(config.directory).slice(0, 16)}`

  /** What is kept, read again only where it is another. */
  async function read(config: AcmeConfig): Promise<AcmeState | null> {
    const found = await store.readShared(place(config))
    if (found === text && directory === config.directory) return state
    const opened = found === null ? null : parseState(await sealer.open(found, PURPOSE))
    if (found !== null && opened === null) {
      throw new GateError('session.store', 'the certificates in the session store were sealed with another key', {
        hint: 'every machine needs the same [sessions] key; where that key is lost, begin with a new store',
      })
    }
    text = found
    state = opened
    directory = config.directory
    thumbprint = opened === null ? null : await thumbprintOf(opened.accountKey)
    return state
  }

  async function write(config: AcmeConfig, next: AcmeState): Promise<void> {
    const sealed = await sealer.seal(packState(next), PURPOSE, ports.now() + SEALED_MS)
    if (!(await store.replaceShared(place(config), text, sealed))) {
      throw new GateError('session.store', 'another process changed the certificates at the same time')
    }
    await read(config)
  }

  /** True for one process at a time. */
  async function lease(config: AcmeConfig, untilMs: number): Promise<boolean> {
    const name = `${place(config)}-lease`
    const before = await store.readShared(name)
    const [holder, until] = (before ?? ' 0').split(' ')
    if (holder !== owner && Number(until) > ports.now()) return false
    return await store.replaceShared(name, before, `${owner} ${untilMs}`)
  }

  function tell(): void {
    const now = certificates()
      .map(({ cert }) => sha256(cert))
      .join(' ')
    if (now === shown) return
    shown = now
    options.onChange()
  }

  function certificates(): readonly ServerCertificate[] {
    const names = options.config()?.names ?? []
    return names.flatMap(name => state?.certificates.get(name) ?? [])
  }

  async function look(): Promise<void> {
    const config = options.config()
    if (config === null || isClosed) return
    const known = await read(config)
    tell()
    const isWanted = (found: AcmeState) => config.names.some(name => isDue(found, name, ports.now()))
    if (known !== null && !isWanted(known)) return
    if (config.names.length === 0 || !(await lease(config, ports.now() + LEASE_MS))) return
    try {
      if ((await read(config)) === null) await write(config, newState())
      for (const name of config.names) {
        const current = await read(config)
        if (isClosed || current === null) return
        if (!isDue(current, name, ports.now())) continue
        await lease(config, ports.now() + LEASE_MS)
        await write(config, await order(config, current, name))
        tell()
      }
    } finally {
      await lease(config, 0)
    }
  }

  async function order(config: AcmeConfig, current: AcmeState, name: string): Promise<AcmeState> {
    const { email, ca } = config
    const [held, troubles] = [new Map(current.certificates), new Map(current.troubles)]
    try {
      const account = { directory: config.directory, ca, email, key: current.accountKey }
      const got = holdCertificate(name, await obtainCertificate(name, account, ports))
      held.set(name, got)
      troubles.delete(name)
      ports.log.info('A certificate was obtained', { name, expires: new Date(got.expiresAtMs).toISOString() })
    } catch (thrown) {
      const error = toGateError(thrown)
      const failures = (current.troubles.get(name)?.failures ?? 0) + 1
      const waitMs = waitAfter(error, failures)
      troubles.set(name, { failures, againAtMs: ports.now() + waitMs })
      ports.log.warn('A certificate could not be obtained', {
        name,
        failures,
        again_in_s: Math.round(waitMs / 1000),
        ...errorFacts(error),
      })
    }
    return { accountKey: current.accountKey, certificates: held, troubles }
  }

  /** Doubled each time, up to half a day, a fifth more or less by chance; never sooner than the authority allows. */
  function waitAfter(error: GateError, failures: number): number {
    const first = error.code === 'acme.unreachable' ? timers.unreachableMs : timers.refusedMs
    const doubled = Math.min(first * 2 ** Math.min(failures - 1, 20), LONGEST_WAIT_MS)
    const chance = (ports.random(1)[0] ?? 0) / 255
    return Math.max(doubled * (0.8 + 0.4 * chance), (error.retryAfterS ?? 0) * 1000)
  }

  let looking: Promise<void> | null = null
  const work = () => {
    looking ??= look().finally(() => {
      looking = null
    })
    return looking
  }
  const timer = repeatEvery(timers.lookMs, { what: 'look after certificates', work, log: ports.log })
  // Whatever fails now is told when it fails again.
  const first = setTimeout(() => void work().catch(() => undefined), 0)

  return {
    get certificates() {
      return certificates()
    },
    answer(request) {
      if (!request.url.includes(PREFIX)) return null
      const config = options.config()
      const asked = URL.parse(request.url)
      if (config === null || asked === null || !asked.pathname.startsWith(PREFIX)) return null
      const token = asked.pathname.slice(PREFIX.length)
      // RFC 8555 §8.3: base64url, at least 128 bits. Anything else is the application's own business.
      if (!/^[A-Za-z0-9_-]{20,128}$/.test(token) || !config.names.includes(asked.hostname)) return null
      return answerToken(config, token)
    },
    close() {
      isClosed = true
      clearInterval(timer)
      clearTimeout(first)
    },
  }

  async function answerToken(config: AcmeConfig, token: string): Promise<Response> {
    // The process that asks may have made the account a moment ago.
    if (thumbprint === null) await read(config).catch(() => null)
    if (thumbprint === null) return new Response(null, { status: 404 })
    return new Response(`${token}.${thumbprint}`, { headers: { 'content-type': 'application/octet-stream' } })
  }
}
