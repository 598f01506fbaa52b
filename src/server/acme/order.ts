/** Orders a certificate for one process of all, and waits longer after each failure. */

import { errorFacts, type GateError, toGateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { AcmeConfig } from '../../config/resolve/tls.ts'
import { obtainCertificate, type Proof } from './authority/obtain.ts'
import { certificateId } from './authority/renewal-info.ts'
import { type AcmeState, type HeldCertificate, holdCertificate } from './state.ts'

export interface AcmeTimers {
  /** How soon to look again while something is due that another process may be doing, or after a failure of the store. */
  readonly lookMs: number
  /** The wait after a first failure, doubled with each: when the authority refused, and when it was not even reached. */
  readonly refusedMs: number
  readonly unreachableMs: number
}

/** What asking takes, and how long to wait after it was in vain. */
export interface OrderTools {
  readonly ports: Pick<Ports, 'ask' | 'now' | 'random' | 'log'>
  readonly timers: AcmeTimers
  readonly proof: Proof
}

const DAY_MS = 24 * 60 * 60 * 1000
const LONGEST_WAIT_MS = 12 * 60 * 60 * 1000

/** The state after an order for a name: with the certificate, or with the time of the next try. It logs both. */
export async function orderCertificate(
  config: AcmeConfig,
  current: AcmeState,
  name: string,
  { ports, timers, proof }: OrderTools,
): Promise<AcmeState> {
  const [held, troubles, renewals] = [
    new Map(current.certificates),
    new Map(current.troubles),
    new Map(current.renewals),
  ]
  try {
    const before = held.get(name)
    const replaces = before === undefined ? null : certificateId(before.cert)
    const account = { ...config, key: current.accountKey }
    const got = holdCertificate(name, await obtainCertificate(name, account, { ports, proof, replaces }))
    held.set(name, got)
    troubles.delete(name)
    // An authority that would have each new certificate renewed at once is not asked for one after another.
    if (before !== undefined) troubles.set(name, { failures: 0, againAtMs: ports.now() + restMs(got) })
    renewals.delete(name)
    ports.log.info('A certificate was obtained', { name, expires: new Date(got.expiresAtMs).toISOString() })
  } catch (thrown) {
    const error = toGateError(thrown)
    const failures = (current.troubles.get(name)?.failures ?? 0) + 1
    const waitMs = waitAfter(error, failures, { ports, timers })
    troubles.set(name, { failures, againAtMs: ports.now() + waitMs })
    ports.log.warn('A certificate could not be obtained', {
      name,
      failures,
      again_in_s: Math.round(waitMs / 1000),
      ...errorFacts(error),
    })
  }
  return { accountKey: current.accountKey, certificates: held, troubles, renewals }
}

/** How long a replacement certificate is kept, regardless of the authority. */
function restMs({ validFromMs, expiresAtMs }: HeldCertificate): number {
  return Math.min(DAY_MS, (expiresAtMs - validFromMs) / 10)
}

/** Doubled each time, up to half a day, a fifth more or less by chance; never sooner than the authority allows. */
function waitAfter(
  error: GateError,
  failures: number,
  { ports, timers }: Pick<OrderTools, 'ports' | 'timers'>,
): number {
  const first = error.code === 'acme.unreachable' ? timers.unreachableMs : timers.refusedMs
  const doubled = Math.min(first * 2 ** Math.min(failures - 1, 20), LONGEST_WAIT_MS)
  const chance = (ports.random(1)[0] ?? 0) / 255
  return Math.max(doubled * (0.8 + 0.4 * chance), (error.retryAfterS ?? 0) * 1000)
}
