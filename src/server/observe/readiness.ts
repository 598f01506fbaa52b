/** Readiness: whether this gate should get requests. */

import { errorFacts } from '../../base/errors.ts'
import { inTime, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Log } from '../../base/ports.ts'
import type { ServerCertificate } from '../../config/values/certificate.ts'
import { isDisconnected, troubleOf, UNREACHED } from '../../session/store-trouble.ts'

/** What has to be well for requests to be taken. */
export interface ReadinessTools {
  isDraining(): boolean
  /** Whether this process may open one more file or connection. */
  mayOpen(): boolean
  /** Reads from the session store: false where its key is another. Throws where it cannot be read. */
  readStore(): MaybePromise<boolean>
  /** Writes to the session store. Throws where that cannot be done. */
  writeStore(): MaybePromise<unknown>
  /** What HTTPS is served with; null where it is not, or where an authority gives certificates. */
  certificates(): readonly ServerCertificate[] | null
  readonly log: Log
  now(): number
  /** In milliseconds, by a clock that is never set. */
  tick(): number
}

/** Below what a supervisor waits for each of its workers. */
export const STORE_MS = 700

/** For so long nothing is asked again, however many probes come. */
const KEPT_MS = 1000

/**
 * Returns which part is not ready, in words without a secret; null: Sallyport takes requests, and users can sign in.
 *
 * The store is read and written: a full disk or a replica still reads. A certificate of an authority keeps no client
 * out: to renew one, the authority has to reach Sallyport, past the monitor of this check. One good certificate among
 * others is enough. The metrics and `/status.json` show which of them have ended.
 */
export function createReadiness(tools: ReadinessTools): () => Promise<string | null> {
  const findTrouble = findStoreTrouble(tools)
  let kept: { readonly untilMs: number; readonly trouble: string | null } | null = null
  let asking: Promise<string | null> | null = null

  async function ask(): Promise<string | null> {
    const trouble = await findTrouble()
    kept = { untilMs: tools.tick() + KEPT_MS, trouble }
    return trouble
  }

  async function storeTrouble(): Promise<string | null> {
    if (kept !== null && tools.tick() < kept.untilMs) return kept.trouble
    asking ??= ask().finally(() => {
      asking = null
    })
    return asking
  }

  return async () => {
    if (tools.isDraining()) return 'draining'
    if (!tools.mayOpen()) return NO_DESCRIPTORS
    const trouble = await storeTrouble()
    return trouble === null ? certificateTrouble(tools) : `session store: ${trouble}`
  }
}

const NO_DESCRIPTORS = 'open files: this process has reached its limit (LimitNOFILE of the unit, ulimits in compose)'

const LATE = Symbol('late')

/** Asks the store, and logs once when that begins to fail, and once when it works again. */
function findStoreTrouble({ readStore, writeStore, log, tick }: ReadinessTools): () => Promise<string | null> {
  let isWritten = true
  let isRead = true

  async function read(): Promise<string | null> {
    try {
      const isOurs = await inTime(readStore(), STORE_MS, LATE)
      if (isOurs === LATE) return 'it does not answer'
      isRead = true
      return isOurs ? null : 'it was sealed with another key than the one of [sessions]'
    } catch (error) {
      const why = troubleOf(error)
      // The connection to a server itself logs that it is lost.
      if (isDisconnected(error)) return why ?? UNREACHED
      if (isRead) log.error('The session store cannot be read', errorFacts(error))
      isRead = false
      return why ?? 'it cannot be read, and the log says why'
    }
  }

  async function write(leftMs: number): Promise<string | null> {
    let why: string | null = 'it takes no writes in time'
    let facts = {}
    try {
      if ((await inTime(writeStore(), leftMs, LATE)) !== LATE) {
        if (!isWritten) log.info('The session store takes writes again')
        isWritten = true
        return null
      }
    } catch (error) {
      why = troubleOf(error)
      facts = errorFacts(error)
    }
    if (isWritten) {
      log.error('The session store accepts no writes: users known here stay signed in, others cannot sign in', {
        ...facts,
        ...(why === null ? {} : { why }),
      })
    }
    isWritten = false
    return why ?? 'it takes no writes, and the log says why'
  }

  return async () => {
    const beganMs = tick()
    return (await read()) ?? write(Math.max(1, STORE_MS - (tick() - beganMs)))
  }
}

function certificateTrouble({ certificates, now }: ReadinessTools): string | null {
  const served = certificates()
  if (served === null || served.some(({ expiresAtMs }) => now() < expiresAtMs)) return null
  const [last] = served.toSorted((one, other) => other.expiresAtMs - one.expiresAtMs)
  if (last === undefined) return 'certificates: there is none'
  return `certificates: the last good one, of ${last.names.join(', ')}, ended ${new Date(last.expiresAtMs).toISOString()}`
}
