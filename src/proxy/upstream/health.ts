/** Whether the addresses of an upstream are healthy: health checks ask them, and requests report failures. */

import { messageOf } from '../../base/errors.ts'
import type { Asking } from '../../base/http-client.ts'
import type { Log, Ports } from '../../base/ports.ts'
import { timeLimit } from '../../base/time-limit.ts'
import type { HealthConfig } from '../../config/keys/upstreams.ts'
import { noteAnswer, type Origin } from './origin.ts'

/** What a check needs of its upstream: its name in the log, its addresses, and the Authorization to send. */
interface CheckedUpstream {
  readonly label: string
  readonly origins: readonly Origin[]
  readonly authorization: string | null
}

/** Running checks of one upstream. Pairs with `close`. */
export interface HealthChecks {
  close(): void
}

/**
 * Checks the health of every address separately, first after `waitMs` and then at its interval, and sets `isUnwell`.
 *
 * It logs each change. It follows no redirect, and HTTP_PROXY does not apply. Only the status of an answer counts. An
 * address is healthy until enough checks in a row fail.
 */
export function openHealthChecks(
  upstream: CheckedUpstream,
  config: HealthConfig,
  ports: Pick<Ports, 'ask' | 'log'>,
  waitMs = 0,
): HealthChecks {
  const { label, origins, authorization } = upstream
  const closing = new AbortController()
  const timers = new Set<Timer>()

  function watch(origin: Origin): void {
    let good = 0
    let bad = 0
    async function ask(): Promise<void> {
      const fault = await faultOf(origin, authorization, config, ports, closing.signal)
      if (closing.signal.aborted) return
      if (fault === null && origin.failures < 0) noteAnswer(origin)
      ;[good, bad] = fault === null ? [good + 1, 0] : [0, bad + 1]
      if (!origin.isUnwell && bad >= config.unhealthyAfter) tell(ports.log, label, origin, fault)
      else if (origin.isUnwell && good >= config.healthyAfter) tell(ports.log, label, origin, null)
      askAfter(config.intervalMs)
    }
    function askAfter(ms: number): void {
      const timer = setTimeout(() => {
        timers.delete(timer)
        void ask()
      }, ms)
      timer.unref()
      timers.add(timer)
    }
    if (waitMs === 0) void ask()
    else askAfter(waitMs)
  }

  for (const origin of origins) watch(origin)
  return {
    close() {
      closing.abort()
      for (const timer of timers) clearTimeout(timer)
    },
  }
}

function tell(log: Log, upstream: string, origin: Origin, fault: string | null): void {
  origin.isUnwell = fault !== null
  const facts = { upstream, address: origin.label }
  if (fault === null) log.info('An address of an upstream is well again', facts)
  else log.warn('An address of an upstream is not well, and is left out', { ...facts, why: fault })
}

/** Asks an address as `health` says: what is wrong with it, in words for the log; null for nothing. Never rejects. */
export async function faultOf(
  origin: Origin,
  authorization: string | null,
  config: HealthConfig,
  ports: Pick<Ports, 'ask'>,
  closing: AbortSignal,
): Promise<string | null> {
  const init: Asking = {
    headers: {
      'user-agent': 'sallyport-health',
      ...(config.host === null ? {} : { host: config.host }),
      ...(authorization === null ? {} : { authorization }),
    },
    signal: AbortSignal.any([closing, timeLimit(config.timeoutMs)]),
    ...(origin.unix === undefined ? {} : { unix: origin.unix }),
    ...(origin.tls === undefined ? {} : { tls: origin.tls }),
    ...(origin.protocol === undefined ? {} : { protocol: origin.protocol }),
  }
  try {
    const { status, drop } = await ports.ask(origin.base + config.path, init)
    void drop()
    const isGood = config.status === null ? status >= 200 && status <= 299 : config.status.includes(status)
    return isGood ? null : `status ${status}`
  } catch (error) {
    return messageOf(error)
  }
}

/** What is known of an application: from its last request, from health checks, and from what was asked because somebody looked. */
export type Health = 'up' | 'down' | 'unknown'

/** For how long a failed request says something, once others are tried again. */
const TELLING_MS = 60_000

/** For how long a look says something: a minute, so that the next one finds what came of it. */
const LOOK_TELLS_MS = 60_000

/**
 * How one address is, as far as this process knows. A request that failed a moment ago says more than a connection that came about; that
 * says more than a request of some time ago.
 */
export function originHealth({ isUnwell, failures, restsUntilMs, look }: Origin, nowMs: number): Health {
  if (isUnwell || (failures > 0 && nowMs < restsUntilMs + TELLING_MS)) return 'down'
  if (look !== null && Math.abs(nowMs - look.atMs) < LOOK_TELLS_MS) return look.isWell ? 'up' : 'down'
  return failures === 0 ? 'up' : 'unknown'
}

/** How an upstream is: up where any of its addresses is, down where all of them are. */
export function upstreamHealth({ origins }: { readonly origins: readonly Origin[] }, nowMs: number): Health {
  const all = origins.map(origin => originHealth(origin, nowMs))
  if (all.includes('up')) return 'up'
  return all.every(one => one === 'down') ? 'down' : 'unknown'
}
