import { ProxyError } from '../../base/outgoing.ts'
import type { Ports } from '../../base/ports.ts'
import type { RoleRequest } from '../../session/grants/document.ts'
import { ownPath, portalOrigin } from '../place.ts'
import type { PortalRequest } from '../portal.ts'

/** How long one try may take, and how long it is until the next. */
const TRY_MS = 5_000
const PAUSES_MS = [1_000, 10_000] as const

/**
 * Tells a portal's webhook of a request, a few times where it does not take it. Never throws, and nobody waits for it.
 *
 * It goes to the address of the file and nowhere else: what it redirects to is not followed, and nothing that anybody typed is in the
 * address. What it says is no secret and lets nobody in. The log has the host alone, since the rest may be a secret.
 */
export async function tellWebhook(
  address: string,
  ctx: PortalRequest,
  request: RoleRequest,
  { ask, log }: Pick<Ports, 'ask' | 'log'>,
): Promise<void> {
  const body = JSON.stringify(describeRequest(ctx, request))
  for (let tries = 0; ; tries++) {
    const failure = await post(address, body, ask)
    if (failure === null) return
    const pauseMs = PAUSES_MS[tries]
    if (pauseMs === undefined) {
      const facts = { request: request.id, host: URL.parse(address)?.host ?? '', ...failure }
      log.warn('The webhook of a portal did not take what it was told', facts)
      return
    }
    await Bun.sleep(pauseMs)
  }
}

/** Null where it was taken; else what is to be said of it, without the address. */
async function post(address: string, body: string, ask: Ports['ask']): Promise<Record<string, string | number> | null> {
  try {
    const answer = await ask(address, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(TRY_MS),
    })
    await answer.drop()
    const { status } = answer
    return status >= 200 && status <= 299 ? null : { status }
  } catch (error) {
    // The message of a failed question has the address in it.
    const name = error instanceof Error && 'code' in error ? String(error.code) : 'failed'
    return { error: name, ...(error instanceof ProxyError ? { proxy: error.proxy } : {}) }
  }
}

function describeRequest(ctx: PortalRequest, { id, who, name, role, route, text, atMs }: RoleRequest): object {
  return {
    event: 'access.requested',
    portal: ctx.portal.name,
    title: ctx.portal.title,
    id,
    name,
    provider: who.provider,
    subject: who.subject,
    role,
    route,
    text,
    at: new Date(atMs).toISOString(),
    review: `${portalOrigin(ctx)}${ownPath('admin')}#requests`,
  }
}
