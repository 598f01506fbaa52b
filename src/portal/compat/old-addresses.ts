/** Old addresses of another program: requests for them, and where their `rd` leads. */

import { GateError } from '../../base/errors.ts'
import { parseReturnTo, type SafeReturnTo } from '../../route/return-to.ts'
import { parseAuthority } from '../../route/target.ts'
import { type CompatPage, type CompatRequest, type PortalRequest, readQuery } from '../portal-request.ts'

/** A request for an address of a program that stood here before. */
export interface CompatContext extends PortalRequest {
  readonly compat: CompatRequest
}

/** One of its addresses below its prefix, as a path of any host of the portal. */
export function compatPath(
  { compat }: CompatContext,
  page: CompatPage,
  query: Readonly<Record<string, string>>,
): string {
  return `${compat.prefix}/${page}?${new URLSearchParams(query)}`
}

/** Where `rd` leads: a path of this host, or an address of another one of the file. */
export type Onward =
  | { readonly kind: 'here'; readonly path: SafeReturnTo }
  | { readonly kind: 'away'; readonly address: string }

export const FRONT_PAGE: Onward = { kind: 'here', path: parseReturnTo(null) }

/** Scheme, authority without a user name, and the rest: what every browser reads the same way. */
const ADDRESS = /^(https?):\/\/([A-Za-z0-9.-]+(?::\d{1,5})?)(\/.*)?$/

/** The parameter by which an address says where to go on to. Throws `target.malformed` where it occurs twice. */
export function readOnward(ctx: CompatContext, parameter: 'rd' | 'redirect_url' | 'redirect_uri' = 'rd'): Onward {
  const value = readQuery(ctx).get(parameter) ?? (parameter === 'rd' ? besideQuery(ctx) : null)
  return parseOnward(value, { origin: ctx.origin, isServed: ctx.compat.isServed })
}

/**
 * The field in which nginx says what was asked for, where it shows `sign_in` in place of an application's page (`X-Auth-Request-Redirect`).
 * One of the program's own addresses is nothing to go on to. A client that writes it leads itself: it is checked as `rd` is.
 */
function besideQuery({ request, compat }: CompatContext): string | null {
  const value = request.headers.get('x-auth-request-redirect')
  return value === null || value.startsWith(`${compat.prefix}/`) ? null : value
}

/**
 * Where such a parameter leads: `/` where it is missing, or leads elsewhere than to a host of the file.
 *
 * Another host is led to by https, or by the scheme of this one (`origin`), and by no port but the usual one and that of this one: another
 * program may listen at any other. What is behind `#` is left out.
 */
export function parseOnward(
  rawValue: string | null,
  at: Pick<CompatRequest, 'isServed'> & { readonly origin: string },
): Onward {
  const raw = rawValue?.split('#', 1)[0]
  if (raw === undefined) return FRONT_PAGE
  if (raw.startsWith('/')) return { kind: 'here', path: parseReturnTo(raw) }
  const [, scheme, rawAuthority, path = '/'] = ADDRESS.exec(raw) ?? []
  if (scheme === undefined || rawAuthority === undefined) return FRONT_PAGE
  const place = parsePlace(rawAuthority)
  if (place === null || !at.isServed(place.host)) return FRONT_PAGE
  const [here, there] = [URL.parse(at.origin), URL.parse(`${scheme}://${place.authority}`)]
  if (here === null || there === null || there.hostname !== place.host) return FRONT_PAGE
  if (there.protocol !== 'https:' && there.protocol !== here.protocol) return FRONT_PAGE
  if (there.origin === here.origin) return { kind: 'here', path: parseReturnTo(path) }
  if (there.port !== '' && there.port !== here.port) return FRONT_PAGE
  return { kind: 'away', address: there.origin + parseReturnTo(path) }
}

/** The destination as a whole address, on this host too. */
export function wholeAddress(ctx: PortalRequest, onward: Onward): string {
  return onward.kind === 'here' ? ctx.reachedAt(ctx.target) + onward.path : onward.address
}

/** The same for this browser, which is on this host. */
export function addressOf(onward: Onward): string {
  return onward.kind === 'here' ? onward.path : onward.address
}

function parsePlace(rawAuthority: string): { readonly host: string; readonly authority: string } | null {
  try {
    return parseAuthority(rawAuthority)
  } catch (thrown) {
    if (thrown instanceof GateError) return null
    throw thrown
  }
}
