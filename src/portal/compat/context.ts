import type { CompatPage, CompatRequest, PortalRequest } from '../portal.ts'

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
