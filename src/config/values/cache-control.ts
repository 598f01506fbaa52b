/** Values of Cache-Control, and what they say to shared caches. */

import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { parsed } from './value.ts'

const DIRECTIVE = '[a-z-]+(?:=(?:[a-z0-9-]+|"[^"]*"))?'
const DIRECTIVES = new RegExp(`^${DIRECTIVE}(?:[ \\t]*,[ \\t]*${DIRECTIVE})*$`, 'i')

/** The value of Cache-Control (RFC 9111 §5.2). */
export const cacheDirectives = parsed(
  { label: 'text', expected: 'directives such as "public, max-age=3600"' },
  (text): Parsed<string> =>
    DIRECTIVES.test(text)
      ? good(text)
      : bad('files.cache_control', `${quote(text)} is no Cache-Control`, 'as in "no-cache" or "public, max-age=3600"'),
)

/** Whether it lets a cache hand to others what somebody was given (RFC 9111 §5.2.2.9, §5.2.2.10). */
export function isForSharedCaches(control: string): boolean {
  return /(?:^|[\s,])(?:public|s-maxage)(?:[\s,=]|$)/i.test(control)
}

/** Fields that shared caches obey before Cache-Control: nginx, Varnish and Fastly, Akamai. RFC 9213 has those of CDNs end alike. */
const FOR_CACHES_ALONE: ReadonlySet<string> = new Set(['x-accel-expires', 'surrogate-control', 'edge-control'])
const TARGETED = '-cache-control'

/** Whether a field of a response, by its name in lower case, is only for shared caches. */
export function isForCachesAlone(name: string): boolean {
  return FOR_CACHES_ALONE.has(name) || name.endsWith(TARGETED)
}
