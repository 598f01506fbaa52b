import { GateError } from '../../../base/errors.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import type { Fields } from '../../../proxy/fields/identity.ts'
import { stripOwnCookies } from '../../../session/cookie.ts'
import type { GateRoute, Prepared } from '../../config/snapshot.ts'
import { TOKEN_FIELD } from '../../credentials/token-field.ts'
import { checkOrigin } from '../../listen/sockets.ts'
import { tellsOfWebSocket } from '../handshake.ts'
import { type Answer, originOf, type Passage } from '../passage.ts'

/** Whether the application of a route is behind a proxy in front: what others may do is no word about anything there. */
export function isAsked({ told }: GateRoute): boolean {
  return told !== null
}

/**
 * That the request may pass: the fields that say who is there, and what is left of Cookie and Authorization without our own.
 *
 * Where nothing is known a field is empty, or is left out, as the dialect has it.
 *
 * Throws `websocket.handshake` for one where none may pass: the proxy in front would not make a plain request of it, as this one does;
 * `access.origin` for a WebSocket that a page of another site opens where not everybody may pass, or for someone who is signed in.
 */
export function approve(passage: Passage, route: GateRoute, prepared: Prepared): Answer {
  const { sent, target } = passage
  if (!route.config.websockets && tellsOfWebSocket(sent)) {
    throw new GateError('websocket.handshake', 'a WebSocket was asked about where none may pass', {
      facts: { route: route.config.id },
      hint: `if the application may have them, remove websockets from "${route.config.id}"`,
    })
  }
  // No hop drops this field of a handshake, as several do with Upgrade.
  const isHandshake = sent['sec-websocket-key'] !== undefined
  const isSomeones = route.config.allow.kind !== 'public' || passage.session !== null
  if (isHandshake && target !== null && isSomeones) {
    checkOrigin(sent.origin ?? null, { route, origin: originOf(passage, target) })
  }
  const live = prepared.live === null ? [] : prepared.live()
  return andThen(live, fields => approval(passage, route, prepared, fields))
}

function approval(passage: Passage, route: GateRoute, prepared: Prepared, live: Fields): Response {
  const { sent, question } = passage
  const authorization = prepared.authorization === undefined ? sent.authorization : prepared.authorization
  const known = new Map<string, string>([...prepared.fields, ...live])
  if (!known.has('authorization') && authorization) known.set('authorization', authorization)
  const cookie = sent.cookie === undefined ? null : stripOwnCookies(sent.cookie)
  if (cookie) known.set('cookie', cookie)
  const headers = new Headers({ 'cache-control': 'no-store' })
  const unknown: string[] = []
  for (const name of route.told?.names ?? []) {
    const value = known.get(name)
    if (value) headers.set(name, value)
    else if (question?.unknown === 'empty') headers.set(name, '')
    else unknown.push(name)
  }
  if (question?.unknown === 'removed')
    headers.set('x-envoy-auth-headers-to-remove', [...unknown, TOKEN_FIELD].join(','))
  return new Response(null, { status: question?.passes ?? 204, headers })
}
