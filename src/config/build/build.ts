import { createShared } from '../../base/freeze.ts'
import type { Surroundings } from '../environment.ts'
import type { RootTable } from '../keys/keys.ts'
import { known } from '../keys/known.ts'
import type { Config } from '../types/config.ts'
import type { ConfigFiles } from '../values/files.ts'
import { buildExpectation } from './expectations.ts'
import { buildFlows, buildRate, buildResets, buildSignIns } from './limits.ts'
import { shareFamilies } from './listen.ts'
import { buildLog } from './log.ts'
import { namedClaims } from './named-claims.ts'
import { buildOutgoing } from './outgoing.ts'
import { buildPortal } from './portals.ts'
import { buildProvider } from './providers.ts'
import { buildRoutes } from './routes.ts'
import { buildLifetimes } from './sessions.ts'
import { buildTelemetry } from './telemetry.ts'
import { buildTls } from './tls.ts'

/** Of a WebSocket, where the file does not say. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024

/**
 * The Config of a file without mistakes, frozen to the bottom.
 *
 * Throws TypeError where a value is missing: a mistake that was not reported is a bug of ours.
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
