import type { Match } from '../../src/route/table.ts'
import { parseTarget } from '../../src/route/target.ts'
import type { GateRoute, Snapshot } from '../../src/server/config/snapshot.ts'
import { type BunServer, type Located, RequestContext } from '../../src/server/request/context.ts'

type Written = Omit<RequestContext, 'sent' | 'front' | 'copy' | 'again' | 'becomes'>

/** What a test says of a request; the rest is that of a plain GET of a stranger. */
type Said = Partial<Written> & {
  readonly sent?: Readonly<Record<string, string>>
  readonly front?: { readonly protocol: 'http' | 'https' }
  readonly host?: string
}

/** A request on its way, without a gate: as much of it as a single step looks at. */
export function contextOf({
  sent = {},
  host = 'app.example',
  front = { protocol: 'http' },
  ...said
}: Said = {}): RequestContext {
  const request = said.request ?? new Request(`http://${host}/`, { headers: sent })
  const context = new RequestContext(
    request,
    { host, ...sent },
    null,
    front as BunServer,
    { config: { tls: null } } as Snapshot,
    'id',
    '192.0.2.1',
    0,
    0,
    0,
    null,
  )
  return Object.assign(context, { target: parseTarget(request.method, request.url, host), ...said })
}

/** The same where it is known which route it leads to. */
export function locatedAt(match: Match<GateRoute>, said: Said = {}): Located {
  const context = contextOf(said)
  const target = context.target ?? parseTarget('GET', 'http://app.example/', 'app.example')
  return Object.assign(context, { target, match, route: match.value })
}
