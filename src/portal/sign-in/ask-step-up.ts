/** A step-up as parameters of the sign-in page: `max_age`, `acr_values`, `amr_values`. */

import { authenticationAgeMs, type StepUp } from '../../identity/step-up.ts'
import { parseReturnTo } from '../../route/return-to.ts'
import type { Session } from '../../session/session.ts'
import { ownPath } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'
import { problemResponse } from '../problem.ts'

/** What a new sign-in has to show, as parameters of our own sign-in address. */
const NAMES = { maxAge: 'max_age', acr: 'acr_values', amr: 'amr_values' } as const

const MAX_LIST_LENGTH = 1000

/**
 * The parameters that ask Sallyport's own sign-in page for a new sign-in. `provider` is the one of the current
 * session, where it may still be used.
 *
 * They travel unsealed, as they do at the provider: a client that changes them gets a sign-in that the rule does not
 * accept.
 */
export function stepUpQuery({ portal, session }: PortalRequest, demand: StepUp): Record<string, string> {
  const provider = session?.identity.provider
  return {
    ...(demand.maxAgeS === null ? {} : { [NAMES.maxAge]: String(demand.maxAgeS) }),
    ...(demand.acr.length === 0 ? {} : { [NAMES.acr]: demand.acr.join(' ') }),
    ...(demand.amr.length === 0 ? {} : { [NAMES.amr]: demand.amr.join(' ') }),
    ...(provider !== undefined && portal.providers.includes(provider) ? { provider } : {}),
  }
}

/** The address of a new sign-in that leads back to this path. */
export function stepUpAddress(ctx: PortalRequest, demand: StepUp, back: string): string {
  return `${ownPath('login')}?${new URLSearchParams({ ...stepUpQuery(ctx, demand), return: back })}`
}

/** Whether somebody has shown within this time who they are; a time that is not known, or is none, is no such. */
export function isSignedInWithin({ identity, createdAtMs }: Session, maxAgeS: number, nowMs: number): boolean {
  const ageMs = authenticationAgeMs(identity.claims, createdAtMs, nowMs)
  return ageMs !== null && ageMs <= maxAgeS * 1000
}

/** The names of the parameters that a choice of providers has to hand on. */
export const STEP_UP_NAMES: readonly string[] = Object.freeze(Object.values(NAMES))

/** What the parameters of a sign-in address ask for; null for an ordinary sign-in, and for unknown parameters. */
export function readStepUp(query: URLSearchParams): StepUp | null {
  const rawAge = query.get(NAMES.maxAge)
  const maxAgeS = rawAge !== null && /^\d{1,9}$/.test(rawAge) ? Number(rawAge) : null
  const acr = readList(query.get(NAMES.acr))
  const amr = readList(query.get(NAMES.amr))
  return maxAgeS === null && acr.length === 0 && amr.length === 0 ? null : { maxAgeS, acr, amr }
}

function readList(raw: string | null): readonly string[] {
  if (raw === null || raw.length > MAX_LIST_LENGTH) return []
  return raw.split(' ').filter(value => /^[!-~]+$/.test(value))
}

/** A StepUp from what was stored with a sign-in; null for any other shape. */
export function parseStepUp(value: unknown): StepUp | null {
  if (typeof value !== 'object' || value === null || !('maxAgeS' in value && 'acr' in value && 'amr' in value))
    return null
  const { maxAgeS, acr, amr } = value
  if (maxAgeS !== null && typeof maxAgeS !== 'number') return null
  const isList = (list: unknown): list is readonly string[] =>
    Array.isArray(list) && list.every(entry => typeof entry === 'string')
  return isList(acr) && isList(amr) ? { maxAgeS, acr, amr } : null
}

/**
 * The response for a program that must sign in again: what for, and where.
 *
 * Source: RFC 9470 §3. The scheme is Bearer, for which no browser shows its own password prompt.
 */
export function stepUpProblem(ctx: PortalRequest, demand: StepUp): Response {
  const fields = [
    'error="insufficient_user_authentication"',
    'error_description="A different authentication level is required"',
    ...(demand.maxAgeS === null ? [] : [`max_age="${demand.maxAgeS}"`]),
    ...(demand.acr.length === 0 ? [] : [`acr_values="${demand.acr.join(' ').replace(/["\\]/g, '\\$&')}"`]),
  ]
  const address = stepUpAddress(ctx, demand, parseReturnTo(ctx.target.path + ctx.target.query))
  return problemResponse(
    401,
    'access.step_up',
    'Sign in again to open this.',
    ctx.requestId,
    {
      sign_in: `${ctx.origin}${address}`,
      step_up: { max_age: demand.maxAgeS, acr_values: demand.acr, amr_values: demand.amr },
    },
    { 'www-authenticate': `Bearer ${fields.join(', ')}` },
  )
}
