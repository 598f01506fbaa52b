/** `[telemetry]`. */
export interface TelemetryConfig {
  /** Where traces are sent: an address of OTLP over HTTP, with its path. */
  readonly endpoint: string
  /** Fields that go with them; their values are secret. */
  readonly headers: ReadonlyMap<string, string>
  /** Of how many traces that begin here, from 0 to 1. */
  readonly sample: number
  readonly serviceName: string
}
