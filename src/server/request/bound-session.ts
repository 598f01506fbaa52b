/** Whether a bound session comes from its device: a part of the third step, where any portal binds sessions. */

import type { AuditFacts } from '../../audit/record.ts'
import type { Audit } from '../../audit/writer.ts'
import { errorFacts } from '../../base/errors.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { neighbourhoodOf } from '../../base/net.ts'
import type { Ports } from '../../base/ports.ts'
import { isPortalHost, ownPath } from '../../portal/paths.ts'
import { type Bindings, type BoundSession, isBound } from '../../session/bound-sessions.ts'
import { readCookie } from '../../session/cookie.ts'
import type { Session } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import type { Metrics } from '../observe/counts.ts'
import { contextFacts, type Targeted } from './context.ts'

/** Notes a request that brought the cookie of a bound session alone. Nobody waits for it. */
export type NoteUnproven = (session: Session, from: AuditFacts, mayBeOwn: boolean) => void

export interface DeviceTools {
  readonly sessions: { readonly bindings: Pick<Bindings, 'provenUntil'> }
  readonly noteUnproven: NoteUnproven
}

/**
 * The session, where its portal binds none, where it is bound to no device and need not be, or where the cookie with
 * its device's proof came along. Otherwise null: the request is answered as one without a session, and the session
 * stays, since browsers themselves send such requests when they cannot renew the proof.
 *
 * A proof that was read once is compared in memory. It counts by the time when the request came.
 */
export function holdToDevice(
  session: Session | null,
  context: Targeted,
  tools: DeviceTools,
): MaybePromise<Session | null> {
  if (session === null) return null
  const binding = context.snapshot.bindings?.get(session.portal)
  if (binding === undefined) return session
  if (!isBound(session)) {
    if (binding === 'offered') return session
    context.unproven = session
    return null
  }
  const proof = readCookie(context.sent.cookie ?? null, session.bound.cookie)
  if (proof === null) return refuse(session, context, tools)
  const untilMs = tools.sessions.bindings.provenUntil(session, context.target.host, proof, context.startedMs)
  return andThen(untilMs, judge, session, context, tools)
}

function judge(untilMs: number, session: BoundSession, context: Targeted, tools: DeviceTools): Session | null {
  if (context.startedMs >= untilMs) {
    context.hasStaleProof = true
    return refuse(session, context, tools)
  }
  context.provenUntilMs = untilMs
  return session
}

/** Where browsers prove the device: there they have no proof yet. */
const PROVING: ReadonlySet<string> = new Set([ownPath('bind'), ownPath('renew')])

/**
 * On another host than the one where the device proves itself, a browser has no proof after a while: that is noted
 * only from where the device has not been, or with a proof that no browser would still send.
 */
function refuse(session: BoundSession, context: Targeted, { noteUnproven }: DeviceTools): null {
  const { portal, target, client, hasStaleProof } = context
  context.unproven = session
  if (portal === null || context.isMention || PROVING.has(target.path)) return null
  const isThere = isPortalHost({ portal: portal.config, target })
  if (!isThere && !hasStaleProof && neighbourhoodOf(client) === session.bound.network) return null
  const reason = hasStaleProof ? 'over' : (skippedFor(context) ?? 'none')
  const facts = { ...contextFacts(context), ...sessionFacts(session), host: target.host, reason }
  noteUnproven(session, facts, !isThere && !hasStaleProof)
  return null
}

/** Why the browser itself did not renew the proof, as far as it says so (Device Bound Session Credentials, `Secure-Session-Skipped`). */
function skippedFor({ sent }: Targeted): string | null {
  return /^(?:unreachable|server_error|quota_exceeded)(?=;|$)/.exec(sent['secure-session-skipped'] ?? '')?.[0] ?? null
}

/** Notes such requests in the trail and for the person, each session once a minute. */
export function createUnprovenNotes(
  bindings: Pick<Bindings, 'noteUnproven'>,
  { audit, ports, metrics }: { readonly audit: Audit; readonly ports: Pick<Ports, 'log'>; readonly metrics: Metrics },
): NoteUnproven {
  return (session, facts, mayBeOwn) => {
    bindings
      .noteUnproven(session, { client: String(facts.client ?? ''), mayBeOwn })
      .then(isNew => {
        if (!isNew) return
        metrics.unproven++
        audit.note('session.unproven', facts)
      })
      .catch((error: unknown) => {
        ports.log.warn('A request without the proof of a device could not be noted', errorFacts(error))
      })
  }
}
