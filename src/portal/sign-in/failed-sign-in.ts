/** The error of a sign-in that failed on its way, with its destination. */

import type { Destination } from './destination.ts'

/**
 * A sign-in that failed after it was found, with the user's destination.
 *
 * `mayRestart`: it can restart without the user. Where a user opens very many tabs in the same moment, before this
 * browser has a cookie, each tab gets one and not all are kept. Such a tab fails once and then fits. A restart uses
 * nothing of the failed attempt, so an attacker's link leads only to the victim's own sign-in.
 */
export class FailedSignIn extends Error {
  readonly failure: unknown
  readonly destination: Destination
  readonly mayRestart: boolean
  /** The provider that a sign-in could not be begun at; null for every other failure. */
  readonly provider: string | null
  /** The provider whose answer it was that failed; null for every other failure. */
  readonly answeredBy: string | null

  constructor(
    failure: unknown,
    destination: Destination,
    mayRestart: boolean,
    {
      provider = null,
      answeredBy = null,
    }: { readonly provider?: string | null; readonly answeredBy?: string | null } = {},
  ) {
    super('a sign-in failed', { cause: failure })
    this.name = 'FailedSignIn'
    this.failure = failure
    this.destination = destination
    this.mayRestart = mayRestart
    this.provider = provider
    this.answeredBy = answeredBy
  }
}
