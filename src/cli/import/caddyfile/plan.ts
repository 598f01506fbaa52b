import { parseRoutePath } from '../../../config/path.ts'
import { type Access, accessFor, type Parts } from './access.ts'
import type { Desk } from './desk.ts'
import { type Host, outcomesAt, patternsOf } from './hosts.ts'
import { boundaryOf, isBelow, mustBegin, type Place } from './place.ts'
import type { Policy } from './policy.ts'
import { type Branch, isApplication, isRefusal, keyOf, ruleOn, ruleOnBoth, type Served } from './ruling.ts'
import type { Guard, Outcome } from './way.ts'

/** A route before it is written. */
export interface RoutePlan extends Access {
  readonly host: Host
  readonly path: string
  /** A status where nothing of the file's answers. */
  readonly served: Served | number
  /** What is there is closed for these reasons; none: it is not. */
  readonly closed: readonly string[]
}

/**
 * The routes of a host: for each place that the file tells from others, who answers there and who may pass.
 *
 * A place that is as what is around it needs no route.
 */
export function planRoutes(desk: Desk, host: Host, parts: Parts): readonly RoutePlan[] {
  const paths = boundariesOf(host, parts.policies)
  const boundaries = [...paths.keys()]
  const plans = new Map<string, RoutePlan>()
  const around = new Map<string, readonly Branch[]>()
  for (const [path, spelt] of [...paths].sort(([one], [other]) => one.length - other.length)) {
    const rule = (cell: Place['cell']) => {
      const place: Place = { host: host.name, path, cell, boundaries }
      return ruleOn(outcomesAt(host, place).map(outcome => withoutBypassed(outcome, place, spelt, parts.policies)))
    }
    const below = rule('below')
    around.set(path, below)
    const above = nearest(boundaries, path)
    const branches = ruleOnBoth(spelt, rule('point'), below, answerOf(above === null ? undefined : around.get(above)))
    const inherited = nearestPlan(plans, path)
    const plan = planRoute(desk, { host, path: spelt }, branches, inherited, parts)
    if (plan !== null && !(inherited !== null && isSame(plan, inherited))) plans.set(path, plan)
  }
  return [...plans.values()]
}

/** Where routes may begin, lower-case, with their spelling in the file: the root, and wherever a pattern begins. */
function boundariesOf(host: Host, policies: readonly Policy[]): ReadonlyMap<string, string> {
  const open = policies.flatMap(policy => policy.open.map(({ path }) => path))
  const found = [...patternsOf(host), ...open].map(boundaryOf).filter(path => path !== null)
  const usable = found.filter(path => parseRoutePath(path).ok)
  return new Map(['/', ...usable].map(path => [path.toLowerCase(), path]))
}

/** An outcome without the guards that let all of a place's requests by. */
function withoutBypassed(outcome: Outcome, { path, cell }: Place, spelt: string, policies: readonly Policy[]): Outcome {
  const isOpen = ({ policy, seesPath }: Guard) =>
    seesPath &&
    policies.some(
      ({ was, open }) =>
        was === policy &&
        open.some(bypass =>
          bypass.isExact
            ? cell === 'point' && bypass.path === spelt
            : mustBegin(bypass.path, { host: '', path: spelt, cell, boundaries: [] }),
        ),
    )
  const guards = outcome.guards.filter(guard => !isOpen(guard))
  return path === '' || guards.length === outcome.guards.length ? outcome : { ...outcome, guards }
}

function nearest(paths: readonly string[], path: string): string | null {
  const above = paths.filter(other => other !== path && isBelow(path, other))
  return above.sort((one, other) => other.length - one.length)[0] ?? null
}

function nearestPlan(plans: ReadonlyMap<string, RoutePlan>, path: string): RoutePlan | null {
  const above = nearest([...plans.keys()], path)
  return above === null ? null : (plans.get(above) ?? null)
}

