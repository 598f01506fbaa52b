/** A span, and how OTLP has it in protobuf. */

import { SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'

const KINDS: Readonly<Record<Kind, SpanKind>> = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  internal: SpanKind.INTERNAL,
}

const SCOPE = { name: 'sallyport' }

/** Spans as an ExportTraceServiceRequest in protobuf. */
export function encode(spans: readonly Span[], attributes: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer> {
  const resource = resourceFromAttributes(attributes)
  const readable = spans.map((span): ReadableSpan => {
    const { traceId, parentId, startMs, endMs } = span
    const parent =
      parentId === null
        ? {}
        : {
            parentSpanContext: {
              traceId,
              spanId: parentId,
              traceFlags: TraceFlags.SAMPLED,
              isRemote: span.isParentRemote,
            },
          }
    return {
      name: span.name,
      kind: KINDS[span.kind],
      spanContext: () => ({ traceId, spanId: span.spanId, traceFlags: TraceFlags.SAMPLED }),
      ...parent,
      startTime: hrTime(startMs),
      endTime: hrTime(endMs),
      duration: hrTime(endMs - startMs),
      status: { code: span.isError ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
      attributes: span.attributes,
      links: [],
      events: [],
      ended: true,
      resource,
      instrumentationScope: SCOPE,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    }
  })
  return new Uint8Array(ProtobufTraceSerializer.serializeRequest(readable) ?? [])
}

/** Milliseconds as seconds and nanoseconds. */
function hrTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)]
}

/** A span and its attributes. */

/** What is said of a span: names of OpenTelemetry's semantic conventions. No query, token or cookie. */
export type Attributes = Readonly<Record<string, string | number | boolean>>

/** Who acts: this gate for a client, this gate as a client, or this gate within itself. */
export type Kind = 'server' | 'client' | 'internal'

/** A span that is over. */
export interface Span {
  readonly name: string
  readonly kind: Kind
  readonly traceId: string
  readonly spanId: string
  /** Null where the trace begins. */
  readonly parentId: string | null
  /** Whether the parent is another program's. */
  readonly isParentRemote: boolean
  /** Milliseconds since the epoch, with their fractions. */
  readonly startMs: number
  readonly endMs: number
  readonly attributes: Attributes
  readonly isError: boolean
}
