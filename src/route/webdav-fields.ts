/** Addresses in fields of WebDAV: Destination and If (RFC 4918 §10). */

import { GateError } from '../base/errors.ts'
import { parseAuthority, parseTarget, type Target } from './target.ts'

/** A field's value around the addresses that it mentions: one text more than there are addresses. */
export interface Mentions {
  readonly texts: readonly string[]
  /** As they are written. */
  readonly addresses: readonly string[]
}

/** The one address that Destination consists of (RFC 4918 §10.3). */
export function readDestination(value: string): Mentions {
  return { texts: ['', ''], addresses: [value] }
}

/**
 * The addresses whose state the conditions of an If field are about (RFC 4918 §10.4); none where all are about the request's own.
 *
 * What stands within parentheses are state tokens and entity tags, which lead nowhere. Throws `target.header` for anything else.
 */
export function readConditions(value: string): Mentions {
  const texts: string[] = []
  const addresses: string[] = []
  let text = ''
  for (let at = 0; at < value.length; ) {
    CONDITION.lastIndex = at
    const found = CONDITION.exec(value)
    if (found === null) throw new GateError('target.header', 'If is no list of conditions')
    const [whole, address] = found
    if (address === undefined) text += whole
    else {
      texts.push(`${text}<`)
      addresses.push(address)
      text = '>'
    }
    at += whole.length
  }
  return { texts: [...texts, text], addresses }
}

/** A blank, `<address>`, or a list of conditions in parentheses. */
const CONDITION = /\s+|<([^<>]*)>|\((?:\s|not|<[^<>]*>|\[(?:[^\]"]|"[^"]*")*\])+\)/iy

const ADDRESS = /^(?:https?:\/\/([^/?#]+))?(\/[\x21-\x7e]*)$/i

/**
 * An address in a field of a request, as the target of a request with this method. Null for an address on another
 * host, or in another form than RFC 4918 §8.3 has (`http://host/path`, `/path`).
 *
 * It ignores the port: the proxy writes the application's own port in its place. Throws what `parseTarget` does.
 */
export function parseMention(address: string, method: string, { host, authority }: Target): Target | null {
  const [, named, path] = ADDRESS.exec(address) ?? []
  if (path === undefined || path.startsWith('//')) return null
  if (named !== undefined && parseAuthority(named).host !== host) return null
  return parseTarget(method, path, authority)
}
