/** The only calls of `fetch`: for applications, and for requests of our own. */

import { askBy } from '../base/http-client.ts'
import type { Ports } from '../base/ports.ts'

/** The way of requests to applications. Here and nowhere else `fetch` is called. */
export const forward: Ports['forward'] = (address, init) => fetch(address, init)

/** The way of our own questions. */
export const ask: Ports['ask'] = askBy((address, init) => fetch(address, init))
