import { GateError } from '../../../base/errors.ts'

/** A name that could not be proved in DNS before the authority was asked to look. */
export function dnsFailure(message: string, hint: string, cause?: unknown): GateError {
  return new GateError('acme.dns', message, { hint, ...(cause === undefined ? {} : { cause }) })
}
