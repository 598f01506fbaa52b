/** Where a sign-in leads: its type, the forms in which it travels, and the error that keeps it. */

import { parseReturnTo, type SafeReturnTo } from '../../route/return-to.ts'
import type { Sealer } from '../../session/seal.ts'
import type { PortalRequest } from '../portal-request.ts'

/** Where a user goes after the sign-in: a path of this host, or a path of another host by a ticket. */
export type Destination =
  | { readonly kind: 'here'; readonly path: string }
  | {
      readonly kind: 'away'
      readonly origin: string
      readonly host: string
      readonly path: SafeReturnTo
      /** SHA-256 of an ask cookie of the browser that wants to go there. */
      readonly ask: string
    }

/** The destination that `redirectToPortal` sealed for this portal; null for anything else, or for a host no longer served. */
export async function openDestination(
  ctx: PortalRequest,
  seal: Sealer,
  sealed: string | null,
): Promise<Destination | null> {
  if (sealed === null) return null
  const destination = parseDestination(await seal.open(sealed, destinationPurpose(ctx)))
  return destination?.kind === 'away' && ctx.serves(destination.host) ? destination : null
}

/** A Destination from what was sealed or stored; null for any other shape. */
export function parseDestination(value: unknown): Destination | null {
  if (typeof value !== 'object' || value === null || !('path' in value) || typeof value.path !== 'string') return null
  if ('kind' in value && value.kind === 'here') return { kind: 'here', path: value.path }
  if (!('origin' in value && 'host' in value && 'ask' in value)) return null
  const { origin, host, ask, path } = value
  if (typeof origin !== 'string' || typeof host !== 'string' || typeof ask !== 'string') return null
  return { kind: 'away', origin, host, ask, path: parseReturnTo(path) }
}

/** What a sealed destination is for: one portal. */
export function destinationPurpose({ portal }: PortalRequest): string {
  return `destination at ${portal.name}`
}

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
