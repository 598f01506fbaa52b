/** Refuses steps of a sign-in in frames, images and scripts (Fetch Metadata). */

import { GateError } from '../../base/errors.ts'
import { loaderOf } from '../../route/page-load.ts'
import type { PortalRequest } from '../portal-request.ts'

/**
 * Only a window may take a step of a sign-in. Otherwise an image or a hidden frame of any page could begin sign-ins,
 * until the visitors of that page could begin no more. Throws `access.origin`.
 *
 * A request that a service worker of this very host passes on counts as its window.
 */
export function checkWindow({ request }: PortalRequest): void {
  if (loaderOf(request) === 'other') throw notAWindow(request)
}

/**
 * The same for what is not to pass through anyone's hands: a ticket to another host goes to a window itself.
 * Throws `access.origin`.
 */
export function checkWindowItself({ request }: PortalRequest): void {
  if (loaderOf(request) !== 'window') throw notAWindow(request)
}

function notAWindow({ headers }: Request): GateError {
  return new GateError('access.origin', 'a step of a sign-in was asked for by something that is no window', {
    facts: { destination: headers.get('sec-fetch-dest'), mode: headers.get('sec-fetch-mode') },
    hint: 'the application is in a frame of another: open it once in a separate window, which signs its host in',
  })
}
