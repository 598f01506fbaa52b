import { CODES, errorFacts, type GateError } from '../base/errors.ts'
import type { Log } from '../base/ports.ts'
import type { Decision } from '../policy/policy.ts'
import { renderDeniedPage, renderErrorPage } from '../portal/pages/errors.tsx'
import type { PortalRequest } from '../portal/portal.ts'
import { problemResponse } from '../portal/problem.ts'
import { prefersPage } from '../route/page-load.ts'
import type { Passage } from './pipeline.ts'

/** Answers that are not an upstream's: a page for people, problem details for programs, one log line with the same reference. */
export interface Respond {
  failed(passage: Passage, context: PortalRequest | null, error: GateError): Response
  denied(passage: Passage, context: PortalRequest | null, decision: Decision): Response
  /** For an upstream's body that failed before Bun had sent the head; Bun tells no request here. */
  broken(error: unknown): Response
}

/** Seconds after which a page for a failing upstream tries again by itself. */
const RETRY_AFTER_S = 10

export function createRespond(log: Log): Respond {
  return {
    failed(passage, _context, error) {
      if (isClientGone(passage)) return new Response(null, { status: CLIENT_GONE })
      logFailure(log, passage, error)
      const { status, say, code } = error
      const retryAfterS =
        error.retryAfterS ?? (status === 502 || status === 503 || status === 504 ? RETRY_AFTER_S : undefined)
      if (!prefersPage(passage.request)) {
        return problemResponse(
          status,
          code,
          say,
          passage.id,
          {},
          retryAfterS === undefined ? {} : { 'retry-after': `${retryAfterS}` },
        )
      }
      return renderErrorPage({
        status,
        title: say,
        reference: passage.id,
        ...(retryAfterS === undefined ? {} : { retryAfterS }),
      })
    },
    denied(passage, context, decision) {
      const code = decision.reason === 'method.not_listed' ? 'route.method' : 'access.denied'
      const { status, say } = CODES[code]
      log.info('A request was denied', {
        id: passage.id,
        route: passage.route?.config.id,
        reason: decision.reason,
        user: passage.session?.identity.subject,
        client: passage.client,
      })
      const needed = decision.verdict === 'deny' ? decision.needed : []
      const had = decision.verdict === 'deny' ? decision.roles : []
      if (decision.reason === 'method.not_listed') {
        const allow = [...(passage.route?.policy.methods ?? [])].join(', ')
        return problemResponse(status, code, say, passage.id, {}, { allow })
      }
      if (!prefersPage(passage.request) || context === null || passage.session === null) {
        return problemResponse(status, code, say, passage.id, { roles: had, needed })
      }
      return renderDeniedPage(context, passage.session, { needed, had, routeName: passage.route?.config.name ?? '' })
    },
    broken(error) {
      log.warn('An upstream ended in the middle of its answer', errorFacts(error))
      const { status, say } = CODES['upstream.broken']
      return problemResponse(status, 'upstream.broken', say, '-')
    },
  }
}

/** What nginx logs when the client went away before the answer: nobody sees it but the access log. */
const CLIENT_GONE = 499

function isClientGone(passage: Passage): boolean {
  return passage.request.signal.aborted
}

function logFailure(log: Log, passage: Passage, error: GateError): void {
  const facts = { id: passage.id, client: passage.client, ...errorFacts(error) }
  if (error.code === 'internal') log.error('A request failed on our side', facts)
  else if (error.status >= 500) log.warn('A request could not be answered', facts)
  else log.debug('A request was refused', facts)
}