/** What answers most of a place's requests. */
function answerOf(branches: readonly Branch[] | undefined): string | null {
  const fate = branches?.at(-1)?.fate
  return fate?.kind === 'served' ? keyOf(fate.served) : null
}

type Spot = Pick<RoutePlan, 'host' | 'path'>

function planRoute(
  desk: Desk,
  spot: Spot,
  branches: readonly Branch[],
  inherited: RoutePlan | null,
  parts: Parts,
): RoutePlan | null {
  sayShared(desk, spot, branches)
  const main = mainOf(branches)
  const own = branches.flatMap(({ literals, fate }) =>
    fate.kind === 'served' && main !== null && keyOf(fate.served) === keyOf(main)
      ? [{ literals, guards: fate.guards }]
      : [],
  )
  if (main !== null && own.length > 0) {
    sayParted(desk, spot, branches, main)
    return { ...spot, served: main, closed: [], ...accessFor(desk, spot.host, own, parts) }
  }
  const closed = branches.flatMap(({ fate }) => (fate.kind === 'closed' ? [fate] : []))
  const [first] = closed
  if (first !== undefined) {
    const why = [...new Set(closed.flatMap(fate => fate.why))]
    desk.notes.add('closed', `${spot.host.name}${spot.path}`, null, `nobody passes, for want of ${why.join(', ')}`)
    const access = accessFor(desk, spot.host, [{ literals: [], guards: closed.flatMap(({ guards }) => guards) }], parts)
    return { ...spot, served: first.served ?? 403, closed: why, ...access }
  }
  const isRefused = branches.some(({ fate }) => fate.kind === 'refused')
  const isPortal = branches.every(({ fate }) => fate.kind === 'portal')
  // A portal's own paths stay behind the sign-in of what is around them, where that has one.
  if (isPortal && (inherited === null || inherited.allow !== 'public')) return null
  if (!isRefused && (inherited === null || typeof inherited.served === 'number')) return null
  return { ...spot, served: isRefused ? 403 : 404, closed: [], policies: [], portal: null, allow: 'public', deny: [] }
}

/** The answer of a place: that of the requests of which least is asked, an application before others. */
function mainOf(branches: readonly Branch[]): Served | null {
  const served = branches.flatMap(({ fate }) => (fate.kind === 'served' ? [fate.served] : []))
  return served.findLast(isApplication) ?? served.at(-1) ?? null
}

/** Something had the path for itself, or what is below it. */
function sayShared(desk: Desk, { host, path }: Spot, branches: readonly Branch[]): void {
  for (const { fate } of branches) {
    if (fate.kind === 'closed' || fate.also === undefined) continue
    const say = `one route is for the path and for all that is below it: ${fate.also}, which had a part of that, is not carried over`
    desk.notes.add('decide', `${host.name}${path}`, null, say)
  }
}

/** Some of the requests had another answer, or none. */
function sayParted(desk: Desk, { host, path }: Spot, branches: readonly Branch[], main: Served): void {
  for (const { fate } of branches) {
    if (fate.kind === 'served' && keyOf(fate.served) !== keyOf(main) && !isRefusal(fate.served)) {
      const { name, line } = fate.served.answer
      const say = `some of the requests for ${host.name}${path} went elsewhere, and a route has one answer: those are refused`
      desk.notes.add('closed', name, line, say)
    } else if (fate.kind === 'closed') {
      const say = `some of the requests are refused, for want of ${fate.why.join(', ')}`
      desk.notes.add('closed', `${host.name}${path}`, null, say)
    }
  }
}

function isSame(one: RoutePlan, other: RoutePlan): boolean {
  const meaning = ({ served, closed, allow, deny, portal, policies }: RoutePlan) => [
    typeof served === 'number' ? served : keyOf(served),
    closed,
    allow,
    deny,
    portal?.name,
    policies.map(({ headers }) => headers),
  ]
  return JSON.stringify(meaning(one)) === JSON.stringify(meaning(other))
}
