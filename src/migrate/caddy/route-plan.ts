/** The routes of a host, before they are written. */

import { parseRoutePath } from '../../config/values/path.ts'
import { EVERYONE } from '../draft.ts'
import { createNotes } from '../notes.ts'
import { createBlanks } from '../variables-to-set.ts'
import type { Context } from './context.ts'
import { type FieldChanges, joinChanges, NO_CHANGES } from './fields.ts'
import type { Host } from './hosts.ts'
import type { Outcome } from './outcomes.ts'
import { type Access, accessFor, type Parts } from './route-access.ts'
import { boundaryOf, isBelow, type RoutePlace, spellRule } from './route-place.ts'
import { type Conditions, sayRequests } from './rules.ts'
import {
  type Branch,
  isApplication,
  isPrecise,
  isRefusal,
  keyOf,
  partOutcomes,
  ruleOn,
  type Served,
} from './strictest.ts'

/** A route before it is written. */
export interface RoutePlan extends Access {
  readonly host: Host
  readonly path: string
  readonly isExact: boolean
  /** Which requests it is for; null: all. */
  readonly when: Conditions | null
  /** A status where nothing of the file's answers. */
  readonly served: Served | number
  readonly fields: FieldChanges
  /** The reasons why its content is closed; none: it is open. */
  readonly closed: readonly string[]
}

/**
 * The routes of a place, and the same with all patterns of its rules, those that hold for none of its paths among them: by these, routes may
 * be the same that are not by those.
 */
interface Planned {
  readonly plans: readonly RoutePlan[]
  /** Null where they are too many, or what they tell apart is not all. */
  readonly verbose: readonly RoutePlan[] | null
}

/**
 * The routes of a host: for each place that the file separates, the answer and the users that may pass.
 *
 * A place that equals its surroundings needs no route. A path that differs from the paths below it has a separate
 * route.
 */
export function planRoutes(context: Context, host: Host, parts: Parts): readonly RoutePlan[] {
  const paths = boundariesOf(host)
  const boundaries = [...paths.keys()]
  const whole = new Map<string, Planned>()
  const muted: Context = { ...context, notes: createNotes(), blanks: createBlanks() }
  const plans: RoutePlan[] = []
  for (const [path, spelt] of [...paths].sort(([one], [other]) => one.length - other.length)) {
    const planAt = (cell: 'point' | 'below', around: Planned | null): Planned | null => {
      const place: RoutePlace = { host: host.is, path, cell, boundaries, isSecure: !host.isPlain }
      const spot = {
        host,
        path: spelt,
        isExact: cell === 'point',
        isWithinServed: isWithinServed(whole, path),
        isAroundServed: around?.plans.some(({ served }) => typeof served !== 'number') === true,
      }
      // What is written for the paths below may leave out what holds for all of them, and for the path itself does not.
      const isForBoth = () =>
        context.notes.quietly(() => {
          const outcomes = outcomesAt(host, { ...place, cell: 'whole' })
          return isSame(planPlace(muted, spot, outcomes, parts), around?.plans ?? [])
        })
      const plans = planPlace(context, spot, outcomesAt(host, place), parts)
      if (plans.length === 0) return null
      const outcomes = outcomesAt(host, { ...place, isVerbose: true })
      const verbose = isPrecise(outcomes) ? planPlace(muted, spot, outcomes, parts) : null
      if (around !== null && isSame(plans, around.plans)) return null
      const isOwn = cell === 'point' && around === whole.get(path)
      if (around !== null && isSameIn(verbose, around.verbose) && (!isOwn || isForBoth())) return null
      return { plans, verbose }
    }
    const around = nearestPlan(whole, path)
    const below = planAt('below', around)
    if (below !== null) whole.set(path, below)
    const point = planAt('point', below ?? around)
    if (point !== null && below !== null && point.plans.some(isOpen) && !below.plans.some(isOpen)) {
      const say =
        'this path alone is open, as it was, as no matcher that ends in /* holds for it: write allow into its route if that was not meant'
      context.notes.add('decide', `${host.name}${spelt}`, null, say)
    }
    plans.push(...[below, point].flatMap(one => one?.plans ?? []))
  }
  return plans
}

