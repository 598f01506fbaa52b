/** Watches when certificates expire, for the log and the metrics. */

import type { Ports } from '../../base/ports.ts'
import { EXPIRY_WARNING_MS } from '../../config/checks/tls.ts'
import type { ServerCertificate } from '../../config/values/certificate.ts'
import type { Gauge } from '../observe/counts.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** When each certificate in use expires, for the metrics. */
export function certificateGauges(certificates: () => readonly ServerCertificate[]): readonly Gauge[] {
  return [
    {
      name: 'certificate_expiry_timestamp_seconds',
      help: 'When the certificate of these names ends, in seconds since the epoch.',
      read: () =>
        certificates().map(({ names, expiresAtMs }) => ({
          labels: { names: names.join(' ') },
          value: Math.floor(expiresAtMs / 1000),
        })),
    },
  ]
}

/**
 * Logs once a day which certificates in use expire soon, or have expired: the file was checked when it was read, which
 * may be months ago. Pairs with `close`.
 */
export function watchExpiry(
  certificates: () => readonly ServerCertificate[],
  { now, log }: Pick<Ports, 'now' | 'log'>,
): { close(): void } {
  const timer = setInterval(() => tellExpiry(certificates(), now(), log), DAY_MS)
  timer.unref()
  return { close: () => clearInterval(timer) }
}

/** One line for each certificate that ends soon, or has ended. */
export function tellExpiry(certificates: readonly ServerCertificate[], nowMs: number, log: Ports['log']): void {
  for (const { names, expiresAtMs } of certificates) {
    if (nowMs < expiresAtMs - EXPIRY_WARNING_MS) continue
    const facts = { names, expires: new Date(expiresAtMs).toISOString() }
    if (nowMs < expiresAtMs) log.warn('A certificate expires soon', facts)
    else log.error('A certificate has expired: browsers refuse it', facts)
  }
}
