import type { Config } from '../../config/types/config.ts'
import type { RouteConfig } from '../../config/types/routes.ts'
import type { AccessRule, RequestRule } from '../../config/types/rules.ts'
import { samplePath } from '../../config/values/pattern.ts'

/** A request that stands for a part of a route. */
export interface Probe {
  /** The id of the route that it was made for. */
  readonly route: string
  readonly url: URL
  readonly method: string
}

/**
 * What to ask so that two files can be compared: of each route of either its own address, and the paths and methods that its rules
 * name. A star stands for a name that neither file has.
 */
export function createProbes(before: Config, after: Config): readonly Probe[] {
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
