/** Requests for access and granted roles of a portal, as one document in the store. */

import type { Identity } from '../../identity/identity.ts'

/** A user by the provider's identifiers: never only by an address, which may become another user's. */
export type Grantee = Pick<Identity, 'provider' | 'issuer' | 'subject' | 'userId'>

/** What is kept of somebody who asks. */
export function granteeOf({ provider, issuer, subject, userId }: Grantee): Grantee {
  return { provider, issuer, subject, ...(userId === undefined ? {} : { userId }) }
}

/** A role that somebody asks for. */
export interface RoleRequest {
  readonly id: string
  readonly who: Grantee
  /** What people call them, as their provider said it when they asked. */
  readonly name: string
  readonly role: string
  /** The id of the route that they were refused at. */
  readonly route: string
  /** Their message to the admin who decides; may be empty. */
  readonly text: string
  readonly atMs: number
}

/** A role that somebody was granted. */
export interface RoleGrant {
  readonly id: string
  readonly who: Grantee
  readonly name: string
  readonly role: string
  readonly atMs: number
  /** Null: until it is revoked. */
  readonly untilMs: number | null
  /** The subject of the admin who granted it; empty for an operator. */
  readonly by: string
}

/** A request that was declined: it is not made again before then. */
export interface Decline {
  readonly who: Grantee
  readonly role: string
  readonly untilMs: number
}

/** What is asked for, granted and declined at one portal. */
export interface GrantsDocument {
  readonly requests: readonly RoleRequest[]
  readonly grants: readonly RoleGrant[]
  readonly declines: readonly Decline[]
}

export const EMPTY: GrantsDocument = Object.freeze({ requests: [], grants: [], declines: [] })

/** A request without a decision expires after this. */
const REQUEST_MS = 30 * 24 * 60 * 60 * 1000

/** A document as it is stored. Throws where it is in another form: an unreadable document is never overwritten. */
export function parseDocument(text: string | null): GrantsDocument {
  if (text === null) return EMPTY
  const raw: unknown = JSON.parse(text)
  if (typeof raw !== 'object' || raw === null || !('requests' in raw && 'grants' in raw && 'declines' in raw)) {
    throw new TypeError('what is stored of requested roles is of another shape')
  }
  const { requests, grants, declines } = raw
  return {
    requests: entriesOf(requests).filter(isRequest),
    grants: entriesOf(grants).filter(isGrant),
    declines: entriesOf(declines).filter(isDecline),
  }
}

export function withoutOver({ requests, grants, declines }: GrantsDocument, nowMs: number): GrantsDocument {
  return {
    requests: requests.filter(({ atMs }) => nowMs < atMs + REQUEST_MS),
    grants: grants.filter(({ untilMs }) => untilMs === null || nowMs < untilMs),
    declines: declines.filter(({ untilMs }) => nowMs < untilMs),
  }
}

/** Whether two are one person at one provider. */
export function isSameGrantee(one: Grantee, other: Grantee): boolean {
  const isSameName = one.provider === other.provider && one.issuer === other.issuer && one.subject === other.subject
  return isSameName && one.userId === other.userId
}

/** Whether something is about this role of this person. */
export function isAbout({ who, role }: Pick<Decline, 'who' | 'role'>, person: Grantee, wanted: string): boolean {
  return role === wanted && isSameGrantee(who, person)
}

function entriesOf(raw: unknown): readonly object[] {
  return Array.isArray(raw) ? raw.filter(entry => typeof entry === 'object' && entry !== null) : []
}

type Loose<T> = Partial<Record<keyof T, unknown>>

function isRequest(raw: object): raw is RoleRequest {
  const { id, who, name, role, route, text, atMs } = raw as Loose<RoleRequest>
  return areTexts(id, name, role, route, text) && isGrantee(who) && typeof atMs === 'number'
}

function isGrant(raw: object): raw is RoleGrant {
  const { id, who, name, role, atMs, untilMs, by } = raw as Loose<RoleGrant>
  const isUntil = untilMs === null || typeof untilMs === 'number'
  return areTexts(id, name, role, by) && isGrantee(who) && typeof atMs === 'number' && isUntil
}

function isDecline(raw: object): raw is Decline {
  const { who, role, untilMs } = raw as Loose<Decline>
  return areTexts(role) && isGrantee(who) && typeof untilMs === 'number'
}

function isGrantee(raw: unknown): raw is Grantee {
  if (typeof raw !== 'object' || raw === null) return false
  const { provider, issuer, subject, userId } = raw as Loose<Grantee>
  return areTexts(provider, issuer, subject) && (userId === undefined || typeof userId === 'string')
}

function areTexts(...values: readonly unknown[]): boolean {
  return values.every(value => typeof value === 'string')
}
