/** What `explain` says of a request, for an admin who asks on a page. */

import { canonicalAddress } from '../../base/net.ts'
import type { Config } from '../../config/resolve/config.ts'
import { parseAskedAddress } from '../../config/values/address.ts'
import type { AskedRequest, RequestExplained } from '../../portal/admin/overview.ts'
import type { Grants } from '../../session/grants/grants.ts'
import { explain } from './explain.ts'
import { createJudge, type Judge } from './judge.ts'

interface ExplainTools {
  inForce(): Config
  readonly grants: Pick<Grants, 'list'>
  now(): number
}

/** Null for what is no address, or of a route that is another portal's. */
export type ExplainRequest = (portal: string, asked: AskedRequest) => Promise<RequestExplained | null>

/** Explains by the file in force. What is compiled for it is kept until there is another. */
export function createExplainRequest({ inForce, grants, now }: ExplainTools): ExplainRequest {
  const judges = new WeakMap<Config, Judge>()

  function judgeOf(config: Config): Judge {
    const known = judges.get(config)
    if (known !== undefined) return known
    const made = createJudge(config)
    judges.set(config, made)
    return made
  }

  return async (portal, { address, method, client, session }) => {
    const config = inForce()
    const url = URL.parse(address)
    if (url === null || !/^https?:$/.test(url.protocol)) return null
    const sent = parseAskedAddress(address.split('#')[0] ?? address)
    const question = {
      url,
      sent: sent.ok ? sent.value : undefined,
      identity: session?.identity ?? null,
      grants: new Map([[portal, (await grants.list(portal)).grants]]),
      facts: {
        method,
        client: client === null ? null : canonicalAddress(client),
        nowMs: now(),
        signedInAtMs: session?.createdAtMs ?? null,
      },
    }
    const explained = explain(config, question, judgeOf(config))
    const isOther = explained.portal !== portal && !(explained.portal === null && config.portals.size === 1)
    return explained.route !== null && isOther ? null : explained
  }
}
