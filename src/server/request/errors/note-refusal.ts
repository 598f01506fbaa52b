/** What the log, the audit trail and the list of refusals for admins are told of a request that was refused or failed. */

import type { AuditEvent } from '../../../audit/events.ts'
import type { Audit } from '../../../audit/writer.ts'
import { type Code, errorFacts, type GateError } from '../../../base/errors.ts'
import type { Log } from '../../../base/ports.ts'
import { userSubject } from '../../../identity/passwords/users.ts'
import { describeMembers, tellComing } from '../../../policy/members.ts'
import { tellGroups, tellNeeds, type UnverifiedEmail, waysOut } from '../../../policy/needs.ts'
import type { Decision } from '../../../policy/policy.ts'
import { missingReasons, type Reason } from '../../../policy/reasons.ts'
import { nameOf } from '../../../portal/layout/person.ts'
import type { Denial, Denials } from '../../observe/denials.ts'
import { contextFacts, type RequestContext } from '../context.ts'

/** Logs a decision that refuses a request: in full, where the client learns less. */
export function noteDecision(
  audit: Audit,
  denials: Pick<Denials, 'note'>,
  context: RequestContext,
  decision: Decision,
  unverified: readonly UnverifiedEmail[],
): void {
  const alone = unverified.find(({ isAlone }) => isAlone)
  const needs = needsOf(context, decision)
  const reasons = 'trials' in decision ? missingReasons(decision.trials) : undefined
  const groups = groupsOf(context, decision, reasons)
  denials.note(denialOf(context, alone === undefined ? decision.reason : 'email.unverified', { needs, groups }))
  const besides = {
    reasons,
    needs: needs ?? undefined,
    groups: groups ?? undefined,
    ...(alone === undefined
      ? {}
      : { alone: `${alone.email} is not verified at ${labelOf(context, alone)}`, hint: waysOut(alone) }),
  }
  const facts = { ...contextFacts(context), reason: decision.reason }
  if (decision.verdict === 'deny' && decision.reason === 'rule.broken') {
    audit.note('access.unjudged', facts, { facts: { ...besides, ...errorFacts(decision.fault) } })
  } else {
    audit.note(decision.verdict === 'step-up' ? 'access.step_up' : 'access.refused', facts, { facts: besides })
  }
}

/** What somebody came with that is not good. */
const WRONG: ReadonlyMap<Code, AuditEvent> = new Map([
  ['access.token', 'access.token_wrong'],
  ['access.password', 'access.password_wrong'],
])

/** Notes that somebody came with something that is not good, whether they wait for the answer or not; false for any other failure. */
export function noteWrong(audit: Audit, context: RequestContext, error: GateError): boolean {
  const event = WRONG.get(error.code)
  if (event === undefined) return false
  const { user, provider } = error.facts
  const known = {
    ...(typeof user === 'string' ? { user: userSubject(user), name: user } : {}),
    ...(typeof provider === 'string' ? { provider } : {}),
  }
  audit.note(event, { ...contextFacts(context), ...known }, { facts: errorFacts(error) })
  return true
}

function needsOf({ route, session }: RequestContext, decision: Decision): string | null {
  if (route === null) return null
  if (decision.reason === 'member.none') return route.portal === null ? null : describeMembers(route.portal.config)
  return tellNeeds(route.config, decision, 'trials' in decision ? decision.trials : [], session !== null)
}

function groupsOf(
  { route, session, snapshot }: RequestContext,
  { verdict, reason }: Decision,
  reasons: readonly Reason[] = [],
): string | null {
  if (verdict !== 'deny' || route === null || session === null) return null
  if (reason === 'member.none') return route.portal === null ? null : tellComing(route.portal.config, session.identity)
  const { portal } = route.config
  const roles = snapshot.config.portals.get(portal ?? '')?.roles ?? new Map()
  return tellGroups(route.config, roles, session.identity, [reason, ...reasons])
}

/** What people know the provider as that vouches for an address. */
export function labelOf({ snapshot }: RequestContext, { provider }: UnverifiedEmail): string {
  return snapshot.config.providers.get(provider)?.label ?? provider
}

function denialOf(
  { id, startedMs, request, route, session, client }: RequestContext,
  reason: Decision['reason'],
  { needs, groups }: Pick<Denial, 'needs' | 'groups'>,
): Denial {
  return {
    atMs: startedMs,
    id,
    portal: route?.config.portal ?? null,
    route: route?.config.id ?? '',
    method: request.method,
    reason,
    needs,
    groups,
    user: session === null ? null : nameOf(session.identity),
    client,
  }
}

/** The log line of a failure; `isKnown`: the log has its like already. */
export function logFailure(log: Log, context: RequestContext, error: GateError, isKnown: boolean): void {
  const facts = { id: context.id, client: context.client, ...errorFacts(error) }
  if (error.code === 'internal') log.error('A request failed on our side', facts)
  // The process logs `limit.descriptors` once.
  else if (error.status >= 500 && !isKnown && error.code !== 'limit.descriptors')
    log.warn('A request could not be answered', facts)
  else log.debug('A request was refused', facts)
}
