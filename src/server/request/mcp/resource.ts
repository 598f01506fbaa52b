/** A route of an MCP server as a protected resource (RFC 9728): its audiences and its challenges. */

import { RESOURCE_METADATA } from '../../../portal/paths.ts'
import { BAD_TOKEN_CHALLENGE, BEARER_CHALLENGE } from '../../../portal/problem.ts'
import type { Target } from '../../../route/target.ts'
import { ownOrigin } from '../../config/own-ports.ts'
import type { GatePortal } from '../../config/snapshot.ts'
import { type RequestContext, schemeOf } from '../context.ts'

/**
 * The addresses by which a route is known as a protected resource, as a token's audience may name them. A whole host
 * has them with and without a slash, since clients write either. A port that only Host names is not among them:
 * another program may have it.
 *
 * Source: RFC 8707 §2, RFC 9728 §1.2.
 */
export function resourceAudiences(
  scheme: 'http' | 'https',
  portal: GatePortal,
  target: Target,
  path: string,
): readonly string[] {
  const origin = ownOrigin(portal.ports, scheme, target)
  return path === '/' ? [origin, `${origin}/`] : [origin + path]
}

/**
 * The WWW-Authenticate on the route of an MCP server: where its metadata is (RFC 9728 §5.1), and only Bearer, since
 * its clients read no other scheme's parameters. `own` is its value so far. Null on every other route.
 */
export function resourceChallenge(context: RequestContext, own: string | null): string | null {
  const { target, route } = context
  if (target === null || route === null || route.portal === null || route.config.mcp === null) return null
  if (own !== null && own !== BEARER_CHALLENGE && own !== BAD_TOKEN_CHALLENGE) return null
  return `${own ?? BEARER_CHALLENGE}, resource_metadata="${metadataAddress(context, route.portal, target, route.config.path)}"`
}

/** The same for a token whose scope is too small (RFC 6750 §3.1). */
export function scopeChallenge(context: RequestContext): string | null {
  if (context.token === null) return null
  const challenge = resourceChallenge(context, BEARER_CHALLENGE)
  return challenge?.replace(BEARER_CHALLENGE, `${BEARER_CHALLENGE}, error="insufficient_scope"`) ?? null
}

/** RFC 9728 §3.1: between the host and the path of the resource. */
function metadataAddress(context: RequestContext, portal: GatePortal, target: Target, path: string): string {
  return ownOrigin(portal.ports, schemeOf(context), target) + RESOURCE_METADATA + (path === '/' ? '' : path)
}