/** What becomes of the requests for a place, at each server that has the host. */
function outcomesAt({ servers, closed }: Host, place: RoutePlace): readonly Outcome[] {
  return servers.flatMap(({ server, walk }) => {
    const why = server.closed ?? closed
    return walk({ ...place, isSecure: !server.isPlain }, why)
  })
}

/** The routes of one place: one, unless requests that `when` tells apart have different answers. The last one is for all that is left. */
function planPlace(context: Context, spot: Spot, outcomes: readonly Outcome[], parts: Parts): readonly RoutePlan[] {
  if (!isPrecise(outcomes)) {
    const say = 'more matchers than rules can say: what they tell apart is held to the strictest of it'
    context.notes.add('changed', `${spot.host.name}${spot.path}`, null, say)
  }
  const leaves = partOutcomes(outcomes, ({ policy }) =>
    parts.policies.some(({ was, headers }) => was === policy && headers !== null),
  )
  const plans: RoutePlan[] = []
  for (const { when, outcomes: own } of leaves.toReversed()) {
    if (when !== null && when.methods === undefined && when.query === undefined && when.ignore_case !== true) {
      const say = `${sayRequests(when)} in another letter case passes for users whom both routes allow`
      context.notes.add('changed', `${spot.host.name}${spot.path}`, null, say)
    }
    const fields = fieldsOf(context, spot, own)
    const isRestServed = spot.isAroundServed || plans.length > 0
    const plan = planRoute(context, { ...spot, when, fields, isAroundServed: isRestServed }, ruleOn(own), parts)
    if (plan !== null) plans.unshift(plan)
  }
  return plans
}

/**
 * Where routes may begin, lower-case, with their spelling in the file: the root, and the beginning of every pattern.
 */
function boundariesOf(host: Host): ReadonlyMap<string, string> {
  const found = host.patterns.map(boundaryOf).filter(path => path !== null)
  const usable = found.filter(path => parseRoutePath(path).ok)
  return new Map(['/', ...usable].map(path => [path.toLowerCase(), path]))
}

function isWithinServed(plans: ReadonlyMap<string, Planned>, path: string): boolean {
  const isServed = ({ served }: RoutePlan) => typeof served !== 'number' && !isRefusal(served)
  return [...plans].some(([other, { plans: own }]) => isBelow(path, other) && own.some(isServed))
}

function nearestPlan(plans: ReadonlyMap<string, Planned>, path: string): Planned | null {
  const above = [...plans].filter(([other]) => other !== path && isBelow(path, other))
  return above.sort(([one], [other]) => other.length - one.length)[0]?.[1] ?? null
}

interface Spot extends Pick<RoutePlan, 'host' | 'path' | 'isExact'> {
  /** Whether somebody gets something at a path above it, where another spelling of this one may lead. */
  readonly isWithinServed: boolean
  /** Whether a request that no route here takes would get something from what is around it. */
  readonly isAroundServed: boolean
}

