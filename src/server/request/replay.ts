import { GateError } from '../../base/errors.ts'
import type { KeptForm, Portal, Released } from '../../portal/portal.ts'
import { mayBeSending } from '../../portal/replay/send-form.ts'
import type { Target } from '../../route/target.ts'
import type { GateRoute, Prepared } from '../config/snapshot.ts'
import { type PassTools, pass } from './pass.ts'
import { type Answer, giveBody, type Passage } from './passage.ts'
import { portalRequest } from './portal/portal-request.ts'
import { whileAllowed } from './while-allowed.ts'

type Tools = PassTools & { readonly portal: Portal }

/**
 * An allowed request on a route that keeps forms: where it is the button that sends one, the kept body takes the place of what the
 * button sends. Any other goes on as it is.
 */
export function passKept(
  passage: Passage,
  tools: Tools,
  route: GateRoute,
  prepared: Prepared,
  maxBodyBytes: number | null,
): Answer {
  const { target } = passage
  const context = target !== null && isLikeTheButton(passage, target) ? portalRequest(passage) : null
  if (target === null || context === null) return pass(passage, tools, route, prepared, maxBodyBytes)
  const releasing: Releasing = { origin: context.origin, isHandedOn: false }
  const form = tools.portal.release(context)
  const answer = whileAllowed(form, passage, tools, passReleased, route, prepared, maxBodyBytes, releasing)
  void form.then(found => putBackUnsent(found, releasing), ignore)
  return answer
}

/** What becomes of a form while its button is read. */
interface Releasing {
  /** Ours, of which the page of the button does not tell. */
  readonly origin: string
  isHandedOn: boolean
}

/** Gives the request the kept body, or its own where the button turned out to be none; a page of ours where nothing is kept. */
function passReleased(
  form: Released,
  passage: Passage,
  tools: Tools,
  route: GateRoute,
  prepared: Prepared,
  maxBodyBytes: number | null,
  releasing: Releasing,
): Answer {
  if (form instanceof Response) return form
  releasing.isHandedOn = !passage.request.signal.aborted
  if (form instanceof Uint8Array) giveBody(passage, form)
  else giveForm(passage, form, releasing.origin)
  if (!releasing.isHandedOn) throw new GateError('target.stalled', 'the client left before its kept form was sent')
  return pass(passage, tools, route, prepared, maxBodyBytes)
}

/** What ended meanwhile, or is decided about anew, or whose client has left, is not sent: its form is still there. Asked after `passReleased`. */
function putBackUnsent(form: Released, { isHandedOn }: Releasing): void {
  if (!isHandedOn && 'putBack' in form) void form.putBack()
}

/** Whoever waits for the answer is told. */
function ignore(): void {}

function isLikeTheButton({ sent }: Passage, { method }: Target): boolean {
  return (
    sent['transfer-encoding'] === undefined &&
    mayBeSending({ method, type: sent['content-type'], length: sent['content-length'] })
  )
}

/** The request as it would have come in the first place: the page's own origin, which our page does not tell, with it. */
function giveForm(passage: Passage, form: KeptForm, origin: string): void {
  giveBody(passage, form.body, ({ referer: _, ...sent }) => ({
    ...sent,
    'content-type': form.type,
    origin,
    ...(form.from === null ? {} : { referer: origin + form.from }),
  }))
}
