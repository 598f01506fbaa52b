import { bad, good, type Parsed } from '../text/outcome.ts'
import { quote } from '../text/raw.ts'

/** An address that somebody asks for. */
export interface AskedAddress {
  /** As a URL parser writes it, which is also how the server reads the path of a request. */
  readonly href: string
  /** What the Host field says: as it stands here, in punycode where it is not ASCII. */
  readonly authority: string
  /** Path and query as they are sent. */
  readonly path: string
}

/**
 * An absolute address, `https://` where it names no scheme, as a client sends it that resolves and mends nothing: a browser has taken
 * `/a/../b` for `/b` before it asks, and `%61pp.example` for `app.example`.
 *
 * Refused: a login, a fragment, white space, and what only a URL parser takes for two slashes.
 */
export function parseAskedAddress(value: string): Parsed<AskedAddress> {
  const whole = value.includes('://') ? value : `https://${value}`
  if (whole.includes('#')) {
    const hint = 'without it: browsers keep it to themselves'
    return bad('expect.address', `${quote(value)} has a fragment, which is never asked for`, hint, '#')
  }
  const [, scheme = '', host = '', rest = ''] = /^(https?:\/\/)([^/?\\@\s]+)([/?]\S*)?$/i.exec(whole) ?? []
  const path = rest.startsWith('/') ? rest : `/${rest}`
  const url = URL.parse(scheme + host + path)
  if (host === '' || url === null) {
    return bad('expect.address', `${quote(value)} is not an address`, 'as in https://app.example.com/admin')
  }
  return good({ href: url.href, authority: /^[!-~]+$/.test(host) ? host : url.host, path })
}
