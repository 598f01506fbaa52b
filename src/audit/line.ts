import type { Facts } from '../base/errors.ts'
import type { Log, ShownLines } from '../base/ports.ts'
import { type AuditEvent, EVENTS } from './events.ts'
import type { AuditFacts } from './record.ts'

/** What the log line of an event has in addition to the stored record. */
export interface Besides {
  readonly facts?: Facts
  readonly lines?: ShownLines
  /** Whether another process has the line. */
  readonly isSilent?: boolean
}

/** Writes the one line of an event: its sentence, its name as `event`, and what is known of it. */
export function tellEvent(log: Log, event: AuditEvent, facts: AuditFacts, { facts: more, lines }: Besides = {}): void {
  const { says, level } = EVENTS[event]
  log[level](says, { event, ...facts, ...more }, lines)
}
