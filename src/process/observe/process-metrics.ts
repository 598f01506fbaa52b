/** Metrics of this process: memory, processor time, descriptors, version. */

import { readdirSync, readFileSync } from 'node:fs'
import { versionNumber } from '../../console/version.ts'
import { type Family, simpleFamily } from '../../server/observe/metric-family.ts'

/** When this process began, in seconds since the epoch. */
const STARTED_S = Date.now() / 1000 - process.uptime()

/**
 * The resources of this process, under Prometheus's standard names, and its version.
 *
 * Descriptors only where the system shows them (Linux).
 */
export function processFamilies(): readonly Family[] {
  const { user, system } = process.cpuUsage()
  const open = openDescriptors()
  const most = mostDescriptors()
  return [
    simpleFamily('gauge', 'sallyport_build_info', 'What this program is; always 1.', [
      {
        labels: { version: versionNumber(), bun: Bun.version, platform: `${process.platform}-${process.arch}` },
        value: 1,
      },
    ]),
    simpleFamily(
      'counter',
      'process_cpu_seconds_total',
      'Time on processors, of all processes.',
      (user + system) / 1e6,
    ),
    simpleFamily(
      'gauge',
      'process_resident_memory_bytes',
      'Memory in use, of all processes.',
      process.memoryUsage.rss(),
    ),
    ...(open === null
      ? []
      : [simpleFamily('gauge', 'process_open_fds', 'Open files and connections, of the process that has most.', open)]),
    ...(most === null ? [] : [simpleFamily('gauge', 'process_max_fds', 'How many one process may have open.', most)]),
    simpleFamily(
      'gauge',
      'process_start_time_seconds',
      'When the newest process began, in seconds since the epoch.',
      STARTED_S,
    ),
  ]
}

/** But for the one that looking takes; null where the system does not show them. */
function openDescriptors(): number | null {
  try {
    return readdirSync('/proc/self/fd').length - 1
  } catch {
    return null
  }
}

function mostDescriptors(): number | null {
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return limit === undefined ? null : Number(limit)
  } catch {
    return null
  }
}
