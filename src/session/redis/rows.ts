import { sha256 } from '../../base/bytes.ts'
import type { RefreshedFields, StoredSession } from '../store.ts'

/** Digits of a time in a place: enough until the year 33658. */
export const PLACE_DIGITS = 15

/** Where a session stands in every index: by age, then by id. */
function placeOf(session: Pick<StoredSession, 'createdAtMs' | 'id'>): string {
  return `${String(session.createdAtMs).padStart(PLACE_DIGITS, '0')}.${session.id}`
}

/** The index of a person's sessions. Hashed, since what providers say may hold anything, at any length. */
export function subjectIndex(issuer: string, subject: string): string {
  return `subject:${sha256(JSON.stringify([issuer, subject]))}`
}

/** The index of what comes from one session at an issuer. */
export function sidIndex(issuer: string, sid: string): string {
  return `sid:${sha256(JSON.stringify([issuer, sid]))}`
}

/** The index of a portal’s sessions. */
export function portalIndex(portal: string): string {
  return `portal:${portal}`
}

/** A session's hash, as names and values in turn. */
export function fieldsOf(session: StoredSession): readonly string[] {
  return [
    ...['portal', session.portal, 'issuer', session.issuer, 'subject', session.subject],
    ...['agent', session.agent, 'client', session.client, 'remembered', flag(session.isRemembered)],
    ...['created', `${session.createdAtMs}`, 'expires', `${session.expiresAtMs}`, 'seen', `${session.lastSeenMs}`],
    ...refreshedFields(session),
    ...['place', placeOf(session), 'in_portal', portalIndex(session.portal)],
    ...['in_subject', subjectIndex(session.issuer, session.subject)],
    ...(session.sid === null ? [] : ['in_sid', sidIndex(session.issuer, session.sid)]),
  ]
}

/** What a refresh writes of a session's hash. */
export function refreshedFields(fields: RefreshedFields): readonly string[] {
  return [
    ...['identity', fields.identity, 'secrets', fields.secrets, 'checked', `${fields.checkedAtMs}`],
    ...['refreshable', flag(fields.isRefreshable), ...(fields.sid === null ? [] : ['sid', fields.sid])],
  ]
}

/** A session from its hash, or null where a field is missing (it may have expired a moment ago). */
export function parseStored(id: unknown, raw: unknown): StoredSession | null {
  if (typeof id !== 'string' || !Array.isArray(raw)) return null
  const fields = new Map<string, string>()
  for (let index = 0; index + 1 < raw.length; index += 2) fields.set(String(raw[index]), String(raw[index + 1]))
  const text = (name: string) => fields.get(name) ?? ''
  const time = (name: string) => Number(fields.get(name) ?? Number.NaN)
  const session: StoredSession = {
    id,
    portal: text('portal'),
    issuer: text('issuer'),
    subject: text('subject'),
    sid: fields.get('sid') ?? null,
    identity: text('identity'),
    secrets: text('secrets'),
    agent: text('agent'),
    client: text('client'),
    isRemembered: text('remembered') === '1',
    createdAtMs: time('created'),
    expiresAtMs: time('expires'),
    lastSeenMs: time('seen'),
    checkedAtMs: time('checked'),
    isRefreshable: text('refreshable') === '1',
  }
  const times = session.createdAtMs + session.expiresAtMs + session.lastSeenMs + session.checkedAtMs
  return session.portal === '' || session.identity === '' || !Number.isFinite(times) ? null : session
}

function flag(value: boolean): string {
  return value ? '1' : '0'
}
