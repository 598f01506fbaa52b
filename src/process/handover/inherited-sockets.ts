/** Listening sockets that systemd or a predecessor handed to this process. */

import type { Log } from '../../base/ports.ts'
import { areKept, handedDescriptors, isSuccessor } from '../../console/inherited-sockets.ts'
import type { Io } from '../../console/io.ts'
import { createHanded, type InheritedSockets } from '../../server/listen/inherited/sockets.ts'

/** The sockets that this process was started with. */
export function openHanded(env: Io['env']): InheritedSockets {
  return createHanded(handedDescriptors(env, process.pid), areKept(env, process.pid))
}

/** Says which sockets were handed over for nothing: who connects there is not answered. A successor may have a file that leaves some out. */
export function tellUnasked(places: readonly string[], env: Io['env'], log: Log): void {
  if (places.length === 0 || isSuccessor(env)) return
  log.warn('Sockets were handed over that the file does not listen on', {
    sockets: places,
    hint: 'name them in listen of [server] or [tls], as admin or verify, or take them out of the .socket unit',
  })
}