function planRoute(
  context: Context,
  spot: Spot & Pick<RoutePlan, 'when' | 'fields'>,
  branches: readonly Branch[],
  parts: Parts,
): RoutePlan | null {
  const main = mainOf(branches)
  const own = branches.flatMap(({ literals, fate }) =>
    fate.kind === 'served' && main !== null && keyOf(fate.served) === keyOf(main)
      ? [{ literals, guards: fate.guards }]
      : [],
  )
  if (main !== null && own.length > 0) {
    sayParted(context, spot, branches, main)
    const access = accessFor(context, own, parts)
    // Other spellings of the path are served by what is around it, to whom this lets in as well.
    const deny = isRefusal(main) && spot.isWithinServed ? [EVERYONE] : access.deny
    return { ...spot, served: main, closed: [], ...access, deny }
  }
  const closed = branches.flatMap(({ fate }) => (fate.kind === 'closed' ? [fate] : []))
  const [first] = closed
  if (first !== undefined) {
    const why = [...new Set(closed.flatMap(fate => fate.why))]
    const say = `closed until you have decided ${why.join(', ')}`
    context.notes.add('closed', `${spot.host.name}${spot.path}`, null, say)
    const access = accessFor(context, [{ literals: [], guards: closed.flatMap(({ guards }) => guards) }], parts)
    return { ...spot, served: first.served ?? 403, closed: why, ...access }
  }
  const isRefused = branches.some(({ fate }) => fate.kind === 'refused')
  if (!isRefused && !spot.isAroundServed) return null
  return {
    ...spot,
    served: isRefused ? 403 : 404,
    closed: [],
    policies: [],
    portal: null,
    allow: 'public',
    deny: spot.isWithinServed ? [EVERYONE] : [],
  }
}

/** What is done to the fields of a place's answers; nothing, which is named, where that is not the same for all of them. */
function fieldsOf(
  { notes }: Context,
  { host, path }: Pick<Spot, 'host' | 'path'>,
  outcomes: readonly Outcome[],
): FieldChanges {
  const all = outcomes.flatMap(({ end, fields }) =>
    end.kind === 'answer' ? [joinChanges(end.answer.fields, fields)] : [],
  )
  const [first = NO_CHANGES, ...others] = all
  if (others.every(one => JSON.stringify(one) === JSON.stringify(first))) return first
  const say = `not the same for all requests for ${host.name}${path}: write response_headers into its routes by hand`
  notes.add('left', 'header', null, say)
  return NO_CHANGES
}

/** The answer of a place: that of the requests of which least is asked, an application before others. */
function mainOf(branches: readonly Branch[]): Served | null {
  const served = branches.flatMap(({ fate }) => (fate.kind === 'served' ? [fate.served] : []))
  return served.findLast(isApplication) ?? served.at(-1) ?? null
}

/** Some of the requests had another answer, or none. */
function sayParted(context: Context, { host, path }: Spot, branches: readonly Branch[], main: Served): void {
  for (const { fate, literals } of branches) {
    const about = literals.map(spellRule).map(sayRequests).join(' and ')
    const some = about === '' ? 'some of the requests' : `some of the requests (${about})`
    if (fate.kind === 'served' && keyOf(fate.served) !== keyOf(main) && !isRefusal(fate.served)) {
      const { where } = fate.served.answer
      const say = `${some} for ${host.name}${path} went elsewhere, and are refused: give them a path or a host of their own, as a route has one answer`
      context.notes.add('closed', where, null, say)
    } else if (fate.kind === 'closed') {
      const say = `${some} are refused until you have decided ${fate.why.join(', ')}`
      context.notes.add('closed', `${host.name}${path}`, null, say)
    }
  }
}

function isOpen({ served, closed, allow, deny }: RoutePlan): boolean {
  return typeof served !== 'number' && allow === 'public' && closed.length + deny.length === 0
}

/** Whether the rules of what is around a place, with all of their patterns, are those of the place as well. */
function isSameIn(verbose: Planned['verbose'], around: Planned['verbose']): boolean {
  if (verbose === null || around === null || verbose.some(({ closed }) => closed.length > 0)) return false
  return isSame(verbose, around)
}

function isSame(one: readonly RoutePlan[], other: readonly RoutePlan[]): boolean {
  const meaning = ({ when, served, closed, allow, deny, portal, policies, fields }: RoutePlan) => [
    when,
    typeof served === 'number' ? served : keyOf(served),
    closed,
    allow,
    deny,
    portal?.name,
    fields,
    policies.map(({ headers }) => headers),
  ]
  return JSON.stringify(one.map(meaning)) === JSON.stringify(other.map(meaning))
}
