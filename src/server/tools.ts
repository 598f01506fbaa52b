import type { Ports } from '../base/ports.ts'
import type { Portal } from '../portal/portal.ts'
import type { Links } from '../session/links.ts'
import type { Sessions } from '../session/session.ts'
import type { Tokens } from '../session/tokens.ts'
import type { AccessLog } from './access-log.ts'
import type { AccessTokens } from './access-tokens.ts'
import type { LiveFieldTools } from './live-fields.ts'
import type { Metrics } from './metrics.ts'
import type { PassTools } from './pass.ts'
import type { Passwords } from './passwords.ts'
import type { Rates } from './rates.ts'
import type { Respond } from './respond.ts'
import type { Snapshot } from './snapshot.ts'

/** What the path of a request needs of the process. */
export interface PipelineTools extends PassTools {
  readonly ports: Pick<Ports, 'fetch' | 'now' | 'log'>
  readonly sessions: Sessions &
    LiveFieldTools['sessions'] & { readonly tokens: Pick<Tokens, 'find'>; readonly links: Pick<Links, 'find'> }
  readonly accessTokens: AccessTokens
  readonly passwords: Passwords
  readonly portal: Portal
  readonly respond: Respond
  readonly accessLog: AccessLog
  readonly metrics: Metrics
  readonly rates: Rates
  /** The beginning of this process's request ids. */
  readonly idPrefix: string
  /** The snapshot in force: read once a request. */
  current(): Snapshot
}
