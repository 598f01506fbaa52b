/** CORS preflights for MCP servers. */

import type { Match } from '../../../route/table.ts'
import type { GateRoute } from '../../config/snapshot.ts'
import type { RequestContext } from '../context.ts'

/** The fields that clients of the protocol send in addition to those that are always allowed (MCP, Streamable HTTP). */
const SENT = 'authorization, content-type, last-event-id, mcp-protocol-version, mcp-session-id'

/** As long as browsers remember it, at most. */
const REMEMBERED_S = 600

/**
 * The answer to a browser's preflight for an MCP server, for pages of every origin. A token that the page holds
 * authorises the request, and never a cookie, since no origin is named. Null for every other request.
 *
 * Source: Fetch §3.3.2, §3.3.5 (credentials and `*`).
 */
export function answerPreflight({ request, sent }: RequestContext, match: Match<GateRoute>): Response | null {
  const { config } = match.value
  if (config.mcp === null || request.method !== 'OPTIONS' || match.also.length > 0) return null
  if (sent.origin === undefined || sent['access-control-request-method'] === undefined) return null
  if (request.body !== null || sent.upgrade !== undefined) return null
  return new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-origin': '*',
      'access-control-allow-methods': (config.methods ?? ['GET', 'POST', 'DELETE']).join(', '),
      'access-control-allow-headers': SENT,
      'access-control-max-age': `${REMEMBERED_S}`,
      vary: 'origin',
    },
  })
}
