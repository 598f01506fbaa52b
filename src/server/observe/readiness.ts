import { inTime } from '../../base/in-time.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { ServerCertificate } from '../../config/types/tls.ts'
import { isOfFullDisk } from '../../session/disk.ts'

/** What has to be well for requests to be taken. */
export interface ReadinessTools {
  isDraining(): boolean
  /** Reads anything from the session store; throws where that cannot be done, or there is no room to write to it. */
  readStore(): MaybePromise<unknown>
  /** What HTTPS is served with; null where it is not, or where an authority gives certificates. */
  certificates(): readonly ServerCertificate[] | null
  now(): number
}

/** Below what a supervisor waits for each of its workers. */
export const STORE_MS = 700

/**
 * Which part is not ready, in words that hold no secret; null: requests are taken, and people can sign in.
 *
 * A certificate of an authority keeps nobody out: to give a new one it has to reach us, past whoever looks here. One good certificate
 * among others is enough; which of them have ended is in the metrics, and at `/status.json`.
 */
export async function findUnready({
  isDraining,
  readStore,
  certificates,
  now,
}: ReadinessTools): Promise<string | null> {
  if (isDraining()) return 'draining'
  try {
    if ((await inTime(readStore(), STORE_MS, LATE)) === LATE) return 'session store: does not answer'
  } catch (error) {
    if (isOfFullDisk(error)) return 'session store: its disk is full'
    return 'session store: cannot be read, and the log says why'
  }
  const served = certificates()
  if (served === null || served.some(({ expiresAtMs }) => now() < expiresAtMs)) return null
  const [last] = served.toSorted((one, other) => other.expiresAtMs - one.expiresAtMs)
  if (last === undefined) return 'certificates: there is none'
  return `certificates: the last good one, of ${last.names.join(', ')}, ended ${new Date(last.expiresAtMs).toISOString()}`
}

const LATE = Symbol('late')
