/** The account of a user of a file: whose it is, the present password before a change, and what ends with one. */

import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { type FilePerson, personOf, userNameOf } from '../../identity/passwords/users.ts'
import { authenticationAgeMs } from '../../identity/step-up.ts'
import type { Account, Notice } from '../../session/accounts/account.ts'
import type { Accounts, DecideAccount } from '../../session/accounts/accounts.ts'
import type { EndOthers } from '../../session/accounts/end-others.ts'
import { isSignIn } from '../../session/credentials/credential-sessions.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { type AuditTools, askedFacts, type PortalRequest } from '../portal-request.ts'

export interface ChangeTools extends AuditTools {
  readonly ports: Pick<Ports, 'now'>
  readonly sessions: Pick<Sessions, 'describe'> & { readonly accounts: Accounts; readonly endOthers: EndOthers }
  /**
   * Whether this is a user's present password. Throws `access.password`, and `limit.rate` where too many wrong ones
   * were given, here or at a sign-in.
   */
  confirm(
    provider: ProviderConfig,
    given: { readonly name: string; readonly password: string },
    clientAddress: string,
  ): Promise<void>
}

/** A user of a file who has a session. */
export interface FileUser {
  readonly provider: ProviderConfig
  readonly name: string
  readonly person: FilePerson
}

/** The user of the file whose session it is; null for users of other providers, guests, programs and services. */
export function fileUserOf(
  { portal, providers }: Pick<PortalRequest, 'portal' | 'providers'>,
  session: Session,
): FileUser | null {
  const { identity } = session
  const provider = portal.providers.includes(identity.provider) ? providers.get(identity.provider) : undefined
  const name = userNameOf(identity.subject)
  const isOwn = provider?.users != null && identity.issuer === provider.issuer
  if (provider === undefined || name === null || !isOwn || !isSignIn(session)) return null
  const person = personOf(provider, name)
  // A later user of the name is somebody else.
  const isSame = (provider.users?.entries.get(name)?.id ?? undefined) === identity.userId
  return person === null || !isSame ? null : { provider, name, person }
}

/** For so long a sign-in by a passkey confirms a change: whoever has just shown it is there. */
export const CONFIRMED_S = 5 * 60

/**
 * Whether the user of this session may not know of it: a sign-in by a passkey since then was by the new one itself, or
 * has told it.
 */
export function isNews({ identity }: Session, { passkey, atMs }: Notice): boolean {
  const at = identity.claims.auth_time
  return passkey === undefined || !isByPasskey(identity) || typeof at !== 'number' || at < Math.floor(atMs / 1000)
}

function isByPasskey({ claims: { amr } }: Session['identity']): boolean {
  return Array.isArray(amr) && amr.includes('pop')
}

/** Whether this is a sign-in by a passkey of the last minutes. */
export function isFreshByPasskey({ identity }: Session, nowMs: number): boolean {
  if (!isByPasskey(identity)) return false
  const ageMs = authenticationAgeMs(identity.claims, null, nowMs)
  return ageMs !== null && ageMs <= CONFIRMED_S * 1000
}

/**
 * Whether the form has the user's present password (`present`), or its sender has just shown a passkey. A wrong password
 * is in the audit trail, and counts as at a sign-in. Throws `limit.rate`, `session.store`.
 */
export async function isConfirmed(
  ctx: PortalRequest,
  tools: ChangeTools,
  session: Session,
  { provider, name }: FileUser,
  form: URLSearchParams,
): Promise<boolean> {
  if (isFreshByPasskey(session, tools.ports.now())) return true
  try {
    await tools.confirm(provider, { name, password: form.get('present') ?? '' }, ctx.clientAddress)
    return true
  } catch (thrown) {
    if (!(thrown instanceof GateError) || thrown.code !== 'access.password') throw thrown
    tools.audit.note('account.confirm_refused', { ...askedFacts(ctx), ...sessionFacts(session) })
    return false
  }
}

/** What of a user's account is changed, as the audit trail names it. */
export type AccountChange =
  | 'password'
  | 'second factor'
  | 'no second factor'
  | 'recovery codes'
  /** The passkey of this name was removed. */
  | { readonly removed: string }

interface Wanted {
  readonly what: AccountChange
  /** The stamp of the account that the form was confirmed for. */
  readonly stamp: string
  /** Whether API tokens and guest links end, too. */
  readonly endsTokens: boolean
  readonly decide: DecideAccount
}

/**
 * Changes an account, ends what else its user has, and says so in the audit trail. Null where something else was changed
 * since the form was confirmed: nothing is changed then. Answers how many sessions have ended.
 *
 * What else there is ends before, too: where the store fails at that, nothing has changed.
 */
export async function changeAccount(
  ctx: PortalRequest,
  { sessions, audit }: Pick<ChangeTools, 'sessions' | 'audit'>,
  session: Session,
  { person }: FileUser,
  { what, stamp, endsTokens, decide }: Wanted,
): Promise<{ readonly account: Account; readonly others: number } | null> {
  const how = { keep: session.id, endsTokens }
  if ((await sessions.accounts.of(person)).stamp !== stamp) return null
  const before = await sessions.endOthers(session.identity, how)
  const account = await sessions.accounts.change(person, now => (now.stamp === stamp ? decide(now) : undefined))
  if (account === null) return null
  let others = before.sessions
  try {
    others += (await sessions.endOthers(session.identity, how)).sessions
  } finally {
    const facts = { ...askedFacts(ctx), ...sessionFacts(session), number: others }
    if (typeof what === 'string') await audit.keep('account.changed', { ...facts, reason: what })
    else await audit.keep('passkey.removed', { ...facts, passkey: what.removed })
  }
  return { account, others }
}
