/** Origin and Referer as an application behind its own address expects them. */

import type { Origin } from './origin.ts'

/** Which pages of the public host a request's fields name, where the application is to take them for its own. */
export interface OwnPages {
  /** Whether Origin is the public one. */
  readonly isOrigin: boolean
  /**
   * The path that Referer names, with its query, and whether it is the application's own, to which its address's path belongs; null
   * for a page of elsewhere, or none.
   */
  readonly referer: { readonly path: string; readonly isInside: boolean } | null
}

/** Finds them among fields that are ready to go; `publicOrigin` as browsers write it, `inside` a path as the application has it. */
export function findOwnPages(
  headers: Headers,
  publicOrigin: string,
  inside: (path: string) => string | null,
): OwnPages {
  const isOrigin = headers.get('origin')?.toLowerCase() === publicOrigin
  const path = pathAt(headers.get('referer'), publicOrigin)
  const own = path === null ? null : inside(path)
  return { isOrigin, referer: path === null ? null : { path: own ?? path, isInside: own !== null } }
}

/**
 * Writes Origin and Referer as an application at this address, with the Host that it gets, expects them.
 *
 * Only the public host becomes the application's own; other origins stay, so that the application's check of them
 * still works. A page that claims the application's own address becomes `null`, without a Referer: browsers reach the
 * application only at the public host.
 *
 * Source: RFC 6454 §7 (Origin), RFC 9110 §10.1.3 (Referer).
 */
export function writeOwnPages(headers: Headers, { isOrigin, referer }: OwnPages, { address, authority }: Origin): void {
  const own = `${address.kind === 'unix' ? 'http' : address.scheme}://${headers.get('host') ?? authority}`
  if (isOrigin) headers.set('origin', own)
  else if (headers.get('origin')?.toLowerCase() === own) headers.set('origin', 'null')
  if (referer !== null) {
    const basePath = referer.isInside && address.kind === 'url' ? address.basePath : ''
    headers.set('referer', own + basePath + referer.path)
  } else if (pathAt(headers.get('referer'), own) !== null) headers.delete('referer')
}

/** What an address at this origin names there; null for any other. */
function pathAt(address: string | null, origin: string): string | null {
  if (address === null || address.slice(0, origin.length).toLowerCase() !== origin) return null
  const rest = address.slice(origin.length)
  return rest.startsWith('/') ? rest : rest === '' ? '/' : null
}
