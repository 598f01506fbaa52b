/** A record of the audit trail: which facts it may have, as a row and as a line of the log. */

import type { Facts } from '../base/errors.ts'
import type { Log, ShownLines } from '../base/ports.ts'
import { type AuditEvent, EVENTS, isAuditEvent } from './events.ts'

/** What may be kept of an event, and in which order it is shown. There is no room for anything else: no address asked for, no query, no secret. */
export const FACTS = [
  /** The subject: what a provider calls somebody. */
  'user',
  /** What people call them. */
  'name',
  'provider',
  'portal',
  /** Who did it, where that is somebody else: a subject, `operator` for the command line, `provider`. */
  'by',
  /** Their address. */
  'client',
  /** The browser or program, as it calls itself. */
  'agent',
  /** What `sessionMark` makes of the session. */
  'session',
  /** The id of the route. */
  'route',
  'reason',
  /** The id of the request, as on the page that was shown. */
  'id',
  /** Ids of what was made, used or revoked. */
  'token',
  'link',
  /** What its owner calls it. */
  'passkey',
  'request',
  'role',
  'host',
  /** An MCP server, and the program that is to use it. */
  'resource',
  'program',
  'until',
  /** The path of a file that somebody saved. */
  'file',
  /** How many sessions ended, or rows were erased or lost. */
  'number',
  /** How often the same came within a minute; absent: once. */
  'count',
] as const

export type FactName = (typeof FACTS)[number]

/** What is known of an event. */
export type AuditFacts = { readonly [Name in FactName]?: string | number | undefined }

/** One event as it is kept. */
export interface AuditRecord {
  readonly atMs: number
  readonly event: AuditEvent
  readonly facts: AuditFacts
}

/** What anybody chooses, such as a browser's name for itself, is cut to so many characters. */
const LONGEST = 200

/** The known facts, in order, each cut to its length. Other members of the object are dropped. */
export function cleanFacts(facts: AuditFacts): AuditFacts {
  const clean: Partial<Record<FactName, string | number>> = {}
  for (const name of FACTS) {
    const value = facts[name]
    if (typeof value === 'number') clean[name] = value
    else if (typeof value === 'string' && value !== '') clean[name] = value.slice(0, LONGEST)
  }
  return clean
}

/** A record as a store keeps it. */
export function renderRecord({ atMs, event, facts }: AuditRecord): string {
  return JSON.stringify([atMs, event, facts])
}

/** A record from a store; null for a row in another form, such as a newer version's. */
export function parseRecord(text: string): AuditRecord | null {
  try {
    const raw: unknown = JSON.parse(text)
    if (!Array.isArray(raw)) return null
    const [atMs, event, facts] = raw
    if (typeof atMs !== 'number' || typeof event !== 'string' || !isAuditEvent(event)) return null
    if (typeof facts !== 'object' || facts === null) return null
    return { atMs, event, facts: cleanFacts(facts as AuditFacts) }
  } catch {
    return null
  }
}

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
