import { known } from '../keys/known.ts'
import type { LogTable } from '../keys/observe/log.ts'
import type { LogConfig } from '../types/log.ts'

/** `[log]` of a file without mistakes. Throws TypeError where a value is missing. */
export function buildLog(table: LogTable, directory: string): LogConfig {
  const { format, requests, events } = known(table)
  return { format, requests: requests(directory), events: events(directory) }
}
