import type { KeptForm, Portal, PortalRequest } from '../../portal/portal.ts'
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
  return whileAllowed(released(passage, tools, context), passage, tools, passReleased, route, prepared, maxBodyBytes)
}

/** Gives the request the kept body, or its own where the button turned out to be none; a page of ours where nothing is kept. */
async function released(passage: Passage, tools: Tools, context: PortalRequest): Promise<Response | null> {
  const form = await tools.portal.release(context)
  if (form instanceof Response) return form
  if (form instanceof Uint8Array) giveBody(passage, form)
  else giveForm(passage, form, context.origin)
  return null
}

function passReleased(
  page: Response | null,
  passage: Passage,
  tools: Tools,
  route: GateRoute,
  prepared: Prepared,
  maxBodyBytes: number | null,
): Answer {
  return page ?? pass(passage, tools, route, prepared, maxBodyBytes)
}

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
