import { NO_TRUSTED_EMAILS, vouchedPart } from '../../identity/vouched.ts'
import { NO_FACTS } from '../../policy/condition.ts'
import { decideAccess } from '../../policy/policy.ts'
import { waysOut } from '../../policy/unverified.ts'
import { ownerOf } from '../../portal/replay/page-owner.ts'
import { bindRules } from '../../proxy/fields/rules.ts'
import { personalBasic } from '../../proxy/upstream/basic-auth.ts'
import type { Session } from '../../session/session.ts'
import { type LiveFieldTools, makeLiveFields, tellTooLong } from '../config/live-fields.ts'
import type { GatePortal, GateRoute, Prepared } from '../config/snapshot.ts'

const NO_FIELDS: Prepared['fields'] = Object.freeze([])

/**
 * What every request of one session gets on one route: the decision, where it depends on nothing else, and the fields.
 *
 * Made once for each pair. A reload brings new routes, and a refresh a new session, which get new ones.
 */
export function preparedFor(route: GateRoute, session: Session, tools: LiveFieldTools): Prepared {
  const before = route.prepared.get(session)
  if (before !== undefined) return before
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
  route.prepared.set(session, made)
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
