import { known } from '../keys/known.ts'
import type { TelemetryTable } from '../keys/observe/telemetry.ts'
import type { TelemetryConfig } from '../types/telemetry.ts'

/** `[telemetry]` of a file without mistakes. Throws TypeError where a value is missing. */
export function buildTelemetry(table: TelemetryTable): TelemetryConfig {
  const { endpoint, headers, sample, service_name: serviceName } = known(table)
  return { endpoint, headers, sample, serviceName }
}
