import type { KeptForm, Portal } from '../../portal/portal.ts'
import { mayBeSending } from '../../portal/replay/send-form.ts'
import { type Exchange, type Exchanges, overtaken, ownerOf } from '../../proxy/lifetime/exchanges.ts'
import { NOWHERE } from '../../proxy/lifetime/roster.ts'
import type { Target } from '../../route/target.ts'
import type { GateRoute, Prepared } from '../config/snapshot.ts'
import { type PassTools, pass } from './pass.ts'
import type { Answer, Passage } from './passage.ts'
import { provenClient } from './policy-input.ts'
import { portalRequest } from './portal/portal-request.ts'

/**
 * An allowed request on a route that keeps forms: where it is the button that sends one, the kept body takes the place of what the
 * button sends. Any other goes on as it is.
 */
export function passKept(
  passage: Passage,
  tools: PassTools & { readonly portal: Portal },
  route: GateRoute,
  prepared: Prepared,
  maxBodyBytes: number | null,
): Answer {
  const { target } = passage
  const context = target !== null && isLikeTheButton(passage, target) ? portalRequest(passage) : null
  if (target === null || context === null) return pass(passage, tools, route, prepared, maxBodyBytes)
  const released = whileAllowed(tools.portal.release(context), passage, target, route, tools.exchanges)
  return released.then(async form => {
    if (form instanceof Response) return form
    const next =
      form instanceof Uint8Array ? withBody(passage, passage.sent, form) : withForm(passage, form, context.origin)
    const answer = await pass(next, tools, route, prepared, maxBodyBytes)
    passage.isForwarded = next.isForwarded
    return answer
  })
}

function isLikeTheButton({ sent }: Passage, { method }: Target): boolean {
  return (
    sent['transfer-encoding'] === undefined &&
    mayBeSending({ method, type: sent['content-type'], length: sent['content-length'] })
  )
}

/** What is done before a request goes on; `access.denied` where what allowed the request ends meanwhile. */
function whileAllowed<Done>(
  work: Promise<Done>,
  passage: Passage,
  target: Target,
  route: GateRoute,
  exchanges: Exchanges,
): Promise<Done> {
  const { promise, resolve, reject } = Promise.withResolvers<Done>()
  const { session, elsewhere } = passage
  const one: Exchange = {
    owner: ownerOf({
      routeId: route.config.id,
      session,
      elsewhere,
      method: target.method,
      provenClient: provenClient(passage),
      target,
    }),
    place: NOWHERE,
    end(reason) {
      exchanges.remove(one)
      reject(overtaken(one.owner, reason))
    },
  }
  exchanges.add(one)
  work.then(resolve, reject).finally(() => exchanges.remove(one))
  return promise
}

/** The request as it would have come in the first place: the page's own origin, which our page does not tell, with it. */
function withForm(passage: Passage, form: KeptForm, origin: string): Passage {
  const { referer: _, ...sent } = passage.sent
  const own = {
    ...sent,
    'content-type': form.type,
    'content-length': String(form.body.byteLength),
    origin,
    ...(form.from === null ? {} : { referer: origin + form.from }),
  }
  return withBody(passage, own, form.body)
}

function withBody(passage: Passage, sent: Passage['sent'], body: Uint8Array<ArrayBuffer>): Passage {
  const { url, signal } = passage.request
  return { ...passage, request: new Request(url, { method: 'POST', body, signal }), sent, whole: null }
}
