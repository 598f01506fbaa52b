/** Writes WebDAV fields (Destination, If) for the address of an upstream. */

import type { Origin } from './origin.ts'

/** A field that mentions other resources of an application: what stands around their paths, which are whole but for its address. */
export interface Mention {
  readonly name: 'destination' | 'if'
  /** One more than there are paths. */
  readonly texts: readonly string[]
  /** With their queries. */
  readonly paths: readonly string[]
  /** Whether it was judged as one that overwrites nothing. */
  readonly spares: boolean
}

/**
 * Writes these fields as an application at this address reads them: with its scheme, the Host that it gets, and its
 * base path.
 *
 * A server compares them with its own address (Apache answers 502 to another scheme), and does not know the proxies in
 * front. A field that a rule has removed stays removed. Overwrite always says what was judged, even if something has
 * removed it, such as Connection (RFC 4918 §10.6: without it everything is overwritten).
 */
export function writeMentions(headers: Headers, mentions: readonly Mention[], { address, authority }: Origin): void {
  const scheme = address.kind === 'unix' ? 'http' : address.scheme
  const basePath = address.kind === 'unix' ? '' : address.basePath
  const base = `${scheme}://${headers.get('host') ?? authority}${basePath}`
  for (const { name, texts, paths, spares } of mentions) {
    if (!headers.has(name)) continue
    if (spares) headers.set('overwrite', 'F')
    headers.set(name, texts.map((text, index) => (index === 0 ? text : `${base}${paths[index - 1]}${text}`)).join(''))
  }
}
