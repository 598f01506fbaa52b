import type { Json } from '../../config/text/raw.ts'
import type { Conditions } from './conditions.ts'
import { type Context, spell, withoutTwins } from './context.ts'
import type { Host } from './hosts.ts'
import { nobody, type Policy } from './policy.ts'
import type { Portal } from './portal.ts'
import { type Guard, type Literal, spellLiterals } from './walk/way.ts'

/** What routes are made of. */
export interface Parts {
  readonly hosts: readonly Host[]
  readonly portals: readonly Portal[]
  readonly policies: readonly Policy[]
}

/** Who may pass a route. */
export interface Access {
  readonly policies: readonly Policy[]
  readonly portal: Portal | null
  readonly allow: Json
  readonly deny: readonly Json[]
}

/** Requests that the literals hold for, and what guards them. */
export interface Guarded {
  readonly literals: readonly Literal[]
  readonly guards: readonly Guard[]
}

/** Who may pass, where requests of one answer are guarded in these ways. What cannot be told lets nobody in. */
export function accessFor(context: Context, host: Host, all: readonly Guarded[], parts: Parts): Access {
  const policies: Policy[] = []
  const allow: Json[] = []
  const deny: Json[] = []
  let portal: Portal | null = null
  let isOpen: 'public' | 'authenticated' | null = null
  for (const { literals, guards } of all) {
    const when = spellLiterals(literals)
    const whenOpen = spellLiterals(literals.filter(literal => !isOpenOtherwise(literal, literals, all)))
    if (guards.length === 0) {
      if (when.length === 0) isOpen = 'public'
      else allow.push({ ...oneRule(when), anonymous: true })
      continue
    }
    const policy = policyOf(context, guards, parts)
    const { portal: own, isCertain } = portalFor(context, policy, host, parts)
    portal ??= own
    if (!isCertain) continue
    if (policy !== null) policies.push(policy)
    if (policy === null || policy.allow === null || own?.isClosed === true || isUncertain(context, policy, own))
      continue
    if (own?.providers.some(({ isPreset }) => isPreset) === true && asksWho(policy, own)) {
      const say =
        'it or its portal asks for what people of GitHub or Discord are called, which is something else here: its routes let nobody in until you write their allow by hand, by subjects = ["583231"]'
      context.notes.add('closed', `authorization policy ${policy.was}`, policy.line, say)
      continue
    }
    if (own !== portal) {
      context.notes.add(
        'closed',
        'authorize',
        guards[0]?.line ?? null,
        'a route has one portal: some requests are refused',
      )
      continue
    }
    if (asksPaths(policy) && guards.some(({ isMoved }) => isMoved)) {
      const say = 'its rules ask for paths as they have become by then: its routes let nobody in; write allow by hand'
      context.notes.add('closed', `authorization policy ${policy.was}`, policy.line, say)
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
  if ([...allow, ...deny].some(rule => depthOf(rule) > MAX_DEPTH)) {
    const say = 'its rules stand in each other too deep: its routes let nobody in; write allow and deny by hand'
    for (const { was, line } of policies) context.notes.add('closed', `authorization policy ${was}`, line, say)
    return { policies, portal, allow: [nobody(context)], deny: [] }
  }
  const listed = isOpen ?? (allow.length > 0 ? withoutTwins(allow) : [nobody(context)])
  return { policies, portal, allow: listed, deny: isOpen === 'public' ? [] : withoutTwins(deny) }
}

/** Rules do not stand in each other more often in routes.toml. */
const MAX_DEPTH = 4

function depthOf(rule: Json): number {
  if (typeof rule !== 'object' || rule === null) return 0
  if (Array.isArray(rule)) return Math.max(0, ...rule.map(depthOf))
  const parts = Object.entries(rule).filter(([key]) => key === 'any' || key === 'all' || key === 'not')
  return Math.max(0, ...parts.map(([, part]) => depthOf(part) + 1))
}

/** Parts of a rule that hold alike whatever somebody's fields are called. */
const OF_ANYONE = new Set(['providers', 'roles', 'methods', 'paths', 'require_email'])

/** Whether who passes depends on a field of a person. */
function asksWho({ allow, deny }: Policy, { denied, roles }: Portal): boolean {
  return [allow, ...deny, ...denied, ...[...roles.values()].flat()].some(readsPerson)
}

function readsPerson(rule: Json): boolean {
  if (Array.isArray(rule)) return rule.some(readsPerson)
  if (typeof rule !== 'object' || rule === null) return false
  return Object.entries(rule).some(([key, part]) => {
    if (key === 'all' || key === 'not' || key === 'any') return readsPerson(part)
    return !OF_ANYONE.has(key)
  })
}

function asksPaths({ allow, deny }: Policy): boolean {
  return JSON.stringify([allow, deny]).includes('"paths":')
}

/** Whether everyone passes where a literal does not hold, so that a rule need not ask for it. */
function isOpenOtherwise(literal: Literal, literals: readonly Literal[], all: readonly Guarded[]): boolean {
  const others = literals.map(one => spellOne(one === literal ? { ...one, isHeld: !one.isHeld } : one))
  return all.some(one => one.guards.length === 0 && one.literals.every(own => others.includes(spellOne(own))))
}

function spellOne({ rule, isHeld }: Literal): string {
  return JSON.stringify([rule, isHeld])
}

/** Rules that all have to hold, as one. */
function oneRule(rules: readonly Conditions[]): Conditions {
  const [first] = rules
  return first !== undefined && rules.length === 1 ? first : { all: rules }
}

function tableOf(rule: Json): Json {
  return typeof rule === 'string' ? { roles: [rule] } : rule
}

/** The policy of a way; null for one that is not there, and for several, which all had to allow. */
function policyOf(context: Context, guards: readonly Guard[], { policies }: Parts): Policy | null {
  const [first] = guards
  const other = guards.find(({ policy }) => policy !== first?.policy)
  if (first === undefined) return null
  const policy = policies.find(({ was }) => was === first.policy) ?? null
  if (policy === null) {
    const say = `there is no policy ${first.policy} in this file: write allow of its routes by hand`
    context.notes.add('closed', 'authorize', first.line, say)
  }
  if (other === undefined) return policy
  const say = `${first.policy} and ${other.policy} both had to allow: write allow of its routes by hand`
  context.notes.add('closed', 'authorize', other.line, say)
  return null
}

/** Whether a policy shuts people out by a role that more of them may have than can be told. */
function isUncertain(context: Context, { was, line, deniedRoles }: Policy, portal: Portal | null): boolean {
  const role = deniedRoles.find(name => portal?.isUncertain(name) === true)
  if (role === undefined) return false
  const say = `who has the role ${role}, which it shuts out, cannot all be told: its routes let nobody in until you write that role by hand`
  context.notes.add('closed', `authorization policy ${was}`, line, say)
  return true
}

interface Found {
  readonly portal: Portal | null
  /** Whether the file says so; else it is one of several. */
  readonly isCertain: boolean
}

/** The portal of a policy: the one that its address for signing in leads to, or that is on the same host. */
function portalFor(context: Context, policy: Policy | null, host: Host, { hosts, portals }: Parts): Found {
  const [first] = portals
  if (portals.length <= 1) return { portal: first ?? null, isCertain: true }
  const place = /^https?:\/\/([^/:]+)/.exec(policy?.authUrl ?? '')?.[1]
  const where = place === undefined ? host : hosts.find(({ name }) => name === spell(context, place))
  const found = portals.find(({ was }) => where?.placements.some(({ portal }) => portal === was))
  if (found === undefined && policy !== null) {
    const say =
      'which portal it belongs to cannot be seen: its routes let nobody in; name it as portal, and write allow'
    context.notes.add('closed', `authorization policy ${policy.was}`, policy.line, say)
  }
  return { portal: found ?? first ?? null, isCertain: found !== undefined }
}
