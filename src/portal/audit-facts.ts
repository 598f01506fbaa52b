import type { AuditFacts } from '../audit/record.ts'
import type { Audit } from '../audit/writer.ts'
import type { PortalRequest } from './portal.ts'

/** What every handler needs that writes to the audit trail. */
export interface AuditTools {
  readonly audit: Audit
}

/** From where something was asked of the portal. */
export function askedFacts({ portal, clientAddress, request, requestId }: PortalRequest): AuditFacts {
  const agent = request.headers.get('user-agent') ?? undefined
  return { portal: portal.name, client: clientAddress, agent, id: requestId }
}
