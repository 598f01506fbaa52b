/** ACME: certificates from an authority, obtained and renewed (RFC 8555). */

import type { AcmeConfig } from '../../config/resolve/tls.ts'
import type { ServerCertificate } from '../../config/values/certificate.ts'
import type { Target } from '../../route/target.ts'
import type { Proof } from './authority/obtain.ts'
import { type DnsPorts, proveByDns } from './dns/prove.ts'
import { type AcmeTimers, type OrderTools, orderCertificate } from './order.ts'
import { followRenewals, workWhenDue } from './renewals.ts'
import { type AcmeState, askAtMs, dueAtMs, newState, type SharedStateTools, shareState } from './state.ts'

/** Certificates from an authority, asked for, kept and renewed by themselves. Pairs with `close`. */
export interface Acme {
  /** Those in hand for the names that are wanted now. */
  readonly certificates: readonly ServerCertificate[]
  /** The answer to an authority that looks for its token by plain HTTP (http-01); null for any other request. */
  answer(
    target: Pick<Target, 'host' | 'path'>,
    listener: { readonly protocol: string | null },
  ): Promise<Response> | null
  /** Looks at once: the file may name others. */
  wake(): void
  close(): void
}

export interface AcmeOptions extends Pick<SharedStateTools, 'store' | 'sealer'> {
  readonly ports: OrderTools['ports'] & DnsPorts
  /** Null while the file names no authority. */
  readonly config: () => AcmeConfig | null
  /** The certificates may be others than before. */
  readonly onLook: () => void
  readonly timers?: AcmeTimers | undefined
}

const DEFAULT_TIMERS: AcmeTimers = { lookMs: 3_000, refusedMs: 5 * 60_000, unreachableMs: 30_000 }

/** By http-01 any process answers for the one that asks, with the account's key and nothing else. */
const PROOF_BY_HTTP: Proof = { challenge: 'http-01', offer: async () => async () => {} }

/** Longer than one name takes at most: a process that dies with the lease does not stop the others for good. */
const LEASE_MS = 10 * 60_000

const PREFIX = '/.well-known/acme-challenge/'

/** The store is read so often at most for those who ask here, as anybody can. */
const READ_EACH_MS = 250

/**
 * Certificates for the names of the file. Their state is in the session store, sealed, so that processes and machines
 * share it. A lease there lets only one of them order at a time. Each of them can answer the authority: an answer
 * needs only the account's key, so no token has to be shared.
 */
export function createAcme(options: AcmeOptions): Acme {
  const { store, sealer, ports, timers = DEFAULT_TIMERS } = options
  const shared = shareState({ store, sealer, ports })
  let isClosed = false
  /** Ends when the store may be read for those who ask. */
  let turn: Promise<unknown> = Promise.resolve()
  /** The next such read, while it has not begun. */
  let next: Promise<unknown> | null = null

  function certificates(): readonly ServerCertificate[] {
    const names = options.config()?.names ?? []
    return names.flatMap(name => shared.state?.certificates.get(name) ?? [])
  }

  /** What is due; answers how long nothing will be. */
  async function look(): Promise<number> {
    const config = options.config()
    if (config === null || isClosed) return Number.POSITIVE_INFINITY
    const known = await shared.read(config)
    options.onLook()
    const waitMs = waitOf(config, known)
    if (waitMs > 0 || !(await shared.lease(config, ports.now() + LEASE_MS))) return waitMs
    try {
      if ((await shared.read(config)) === null) await shared.write(config, newState())
      await order(config)
      await follow(config)
    } finally {
      await shared.lease(config, 0)
    }
    return waitOf(config, shared.state)
  }

  function waitOf({ names }: AcmeConfig, known: AcmeState | null): number {
    if (names.length === 0) return Number.POSITIVE_INFINITY
    if (known === null) return 0
    const nowMs = ports.now()
    const moments = names.map(name => Math.min(dueAtMs(known, name, nowMs), askAtMs(known, name, nowMs)))
    return Math.max(0, Math.min(...moments) - nowMs)
  }

  async function order(config: AcmeConfig): Promise<void> {
    const proof = config.dns === null ? PROOF_BY_HTTP : proveByDns(config.dns, ports)
    for (const name of config.names) {
      const current = await shared.read(config)
      if (isClosed || current === null) return
      if (dueAtMs(current, name, ports.now()) > ports.now()) continue
      await shared.lease(config, ports.now() + LEASE_MS + (config.dns?.waitMs ?? 0))
      await shared.write(config, await orderCertificate(config, current, name, { ports, timers, proof }))
      options.onLook()
    }
  }

  async function follow(config: AcmeConfig): Promise<void> {
    const current = await shared.read(config)
    if (isClosed || current === null) return
    if (config.names.every(name => askAtMs(current, name, ports.now()) > ports.now())) return
    await shared.write(config, await followRenewals(config, current, config.names, ports))
  }

  const { log } = ports
  const sleeper = workWhenDue({ what: 'look after certificates', work: look, leastMs: timers.lookMs, log })

  return {
    get certificates() {
      return certificates()
    },
    answer({ host, path }, listener) {
      const config = path.startsWith(PREFIX) && listener.protocol !== 'https' ? options.config() : null
      if (config === null || config.dns !== null) return null
      const token = path.slice(PREFIX.length)
      // RFC 8555 §8.3: base64url, at least 128 bits. Anything else is the application's own business.
      if (!/^[A-Za-z0-9_-]{20,128}$/.test(token) || !config.names.includes(host)) return null
      return answerToken(config, token)
    },
    wake: sleeper.wake,
    close() {
      isClosed = true
      sleeper.close()
    },
  }

  async function answerToken(config: AcmeConfig, token: string): Promise<Response> {
    next ??= turn.then(() => readForAll(config))
    await next
    const { thumbprint } = shared
    if (thumbprint === null) return new Response(null, { status: 404 })
    return new Response(`${token}.${thumbprint}`, { headers: { 'content-type': 'application/octet-stream' } })
  }

  /**
   * The ordering process may have created the account a moment ago, and others do not look before something is due: so
   * everybody waits for a read that began after they came.
   */
  async function readForAll(config: AcmeConfig): Promise<void> {
    next = null
    const read = shared.read(options.config() ?? config).catch(() => null)
    turn = Promise.all([read, Bun.sleep(READ_EACH_MS)])
    await read
  }
}
