/** The words of the pages for admins, in one language. */

import type { AuditEvent } from '../../../audit/events.ts'

/** What a sentence of the audit trail is made of. */
export interface Told {
  /** Whom it is about, by a name; null: that is not known. */
  readonly who: string | null
  /** Who did it to them; null: that is not known, or somebody on the command line. */
  readonly by: string | null
  /** Whether it was done on the command line. */
  readonly isOperator: boolean
  /** The application or place; null for none. */
  readonly at: string | null
  readonly role: string
  readonly program: string
  /** How many sessions ended, or rows were erased or lost; null where that is not said. */
  readonly number: number | null
}

/** Kinds of events, by the beginnings of their names. */
export const EVENT_KINDS = [
  'sign_in',
  'sign_out',
  'session',
  'access',
  'token',
  'guest',
  'passkey',
  'invitation',
  'role',
  'program',
  'account',
  'provider',
  'config',
  'audit',
] as const

export type EventKindName = (typeof EVENT_KINDS)[number]

type Told1 = (told: Told) => string

export interface AdminWords {
  readonly overview: string
  /** Beside a list that goes on. */
  readonly before: string
  readonly after: string
  /** "1–50 of 1,000". */
  shownOf(range: string, all: string): string

  readonly findRoute: string
  readonly allRoutes: string
  readonly noRoute: string
  readonly apply: string
  readonly sortBy: string
  sortedBy(column: string): string
  readonly columns: Readonly<Record<'name' | 'state' | 'access' | 'used' | 'took', string>>
  readonly filters: Readonly<Record<'attention' | 'up' | 'unknown' | 'unused', string>>
  readonly states: Readonly<Record<'up' | 'partly' | 'down' | 'unknown' | 'own' | 'refuses', string>>
  /** Why a state is not known. */
  readonly unknown: Readonly<Record<'in front' | 'unasked', string>>
  readonly open: Readonly<Record<'public' | 'authenticated', string>>
  /** How many rules shut some out. */
  exceptions(count: number): string
  readonly notUsed: string

  ofAll(some: string, all: string): string
  readonly allRun: string
  failing(count: number): string
  unknownCount(count: number): string
  peopleActive(people: number, active: number, minutes: number): string
  readonly manySessions: string
  /** How many sessions are bound to a device, and how many are not: of all, or of the newest. */
  bound(bound: number, unbound: number, isAll: boolean): string
  waiting(count: number): string
  readonly certificates: string
  days(count: number): string
  firstEnds(day: string): string
  /** Hosts that an authority has yet to give a certificate for. */
  awaited(names: string): string
  readonly notYet: string
  certificateUntil(day: string): string
  certificateEnded(day: string): string
  readonly notInForce: string
  since(time: string): string
  readonly restart: string
  readonly latestSignIns: string
  /** In the place of a name. */
  readonly somebody: string
  deniedAt(who: string, route: string): string

  /** Why somebody was refused. */
  needsRole(roles: string): string

  readonly route: string
  requestCount(count: number): string
  readonly addresses: string
  readonly answeredBy: string
  /** Before what logs call a route. */
  readonly inLogs: string
  readonly explain: string
  readonly explainLead: string
  readonly explainWho: string
  readonly explainAddress: string
  readonly explainMethod: string
  readonly explainClient: string
  readonly explainAsk: string
  readonly explainNone: string
  explainOther(route: string): string
  /** What becomes of a request of somebody, and by or for want of which role. */
  may(who: string): string
  mayAs(who: string, role: string): string
  mayNot(who: string): string
  mayNotWithout(who: string, roles: string): string
  readonly verdicts: Readonly<Record<'allow' | 'sign-in' | 'step-up' | 'deny' | 'no-route' | 'refused', string>>

  readonly today: string
  readonly yesterday: string
  /** Unfolds the search on a narrow screen. */
  readonly auditFind: string
  readonly auditWhat: string
  readonly auditEverything: string
  readonly auditNewest: string
  readonly auditOnly: string
  readonly auditKinds: Readonly<Record<EventKindName, string>>
  readonly events: Readonly<Record<AuditEvent, Told1>>

  /** The editor of the file: what is true of its text now. */
  readonly editSaved: string
  readonly editUnsaved: string
  problems(errors: number, warnings: number): string
  line(number: string): string
  /** How the keyboard leaves the text. */
  readonly editKeys: string
}

/** `one` for one of something, else `other`. */
export function plural(count: number, one: string, other: string): string {
  return count === 1 ? one : other
}
