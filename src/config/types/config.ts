import type { AuditConfig } from './audit.ts'
import type { Expectation } from './expectations.ts'
import type { LogConfig } from './log.ts'
import type { PortalConfig } from './portals.ts'
import type { ProviderConfig } from './providers.ts'
import type { RouteConfig } from './routes.ts'
import type { ServerConfig } from './server.ts'
import type { SessionsConfig } from './sessions.ts'
import type { TelemetryConfig } from './telemetry.ts'
import type { TlsConfig } from './tls.ts'

/** The checked shape of routes.toml: what the rest of the program works from. Built by `checkConfig` alone, frozen. */
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
