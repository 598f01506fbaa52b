/** The decision on a request, by rules, session and credentials; kept for each session and route. */

import { GateError } from '../../base/errors.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { NO_TRUSTED_EMAILS, vouchedPart } from '../../identity/claim-trust.ts'
import { NO_FACTS } from '../../policy/condition.ts'
import { NOT_A_MEMBER } from '../../policy/members.ts'
import { waysOut } from '../../policy/needs.ts'
import { allowsMethod, type Decision, decideAccess, decidePolicy, looksAtMethod } from '../../policy/policy.ts'
import { ownerOf } from '../../portal/kept-forms/page-owner.ts'
import { bindRules } from '../../proxy/fields/rules.ts'
import { personalBasic } from '../../proxy/upstream/basic-auth.ts'
import type { Match } from '../../route/table.ts'
import { KeptCookies } from '../../session/cookie.ts'
import type { Session } from '../../session/session.ts'
import { type LiveFieldTools, makeLiveFields, tellTooLong } from '../config/live-fields.ts'
import { type CompiledGrant, type GatePortal, type GateRoute, isPrivate } from '../config/snapshot.ts'
import { authenticate, type Credential, type Who } from './authenticate.ts'
import { isOpenTo, type Located, methodOf, presentAt, requestFacts, tellsOfWebSocket } from './context.ts'
import { isPreflight } from './errors/cors.ts'
import { findGuest } from './guests.ts'
import { limitPerson, refuseServiceWorker } from './limit.ts'
import { holdToMethod, refuseOverrides } from './method-override.ts'
import type { PipelineTools } from './tools.ts'
import { judgeMentions } from './webdav.ts'

/** The grant of an allowed request, or the decision that refuses it. */
export type Verdict = CompiledGrant | Decision

export function isRefusal(verdict: Verdict): verdict is Decision {
  return 'verdict' in verdict
}

/**
 * Fourth step: whether this request may pass, by its route, and by every route that another reading of its path or one
 * of its fields leads to.
 *
 * Reads the policy, the session, and what rules look at in a request. Writes `session`, by which the request
 * continues; `elsewhere`; `isPrivate`; `sent` without fields that name another method; `mentions`. Throws
 * `target.ambiguous`, `access.denied`, `limit.rate`, and what looking up a guest or a session for a mentioned address
 * throws.
 */
export function decide(who: Who, context: Located, tools: PipelineTools): MaybePromise<Verdict> {
  if (who.isOutsider) return decideOutsider(who, context, tools)
  const { session: found, denial, by } = who
  const { route, match } = context
  context.found = found
  if (denial !== null) {
    context.session = found
    return denial
  }
  if (by !== 'cookie' && found !== null) refuseStray(by, match)
  const session = presentAt(route, found)
  context.session = session
  if (!context.isMention && !context.isCounted) {
    limitPerson(context.client, session, match, tools)
    context.isCounted = true
  }
  const identity = session?.identity ?? null
  if (!allowsMethod(route.policy, methodOf(context))) {
    return decidePolicy(route.policy, identity, requestFacts(context, session))
  }
  const grant = session === null ? route.anonymous : cachedGrant(route, session, tools)
  const decision = grant.decision ?? decideAccess(route.policy, identity, requestFacts(context, session))
  if (decision.verdict === 'allow') return decideRest(context, tools, grant, found)
  if (decision.verdict === 'sign-in' && route.config.corsPreflight && isPreflight(context)) {
    // This request passes without a user only because it is OPTIONS: so no field may name another method to the
    // application.
    holdToMethod(context)
    return decideRest(context, tools, grant, found)
  }
  if (!route.takesGuests || context.token !== null) return decision
  return andThen(findGuest(context, tools), decideGuest, context, tools, decision)
}

/** A user who is not a member of the portal: anonymous, but not redirected to the sign-in. */
function decideOutsider(who: Who, context: Located, tools: PipelineTools): MaybePromise<Verdict> {
  const asNobody = decide({ ...who, session: null, isOutsider: false }, context, tools)
  return andThen(asNobody, verdict => {
    if (!isRefusal(verdict) || verdict.verdict !== 'sign-in') return verdict
    // For the log: a refused request does not continue.
    context.session = who.session
    return NOT_A_MEMBER
  })
}

/** A token or a password: another reading of the path must not lead to a route that does not take it, or to another portal with like-named roles. */
function refuseStray(by: Credential['by'], { value: route, also }: Match<GateRoute>): void {
  const stray = also.find(other => isStray(by, route, other))
  if (stray !== undefined) throw ambiguousPath(route, stray)
}

/** Whether a token or a password that counts at a route must not lead to the one of another reading. */
export function isStray(by: Credential['by'], { config }: GateRoute, { config: other }: GateRoute): boolean {
  // A token may be for only one MCP server, so on such a route no path with a second reading is accepted.
  return (by === 'tokens' && config.mcp !== null) || !other[by] || other.portal !== config.portal
}

function ambiguousPath(route: GateRoute, other: GateRoute): GateError {
  return new GateError('target.ambiguous', `the path can be read as one under "${other.config.id}"`, {
    facts: { route: route.config.id, other: other.config.id },
  })
}

