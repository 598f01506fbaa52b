/** What the steps of a request need of the process, as types. */

import type { Ports } from '../../base/ports.ts'
import type { Portal } from '../../portal/portal-request.ts'
import type { Target } from '../../route/target.ts'
import type { Bindings } from '../../session/bound-sessions.ts'
import type { ApiTokens } from '../../session/credentials/api-tokens.ts'
import type { GuestLinks } from '../../session/credentials/guest-links.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { OpenSessions } from '../../session/open.ts'
import type { Sessions } from '../../session/session.ts'
import type { LiveFieldTools } from '../config/live-fields.ts'
import type { Snapshot } from '../config/snapshot.ts'
import type { NoteFirstUse } from '../credentials/first-use.ts'
import type { TokenFinder } from '../credentials/opaque-tokens.ts'
import type { Passwords } from '../credentials/passwords.ts'
import type { Drain } from '../listen/drain.ts'
import type { AccessLog } from '../observe/access-log.ts'
import type { Metrics } from '../observe/counts.ts'
import type { RouteUses } from '../observe/route-use.ts'
import type { Tracer } from '../observe/tracing/tracer.ts'
import type { Traffic } from '../observe/traffic.ts'
import type { Untrusted } from '../observe/untrusted-proxy.ts'
import type { NoteUnproven } from './bound-session.ts'
import type { BunServer } from './context.ts'
import type { Respond } from './errors/error-response.ts'
import type { ProxyTools } from './proxy-request.ts'
import type { Resets } from './rapid-reset.ts'
import type { Rates } from './rate-limits.ts'

/** What the path of a request needs of the process. */
export interface PipelineTools extends ProxyTools {
  readonly ports: Pick<Ports, 'forward' | 'ask' | 'now' | 'log'>
  readonly sessions: Sessions &
    LiveFieldTools['sessions'] &
    Pick<OpenSessions, 'isMember'> & {
      readonly tokens: Pick<ApiTokens, 'find'>
      readonly links: Pick<GuestLinks, 'find'>
      readonly grants: Pick<Grants, 'waiting'>
      readonly bindings: Pick<Bindings, 'provenUntil'>
    }
  readonly seal: LiveFieldTools['seal']
  readonly accessTokens: TokenFinder
  readonly passwords: Passwords
  readonly portal: Portal
  readonly respond: Respond
  readonly accessLog: AccessLog
  readonly metrics: Metrics
  readonly meter: Traffic | null
  readonly uses: Pick<RouteUses, 'note'>
  readonly untrusted: Untrusted
  readonly tracer: Tracer
  readonly rates: Rates
  readonly resets: Resets
  /** Whether this process is about to stop. */
  readonly leaving: Pick<Drain, 'isOn' | 'mark'>
  /** The answer to an authority that has a name proved by plain HTTP (ACME, http-01); null for any other request. */
  readonly answerAuthority: (target: Target, front: Pick<BunServer, 'protocol'>) => Promise<Response> | null
  readonly noteFirstUse: NoteFirstUse
  readonly noteUnproven: NoteUnproven
  /** Called with each request as it comes. */
  noteRequest(): void
  /** The beginning of this process's request ids. */
  readonly idPrefix: string
  /** The current snapshot: read once a request. */
  current(): Snapshot
}
