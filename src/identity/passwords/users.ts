import { sha256 } from '../../base/bytes.ts'
import type { ProviderConfig, UsersConfig } from '../../config/types/providers.ts'
import { type Identity, makeIdentity } from '../identity.ts'
import { OWN_SUBJECTS } from '../own-subjects.ts'

/**
 * Whoever has just signed in by the form of a provider that is a file of users; null for a name that it does not have.
 *
 * The subject has a prefix that no provider may give anybody, so that nobody is taken for somebody of another provider, whatever their
 * name looks like. Claims say when and how, as a provider does: `pwd` and `otp` are RFC 8176 §2.
 */
export function userIdentity(
  { name: provider, issuer, users }: ProviderConfig,
  name: string,
  nowMs: number,
): Identity | null {
  const credential = users === null ? null : credentialOf(users, name)
  if (users === null || credential === null) return null
  const claims = {
    name,
    preferred_username: name,
    groups: users.groups,
    auth_time: Math.floor(nowMs / 1000),
    amr: users.totp.has(name) ? ['pwd', 'otp'] : ['pwd'],
  }
  return Object.freeze({ ...makeIdentity(provider, issuer, userSubject(name), claims), credential })
}

/** What a sign-in of this user stands on; null where there is none. Another password, second factor or groups make another. */
export function credentialOf({ entries, totp, groups }: UsersConfig, name: string): string | null {
  const hash = entries.get(name)
  const secret = totp.get(name)
  return hash === undefined
    ? null
    : sha256(JSON.stringify([name, hash, groups, ...(secret === undefined ? [] : [secret])]))
}

/** The subject of a user by name. */
export function userSubject(name: string): string {
  return OWN_SUBJECTS.password + name
}
