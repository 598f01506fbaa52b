/** Who may pass a route: the policies in front of it, as `allow` and `deny`. */

import type { Json } from '../../config/text/raw.ts'
import { EVERYONE } from '../draft.ts'
import { type Context, withoutTwins } from './context.ts'
import type { Guard } from './outcomes.ts'
import { nobody, type Policy } from './policy.ts'
import type { Portal } from './portal.ts'
import { type Ruled, spellRule } from './route-place.ts'
import { type Conditions, isRule, PARTS, sayRequests, tablesIn } from './rules.ts'

/** Who is let in, by the old file. */
export interface Parts {
  readonly portals: readonly Portal[]
  readonly policies: readonly Policy[]
}

export interface Access {
  readonly policies: readonly Policy[]
  readonly portal: Portal | null
  readonly allow: Json
  readonly deny: readonly Json[]
}

interface Guarded {
  readonly literals: readonly Ruled[]
  readonly guards: readonly Guard[]
}

/** The users that may pass, where requests of one answer have these guards. An undetermined guard allows no user. */
export function accessFor(context: Context, stated: readonly Guarded[], parts: Parts): Access {
  const { all, refused } = withoutCommon(context, stated)
  const policies: Policy[] = []
  const allow: Json[] = []
  const deny: Json[] = [...refused]
  let portal: Portal | null = null
  let isOpen: 'public' | 'authenticated' | null = null
  for (const { literals, guards } of all) {
    const when = literals.map(spellRule)
    const whenOpen = literals.filter(literal => !isOpenOtherwise(literal, literals, all)).map(spellRule)
    if (guards.length === 0) {
      if (when.length === 0) isOpen = 'public'
      else allow.push({ ...oneRule(when), anonymous: true })
      continue
    }
    const policy = policyOf(context, guards, parts)
    const { portal: own, isCertain } = portalFor(context, policy, parts)
    portal ??= own
    if (!isCertain) continue
    if (policy !== null) policies.push(policy)
    if (policy === null || policy.allow === null || own?.isClosed === true || isUncertain(context, policy, own))
      continue
    if (own?.providers.some(({ isPreset }) => isPreset) === true && asksWho(policy, own)) {
      const say =
        'it or its portal asks for user names of GitHub or Discord, which differ here: its routes stay closed until you write their allow by hand, by subjects = ["583231"]'
      context.notes.add('closed', `authorization policy ${policy.was}`, null, say)
      continue
    }
    if (own !== portal) {
      const say = 'a route has one portal: some requests are refused'
      context.notes.add('closed', guards[0]?.where ?? 'authorizer', null, say)
      continue
    }
    if (asksPaths(policy) && guards.some(({ isMoved }) => isMoved)) {
      const say = 'its rules ask for paths after a rewrite: its routes stay closed; write allow by hand'
      context.notes.add('closed', `authorization policy ${policy.was}`, null, say)
      continue
    }
    deny.push(
      ...[...policy.deny, ...(own?.denied ?? [])].map(rule =>
        when.length === 0 ? rule : { all: [...when, tableOf(rule)] },
      ),
    )
    if (policy.allow !== 'authenticated') {
      const rules = Array.isArray(policy.allow) ? policy.allow : [policy.allow]
      allow.push(...rules.map(rule => (whenOpen.length === 0 ? rule : { all: [...whenOpen, tableOf(rule)] })))
    } else if (when.length === 0) isOpen = 'authenticated'
    else allow.push(oneRule(when))
  }
  const noOne = () => nobody(context, (portal?.providers.length ?? 0) > 1)
  if ([...allow, ...deny].some(rule => depthOf(rule) > MAX_DEPTH)) {
    const say = 'its rules are nested too deep: its routes stay closed; write allow and deny by hand'
    const [place = 'matchers'] = all.flatMap(({ guards }) => guards.map(({ where }) => where))
    const closed = policies.length === 0 ? [place] : policies.map(({ was }) => `authorization policy ${was}`)
    for (const one of closed) context.notes.add('closed', one, null, say)
    // A route that needs a user needs a portal for the sign-in.
    return portal === null
      ? { policies, portal, allow: 'public', deny: [EVERYONE] }
      : { policies, portal, allow: [noOne()], deny: [] }
  }
  const listed = isOpen ?? (allow.length > 0 ? withoutTwins(allow) : [noOne()])
  if (portal === null && asksPerson(listed)) return { policies, portal, allow: 'public', deny: [EVERYONE] }
  return { policies, portal, allow: listed, deny: withoutTwins(isOpen === 'public' ? refused : deny) }
}

function asksPerson(allow: Json): boolean {
  if (!Array.isArray(allow)) return allow !== 'public'
  return allow.some(rule => !isRule(rule) || rule.anonymous !== true)
}

/**
 * The conditions that hold for all served requests, as `deny` of the contrary. Other conditions on fields and queries,
 * which clients write, admit no user without a sign-in, so those ways are refused.
 */
function withoutCommon(
  { notes }: Context,
  all: readonly Guarded[],
): { readonly all: readonly Guarded[]; readonly refused: readonly Json[] } {
  const [first] = all
  const isOfAll = (literal: Ruled) =>
    all.every(({ literals }) => literals.some(one => spellOne(one) === spellOne(literal)))
  const common = first?.literals.filter(isOfAll) ?? []
  const refused = common.map(literal => ({ ...literal, isHeld: !literal.isHeld })).map(spellRule)
  const others = all.map(one => ({
    ...one,
    literals: one.literals.filter(literal => !common.some(known => spellOne(known) === spellOne(literal))),
  }))
  const kept = others.filter(({ literals, guards }) => {
    const written = guards.length === 0 ? literals.filter(({ rule }) => isWritten(rule)) : []
    for (const { rule } of written) {
      const say =
        'fields that a client writes cannot open a route without a sign-in: these requests are refused, or give them a separate address'
      notes.add('closed', `${Object.keys(rule).join()} ${sayRequests(rule)}`, null, say)
    }
    return written.length === 0
  })
  return { all: kept, refused }
}

