/** Sends spans to a collector (OTLP over HTTP), in batches. */

import { errorFacts } from '../../../base/errors.ts'
import { inTime } from '../../../base/maybe-promise.ts'
import type { Ports } from '../../../base/ports.ts'
import { timeLimit } from '../../../base/time-limit.ts'
import { tickWhileBusy } from '../../../base/while-busy.ts'
import type { TelemetryConfig } from '../../../config/keys/telemetry.ts'
import type { Span } from './otlp.ts'

/** Sends spans to a receiver. Pairs with `close`, which sends the rest within a time limit. */
export interface Exporter {
  add(span: Span): void
  close(): Promise<void>
}

export interface ExporterOptions {
  readonly ports: Pick<Ports, 'ask' | 'log'>
  /** The current file; null: nothing is sent, and waiting spans are dropped. */
  readonly config: () => TelemetryConfig | null
  readonly version: string
  /** This process among others of its name. */
  readonly instance: string
}

const EVERY_MS = 1000
/** Some hundred kilobytes, and some milliseconds to write down. */
const MOST_AT_ONCE = 256
const MOST_WAITING = 4096
const TIMEOUT_MS = 5000
const LAST_MS = 1000

/**
 * Spans in batches, as OTLP over HTTP. Nothing waits for it: what a receiver does not take in time, or refuses, is dropped, as is what
 * comes while as many wait as may. That is said once, and once more when it is over.
 *
 * Source: OTLP 1.5, OTLP/HTTP Request. Absent on purpose: retries, which would keep the newest out for the oldest.
 */
export function createExporter({ ports, config, version, instance }: ExporterOptions): Exporter {
  let waiting: Span[] = []
  let sending: Promise<void> | null = null
  let isInTrouble = false
  let missed = 0

  const ticker = tickWhileBusy(EVERY_MS, () => {
    send()
    return waiting.length > 0 || sending !== null
  })

  function send(): void {
    if (sending !== null || waiting.length === 0) return
    const spans = waiting.slice(0, MOST_AT_ONCE)
    waiting = waiting.slice(MOST_AT_ONCE)
    const to = config()
    if (to === null) return
    sending = deliver(spans, to).finally(() => {
      sending = null
      if (waiting.length >= MOST_AT_ONCE) send()
    })
  }

  async function deliver(spans: readonly Span[], { endpoint, headers, serviceName }: TelemetryConfig): Promise<void> {
    try {
      const resource = { 'service.name': serviceName, 'service.version': version, 'service.instance.id': instance }
      // Its packages take memory and time to load, so they are loaded only with tracing.
      const { encode } = await import('./otlp.ts')
      const body = encode(spans, resource)
      const signal = timeLimit(TIMEOUT_MS)
      const response = await ports.ask(endpoint, {
        method: 'POST',
        headers: { ...Object.fromEntries(headers), 'content-type': 'application/x-protobuf' },
        body,
        signal,
      })
      await response.drop()
      if (response.status < 200 || response.status > 299) throw new Error(`the receiver answered ${response.status}`)
      if (isInTrouble) ports.log.info('Traces are sent again', { endpoint, missed })
      isInTrouble = false
      missed = 0
    } catch (thrown) {
      missed += spans.length
      if (isInTrouble) return
      isInTrouble = true
      const hint = 'see endpoint and headers in [telemetry]; requests go on without being traced'
      ports.log.warn('Traces cannot be sent, and are dropped', { endpoint, ...errorFacts(thrown), hint })
    }
  }

  return {
    add(span) {
      if (waiting.length >= MOST_WAITING) {
        missed++
        return
      }
      waiting.push(span)
      ticker.wake()
      if (waiting.length === MOST_AT_ONCE) send()
    },
    async close() {
      ticker.close()
      await inTime(sendRest(), LAST_MS, undefined)
      waiting = []
    },
  }

  async function sendRest(): Promise<void> {
    while (sending !== null || waiting.length > 0) {
      send()
      await sending
    }
  }
}
