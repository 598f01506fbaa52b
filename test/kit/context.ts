import { parseTarget } from '../../src/route/target.ts'
import type { RequestContext } from '../../src/server/request/context.ts'

/** What a test says of a request; the rest is that of a plain GET of a stranger. */
type Said = Partial<Omit<RequestContext, 'sent' | 'front'>> & {
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
  return {
    request,
    connection: request,
    sent: { host, ...sent },
    cameRequest: request,
    cameSent: { host, ...sent },
    cameToken: null,
    turn: 0,
    overtaken: null,
    front,
    target: parseTarget(request.method, request.url, host),
    isPeerTrusted: false,
    client: '192.0.2.1',
    peer: '192.0.2.1',
    portal: null,
    route: null,
    session: null,
    token: null,
    question: null,
    isMention: false,
    asked: null,
    snapshot: { config: { tls: null } },
    ...said,
  } as unknown as RequestContext
}
