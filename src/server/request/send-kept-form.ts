/** Sends a kept form to its application, once its user has signed in again. */

import { GateError } from '../../base/errors.ts'
import { mayBeSending } from '../../portal/kept-forms/send-form.ts'
import type { KeptForm, Portal, Released } from '../../portal/portal-request.ts'
import { type Decided, giveBody, type MaybeResponse } from './context.ts'
import { portalRequest } from './portal/portal-request.ts'
import { type ProxyTools, proxyRequest } from './proxy-request.ts'
import { whileAllowed } from './while-allowed.ts'

type Tools = ProxyTools & { readonly portal: Portal }

/**
 * An allowed request on a route that keeps forms. Where it is the button that sends one, the kept body replaces the
 * button's body. Any other request continues unchanged.
 */
export function passKept(context: Decided, tools: Tools): MaybeResponse {
  const ctx = isLikeTheButton(context) ? portalRequest(context) : null
  if (ctx === null) return proxyRequest(context, tools)
  const releasing: Releasing = { origin: ctx.origin, isHandedOn: false }
  const form = tools.portal.release(ctx)
  const answer = whileAllowed(form, context, tools, passReleased, releasing)
  void form.then(found => putBackUnsent(found, releasing), ignore)
  return answer
}

/** What becomes of a form while its button is read. */
interface Releasing {
  /** Ours, of which the page of the button does not tell. */
  readonly origin: string
  isHandedOn: boolean
}

/**
 * Gives the request the kept body, or its own body where it is not the button; Sallyport's page where nothing is kept.
 */
function passReleased(form: Released, context: Decided, tools: Tools, releasing: Releasing): MaybeResponse {
  if (form instanceof Response) return form
  releasing.isHandedOn = !context.request.signal.aborted
  if (form instanceof Uint8Array) giveBody(context, form)
  else giveForm(context, form, releasing.origin)
  if (!releasing.isHandedOn) throw new GateError('target.stalled', 'the client left before its kept form was sent')
  return proxyRequest(context, tools)
}

/**
 * A request that ended meanwhile, is decided again, or whose client has left is not sent: its form still exists.
 * Checked after `passReleased`.
 */
function putBackUnsent(form: Released, { isHandedOn }: Releasing): void {
  if (!isHandedOn && 'putBack' in form) void form.putBack()
}

/** The client that waits for the answer gets the error. */
function ignore(): void {}

function isLikeTheButton({ sent, target: { method } }: Decided): boolean {
  return (
    sent['transfer-encoding'] === undefined &&
    mayBeSending({ method, type: sent['content-type'], length: sent['content-length'] })
  )
}

/** The request as it would have come in the first place: the page's own origin, which our page does not tell, with it. */
function giveForm(context: Decided, form: KeptForm, origin: string): void {
  giveBody(context, form.body, ({ referer: _, ...sent }) => ({
    ...sent,
    'content-type': form.type,
    origin,
    ...(form.from === null ? {} : { referer: origin + form.from }),
  }))
}
