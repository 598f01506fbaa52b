import type { Json } from '../../../config/raw.ts'
import { type Desk, spell } from './desk.ts'
import type { Host } from './hosts.ts'
import { isBelow } from './matcher.ts'
import { nobody, type Policy } from './policy.ts'
import type { Portal } from './portal.ts'
import type { Guard, Service } from './site.ts'

/** A route before it is written. */
export interface RoutePlan {
  readonly host: Host
  readonly path: string
  readonly service: Service
  readonly policy: Policy | null
  /** Whether its policy leaves it open. */
  readonly isBypassed: boolean
  readonly portal: Portal | null
  readonly allow: Json
  readonly deny: readonly Json[]
}

/** What routes are made of. */
export interface Parts {
  readonly hosts: readonly Host[]
  readonly portals: readonly Portal[]
  readonly policies: readonly Policy[]
}

/**
 * The routes of a host: each service, and each path in it that another rule holds for.
 *
 * What answered at one path alone comes last: below it, a route would answer in place of the others.
 */
export function planRoutes(desk: Desk, host: Host, parts: Parts): readonly RoutePlan[] {
  const plans = new Map<string, RoutePlan>()
  const ordered = [...host.services.filter(one => !one.isExact), ...host.services.filter(one => one.isExact)]
  for (const service of ordered) {
    for (const path of pathsOf(service, host, parts)) {
      const before = plans.get(path)
      if (before === undefined) {
        const plan = planRoute(desk, host, path, service, parts)
        if (!service.isExact || mayBeWider(desk, plan, [...plans.values()])) plans.set(path, plan)
      } else if (
        path === service.path &&
        before.service !== service &&
        (before.service.hosts === null) === (service.hosts === null)
      ) {
        const say = `${host.name}${path} is served twice: write by hand what is meant for some of its requests alone`
        desk.notes.add('decide', 'reverse_proxy', service.line, say)
        // Which of them a request met is not certain, so whoever may pass is who may pass the stricter one.
        const plan = planRoute(desk, host, path, service, parts)
        if (before.allow === 'public' && plan.allow !== 'public') plans.set(path, plan)
      }
    }
  }
  return [...plans.values()]
}

/** Whether something that answered at one path may answer below it too: not where that would open what a rule guards. */
function mayBeWider(desk: Desk, { host, path, service, allow }: RoutePlan, plans: readonly RoutePlan[]): boolean {
  const above = plans
    .filter(plan => isBelow(path, plan.path))
    .sort((one, other) => other.path.length - one.path.length)[0]
  const isApplication = service.answer.entries.some(({ key }) => key === 'upstream' || key === 'files')
  if (allow === 'public' && isApplication && above !== undefined && above.allow !== 'public') {
    const say = `${host.name}${path} was open at that one path; a route is everything below it, so it stays closed: write it by hand if that may be open`
    desk.notes.add('decide', 'reverse_proxy', service.line, say)
    return false
  }
  desk.notes.add(
    'changed',
    'reverse_proxy',
    service.line,
    `${path} was that one path; here everything below it is served too`,
  )
  return true
}

function pathsOf(service: Service, host: Host, { policies }: Parts): ReadonlySet<string> {
  const paths = [service.path]
  for (const { path, policy } of guardsAt(service, host)) {
    const open = policies.find(({ was }) => was === policy)?.open ?? []
    paths.push(path, ...open.filter(opened => isBelow(opened, path)))
  }
  return new Set(paths.filter(path => isBelow(path, service.path)))
}

function guardsAt({ guards }: Service, { name }: Host): readonly Guard[] {
  return guards.filter(({ hosts }) => hosts === null || hosts.includes(name))
}

function planRoute(desk: Desk, host: Host, path: string, service: Service, parts: Parts): RoutePlan {
  const guards = guardsAt(service, host).filter(guard => isBelow(path, guard.path))
  const [guard] = guards
  const plan = { host, path, service, isBypassed: false, deny: [] }
  if (guard === undefined) return { ...plan, policy: null, portal: null, allow: 'public' }
  const policy = parts.policies.find(({ was }) => was === guard.policy) ?? null
  const portal = portalFor(desk, policy, host, parts)
  if (policy?.open.some(open => isBelow(path, open)) === true) {
    return { ...plan, policy, portal, isBypassed: true, allow: 'public' }
  }
  const isKnown = policy !== null && portal?.isClosed !== true && isOnly(desk, guard, guards)
  if (policy === null) {
    const say = `there is no policy ${guard.policy} in this file: write allow of its routes by hand`
    desk.notes.add('decide', 'authorize', guard.line, say)
  }
  const deny = [...(policy?.deny ?? []), ...(portal?.denied ?? [])]
  return { ...plan, policy, portal, allow: isKnown ? policy.allow : [nobody(desk)], deny }
}

/** Several policies on one way all had to allow, which one list of rules does not say. */
function isOnly(desk: Desk, guard: Guard, guards: readonly Guard[]): boolean {
  const other = guards.find(({ policy }) => policy !== guard.policy)
  if (other === undefined) return true
  const say = `${guard.policy} and ${other.policy} both had to allow ${guard.path}: write allow of its routes by hand`
  desk.notes.add('decide', 'authorize', other.line, say)
  return false
}

/** The portal of a policy: the one that its address for signing in leads to, or that is on the same host. */
function portalFor(desk: Desk, policy: Policy | null, host: Host, { hosts, portals }: Parts): Portal | null {
  const [first] = portals
  if (portals.length <= 1) return first ?? null
  const place = /^https?:\/\/([^/:]+)/.exec(policy?.authUrl ?? '')?.[1]
  const where = place === undefined ? host : hosts.find(({ name }) => name === spell(desk, place))
  const found = portals.find(({ was }) => where?.placements.some(({ portal }) => portal === was))
  if (found === undefined && policy !== null) {
    const say = `which portal it belongs to cannot be seen; ${first?.name} was taken`
    desk.notes.add('decide', `authorization policy ${policy.was}`, policy.line, say)
  }
  return found ?? first ?? null
}
