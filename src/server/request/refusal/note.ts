import type { AuditEvent } from '../../../audit/events.ts'
import type { Audit } from '../../../audit/writer.ts'
import { type Code, errorFacts, type GateError } from '../../../base/errors.ts'
import type { Log } from '../../../base/ports.ts'
import { userSubject } from '../../../identity/passwords/users.ts'
import { tellGroups } from '../../../policy/groups-asked.ts'
import { describeMembers, tellComing } from '../../../policy/members.ts'
import { tellNeeds } from '../../../policy/needs.ts'
import type { Decision } from '../../../policy/policy.ts'
import { missingReasons, type Reason } from '../../../policy/reasons.ts'
import { findUnverifiedEmail, type UnverifiedEmail, waysOut } from '../../../policy/unverified.ts'
import { nameOf } from '../../../portal/pages/person.ts'
import type { Denial, Denials } from '../../observe/denials.ts'
import { type Passage, passageFacts } from '../passage.ts'
import { requestFacts } from '../policy-input.ts'

/** Notes a decision that lets nobody pass: what is missing in full, where the client is told less. */
export function noteDecision(
  audit: Audit,
  denials: Pick<Denials, 'note'>,
  passage: Passage,
  decision: Decision,
  unverified: readonly UnverifiedEmail[],
): void {
  const alone = unverified.find(({ isAlone }) => isAlone)
  const needs = needsOf(passage, decision)
  const reasons = 'trials' in decision ? missingReasons(decision.trials) : undefined
  const groups = groupsOf(passage, decision, reasons)
  denials.note(denialOf(passage, alone === undefined ? decision.reason : 'email.unverified', { needs, groups }))
  const besides = {
    reasons,
    needs: needs ?? undefined,
    groups: groups ?? undefined,
    ...(alone === undefined
      ? {}
      : { alone: `${alone.email} is not verified at ${labelOf(passage, alone)}`, hint: waysOut(alone) }),
  }
  const facts = { ...passageFacts(passage), reason: decision.reason }
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
export function noteWrong(audit: Audit, passage: Passage, error: GateError): boolean {
  const event = WRONG.get(error.code)
  if (event === undefined) return false
  const { user, provider } = error.facts
  const known = {
    ...(typeof user === 'string' ? { user: userSubject(user), name: user } : {}),
    ...(typeof provider === 'string' ? { provider } : {}),
  }
  audit.note(event, { ...passageFacts(passage), ...known }, { facts: errorFacts(error) })
  return true
}

function needsOf({ route, session }: Passage, decision: Decision): string | null {
  if (route === null) return null
  if (decision.reason === 'member.none') return route.portal === null ? null : describeMembers(route.portal.config)
  return tellNeeds(route.config, decision, 'trials' in decision ? decision.trials : [], session !== null)
}

function groupsOf(
  { route, session, snapshot }: Passage,
  { verdict, reason }: Decision,
  reasons: readonly Reason[] = [],
): string | null {
  if (verdict !== 'deny' || route === null || session === null) return null
  if (reason === 'member.none') return route.portal === null ? null : tellComing(route.portal.config, session.identity)
  const { portal } = route.config
  const roles = snapshot.config.portals.get(portal ?? '')?.roles ?? new Map()
  return tellGroups(route.config, roles, session.identity, [reason, ...reasons])
}

/** Where an e-mail address that nobody answers for has a part in a refusal: that one. */
export function unverifiedOf(passage: Passage, { verdict, reason }: Decision): readonly UnverifiedEmail[] {
  const { route, session } = passage
  if (
    verdict !== 'deny' ||
    route === null ||
    session === null ||
    reason.startsWith('token.') ||
    reason === 'member.none'
  )
    return []
  const found = findUnverifiedEmail(route.policy, session.identity, requestFacts(passage, session))
  return found === null ? [] : [found]
}

/** What people know the provider as that vouches for an address. */
export function labelOf({ snapshot }: Passage, { provider }: UnverifiedEmail): string {
  return snapshot.config.providers.get(provider)?.label ?? provider
}

function denialOf(
  { id, startedMs, request, route, session, client }: Passage,
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
export function logFailure(log: Log, passage: Passage, error: GateError, isKnown: boolean): void {
  const facts = { id: passage.id, client: passage.client, ...errorFacts(error) }
  if (error.code === 'internal') log.error('A request failed on our side', facts)
  // That is told for the whole process, once.
  else if (error.status >= 500 && !isKnown && error.code !== 'limit.descriptors')
    log.warn('A request could not be answered', facts)
  else log.debug('A request was refused', facts)
}
