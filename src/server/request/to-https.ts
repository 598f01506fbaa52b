import type { Target } from '../../route/target.ts'
import type { Passage } from './passage.ts'

/**
 * The answer to a request by plain HTTP where everyone is to come by HTTPS: the same address there. Null for a request that goes on:
 * it came by TLS, from a trusted proxy (which has its own), or to a host that is not served here.
 *
 * 308 keeps the method and the body of what is repeated there (RFC 9110 §15.4.9). A host that is not served is not repeated.
 */
export function redirectToHttps(passage: Passage, target: Target, port: number): Response | null {
  const { front, isPeerTrusted, snapshot } = passage
  if (isPeerTrusted || front.protocol === 'https') return null
  if (snapshot.portals.lookup(target.host) === undefined) return null
  const authority = port === 443 ? target.host : `${target.host}:${port}`
  return new Response(null, { status: 308, headers: { location: `https://${authority}${target.path}${target.query}` } })
}
