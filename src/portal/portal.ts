import type { PortalConfig, ProviderConfig } from '../config/types.ts'
import type { Target } from '../route/target.ts'
import type { Session } from '../session/session.ts'

/** One request as the portal sees it. Everything it needs from the snapshot travels here as an argument. */
export interface PortalRequest {
  readonly request: Request
  readonly target: Target
  /** The origin by which the client knows this host: scheme, host and port. */
  readonly origin: string
  readonly clientAddress: string
  readonly requestId: string
  /** The portal that this host belongs to. */
  readonly portal: PortalConfig
  readonly providers: ReadonlyMap<string, ProviderConfig>
  /** This host's live session at this portal, or null. */
  readonly session: Session | null
  /** Whether a route with this portal is served on a host. */
  serves(host: string): boolean
  /** What this person may open, for the portal page. */
  applications(session: Session): readonly Application[]
}

export interface Application {
  readonly name: string
  readonly address: string
}
