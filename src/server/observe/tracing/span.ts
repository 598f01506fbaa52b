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
