/** The route at an address, for pages of the portal. */

import { GateError } from '../../../base/errors.ts'
import { parseTarget, type Target } from '../../../route/target.ts'
import type { GatePortal, GateRoute } from '../../config/snapshot.ts'
import type { RequestContext } from '../context.ts'

/** The route at a host and path, with the target that was made of them; null where none is, and where the path can be read in two ways. */
export function routeAt(
  { snapshot }: Pick<RequestContext, 'snapshot'>,
  host: string,
  path: string,
): { readonly route: GateRoute; readonly target: Target } | null {
  try {
    const target = parseTarget('GET', `http://host${path}`, host)
    const match = target.isReserved ? null : snapshot.table.match(target)
    return match === null || match.also.length > 0 ? null : { route: match.value, target }
  } catch (error) {
    if (error instanceof GateError) return null
    throw error
  }
}

/** Whether the route at a path of the host that was asked, of this portal, wants the fragment of its address kept. */
export function keepsFragmentAt(context: RequestContext, portal: GatePortal, path: string): boolean {
  if (context.target === null || !path.startsWith('/')) return false
  const found = routeAt(context, context.target.host, path)
  return found !== null && found.route.portal === portal && found.route.config.keepFragment
}
