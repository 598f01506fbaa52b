import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { GateError } from '../base/errors.ts'
import { canonicalAddress } from '../base/net.ts'
import { loadConfig } from '../config/load.ts'
import { renderDiagnostics } from '../config/render.ts'
import type { Config, RouteConfig } from '../config/types.ts'
import { type Identity, makeIdentity } from '../identity/identity.ts'
import { compilePolicy, type Decision, decidePolicy, type Reason } from '../policy/policy.ts'
import { compileRoles } from '../policy/roles.ts'
import { compileRouteTable } from '../route/table.ts'
import { parseTarget, type Target } from '../route/target.ts'
import type { Io } from './io.ts'

const USAGE = `Usage: sallyport explain URL [--as sub=ada,groups=a,b] [--method GET] [--ip 203.0.113.9] [--config routes.toml] [--json]

Says which route would take a request, which rule decides, and why. Nothing is contacted.

  --as      who asks: claims as name=value, lists with commas (sub=ada,email=ada@example.com,groups=admins,staff);
            left out: nobody, not signed in
  exit code 0 allowed, 3 has to sign in, 4 denied, 5 no route or a refused address, 1 mistakes in the file, 2 wrong usage
`

const REASONS: Readonly<Record<Reason, string>> = {
  'route.public': 'the route is public',
  'identity.signed_in': 'anyone who is signed in may pass',
  'identity.none': 'nobody is signed in',
  'role.held': 'a role that the route allows is held',
  'role.missing': 'none of the roles that the route allows is held',
  'method.not_listed': 'the route does not list this method',
  'portal.unknown': 'the route has no portal to sign in at',
}

interface Explanation {
  readonly url: string
  readonly method: string
  readonly route: string | null
  readonly upstream: readonly string[]
  readonly portal: string | null
  readonly allow: string
  readonly who: string
  readonly roles: readonly string[]
  readonly verdict: 'allow' | 'sign-in' | 'deny' | 'no-route' | 'refused'
  readonly reason: string
  readonly why: string
}

/** `sallyport explain`: the verdict for one request, by the same functions that decide real ones. Answers the exit code. */
export function runExplain(argv: readonly string[], io: Io, ports: Parameters<typeof loadConfig>[1]): number {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(argv)
  } catch (error) {
    io.stderr(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
    return 2
  }
  if (parsed.values.help === true) {
    io.stdout(USAGE)
    return 0
  }
  const [address] = parsed.positionals
  if (address === undefined) {
    io.stderr(`explain needs an address, such as https://kuma.example.com/settings\n\n${USAGE}`)
    return 2
  }
  const url = URL.parse(address.includes('://') ? address : `https://${address}`)
  if (url === null) {
    io.stderr(`${address} is not an address\n`)
    return 2
  }
  const ip = parsed.values.ip
  if (ip !== undefined && canonicalAddress(ip) === null) {
    io.stderr(`${ip} is not an IP address\n`)
    return 2
  }
  const file = parsed.values.config
  const loaded = loadConfig(resolve(io.cwd, file), ports, file)
  if (!loaded.ok) {
    io.stderr(renderDiagnostics(loaded.diagnostics, new Map([[file, loaded.text]]), { colour: io.colour.stderr }))
    return 1
  }
  const identity = parsed.values.as === undefined ? null : identityFrom(parsed.values.as, loaded.config)
  const explanation = explain(loaded.config, url, parsed.values.method.toUpperCase(), identity)
  io.stdout(parsed.values.json ? `${JSON.stringify(explanation)}\n` : render(explanation))
  return { allow: 0, 'sign-in': 3, deny: 4, 'no-route': 5, refused: 5 }[explanation.verdict]
}

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      as: { type: 'string' },
      method: { type: 'string', default: 'GET' },
      ip: { type: 'string' },
      config: { type: 'string', short: 'c', default: 'routes.toml' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  })
}

