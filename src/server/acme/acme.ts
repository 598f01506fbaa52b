import { sha256 } from '../../base/bytes.ts'
import { repeatEvery } from '../../base/repeat.ts'
import type { AcmeConfig, ServerCertificate } from '../../config/types/tls.ts'
import { type AcmeTimers, type OrderTools, orderCertificate } from './order.ts'
import { type SharedStateTools, shareState } from './shared-state.ts'
import { type AcmeState, isDue, newState } from './state.ts'

/** Certificates from an authority, asked for, kept and renewed by themselves. Pairs with `close`. */
export interface Acme {
  /** Those in hand for the names that are wanted now. */
  readonly certificates: readonly ServerCertificate[]
  /** The answer to an authority that looks for its token (http-01); null for any other request. */
  answer(request: Request): Promise<Response> | null
  close(): void
}

export interface AcmeOptions extends Pick<SharedStateTools, 'store' | 'sealer'>, Pick<OrderTools, 'ports'> {
  /** Null while the file names no authority. */
  readonly config: () => AcmeConfig | null
  /** After the certificates are others than before. */
  readonly onChange: () => void
  readonly timers?: AcmeTimers | undefined
}

const DEFAULT_TIMERS: AcmeTimers = { lookMs: 3_000, refusedMs: 5 * 60_000, unreachableMs: 30_000 }

/** Longer than one name takes at most: whoever holds the lease and dies does not stop the others for good. */
const LEASE_MS = 10 * 60_000

const PREFIX = '/.well-known/acme-challenge/'

/**
 * Certificates for the names of the file. What is known is in the session store, sealed, so that processes and machines share it; a
 * lease there lets one alone ask at a time. Any of them answers the authority: an answer takes the account's key and nothing
 * else, so that no token has to be passed around.
 */
export function createAcme(options: AcmeOptions): Acme {
  const { store, sealer, ports, timers = DEFAULT_TIMERS } = options
  const shared = shareState({ store, sealer, ports })
  let shown = ''
  let isClosed = false

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
    return names.flatMap(name => shared.state?.certificates.get(name) ?? [])
  }

  async function look(): Promise<void> {
    const config = options.config()
    if (config === null || isClosed) return
    const known = await shared.read(config)
    tell()
    const isWanted = (found: AcmeState) => config.names.some(name => isDue(found, name, ports.now()))
    if (known !== null && !isWanted(known)) return
    if (config.names.length === 0 || !(await shared.lease(config, ports.now() + LEASE_MS))) return
    try {
      if ((await shared.read(config)) === null) await shared.write(config, newState())
      for (const name of config.names) {
        const current = await shared.read(config)
        if (isClosed || current === null) return
        if (!isDue(current, name, ports.now())) continue
        await shared.lease(config, ports.now() + LEASE_MS)
        await shared.write(config, await orderCertificate(config, current, name, { ports, timers }))
        tell()
      }
    } finally {
      await shared.lease(config, 0)
    }
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
    if (shared.thumbprint === null) await shared.read(config).catch(() => null)
    const { thumbprint } = shared
    if (thumbprint === null) return new Response(null, { status: 404 })
    return new Response(`${token}.${thumbprint}`, { headers: { 'content-type': 'application/octet-stream' } })
  }
}
