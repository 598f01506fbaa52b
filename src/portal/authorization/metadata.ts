/** Metadata for MCP clients: of a protected resource (RFC 9728), and of this authorization server (RFC 8414). */

import { openAnswer } from '../answer.ts'
import { portalNotFound } from '../error-page.tsx'
import { ownPath, portalOrigin } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'

/** The one scope that there is: to use the resource as the person could. What is finer, the rules of the route say. */
export const SCOPE = 'mcp'

/** What an MCP server is, and who gives tokens for it (RFC 9728 §2, §3.2). */
export function describeResource(ctx: PortalRequest): Response {
  const found = ctx.resources.described(ctx.target.path)
  if (found === null) return portalNotFound(ctx)
  const { address, issuers, name } = found
  return openAnswer({
    resource: address,
    authorization_servers: issuers ?? [ctx.portal.url === null ? new URL(address).origin : portalOrigin(ctx)],
    ...(issuers === null ? { scopes_supported: [SCOPE] } : {}),
    bearer_methods_supported: ['header'],
    resource_name: name,
  })
}

/** How this portal gives tokens (RFC 8414 §2). */
export function describeServer(ctx: PortalRequest): Response {
  const issuer = portalOrigin(ctx)
  return openAnswer({
    issuer,
    authorization_endpoint: issuer + ownPath('authorize'),
    token_endpoint: issuer + ownPath('token'),
    registration_endpoint: issuer + ownPath('register'),
    client_id_metadata_document_supported: true,
    scopes_supported: [SCOPE],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_methods_supported: ['none'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  })
}
