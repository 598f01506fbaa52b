/** For the log of a refusal: what the request lacked, in the words of the file. */

import type { RouteConfig } from '../config/resolve/routes.ts'
import { describeRule } from './describe.ts'
import type { Decision } from './policy.ts'
import { findNearest, type Trial } from './reasons.ts'

/** A log is no place for a list of a thousand addresses. */
const MAX_LENGTH = 300

/**
 * What a refused request needs to pass, in the words of the file: the closest entry of `allow`, or the entry of `deny`
 * that refuses it. Null where it passed, or where no rule refused it.
 *
 * Only for operators, since it names users, groups and networks.
 */
export function tellNeeds(
  { allow, deny, methods }: Pick<RouteConfig, 'allow' | 'deny' | 'methods'>,
  { verdict, reason }: Decision,
  trials: readonly Trial[],
  isSignedIn: boolean,
): string | null {
  if (verdict === 'allow' || reason === 'rule.broken' || reason === 'portal.unknown' || reason.startsWith('token.'))
    return null
  if (reason === 'method.not_listed') return cut(`method ${(methods ?? []).join(' or ')}`)
  if (verdict === 'deny' && reason === 'rule.denied') {
    const inTheWay = trials.filter(({ list, outcome }) => list === 'deny' && outcome !== 'fails')
    const rules = inTheWay.flatMap(({ index }) => deny[index] ?? [])
    return rules.length === 0 ? null : cut(`not ${rules.map(describeRule).join(', not ')}`)
  }
  const signedIn = isSignedIn ? '' : 'signed in, '
  if (allow.kind === 'roles') return cut(`${signedIn}role ${allow.roles.join(' or ')}`)
  if (allow.kind !== 'rules') return isSignedIn ? null : 'signed in'
  const nearest = allow.rules[findNearest(trials, isSignedIn)?.index ?? -1]
  if (nearest === undefined) return isSignedIn ? null : 'signed in'
  return cut((nearest.isAnonymous || nearest.isForGuests ? '' : signedIn) + describeRule(nearest))
}

function cut(text: string): string {
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH - 1)}…` : text
}
