/** The answer to a proxy in front whose request may pass: the identity fields. */

import { GateError } from '../../../base/errors.ts'
import type { Fields } from '../../../proxy/fields/identity.ts'
import type { SentFields } from '../../../proxy/fields/request.ts'
import type { Exchanges } from '../../../proxy/lifetime/exchanges.ts'
import { stripOwnCookies } from '../../../session/cookie.ts'
import type { CompiledGrant, GateRoute } from '../../config/snapshot.ts'
import { TOKEN_FIELD } from '../../credentials/token-field.ts'
import { checkOrigin } from '../../listen/websockets.ts'
import { type Decided, type MaybeResponse, originOf, type Question, tellsOfWebSocket } from '../context.ts'
import { whileAllowed } from '../while-allowed.ts'

interface Tools {
  readonly exchanges: Exchanges
}

/** Whether the application of a route is behind a proxy in front: what others may do is no word about anything there. */
export function isAsked({ told }: GateRoute): boolean {
  return told !== null
}

/**
 * The answer that lets the request pass: the identity fields, and the rest of Cookie and Authorization without
 * Sallyport's own credentials.
 *
 * An unknown value is an empty field, or no field, as the dialect requires.
 *
 * Throws `target.header` for an upgrade to another protocol, where a proxy in front reports one. Throws
 * `websocket.handshake` for one where none may pass: the proxy in front would not make it a plain request, as
 * Sallyport does.
 * Throws `access.origin` for a WebSocket that a page of another site opens where not everyone may pass, or for a
 * signed-in user.
 */
export function approve(context: Decided, tools: Tools): MaybeResponse {
  const { sent, target, route, grant, session, elsewhere } = context
  refuseOtherProtocols(sent)
  if (!route.config.websockets && tellsOfWebSocket(sent)) {
    throw new GateError('websocket.handshake', 'a WebSocket was asked about where none may pass', {
      facts: { route: route.config.id },
      hint: `if the application may have them, remove websockets from "${route.config.id}"`,
    })
  }
  // No hop drops this field of a handshake, as several do with Upgrade.
  if (sent['sec-websocket-key'] !== undefined) {
    const { also } = context.match
    checkOrigin(sent.origin ?? null, { route, also, session, elsewhere }, originOf(context, target))
  }
  const live = grant.live === null ? NO_FIELDS : grant.live()
  return whileAllowed(live, context, tools, approval)
}

/**
 * Refuses an upgrade to anything but a WebSocket (`Upgrade: h2c`): no one judges what a client sends once the
 * application has switched protocols. Most proxies in front remove Upgrade from their question. `X-Original-Upgrade`
 * repeats it for a proxy that can be configured no other way.
 */
function refuseOtherProtocols(sent: SentFields): void {
  for (const name of ['upgrade', 'x-original-upgrade']) {
    const value = sent[name]
    if (value === undefined || value === '' || value.toLowerCase() === 'websocket') continue
    throw new GateError('target.header', `another protocol than a WebSocket is asked for: ${value.slice(0, 100)}`, {
      hint: 'no browser asks for one; let the proxy in front take Upgrade off all requests but those for a WebSocket, as its file in docs/recipes does',
    })
  }
}

const NO_FIELDS: Fields = []

function approval(live: Fields, context: Decided): Response {
  const { sent, question, route, grant } = context
  const status = question?.passes ?? 204
  const authorization = grant.authorization === undefined ? sent.authorization : grant.authorization
  const cookie = sent.cookie === undefined ? null : withoutOwn(sent.cookie, grant)
  const unknown = question?.unknown ?? 'absent'
  if (live.length > 0 || authorization || cookie) {
    return new Response(null, { status, headers: fieldsOf(route, grant, { live, authorization, cookie, unknown }) })
  }
  // Nearly all answers: the fields depend only on the session.
  const known = ALONE.get(grant)
  if (known !== undefined && known.unknown === unknown && known.told === route.told) {
    return new Response(null, { status, headers: known.headers })
  }
  const headers = fieldsOf(route, grant, { live, authorization, cookie, unknown })
  ALONE.set(grant, { told: route.told, unknown, headers })
  return new Response(null, { status, headers })
}

function withoutOwn(cookie: string, { cookies }: CompiledGrant): string | null {
  return cookies === null ? stripOwnCookies(cookie) : cookies.withoutOwn(cookie)
}

/**
 * The last fields for a request that brings only a session; dropped together with its compiled grant. A Response
 * copies them.
 */
const ALONE = new WeakMap<
  CompiledGrant,
  { readonly told: GateRoute['told']; readonly unknown: Question['unknown']; readonly headers: Headers }
>()

interface Told {
  readonly live: Fields
  readonly authorization: string | null | undefined
  readonly cookie: string | null
  readonly unknown: Question['unknown']
}

function fieldsOf(route: GateRoute, grant: CompiledGrant, { live, authorization, cookie, unknown }: Told): Headers {
  const known = new Map<string, string>([...grant.fields, ...live])
  if (!known.has('authorization') && authorization) known.set('authorization', authorization)
  if (cookie) known.set('cookie', cookie)
  const headers = new Headers({ 'cache-control': 'no-store' })
  const missing: string[] = []
  for (const name of route.told?.names ?? []) {
    const value = known.get(name)
    if (value) headers.set(name, value)
    else if (unknown === 'empty') headers.set(name, '')
    else missing.push(name)
  }
  if (unknown === 'removed') headers.set('x-envoy-auth-headers-to-remove', [...missing, TOKEN_FIELD].join(','))
  return headers
}
