/** The closed list of reasons for a decision. */

import type { Schedule } from '../config/keys/rules.ts'

/**
 * The reason of a decision, from a closed list. `why` completes an explanation for operators. `say` is a sentence for
 * the refused user, where the user may know.
 */
export const REASONS = {
  'route.public': { why: 'the route is public', say: null },
  'identity.signed_in': { why: 'anyone who is signed in may pass', say: null },
  'identity.none': { why: 'no user is signed in', say: null },
  'role.held': { why: 'the user has a role that the route allows', say: null },
  'role.missing': { why: 'the user has none of the roles', say: 'It needs a role that you do not have.' },
  'rule.held': { why: 'a rule of the route holds', say: null },
  'rule.denied': {
    why: 'a deny rule of the route holds, or cannot be ruled out',
    say: 'Requests like this one are not allowed here.',
  },
  'rule.excluded': { why: 'the rule excludes this request, or that cannot be ruled out', say: null },
  'rule.broken': { why: 'a rule could not be judged, and so denies', say: null },
  'provider.other': { why: 'the user’s provider is not among those of the rule', say: null },
  'subject.other': { why: 'the subject is not among those of the rule', say: null },
  'email.other': { why: 'the e-mail address or its domain is not among those of the rule', say: null },
  'email.none': { why: 'the provider states no e-mail address', say: null },
  'email.unverified': { why: 'the provider does not say that the e-mail address is verified', say: null },
  'group.missing': { why: 'the user is in none of the groups', say: null },
  'group.unknown': {
    why: 'the provider does not state the groups of this user, perhaps because there are too many: no role or rule by groups matches',
    say: 'Your sign-in provider does not state your groups: there may be too many.',
  },
  'claim.other': { why: 'a claim has none of the values of the rule', say: null },
  'network.outside': {
    why: 'the client is in none of the networks',
    say: 'It is open only from certain networks, and yours is not among them.',
  },
  'network.unreadable': {
    why: 'the address of the client is not known',
    say: 'It is open only from certain networks, and yours is not known.',
  },
  'method.other': {
    why: 'the method is not among those of the rule',
    say: 'Requests of this kind are not open to you.',
  },
  'path.other': {
    why: 'the path does not match the rule, or can be read as one that does not',
    say: 'This address is not open to you.',
  },
  'header.other': {
    why: 'a field of the request does not match the rule, or is repeated',
    say: 'Requests like this one are not open to you.',
  },
  'query.other': {
    why: 'the query of the address does not match the rule, or repeats a name',
    say: 'This address is not open to you.',
  },
  'hours.outside': { why: 'the time is outside the hours or days', say: 'It is open only at certain times: {detail}.' },
  'date.before': { why: 'it has not begun yet', say: 'It opens later: {detail}.' },
  'date.after': { why: 'it is over', say: 'It is no longer open: {detail}.' },
  'sign_in.old': {
    why: 'the sign-in is older than the rule takes',
    say: 'It needs a sign-in that is newer than yours.',
  },
  'acr.other': { why: 'the sign-in was not at a level of the rule', say: 'It needs a stronger sign-in than yours.' },
  'amr.other': { why: 'the sign-in did not use a method of the rule', say: 'It needs a sign-in by another method.' },
  'guest.only': { why: 'the rule is for guests who came by a link', say: null },
  'guest.none': { why: 'this is not for guests who came by a link', say: null },
  'member.none': {
    why: 'members of the portal does not match this user, or they come by none of its providers: they have no session',
    say: 'This account may not sign in here.',
  },
  'client.none': {
    why: 'this is for people: a program that acts for itself needs a role, for example from any = true with clients = true',
    say: 'It is open only to people.',
  },
  'person.other': { why: 'the rules are for other people', say: 'It is open only to certain people.' },
  'token.host': { why: 'the token is not for this host', say: 'This token is not for this host.' },
  'token.path': { why: 'the token is not for this path', say: 'This token is not for this path.' },
  'token.resource': {
    why: 'the token is for another MCP server, or for one that was removed',
    say: 'This token is not for this server.',
  },
  'token.method': { why: 'the token is not for this method', say: 'This token is not for this method.' },
  'token.network': {
    why: 'the client is in none of the networks of the token, or its address is not known',
    say: 'This token is not for your network.',
  },
  'tool.other': { why: 'the tool is not among those of the route', say: 'This tool is not open here.' },
  'method.not_listed': { why: 'the route does not list this method', say: null },
  'portal.unknown': { why: 'the route has no portal to sign in at', say: null },
} as const satisfies Record<string, { readonly why: string; readonly say: string | null }>

export type Reason = keyof typeof REASONS