/** A refused user may still have a guest link for this address. */
function decideGuest(
  guest: Session | null,
  context: Located,
  tools: PipelineTools,
  refusal: Decision,
): MaybePromise<Verdict> {
  if (guest === null) return refusal
  const { route } = context
  const grant = cachedGrant(route, guest, tools)
  const decision = grant.decision ?? decideAccess(route.policy, guest.identity, requestFacts(context, guest))
  // A guest at the wrong time learns that, instead of being asked for an account.
  if (decision.verdict !== 'allow') return refusal.verdict === 'sign-in' ? decision : refusal
  context.session = guest
  return decideRest(context, tools, grant, guest)
}

/**
 * Allowed here for this user: every other reading of the path, and every address that a field mentions, must allow it,
 * too.
 */
function decideRest(
  context: Located,
  tools: PipelineTools,
  grant: CompiledGrant,
  found: Session | null,
): MaybePromise<Verdict> {
  const { route, match } = context
  context.isPrivate = isPrivate(route, context.session)
  for (const other of match.also) decideOther(context, other, found)
  if (looksAtMethod(route.policy)) refuseOverrides(context)
  const { asked } = context
  if (asked === null || (route.upstream === null && context.question === null)) return grant
  return decideMentions(asked, context, tools, grant)
}

/** The route of another reading: there the user is determined as for a request to it. */
function decideOther(context: Located, other: GateRoute, found: Session | null): void {
  const there = presentAt(other, found)
  const isOpen = isOpenTo(other, there?.identity ?? null, requestFacts(context, there), () =>
    tellsOfWebSocket(context.sent),
  )
  if (!isOpen) throw ambiguousPath(context.route, other)
  if (there !== null && context.session === null) context.elsewhere = there
  context.isPrivate ||= isPrivate(other, there)
  // The other route was asked about this method, and no field may name another to its application.
  if (looksAtMethod(other.policy)) holdToMethod(context)
}

async function decideMentions(
  asked: Located,
  context: Located,
  tools: PipelineTools,
  grant: CompiledGrant,
): Promise<CompiledGrant> {
  context.mentions = await judgeMentions(asked, there => mayMention(there, tools))
  return grant
}

/** Whether the request that another one mentions would pass, as the same client. Throws what a request there would. */
async function mayMention(there: Located, tools: PipelineTools): Promise<boolean> {
  refuseServiceWorker(there, there.route)
  const verdict = await andThen(authenticate(there, tools), decide, there, tools)
  if (!isRefusal(verdict)) return true
  tools.metrics.denied++
  tools.respond.noteDecision(there, verdict)
  return false
}

const NO_FIELDS: CompiledGrant['fields'] = []

/**
 * What every request of one session gets on one route: the decision, where it depends on nothing else, and the fields.
 *
 * Made once for each pair. A reload brings new routes, and a refresh a new session, which get new ones.
 */
function cachedGrant(route: GateRoute, session: Session, tools: LiveFieldTools): CompiledGrant {
  return route.grants.get(session) ?? makeGrant(route, session, tools)
}

function makeGrant(route: GateRoute, session: Session, tools: LiveFieldTools): CompiledGrant {
  const { policy, identityFields, answerFields, config, portal } = route
  const { identity } = session
  const decision = policy.isStatic ? decideAccess(policy, identity, NO_FACTS) : null
  const roles = decision === null ? policy.rolesOf(identity) : decision.verdict === 'allow' ? decision.roles : null
  const personal = config.upstream?.personal ?? null
  const told = vouchedPart(identity, portal?.roles.trusted ?? NO_TRUSTED_EMAILS)
  if (told !== identity && portal !== null) tellHeldBack(portal, session, tools)
  const made = Object.freeze({
    decision,
    fields:
      identityFields !== null && roles !== null
        ? identityFields(told, roles, name => tellTooLong(config, session, name, tools))
        : NO_FIELDS,
    answerFields: answerFields !== null && roles !== null ? answerFields(told, roles) : NO_FIELDS,
    cookies: new KeptCookies(),
    userMark: config.endsUserSessions ? tools.seal.mark(ownerOf(session), 'the last user of a host') : null,
    authorization:
      personal === null || roles === null
        ? route.anonymous.authorization
        : personalBasic(personal, { identity: told, roles }),
    live:
      portal === null || roles === null
        ? null
        : makeLiveFields(config, portal.config, session, { identity: told, roles }, tools),
    requestRules: bindRules(config.requestRules, { identity: told, roles: roles ?? [] }),
    responseRules: bindRules(config.responseRules, { identity: told, roles: roles ?? [] }),
  })
  route.grants.set(session, made)
  return made
}

/**
 * Logged once for each provider of a portal, until the next reload: an application that identifies users by their
 * address shows no user, or a wrong one.
 */
function tellHeldBack({ heldBack }: GatePortal, { identity }: Session, { ports }: LiveFieldTools): void {
  if (heldBack.has(identity.provider)) return
  heldBack.add(identity.provider)
  ports.log.warn(
    'The provider does not say that it verified an e-mail address: no rule and no application learns of it',
    {
      provider: identity.provider,
      user: identity.subject,
      hint: waysOut(identity),
    },
  )
}
