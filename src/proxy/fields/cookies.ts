import type { UpstreamAddress } from '../../config/values/address.ts'
import { type Asked, isOwnHost, type OwnAddresses, publicPath } from './addresses.ts'

/** Whether a Set-Cookie value says anything that may be written anew. */
const SAYS_WHERE = /;[ \t]*(?:domain|path)[ \t]*=/i

/**
 * A Set-Cookie value as the browser can keep it: without a Domain that is the application's own name, which the browser would refuse
 * (it is of the one host that was asked for then), and with its Path as the browser knows it, where the route asks for that.
 *
 * `__Host-` cookies stay as they are: they have no Domain, and only `/` for a path. All else stays byte for byte.
 * Source: RFC 6265 §5.2.3 (Domain), §5.2.4 (Path), §5.3 (what is refused); RFC 6265bis §4.1.3.2.
 */
export function rewriteCookie(cookie: string, own: OwnAddresses, asked: Asked, address: UpstreamAddress): string {
  if (!SAYS_WHERE.test(cookie) || /^[ \t]*__Host-/i.test(cookie)) return cookie
  const [pair = '', ...attributes] = cookie.split(';')
  const kept = attributes.flatMap(attribute => {
    const [lead, name] = ATTRIBUTE.exec(attribute) ?? []
    if (lead === undefined || name === undefined) return attribute
    const value = withoutBlanksBehind(attribute.slice(lead.length))
    if (name.toLowerCase() === 'path')
      return own.hasCookiePaths ? lead + cookiePath(value, own, asked, address) : attribute
    const host = value.replace(/^\./, '').toLowerCase()
    const isKept = `.${asked.target.host}`.endsWith(`.${host}`)
    return !isKept && isOwnHost(host, own, address) ? [] : attribute
  })
  return [pair, ...kept].join(';')
}

/** Of the whole application it is of all that is below the prefix, and of the prefix itself. */
function cookiePath(path: string, own: OwnAddresses, asked: Asked, address: UpstreamAddress): string {
  if (!path.startsWith('/')) return path
  const made = publicPath(path, own, asked, address)
  const prefix = asked.prefix + own.stripped
  return made !== path && prefix !== '' && made === `${prefix}/` ? prefix : made
}

/** No expression: one that looks for the last of many blanks begins anew at each of them. */
function withoutBlanksBehind(text: string): string {
  let end = text.length
  while (end > 0 && (text[end - 1] === ' ' || text[end - 1] === '\t')) end--
  return text.slice(0, end)
}

const ATTRIBUTE = /^[ \t]*(domain|path)[ \t]*=[ \t]*/i
