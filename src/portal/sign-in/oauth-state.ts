/** The `state` of a sign-in: made, found again, and recovered from where a callback is late or repeated. */

import { isToken, randomToken } from '../../base/bytes.ts'
import type { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { prefersPage } from '../../route/page-load.ts'
import type { Sealer } from '../../session/seal.ts'
import { redirectAnswer } from '../answer.ts'
import { ownPath } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'
import { type Destination, FailedSignIn, parseDestination } from './destination.ts'

interface StaleTools {
  readonly ports: Pick<Ports, 'now' | 'random' | 'log'>
  readonly seal: Sealer
}

/** The parameter of our sign-in address that says that a sign-in begins again because the one before came back too late. */
export const RESTART = 'restart'

/** How long an answer that comes late still leads to where its sign-in was going: a tab that was open over night. */
const REMEMBERED_MS = 24 * 60 * 60_000
/** Longer ones are left out: some providers take no more than they have room for. */
const MAX_SEALED_LENGTH = 1500

/** The `state` of a sign-in: the key of its record, and the sealed destination, for when the record is gone. */
export interface State {
  readonly key: string
  readonly text: string
}

/** A new one. `isRestart`: it begins in place of one that came back too late. */
export async function createState(
  ctx: PortalRequest,
  { ports, seal }: Omit<StaleTools, 'ports'> & { readonly ports: Pick<Ports, 'now' | 'random'> },
  destination: Destination,
  isRestart: boolean,
): Promise<State> {
  const key = randomToken(ports.random)
  const sealed = await seal.seal({ destination, isRestart }, purposeOf(ctx), ports.now() + REMEMBERED_MS)
  return { key, text: sealed.length > MAX_SEALED_LENGTH ? key : `${key}.${sealed}` }
}

/** The key of a sign-in's record; null for a state that is not Sallyport's. */
export function stateKey(state: string): string | null {
  const [key = ''] = state.split('.', 1)
  return isToken(key) ? key : null
}

/**
 * Responds to a stale response of a provider: the user went back from an application and sent it again, or it came too
 * late, or the browser kept no cookie. A signed-in user continues to the destination of that sign-in. Any other user
 * signs in again to get there, but only once: a permanent failure would loop forever.
 *
 * It uses nothing else of the stale response, so an attacker's link leads only to the user's own sign-in. Throws
 * `failure`, in a FailedSignIn where the destination is known.
 */
export async function recoverStaleCallback(
  ctx: PortalRequest,
  { ports, seal }: StaleTools,
  answer: URLSearchParams,
  failure: GateError,
): Promise<Response> {
  const kept = await openState(ctx, seal, answer.get('state') ?? '')
  if (kept === null) throw failure
  const { destination, isRestart } = kept
  const mayGoOn = ctx.session !== null || !isRestart
  if (!mayGoOn || !answer.has('code') || !prefersPage(ctx.request)) throw new FailedSignIn(failure, destination, false)
  ports.log.info('A sign-in came back too late or once more, and is led on', {
    id: ctx.requestId,
    client: ctx.clientAddress,
    code: failure.code,
    is_signed_in: ctx.session !== null,
  })
  const query = new URLSearchParams({ return: destination.path, [RESTART]: '1' })
  const origin = destination.kind === 'here' ? '' : destination.origin
  return redirectAnswer(302, `${origin}${ownPath('login')}?${query}`)
}

async function openState(
  ctx: PortalRequest,
  seal: Sealer,
  state: string,
): Promise<{ readonly destination: Destination; readonly isRestart: boolean } | null> {
  const [, sealed = ''] = state.split('.', 2)
  const value = await seal.open(sealed, purposeOf(ctx))
  if (typeof value !== 'object' || value === null || !('destination' in value)) return null
  const destination = parseDestination(value.destination)
  if (destination === null || (destination.kind === 'away' && !ctx.serves(destination.host))) return null
  return { destination, isRestart: Reflect.get(value, 'isRestart') !== false }
}

/** On the very host: what leads to a path of it leads to no path of another. */
function purposeOf({ portal, target }: PortalRequest): string {
  return `state at ${portal.name} on ${target.host}`
}
