/** Health checks of oauth2-proxy at their old addresses (`/ping`, `/ready`), and its robots.txt. */

import { randomToken } from '../../base/bytes.ts'
import { errorFacts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { Sessions } from '../../session/session.ts'
import { textAnswer } from '../answer.ts'
import type { PortalRequest } from '../portal-request.ts'

interface HealthTools {
  readonly ports: Pick<Ports, 'random' | 'log'>
  readonly sessions: Pick<Sessions, 'peekOnce'>
}

/** oauth2-proxy's `/ping`: that this process answers. */
export function sayAlive(): Response {
  return textAnswer(200, 'OK')
}

/** oauth2-proxy's `/ready`: that what keeps the sessions answers too. */
export async function sayReady(
  ctx: Pick<PortalRequest, 'requestId'>,
  { ports, sessions }: HealthTools,
): Promise<Response> {
  try {
    await sessions.peekOnce('ticket', randomToken(ports.random))
    return textAnswer(200, 'OK')
  } catch (thrown) {
    ports.log.warn('Sessions cannot be read, as a health check has found', { id: ctx.requestId, ...errorFacts(thrown) })
    return textAnswer(503, 'Service Unavailable\n')
  }
}

/** oauth2-proxy's `/robots.txt`: no crawler is wanted anywhere (RFC 9309 §2.2). */
export function refuseRobots(): Response {
  return textAnswer(200, 'User-agent: *\nDisallow: /\n')
}