function explain(config: Config, url: URL, method: string, identity: Identity | null): Explanation {
  const base = { url: url.href, method, who: whoText(identity) }
  const nothing = { ...base, route: null, upstream: [], portal: null, allow: '', roles: [] }
  let target: Target
  try {
    target = parseTarget(method, url.href.split('#')[0] ?? url.href, url.host)
  } catch (error) {
    if (!(error instanceof GateError)) throw error
    return { ...nothing, verdict: 'refused', reason: error.code, why: error.message }
  }
  if (target.isReserved) {
    return { ...nothing, verdict: 'allow', reason: 'reserved', why: "Sallyport's own pages answer here" }
  }
  const table = compileRouteTable(config.routes.map(route => ({ host: route.host, path: route.path, value: route })))
  const match = table.match(target)
  if (match === null) {
    return {
      ...nothing,
      verdict: 'no-route',
      reason: 'route.none',
      why: `no route has the host ${target.host} and this path`,
    }
  }
  const route = match.value
  const { decision, roles } = decideFor(config, route, identity, method)
  const described = {
    ...base,
    route: route.id,
    upstream: route.upstreams.map(one =>
      one.kind === 'unix' ? `unix:${one.path}` : `${one.scheme}://${one.authority}${one.basePath}`,
    ),
    portal: route.portal,
    allow: allowText(route),
    roles,
  }
  const barrier = match.also.find(other => decideFor(config, other, identity, method).decision.verdict !== 'allow')
  if (decision.verdict === 'allow' && barrier !== undefined) {
    const why = `a backend could read this path as one under "${barrier.id}", which is not allowed`
    return { ...described, verdict: 'refused', reason: 'target.ambiguous', why }
  }
  return { ...described, verdict: decision.verdict, reason: decision.reason, why: REASONS[decision.reason] }
}

function decideFor(
  config: Config,
  route: RouteConfig,
  identity: Identity | null,
  method: string,
): { decision: Decision; roles: readonly string[] } {
  const portal = route.portal === null ? undefined : config.portals.get(route.portal)
  const rolesOf = portal === undefined ? null : compileRoles(portal.roles)
  const decision = decidePolicy(compilePolicy(route, rolesOf), identity, { method })
  return { decision, roles: identity === null || rolesOf === null ? [] : rolesOf(identity) }
}

/** `sub=ada,groups=a,b` as an identity; a part without `=` continues the list before it. */
function identityFrom(text: string, config: Config): Identity {
  const claims = new Map<string, string[]>()
  let last: string[] = []
  for (const part of text.split(',')) {
    const equals = part.indexOf('=')
    if (equals === -1) {
      last.push(part.trim())
      continue
    }
    last = [part.slice(equals + 1).trim()]
    claims.set(part.slice(0, equals).trim(), last)
  }
  const provider = claims.get('provider')?.[0] ?? config.providers.keys().next().value ?? ''
  claims.delete('provider')
  const subject = claims.get('sub')?.[0] ?? 'someone'
  const verified: Record<string, unknown> = {}
  for (const [name, values] of claims)
    verified[name] = name === 'groups' || values.length > 1 ? values : plainValue(values[0] ?? '')
  return makeIdentity(provider, config.providers.get(provider)?.issuer ?? '', subject, verified)
}

function plainValue(text: string): unknown {
  return text === 'true' ? true : text === 'false' ? false : text
}

function whoText(identity: Identity | null): string {
  if (identity === null) return 'nobody (not signed in)'
  const groups = identity.groups.length === 0 ? '' : `, groups ${identity.groups.join(' ')}`
  return `${identity.subject}${identity.email === null ? '' : ` <${identity.email}>`}${groups}`
}

function allowText(route: RouteConfig): string {
  const methods = route.methods === null ? '' : `, methods ${route.methods.join(' ')}`
  return (route.allow.kind === 'roles' ? route.allow.roles.join(' or ') : route.allow.kind) + methods
}

function render(explanation: Explanation): string {
  const rows: [string, string][] = [['request', `${explanation.method} ${explanation.url}`]]
  if (explanation.route !== null) {
    rows.push(['route', `${explanation.route} -> ${explanation.upstream.join(', ')}`])
    rows.push(['allow', explanation.allow + (explanation.portal === null ? '' : ` (portal ${explanation.portal})`)])
    rows.push(['who', explanation.who], ['roles', explanation.roles.join(', ') || 'none'])
  }
  rows.push(['verdict', `${explanation.verdict}: ${explanation.why} (${explanation.reason})`])
  return rows.map(([name, value]) => `${name.padEnd(8)} ${value}\n`).join('')
}
