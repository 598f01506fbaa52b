/** Whether output goes to the journal of systemd, and lines with its priorities. */

import { fstatSync } from 'node:fs'
import type { LogLevel } from '../base/log.ts'

/** Something that is true of standard output, or of standard error. */
export interface PerStream {
  readonly stdout: boolean
  readonly stderr: boolean
}

/** As syslog numbers them; journald takes the number from the line (sd-daemon(3)). */
const PRIORITY: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 }

/**
 * Whether standard output and standard error are connected to the journal. JOURNAL_STREAM names the device and inode
 * of the stream that systemd connected. A child process inherits the variable, but may have other streams, so each is
 * compared.
 */
export function journalStreams(named: string | undefined): PerStream {
  return { stdout: isStream(1, named), stderr: isStream(2, named) }
}

/** Lines with their priority in front of each, as the journal reads them. */
export function withPriority(lines: string, level: LogLevel): string {
  return lines.replace(/^(?=.)/gm, `<${PRIORITY[level]}>`)
}

function isStream(descriptor: number, named: string | undefined): boolean {
  if (named === undefined) return false
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true })
    return named === `${dev}:${ino}`
  } catch {
    return false
  }
}
