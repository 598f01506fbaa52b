import { join } from 'node:path'
import protobuf from 'protobufjs'

/** Where Debian's `opentelemetry-proto` has the protocol. */
const PROTOCOL = '/usr/include'
const SERVICE = 'opentelemetry/proto/collector/trace/v1/trace_service.proto'
const REQUEST = 'opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest'

/** A span as it was received. */
interface ReceivedSpan {
  readonly name: string
  readonly kind: string
  readonly traceId: string
  readonly spanId: string
  /** Empty where the trace begins. */
  readonly parentId: string
  readonly startNs: bigint
  readonly endNs: bigint
  readonly isError: boolean
  readonly attributes: Readonly<Record<string, unknown>>
  /** Of the resource that it belongs to. */
  readonly resource: Readonly<Record<string, unknown>>
}

/** A receiver of OTLP over HTTP that reads what comes by the protocol's own definition. Ends with its scope. */
export interface Receiver extends AsyncDisposable {
  readonly endpoint: string
  readonly spans: ReceivedSpan[]
  /** Fields of each request. */
  readonly fields: Readonly<Record<string, string>>[]
  /** What it answers from now on; null: nothing at all. */
  answer(status: number | null): void
}

export async function startReceiver(): Promise<Receiver> {
  const root = new protobuf.Root()
  root.resolvePath = (_origin, target) => (target.startsWith('google/') ? target : join(PROTOCOL, target))
  const type = (await root.load(SERVICE)).lookupType(REQUEST)
  const spans: ReceivedSpan[] = []
  const fields: Record<string, string>[] = []
  let status: number | null = 200
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 255,
    async fetch(request) {
      if (request.method !== 'POST' || new URL(request.url).pathname !== '/v1/traces')
        return new Response(null, { status: 404 })
      const body = await request.bytes()
      if (status === null) await Bun.sleep(60_000)
      if (status !== 200) return new Response(null, { status: status ?? 500 })
      fields.push(request.headers.toJSON() as Record<string, string>)
      spans.push(...spansOf(type.toObject(type.decode(body), { bytes: Array, longs: String, enums: String })))
      return new Response(null, { headers: { 'content-type': 'application/x-protobuf' } })
    },
  })
  return {
    endpoint: `http://127.0.0.1:${server.port}`,
    spans,
    fields,
    answer(next) {
      status = next
    },
    async [Symbol.asyncDispose]() {
      await server.stop(true)
    },
  }
}

interface Value {
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly intValue?: string
  readonly doubleValue?: number
}

interface KeyValue {
  readonly key: string
  readonly value: Value
}

interface Decoded {
  readonly resourceSpans?: readonly {
    readonly resource: { readonly attributes?: readonly KeyValue[] }
    readonly scopeSpans: readonly { readonly spans: readonly DecodedSpan[] }[]
  }[]
}

interface DecodedSpan {
  readonly name: string
  readonly kind: string
  readonly traceId: readonly number[]
  readonly spanId: readonly number[]
  readonly parentSpanId?: readonly number[]
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly status?: { readonly code?: string }
  readonly attributes?: readonly KeyValue[]
}

function spansOf(decoded: Decoded): ReceivedSpan[] {
  return (decoded.resourceSpans ?? []).flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(scope =>
      scope.spans.map(span => ({
        name: span.name,
        kind: span.kind,
        traceId: hex(span.traceId),
        spanId: hex(span.spanId),
        parentId: hex(span.parentSpanId ?? []),
        startNs: BigInt(span.startTimeUnixNano),
        endNs: BigInt(span.endTimeUnixNano),
        isError: span.status?.code === 'STATUS_CODE_ERROR',
        attributes: valuesOf(span.attributes),
        resource: valuesOf(resource.attributes),
      })),
    ),
  )
}

function valuesOf(pairs: readonly KeyValue[] = []): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map(({ key, value }) => [
      key,
      value.stringValue ?? value.boolValue ?? value.doubleValue ?? Number(value.intValue),
    ]),
  )
}

function hex(bytes: readonly number[]): string {
  return Buffer.from(bytes).toString('hex')
}
