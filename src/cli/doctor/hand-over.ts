import type { Ports } from '../../base/ports.ts'
import { bad, type Finding, warning } from './finding.ts'
import { type Heard, hear } from './hear.ts'

const OWN = '/.sallyport/'

/**
 * Whether what is below `/.sallyport/` of an application's host is handed on to Sallyport as it is; null where it is, else which part of
 * the proxy in front is missing.
 */
export async function examineHandOver(origin: string, ports: Pick<Ports, 'ask'>): Promise<Finding | null> {
  const heard = await hear(`${origin}${OWN}jwks.json`, ports)
  if (heard?.isKeySet === true) return null
  const what = `no Sallyport answers below ${origin}${OWN}`
  if (heard === null) {
    return warning(`${what}: nothing answers at all`, 'start the proxy in front, and check its name and port')
  }
  switch (heard.code) {
    case 'route.own':
      return bad(
        `${origin}${OWN} comes to verify of [server], as a question or handed on, and not to listen`,
        `${rule(heard)}, before the part that asks`,
      )
    case 'route.none':
      return bad(
        `Sallyport is reached below ${origin}${OWN}, but by another host: Host does not arrive`,
        'let the proxy in front pass Host on as its client sent it (nginx: proxy_set_header Host), or write it into X-Forwarded-Host',
      )
    case null:
      return bad(`${what}: something else answers, with ${heard.status}`, `${rule(heard)}, before anything else`)
    default:
      return bad(`${what}, but a refusal (${heard.code})`, `"sallyport help ${heard.code}" says what it means`)
  }
}

/** What hands Sallyport's own pages on, in the words of the server that answered. */
function rule({ server }: Heard): string {
  if (server.includes('nginx')) return 'add location /.sallyport/ with proxy_pass to listen of [server]'
  if (server.includes('caddy')) return 'add handle /.sallyport/* with reverse_proxy to listen of [server]'
  if (server.includes('envoy'))
    return 'add a route with prefix /.sallyport/ to listen of [server], where ext_authz is off'
  return 'hand /.sallyport/ on to listen of [server] (HAProxy: use_backend with path_beg; Traefik: a router with a priority above all others)'
}
