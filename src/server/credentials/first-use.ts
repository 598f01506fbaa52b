/** Records the first use of an API token. */

import type { AuditFacts } from '../../audit/record.ts'
import type { Audit } from '../../audit/writer.ts'
import { errorFacts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ApiTokens, HeldApiToken } from '../../session/credentials/api-tokens.ts'
import { personFacts } from '../../session/session-facts.ts'

/** Records the first use of a token, and its address. The request does not wait for it. */
export type NoteFirstUse = (held: HeldApiToken, from: AuditFacts) => void

export interface FirstUseTools {
  readonly audit: Audit
  readonly tokens: Pick<ApiTokens, 'noteUse'>
  readonly ports: Pick<Ports, 'log'>
}

/** The first use of each token, once for all processes: of several that see it at a time, the store knows which was first. */
export function createFirstUses({ audit, tokens, ports }: FirstUseTools): NoteFirstUse {
  const underWay = new Set<string>()
  return ({ session: { id, portal, identity } }, from) => {
    if (underWay.has(id)) return
    underWay.add(id)
    tokens
      .noteUse(id)
      .then(
        isFirst => isFirst && audit.note('token.first_used', { ...from, ...personFacts(identity), portal, token: id }),
      )
      .catch((error: unknown) => ports.log.warn('The first use of a token could not be noted', errorFacts(error)))
      .finally(() => underWay.delete(id))
  }
}
