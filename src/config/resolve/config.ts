/** The whole Config from a file without mistakes. What the file says is built by its keys; here is what takes more than one table. */

import { isIPv4 } from 'node:net'
import { createShared } from '../../base/freeze.ts'
import type { Surroundings } from '../environment.ts'
import type { Expectation } from '../keys/expect.ts'
import { type AuditConfig, ROOT, type RootTable } from '../keys/keys.ts'
import type { LogConfig } from '../keys/log.ts'
import { SERVER, type ServerConfig } from '../keys/server.ts'
import { refreshLimit, SESSIONS, type SessionsConfig } from '../keys/sessions.ts'
import { builderOf, known } from '../keys/table.ts'
import type { TelemetryConfig } from '../keys/telemetry.ts'
import type { ConfigFiles } from '../values/files.ts'
import { ROLE_CLAIMS } from '../values/headers.ts'
import type { ListenAddress } from '../values/listen.ts'
import { buildPortal, type PortalConfig } from './portals.ts'
import { buildProvider, type OneProvider, type ProviderConfig } from './providers.ts'
import { buildRoutes, type RouteConfig } from './routes.ts'
import { buildTls, type TlsConfig } from './tls.ts'

/** The checked shape of routes.toml, from which the rest of the program works. Only `checkConfig` builds it; frozen. */
export interface Config {
  readonly server: ServerConfig
  readonly log: LogConfig
  /** Null: nothing is traced. */
  readonly telemetry: TelemetryConfig | null
  /** Null: no HTTPS. */
  readonly tls: TlsConfig | null
  readonly sessions: SessionsConfig
  readonly audit: AuditConfig
  readonly providers: ReadonlyMap<string, ProviderConfig>
  readonly portals: ReadonlyMap<string, PortalConfig>
  readonly routes: readonly RouteConfig[]
  /** What requests have to come to, so that the file is taken. */
  readonly expectations: readonly Expectation[]
}

const serverFields = builderOf(SERVER)
const sessionFields = builderOf(SESSIONS)

/**
 * The Config of a file without mistakes, frozen to the bottom.
 *
 * Throws TypeError where a value is missing: a mistake that was not reported is a bug of Sallyport's.
 */
export function buildConfig(table: RootTable, directory: string, files: ConfigFiles, around: Surroundings): Config {
  const root = known(table)
  const server = known(root.server)
  const context = { directory, files, outer: { server, sessions: known(root.sessions) } }
  const admin = server.admin ?? around.admin
  const verify = server.verify ?? []
  const tls = root.tls === null ? null : buildTls(root.tls, table, context)
  const places = [...server.listen, ...verify, ...(tls?.listen ?? []), ...(admin === null ? [] : [admin])]
  const share = createShared()
  const sessions = sessionFields(root.sessions, context)
  const portals = mapMap(root.portals, (name, portal) => buildPortal(name, portal, root.providers, context))
  // Each at once, so that no more than one is as large as it is built.
  const routes = root.routes.flatMap(route => buildRoutes(route, root, context).map(built => share(built)))
  const claims = namedClaims(portals, routes)
  const providers = mapMap(root.providers, (name, provider) => buildProvider(name, provider, context))
  return share({
    server: {
      ...serverFields(root.server, context),
      listen: shareFamilies(server.listen, places),
      admin: admin === null ? null : (shareFamilies([admin], places)[0] ?? null),
      verify: shareFamilies(verify, places),
    },
    log: ROOT.log.build(root.log, context),
    telemetry: ROOT.telemetry.build(root.telemetry, context),
    tls: tls === null ? null : { ...tls, listen: shareFamilies(tls.listen, places) },
    sessions: { ...sessions, store: sessions.store ?? around.store, refreshLimitMs: refreshLimit(sessions) },
    audit: ROOT.audit.build(root.audit, context),
    providers: mapMap(providers, (_, provider) => ({
      ...provider,
      namedClaims: claims,
      othersPrefixes: prefixesBeside(provider, portals, providers),
    })),
    portals,
    routes,
    expectations: ROOT.expect.build(root.expect, context),
  })
}

/**
 * The same places, but `[::]` may leave IPv4 to another listener. `[::]` takes both families, unless a place of the
 * file (`all` are its places) uses its port on IPv4: both could not be open.
 */
function shareFamilies<T extends ListenAddress>(places: readonly T[], all: readonly ListenAddress[]): readonly T[] {
  const ports = new Set(all.flatMap(one => (one.kind === 'tcp' && isIPv4(one.host) && one.port !== 0 ? one.port : [])))
  return places.map(one =>
    one.kind === 'tcp' && one.host === '::' && ports.has(one.port) ? { ...one, isIpv6Only: true as const } : one,
  )
}

function mapMap<A, B>(map: ReadonlyMap<string, A>, turn: (name: string, value: A) => B): ReadonlyMap<string, B> {
  return new Map([...map].map(([name, value]) => [name, turn(name, value)]))
}

/** What other providers of the same portals put before their names. No prefix is the beginning of another one, so that a provider with its own needs no other. */
function prefixesBeside(
  { name, prefix }: OneProvider,
  portals: ReadonlyMap<string, PortalConfig>,
  all: ReadonlyMap<string, OneProvider>,
): readonly string[] {
  if (prefix !== '') return []
  const beside = [...portals.values()].flatMap(({ providers }) => (providers.includes(name) ? providers : []))
  return [...new Set(beside.flatMap(other => all.get(other)?.prefix || []))].sort()
}

/**
 * The claims that rules, fields and templates name, in everything that is built from a file. They are found by their
 * form in any place, so a new place for a rule or a template needs no change here.
 */
function namedClaims(...built: readonly unknown[]): readonly string[] {
  const names = new Set<string>()
  const seen = new Set<object>()

  function nameIn(placeholder: unknown): void {
    if (placeholder === 'all_roles') for (const claim of ROLE_CLAIMS) names.add(claim)
    else if (typeof placeholder === 'string' && placeholder.startsWith('claims.')) names.add(placeholder.slice(7))
  }

  function walk(value: unknown): void {
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    if (value instanceof Map) {
      for (const entry of value.values()) walk(entry)
      return
    }
    for (const [key, entry] of Object.entries(value)) {
      const isOfRule = (key === 'claims' || key === 'like') && entry instanceof Map
      if (isOfRule) for (const claim of entry.keys()) names.add(String(claim))
      else if (key === 'template') for (const [, inner] of String(entry).matchAll(/\{([^{}]*)\}/g)) nameIn(inner)
      else if (key === 'name' && 'kind' in value && value.kind === 'identity') nameIn(entry)
      else if (key === 'preset' && entry === 'caddy-security') nameIn('all_roles')
      walk(entry)
    }
  }

  for (const one of built) walk(one)
  return [...names].sort()
}