/** A condition that does not hold. */
export interface Missing {
  readonly reason: Reason
  /** Whether it is about who asks, about how they signed in, or about the request. */
  readonly kind: ConditionKind
  /** Roles of which one would do. */
  readonly roles: readonly string[]
  /** When it would hold, in words; empty where the reason says it all. */
  readonly detail: string
  /** The times in it, for those who say them in another language. */
  readonly when?: When
}

/** When something is open. */
export type When =
  | { readonly kind: 'schedule'; readonly schedule: Schedule }
  /** A date, as in the file. */
  | { readonly kind: 'from' | 'until'; readonly text: string }

type ConditionKind = 'person' | 'sign-in' | 'request'

/** One entry of `allow` or `deny`, tried. */
export interface Trial {
  readonly list: 'allow' | 'deny'
  /** Its place in the list, from 0. */
  readonly index: number
  readonly outcome: 'holds' | 'fails' | 'unknown'
  /** What does not hold, or cannot be judged; of an entry of `deny` that holds: nothing. */
  readonly missing: readonly Missing[]
}

/** Everything that was missing, each reason once; with `rule.denied` where an entry of `deny` was in the way. */
export function missingReasons(trials: readonly Trial[]): readonly Reason[] {
  const found = trials.flatMap(({ list, outcome, missing }): readonly Reason[] => {
    if (list === 'deny') return outcome === 'fails' ? [] : ['rule.denied']
    return missing.map(({ reason }) => reason)
  })
  return [...new Set(found)]
}

/**
 * The closest entry of `allow`. For a signed-in user: the one that misses least, and one that is about this user comes
 * before all others. For an anonymous client: of the entries that the request itself keeps from holding, the one where
 * it misses least; without such entries, the one that misses least.
 */
export function findNearest(trials: readonly Trial[], isSignedIn: boolean): Trial | undefined {
  const tried = trials.filter(({ list }) => list === 'allow')
  const own = tried.filter(({ missing }) =>
    isSignedIn ? missing.every(({ kind }) => kind !== 'person') : missing.some(({ kind }) => kind === 'request'),
  )
  const inTheWay = ({ missing }: Trial) => missing.filter(({ kind }) => isSignedIn || kind === 'request').length
  return (own.length > 0 ? own : tried).toSorted(
    (one, other) => inTheWay(one) - inTheWay(other) || one.missing.length - other.missing.length,
  )[0]
}

/** What a refused user may see: sentences, and roles of which one would be enough. */
export interface Told {
  readonly needed: readonly string[]
  readonly reasons: readonly ToldReason[]
}

/** One English sentence, and the parts that it is made from. */
export interface ToldReason {
  readonly code: Reason
  readonly say: string
  readonly detail: string
  readonly when: When | null
}

/**
 * What a refused user may see about the rules that did not let them pass.
 *
 * It speaks only of rules about this user, or about every signed-in user. If the network or the time refused them, it
 * says so. Without such rules it names the roles that would be enough. Otherwise it says only that the page is for
 * other users. It never shows a rule that names other users, groups or addresses.
 */
export function chooseTold(trials: readonly Trial[]): Told {
  if (trials.some(({ list, outcome }) => list === 'deny' && outcome !== 'fails')) return tell([], ['rule.denied'])
  const tried = trials.filter(({ list }) => list === 'allow')
  const isOpen = ({ kind, reason }: Missing) => kind !== 'person' || reason === 'identity.none'
  const own = tried.filter(
    ({ missing }) => missing.every(isOpen) && (missing.length === 0 || missing.some(({ kind }) => kind !== 'person')),
  )
  if (own.length > 0)
    return tell(
      [],
      own.flatMap(({ missing }) => missing),
    )
  const byRole = tried.flatMap(({ missing }) => {
    const personal = missing.filter(({ kind }) => kind === 'person')
    return personal.every(({ reason }) => reason === 'role.missing') ? personal : []
  })
  return byRole.length > 0 ? tellRoles(byRole.flatMap(({ roles }) => roles)) : tell([], ['person.other'])
}

/** That one of these roles would do. */
export function tellRoles(roles: readonly string[]): Told {
  return tell(roles, ['role.missing'])
}

/** That one thing is in the way. */
export function tellReason(reason: Reason): Told {
  return tell([], [reason])
}

function tell(needed: readonly string[], found: readonly (Reason | Missing)[]): Told {
  const reasons = new Map<string, ToldReason>()
  for (const one of found) {
    const { reason: code, detail, when = null } = typeof one === 'string' ? { reason: one, detail: '' } : one
    const say = REASONS[code].say?.replace('{detail}', detail)
    if (say !== undefined) reasons.set(say, { code, say, detail, when })
  }
  return { needed: [...new Set(needed)], reasons: [...reasons.values()] }
}
