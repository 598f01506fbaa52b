import { readSendAddress } from '../../portal/place.ts'
import type { Portal } from '../../portal/portal.ts'
import type { SentFields } from '../../proxy/fields/request.ts'
import type { GateRoute, Prepared } from '../config/snapshot.ts'
import { type PassTools, pass } from './pass.ts'
import type { Answer, Passage } from './passage.ts'
import { portalRequest } from './portal/portal-request.ts'

/** The form that someone asked to be sent, as the portal gives it up. */
type Released = Exclude<Awaited<ReturnType<Portal['release']>>, Response>

/**
 * An allowed request on a route that keeps forms: where it is the button that sends one, the kept body takes the place of its
 * empty one. Any other goes on as it is, without our parameter.
 */
export function passKept(
  passage: Passage,
  tools: PassTools & { readonly portal: Portal },
  route: GateRoute,
  prepared: Prepared,
): Answer {
  const { target } = passage
  const found = target === null ? null : readSendAddress(target.query)
  if (target === null || found === null) return pass(passage, tools, route, prepared)
  passage.target = { ...target, query: found.query }
  const context = isButton(passage.sent, target.method) ? portalRequest(passage) : null
  if (context === null) return pass(passage, tools, route, prepared)
  return tools.portal.release(context, found.id).then(form => {
    if (form instanceof Response) return form
    return pass(withForm(passage, form, context.origin), tools, route, prepared)
  })
}

/** A page that the application shows under such an address may send its own form there: that one has a body. */
function isButton(sent: SentFields, method: string): boolean {
  return method === 'POST' && (sent['content-length'] ?? '0') === '0' && sent['transfer-encoding'] === undefined
}

/** The request as it would have come in the first place: the page's own origin, which our page does not tell, with it. */
function withForm(passage: Passage, form: Released, origin: string): Passage {
  const { request } = passage
  const { referer: _, ...sent } = passage.sent
  return {
    ...passage,
    request: new Request(request.url, { method: 'POST', body: form.body, signal: request.signal }),
    sent: {
      ...sent,
      'content-type': form.type,
      'content-length': String(form.body.byteLength),
      origin,
      ...(form.from === null ? {} : { referer: origin + form.from }),
    },
  }
}