function isWritten(rule: Json): boolean {
  return tablesIn(rule).some(({ headers, query }) => headers !== undefined || query !== undefined)
}

/** Rules do not stand in each other more often in routes.toml. */
const MAX_DEPTH = 4

function depthOf(rule: Json): number {
  if (typeof rule !== 'object' || rule === null) return 0
  if (Array.isArray(rule)) return Math.max(0, ...rule.map(depthOf))
  return Math.max(0, ...Object.entries(rule).map(([key, part]) => (PARTS.includes(key) ? depthOf(part) + 1 : 0)))
}

/** Parts of a rule that mean the same for all names of a user's fields. */
const OF_ANYONE = new Set([
  ...PARTS,
  'providers',
  'roles',
  'methods',
  'paths',
  'path_regexp',
  'ignore_case',
  'require_email',
])

/** Whether who passes depends on a field of a person. */
function asksWho({ allow, deny }: Policy, { denied, roles }: Portal): boolean {
  const all = tablesIn([allow, ...deny, ...denied, ...[...roles.values()].flat()])
  return all.some(rule => Object.keys(rule).some(key => !OF_ANYONE.has(key)))
}

function asksPaths({ allow, deny }: Policy): boolean {
  return /"path(?:s|_regexp)":/.test(JSON.stringify([allow, deny]))
}

/** Whether everyone passes where a literal does not hold, so that a rule need not ask for it. */
function isOpenOtherwise(literal: Ruled, literals: readonly Ruled[], all: readonly Guarded[]): boolean {
  const others = literals.map(one => spellOne(one === literal ? { ...one, isHeld: !one.isHeld } : one))
  return all.some(one => one.guards.length === 0 && one.literals.every(own => others.includes(spellOne(own))))
}

function spellOne({ rule, isHeld }: Ruled): string {
  return JSON.stringify([rule, isHeld])
}

function oneRule(rules: readonly Conditions[]): Conditions {
  const [first] = rules
  return first !== undefined && rules.length === 1 ? first : { all: rules }
}

function tableOf(rule: Json): Json {
  return typeof rule === 'string' ? { roles: [rule] } : rule
}

/** The policy of a way; null for one that is not there. Where it meets several, all of them have to allow. */
function policyOf(context: Context, guards: readonly Guard[], { policies }: Parts): Policy | null {
  const met = [...new Map(guards.map(guard => [guard.policy, guard])).values()].map(({ policy, where }) => {
    const found = policies.find(({ was }) => was === policy) ?? null
    if (found === null) {
      const say = `there is no policy ${policy}: write allow of its routes by hand`
      context.notes.add('closed', where, null, say)
    }
    return found
  })
  return met.includes(null) ? null : met.filter(one => one !== null).reduce(both)
}

function both(one: Policy, other: Policy): Policy {
  const isKnown = one.allow !== null && other.allow !== null
  const lists = [one.allow, other.allow].filter(allow => Array.isArray(allow)).map(oneOf)
  return {
    ...other,
    was: `${one.was} and ${other.was}`,
    takes: portal => one.takes(portal) && other.takes(portal),
    allow: !isKnown ? null : lists.length === 0 ? 'authenticated' : lists.length === 1 ? lists : [{ all: lists }],
    deny: [...one.deny, ...other.deny],
    headers: other.headers ?? one.headers,
    removed: [...one.removed, ...other.removed],
    roles: [...one.roles, ...other.roles],
    deniedRoles: [...one.deniedRoles, ...other.deniedRoles],
  }
}

function oneOf(rules: readonly Json[]): Json {
  const [first, ...others] = rules.map(tableOf)
  return first !== undefined && others.length === 0 ? first : { any: rules.map(tableOf) }
}

/** Whether a policy denies a role that more users may have than the importer can determine. */
function isUncertain(context: Context, { was, deniedRoles }: Policy, portal: Portal | null): boolean {
  const role = deniedRoles.find(name => portal?.isUncertain(name) === true)
  if (role === undefined) return false
  const say = `it shuts out the role ${role}, and who has that role is not clear: its routes stay closed until you write that role by hand`
  context.notes.add('closed', `authorization policy ${was}`, null, say)
  return true
}

/**
 * The portal of a policy: one of those whose sessions it takes, for any sign-in address of the policy. Of several it
 * is the first: a user who passes by a session of that one could pass there as well. `isCertain`: whether the file says so.
 */
function portalFor(context: Context, policy: Policy | null, { portals }: Parts) {
  const [first] = portals
  if (policy === null) return { portal: first ?? null, isCertain: portals.length <= 1 }
  const taken = portals.filter(portal => policy.takes(portal))
  if (taken.length === 0) {
    const say =
      'it shares no key or no cookie with a portal: its routes stay closed; name a portal in them, and write allow'
    context.notes.add('closed', `authorization policy ${policy.was}`, null, say)
  }
  if (taken.length > 1) {
    const say = `it took the sessions of several portals (${taken.map(({ was }) => was).join(', ')}): a route has one, so that people sign in there`
    context.notes.add('people', `authorization policy ${policy.was}`, null, say)
  }
  return { portal: taken[0] ?? first ?? null, isCertain: taken.length > 0 }
}
