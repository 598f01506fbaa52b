/** The whole Config from a file without mistakes. Each table is built in the file of its name. */

import { createShared } from '../../base/freeze.ts'
import type { Surroundings } from '../environment.ts'
import type { RootTable } from '../keys/keys.ts'
import type { LogPlace, LogTable } from '../keys/log.ts'
import { known } from '../keys/table.ts'
import type { TelemetryTable } from '../keys/telemetry.ts'
import type { ConfigFiles } from '../values/files.ts'
import { ROLE_CLAIMS } from '../values/headers.ts'
import { buildExpectation, type Expectation } from './expectations.ts'
import { buildPortal, type PortalConfig } from './portals.ts'
import { buildProvider, type ProviderConfig } from './providers.ts'
import { buildRoutes, type RouteConfig } from './routes.ts'
import {
  buildFlows,
  buildOutgoing,
  buildRate,
  buildResets,
  buildSignIns,
  type ServerConfig,
  shareFamilies,
} from './server.ts'
import { buildLifetimes, type SessionsConfig } from './sessions.ts'
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

/** `[audit]`. */
export interface AuditConfig {
  /** How long rows of the audit trail are kept; 0: there are none. */
  readonly keepMs: number
}

/** How lines are written; null: text at a terminal, JSON elsewhere. */
export type LogFormat = 'json' | 'text' | 'combined'

/** `[log]`. */
export interface LogConfig {
  /** Combined is only for requests: all other events are text there. */
  readonly format: LogFormat | null
  readonly requests: LogPlace
  readonly events: LogPlace
}

/** `[telemetry]`. */
export interface TelemetryConfig {
  /** Where traces are sent: an address of OTLP over HTTP, with its path. */
  readonly endpoint: string
  /** Fields that go with them; their values are secret. */
  readonly headers: ReadonlyMap<string, string>
  /** Of how many traces that begin here, from 0 to 1. */
  readonly sample: number
  readonly serviceName: string
}

/** Of a WebSocket, where the file does not say. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024

/**
 * The Config of a file without mistakes, frozen to the bottom.
 *
 * Throws TypeError where a value is missing: a mistake that was not reported is a bug of Sallyport's.
 */
export function buildConfig(table: RootTable, directory: string, files: ConfigFiles, around: Surroundings): Config {
  const root = known(table)
  const server = known(root.server)
  const sessions = known(root.sessions)
  const { keep } = known(root.audit)
  const admin = server.admin ?? around.admin
  const verify = server.verify ?? []
  const tls = root.tls === null ? null : buildTls(root.tls, table, files)
  const places = [...server.listen, ...verify, ...(tls?.listen ?? []), ...(admin === null ? [] : [admin])]
  const share = createShared()
  const portals = mapMap(root.portals, (name, portal) => buildPortal(name, portal, sessions, files, root.providers))
  // Each at once, so that no more than one is as large as it is built.
  const routes = root.routes.flatMap(route =>
    buildRoutes(route, { root, server, directory, files }).map(built => share(built)),
  )
  const claims = namedClaims(portals, routes)
  return share({
    server: {
      listen: shareFamilies(server.listen, places),
      trustedProxies: server.trusted_proxies,
      clientAddress: server.client_address,
      trustedFields: server.trusted_fields,
      workers: server.workers,
      admin: admin === null ? null : (shareFamilies([admin], places)[0] ?? null),
      adminHosts: server.admin_hosts,
      verify: shareFamilies(verify, places),
      outgoing: server.outgoing === null ? null : buildOutgoing(server.outgoing),
      accessLog: server.access_log,
      logLevel: server.log_level,
      drainMs: server.drain,
      flows: buildFlows(server),
      maxConnections: server.max_client_connections === 'off' ? null : server.max_client_connections,
      maxMessageBytes: server.max_message ?? MAX_MESSAGE_BYTES,
      isEditable: server.edit,
      resets: buildResets(server),
      signIns: buildSignIns(server),
      rate: server.rate === null ? null : buildRate(known(server.rate), 'client'),
    },
    log: buildLog(root.log, directory),
    telemetry: root.telemetry === null ? null : buildTelemetry(root.telemetry),
    tls: tls === null ? null : { ...tls, listen: shareFamilies(tls.listen, places) },
    sessions: {
      store: sessions.store?.(directory) ?? around.store,
      keys: sessions.key,
      ...buildLifetimes(sessions),
      cacheEntries: sessions.cache,
    },
    audit: { keepMs: keep === 'off' ? 0 : keep },
    providers: mapMap(root.providers, (name, provider) => ({
      ...buildProvider(name, provider, directory, files),
      namedClaims: claims,
    })),
    portals,
    routes,
    expectations: root.expect.map(buildExpectation),
  })
}

function mapMap<A, B>(map: ReadonlyMap<string, A>, turn: (name: string, value: A) => B): ReadonlyMap<string, B> {
  return new Map([...map].map(([name, value]) => [name, turn(name, value)]))
}

/** `[log]` of a file without mistakes. Throws TypeError where a value is missing. */
function buildLog(table: LogTable, directory: string): LogConfig {
  const { format, requests, events } = known(table)
  return { format, requests: requests(directory), events: events(directory) }
}

/** `[telemetry]` of a file without mistakes. Throws TypeError where a value is missing. */
function buildTelemetry(table: TelemetryTable): TelemetryConfig {
  const { endpoint, headers, sample, service_name: serviceName } = known(table)
  return { endpoint, headers, sample, serviceName }
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
