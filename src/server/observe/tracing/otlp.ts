/** Spans in protobuf, as OTLP has them. */

import { SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import type { Kind, Span } from './span.ts'

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
