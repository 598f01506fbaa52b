import { GateError } from '../base/errors.ts'
import { repeatedName } from '../identity/answer.ts'
import type { PortalRequest } from './portal.ts'

/**
 * The parameters of one of our own addresses.
 *
 * Throws `target.malformed` when any occurs twice: what is read in two ways is refused (RFC 6749 §3.1 in spirit).
 */
export function readQuery({ target }: PortalRequest): URLSearchParams {
  const query = new URLSearchParams(target.query)
  const twice = repeatedName(query)
  if (twice !== null) throw new GateError('target.malformed', `parameter ${twice.slice(0, 40)} occurs twice`)
  return query
}
