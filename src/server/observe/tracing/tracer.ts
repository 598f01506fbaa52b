/** Traces: spans of a request, and the trace that it belongs to (W3C Trace Context). */

import { AsyncLocalStorage } from 'node:async_hooks'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import type { Ports } from '../../../base/ports.ts'
import type { Exporter } from './exporter.ts'
import type { Attributes, Kind, Span } from './otlp.ts'

/** A span under way. */
export interface OpenSpan {
  /** The trace context for requests within it. */
  readonly traceparent: string
  /** Once: it is over. */
  end(attributes: Attributes, isError: boolean): void
}

/** The trace of one request, which collects its spans. */
export interface Trace {
  /** Whether anybody will see it. */
  readonly isSampled: boolean
  /** Whether a proxy in front began it: then its `tracestate` is passed on. */
  readonly isContinued: boolean
  open(name: string, kind: Kind): OpenSpan
  /** Once: the request is over. */
  end(name: string, attributes: Attributes, isError: boolean): void
}

export interface Tracer {
  /** The trace of a request: that of `traceparent`, or one that begins here, of which so many are sampled. */
  begin(traceparent: string | undefined, sample: number): Trace
  /** Does something as a part of a trace: so do all that it waits for. */
  within<T>(trace: Trace, work: () => T): T
  /** The same, with a span for each question that is asked within a trace. */
  watch(ask: Ports['ask']): Ports['ask']
}

export interface TracerPorts extends Pick<Ports, 'now' | 'random'> {
  /** Milliseconds with their fractions, from whenever: most steps take less than one. */
  tick(): number
}

/** A trace that is not sampled costs only its ids. */
export function createTracer(exporter: Pick<Exporter, 'add'>, { now, random, tick }: TracerPorts): Tracer {
  const storage = new AsyncLocalStorage<Trace>()

  function begin(traceparent: string | undefined, sample: number): Trace {
    const given = parseTraceparent(traceparent)
    const traceId = given?.traceId ?? hex(random(16))
    const isSampled = given?.isSampled ?? isAmong(traceId, sample)
    const spanId = hex(random(8))
    const startMs = now()
    const startTick = tick()
    const nowMs = () => startMs + tick() - startTick
    const add = (span: Omit<Span, 'traceId' | 'endMs'>) => exporter.add({ ...span, traceId, endMs: nowMs() })
    return {
      isSampled,
      isContinued: given !== null,
      open(name, kind) {
        const own = hex(random(8))
        const span = { name, kind, spanId: own, parentId: spanId, isParentRemote: false, startMs: nowMs() }
        return {
          traceparent: formatTraceparent({ traceId, spanId: own, isSampled }),
          end: (attributes, isError) => (isSampled ? add({ ...span, attributes, isError }) : undefined),
        }
      },
      end(name, attributes, isError) {
        if (!isSampled) return
        const parentId = given?.spanId ?? null
        add({ name, kind: 'server', spanId, parentId, isParentRemote: given !== null, startMs, attributes, isError })
      },
    }
  }

  return {
    begin,
    within: (trace, work) => storage.run(trace, work),
    watch: ask => async (address, init) => {
      const trace = storage.getStore()
      if (trace === undefined) return ask(address, init)
      const method = init.method ?? 'GET'
      const { host: dialled = '', pathname = '' } = URL.parse(address) ?? {}
      const host = new Headers(init.headers).get('host') ?? dialled
      const span = trace.open(`${method} ${host}`, 'client')
      const asked = { 'http.request.method': method, 'server.address': host, 'url.path': pathname }
      try {
        const response = await ask(address, init)
        span.end({ ...asked, 'http.response.status_code': response.status }, response.status >= 400)
        return response
      } catch (thrown) {
        span.end({ ...asked, 'error.type': thrown instanceof Error ? thrown.name : 'error' }, true)
        throw thrown
      }
    },
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** What is known of a trace that somebody else began. */
interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** Of the span that asks: 16 hexadecimal digits. */
  readonly spanId: string
  readonly isSampled: boolean
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/**
 * A traceparent, or null for what is none: then a trace begins here.
 *
 * Later versions are read as this one, as far as it goes. Source: W3C Trace Context §3.2.2, §4.3.
 */
export function parseTraceparent(text: string | undefined): TraceContext | null {
  const [, version, traceId = '', spanId = '', flags = '', rest] = TRACEPARENT.exec(text ?? '') ?? []
  if (version === undefined || version === 'ff' || (version === '00' && rest !== undefined)) return null
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

/** The same as text, in version 00. */
export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`
}

/**
 * Whether a trace is sampled: by its id, so that every program with that id decides the same.
 *
 * Source: OpenTelemetry, TraceIdRatioBased (the last 56 bits of an id are random).
 */
export function isAmong(traceId: string, ratio: number): boolean {
  return Number.parseInt(traceId.slice(-13), 16) / 2 ** 52 < ratio
}

/** Runs some work as a span of a trace, until it settles. An error marks the span as failed. */
export function during<T>(trace: Trace, name: string, work: () => MaybePromise<T>): MaybePromise<T> {
  const span = trace.open(name, 'internal')
  const fail = (thrown: unknown): never => {
    span.end({}, true)
    throw thrown
  }
  const pass = (value: T): T => {
    span.end({}, false)
    return value
  }
  try {
    const done = work()
    return done instanceof Promise ? done.then(pass, fail) : pass(done)
  } catch (thrown) {
    return fail(thrown)
  }
}
