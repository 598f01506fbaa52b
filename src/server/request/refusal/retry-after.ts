import type { GateError } from '../../../base/errors.ts'
import type { Passage } from '../passage.ts'

/** Seconds after which a page for a failing application tries again by itself: at first, and at most. */
const FIRST_S = 5
const LONGEST_S = 30

/**
 * When it makes sense to ask again, in whole seconds; undefined where that changes nothing.
 *
 * The longer an application has been failing, the longer the wait: a page that is loaded anew cannot count its own tries, but
 * the gate knows of the failures in a row.
 */
export function retryAfterS({ status, retryAfterS }: GateError, { route }: Passage): number | undefined {
  if (retryAfterS !== undefined) return retryAfterS
  if (status !== 502 && status !== 503 && status !== 504) return undefined
  const failures = Math.max(1, ...(route?.upstream?.origins ?? []).map(origin => origin.failures))
  return Math.min(LONGEST_S, FIRST_S * 2 ** (failures - 1))
}

/** Whether to ask again is to do nothing twice. */
export function mayRepeat({ request }: Passage): boolean {
  return request.method === 'GET' || request.method === 'HEAD'
}
