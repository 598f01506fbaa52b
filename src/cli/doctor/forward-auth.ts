/** Whether a proxy in front really asks Sallyport before it hands out pages (forward auth, `auth_request`). */

import type { Ports } from '../../base/ports.ts'
import type { RouteConfig } from '../../config/resolve/routes.ts'
import { bad, type Finding, warning } from './finding.ts'
import { type Heard, hear, switchesProtocol } from './http.ts'

/**
 * Whether the proxy in front asks about a host's pages as it should, seen by someone who is not signed in: one page that is closed to them,
 * and one that is open, of those that the file has.
 */
export async function examineAsking(
  origin: string,
  routes: readonly RouteConfig[],
  ports: Pick<Ports, 'ask'>,
): Promise<readonly Finding[]> {
  const closed = routes.find(isClosed)
  const open = routes.find(({ allow }) => allow.kind === 'public')
  const found = await Promise.all(
    [closed, open].map(async route => {
      if (route === undefined) return null
      const address = origin + route.path
      const heard = await hear(address, ports)
      if (heard === null) return null
      return whatIsWrong(address, heard) ?? (route === closed ? unasked(address, heard) : null)
    }),
  )
  // One cause shows on both.
  const [first] = found.filter(finding => finding !== null)
  if (first !== undefined) return [first]
  return open !== undefined && (await switchesProtocol(origin + open.path, ports))
    ? [unheldBack(origin + open.path)]
    : []
}

/** The proxy in front lets a client open HTTP/2 to an application by Upgrade. */
export function unheldBack(address: string): Finding {
  return bad(
    `${address} lets a client open another protocol to the application (Upgrade: h2c): the proxy does not ask about requests inside it`,
    'let the proxy in front pass Upgrade on for WebSockets alone, by the lines about Upgrade in its file of docs/recipes',
  )
}

/** Whether an anonymous client is refused. */
function isClosed({ allow }: RouteConfig): boolean {
  if (allow.kind === 'public') return false
  return allow.kind !== 'rules' || !allow.rules.some(({ isAnonymous }) => isAnonymous)
}

/** What Sallyport's own refusals say of the question. */
function whatIsWrong(address: string, { code, status }: Heard): Finding | null {
  switch (code) {
    case 'route.none':
    case 'target.host':
      return bad(
        `the proxy in front asks about another host or path than ${address}: the one asked for does not arrive`,
        'let it state the host by which it chose the application (nginx: X-Original-URL with $host; others: X-Forwarded-Host), and the path as it came',
      )
    case 'target.malformed':
      return bad(
        `the proxy in front does not state the request when it asks about ${address}`,
        'let it send X-Forwarded-Method and X-Forwarded-Uri (nginx: X-Original-Method and X-Original-URL)',
      )
    case 'access.proxy':
      return bad(
        `the proxy in front may not ask about ${address}`,
        'name the address that it comes from in trusted_proxies of [server]',
      )
    default:
      return status < 500
        ? null
        : bad(
            `${address} answers ${status}`,
            'see that the proxy in front reaches verify of [server], and that the application runs; its own log says which it is',
          )
  }
}

/** What is wrong where a closed page is answered by something that had no verdict. */
function unasked(address: string, { code, status, location }: Heard): Finding | null {
  const hint =
    'let the proxy in front ask for everything below the host (auth_request, forward_auth, http-request lua.sallyport)'
  if (code !== null || status === 401 || status === 403 || location !== '') return null
  return status < 300
    ? bad(`${address} is open to everybody: the application answers without a verdict`, hint)
    : warning(`${address} answers ${status}, which is no verdict of Sallyport`, hint)
}
