import { decideAccess, NO_FACTS } from '../policy/policy.ts'
import { bindRules } from '../proxy/field-rules.ts'
import type { Session } from '../session/session.ts'
import type { GateRoute, Prepared } from './snapshot.ts'

const NO_FIELDS: Prepared['fields'] = Object.freeze([])

/**
 * What every request of one session gets on one route: the decision where it depends on nothing else, and the fields.
 *
 * Made once for both; a reload brings new routes, and a refresh a new session, which are prepared anew.
 */
export function prepareSession(route: GateRoute, session: Session): Prepared {
  const before = route.prepared.get(session)
  if (before !== undefined) return before
  const { policy, identityFields } = route
  const decision = policy.isStatic ? decideAccess(policy, session.identity, NO_FACTS) : null
  const roles =
    decision === null ? policy.rolesOf(session.identity) : decision.verdict === 'allow' ? decision.roles : null
  const made = Object.freeze({
    decision,
    fields: identityFields !== null && roles !== null ? identityFields(session.identity, roles) : NO_FIELDS,
    requestRules: bindRules(route.config.requestRules, { identity: session.identity, roles: roles ?? [] }),
    responseRules: bindRules(route.config.responseRules, { identity: session.identity, roles: roles ?? [] }),
  })
  route.prepared.set(session, made)
  return made
}
