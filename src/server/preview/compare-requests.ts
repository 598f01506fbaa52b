/** The same requests to two files, with both results. */

import type { AccessRule, RequestRule } from '../../config/keys/rules.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { RouteConfig } from '../../config/resolve/routes.ts'
import { samplePath } from '../../config/values/pattern.ts'
import { barsReadings } from '../../policy/policy.ts'
import { offeredRoles } from '../../session/grants/offered.ts'
import { type Circumstances, createJudge, type IdentityAt, type Judge, type ProbedAddress } from './judge.ts'
import { canonical } from './route-changes.ts'

/**
 * The result of a request: a decision's verdict, `own` for one of Sallyport's pages, `no-route`, or `refused` for an
 * ambiguous address.
 */
export type Outcome = 'allow' | 'sign-in' | 'step-up' | 'deny' | 'own' | 'no-route' | 'refused'

/** A request that one file may answer otherwise than the other. */
export interface Pair {
  readonly probe: Probe
  /** The portals at which it matters who asks. */
  readonly portals: ReadonlySet<string>
  /** Pairs of one group come to the same for the same person; null: each has to be asked. */
  readonly group: string | null
  before(who: IdentityAt, facts: Omit<Circumstances, 'method'>): Outcome
  after(who: IdentityAt, facts: Omit<Circumstances, 'method'>): Outcome
}

/** One of two files, with its judge. */
interface Side {
  readonly judge: Judge
  /** A number for what decides about a route; equal numbers, in either file, are equal decisions. */
  numberOf(route: RouteConfig): number
}

/** Every request that is worth asking of both files: one that leads to the same rules in both is not among them. */
export function createPairs(before: Config, after: Config): readonly Pair[] {
  const numbers = new Map<string, number>()
  const number = (text: string): number => {
    const known = numbers.get(text) ?? numbers.size
    numbers.set(text, known)
    return known
  }
  const [old, next] = [createSide(before, number), createSide(after, number)]
  return createProbes(before, after).flatMap(probe => {
    const [was, is] = [old.judge.place(probe.url, probe.method), next.judge.place(probe.url, probe.method)]
    const [wasKey, isKey] = [keyOf(was, old), keyOf(is, next)]
    if (wasKey === isKey) return []
    const isPlain = isSame(was, old) && isSame(is, next)
    return [
      {
        probe,
        portals: new Set([...portalsIn(was), ...portalsIn(is)]),
        group: isPlain ? `${wasKey} ${isKey} ${probe.method}` : null,
        before: (who, facts) => outcomeOf(was, old.judge, who, { ...facts, method: probe.method }),
        after: (who, facts) => outcomeOf(is, next.judge, who, { ...facts, method: probe.method }),
      },
    ]
  })
}

function createSide(config: Config, number: (text: string) => number): Side {
  const offered = offeredRoles(config)
  const portals = new Map(
    [...config.portals].map(([name, { roles, members, providers, lifetimes }]) => {
      const own = providers.map(provider => config.providers.get(provider))
      return [name, number(canonical([name, roles, members, own, lifetimes, offered.get(name)]))]
    }),
  )
  const known = new Map<RouteConfig, number>()
  return {
    judge: createJudge(config),
    numberOf(route) {
      const before = known.get(route)
      if (before !== undefined) return before
      const { allow, deny, methods, portal } = route
      const made = number(canonical([allow, deny, methods, portal, portals.get(portal ?? ''), barsReadings(route)]))
      known.set(route, made)
      return made
    },
  }
}

function keyOf(place: ProbedAddress, { numberOf }: Side): string {
  if (place.kind !== 'route') return place.kind
  return [place.route, ...place.also].map(numberOf).join('+')
}

/** Whether one decision about a user holds for every request. */
function isSame(place: ProbedAddress, { judge }: Side): boolean {
  return place.kind !== 'route' || (place.also.length === 0 && judge.compiled(place.route).policy.isStatic)
}

function portalsIn(place: ProbedAddress): readonly string[] {
  return place.kind === 'route' ? [place.route, ...place.also].flatMap(({ portal }) => portal ?? []) : []
}

function outcomeOf(place: ProbedAddress, judge: Judge, who: IdentityAt, facts: Circumstances): Outcome {
  if (place.kind === 'reserved') return 'own'
  if (place.kind !== 'route') return place.kind
  const { decision, barrier } = judge.decide(place, who, facts)
  return barrier === null ? decision.verdict : 'refused'
}

/** A request that represents a part of a route. */
interface Probe {
  /** The id of the route that it was made for. */
  readonly route: string
  readonly url: URL
  readonly method: string
}

/**
 * The requests that compare two files: for each route of either file its own address, and the paths and methods of its
 * rules. A star becomes a name that neither file has.
 */
function createProbes(before: Config, after: Config): readonly Probe[] {
  const hosts = new Set([...before.routes, ...after.routes].map(({ host }) => host))
  const byId = new Map<string, RouteConfig[]>()
  for (const route of [...before.routes, ...after.routes]) {
    const same = byId.get(route.id)
    if (same === undefined) byId.set(route.id, [route])
    else same.push(route)
  }
  return [...byId].flatMap(([id, routes]) => probesOf(id, routes, hosts))
}

function probesOf(id: string, routes: readonly RouteConfig[], hosts: ReadonlySet<string>): readonly Probe[] {
  const [first] = routes
  if (first === undefined) return []
  const rules = routes.flatMap(({ allow, deny }) => [...(allow.kind === 'rules' ? allow.rules : []), ...deny])
  const all = rules.flatMap(withParts)
  const methods = new Set([
    'GET',
    ...routes.flatMap(route => [...(route.methods ?? []), ...(route.when?.methods ?? [])]),
    ...all.flatMap(methodsIn),
  ])
  const asked = [...all, ...routes.flatMap(({ when }) => when ?? [])]
  const paths = new Set([first.path, ...(first.isExact ? [] : asked.flatMap(pathsIn))])
  const host = nameFor(first.host, hosts)
  return [...paths].flatMap(path => {
    const url = URL.parse(`https://${host}${path}`)
    if (url === null) return []
    return Array.from(methods, method => ({ route: id, url, method }))
  })
}

function withParts(rule: AccessRule): readonly AccessRule[] {
  const parts = [...(rule.any ?? []), ...(rule.all ?? []), ...(rule.not === null ? [] : [rule.not])]
  return [rule, ...parts.flatMap(withParts)]
}

function methodsIn({ methods }: AccessRule): readonly string[] {
  return methods ?? []
}

function pathsIn({ paths, pathRegexp }: RequestRule): readonly string[] {
  const named = (paths ?? []).map(pattern => pattern.replaceAll('*', STAND_IN))
  return [...named, ...(pathRegexp ?? []).flatMap(source => samplePath(source, STAND_IN))].filter(path =>
    path.startsWith('/'),
  )
}

const STAND_IN = 'any'

/** A host that a pattern is for, and no other route by its name. */
function nameFor(host: string, hosts: ReadonlySet<string>): string {
  if (!host.startsWith('*.')) return host
  const rest = host.slice(1)
  for (let number = 0; ; number++) {
    const name = STAND_IN + (number === 0 ? '' : number) + rest
    if (!hosts.has(name)) return name
  }
}
