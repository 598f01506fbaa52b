/** The identities of users of a file. */

import { sha256 } from '../../base/bytes.ts'
import type { PortalConfig } from '../../config/resolve/portals.ts'
import type { ProviderConfig, UsersConfig } from '../../config/resolve/providers.ts'
import type { UserEntry } from '../../config/values/users-file.ts'
import { type AccountGround, type Identity, makeIdentity } from '../identity.ts'
import { OWN_SUBJECTS } from '../own-subjects.ts'

/**
 * The identity of a user who has just signed in by the form of a users file; null for an unknown name.
 *
 * No provider may use the prefix of the subject, so that no name can look like a user of another provider. Claims say
 * when and how the user signed in: `pwd` and `otp` are from RFC 8176 §2. `account`: what the sign-in stands on of what
 * the user has set.
 */
export function userIdentity(
  { name: provider, issuer, users }: ProviderConfig,
  name: string,
  nowMs: number,
  { account, amr }: { readonly account: AccountGround; readonly amr: readonly string[] },
): Identity | null {
  const entry = users?.entries.get(name)
  if (users === null || entry === undefined) return null
  const claims = {
    ...userClaims(name, entry, users.groups),
    auth_time: Math.floor(nowMs / 1000),
    amr,
  }
  const identity = makeIdentity(provider, issuer, userSubject(name), claims)
  return Object.freeze({ ...identity, ...vouchedBy(users, name, entry), account })
}

/**
 * What a passkey says of a sign-in. `pop`: the user holds a key. `user`: the device verified them. Both are two factors,
 * `mfa`. `swk`: the key may be on several devices. Never `hwk`: nothing attests that a key cannot be copied (RFC 8176
 * §2).
 */
export function passkeyAmr({ isBackupEligible }: { readonly isBackupEligible: boolean }): readonly string[] {
  return ['pop', 'user', 'mfa', ...(isBackupEligible ? ['swk'] : [])]
}

/** The claims of a user of a file. The operator who writes the file vouches for the address. */
export function userClaims(
  name: string,
  { groups, displayName, email }: UserEntry,
  common: readonly string[],
): Readonly<Record<string, unknown>> {
  const all = [...new Set([...common, ...groups])]
  return {
    name: displayName ?? name,
    preferred_username: name,
    ...(all.length === 0 ? {} : { groups: all }),
    ...(email === null ? {} : { email, email_verified: true }),
  }
}

/** What binds an identity to the entry of a file. */
export function vouchedBy(
  users: UsersConfig,
  name: string,
  entry: UserEntry,
): Pick<Identity, 'credential' | 'userId' | 'era'> {
  const credential = credentialOf(users, name)
  return {
    ...(credential === null ? {} : { credential }),
    ...(entry.id === null ? {} : { userId: entry.id }),
    era: { password: sha256(`password\0${entry.hash}`), tokens: entry.tokenEpoch },
  }
}

/** The users of a portal's `htpasswd`, as those of a provider: Basic has no place for a code, so that none of them has a second factor. */
export function passwordUsers({
  passwords,
  passwordGroups,
}: Partial<Pick<PortalConfig, 'passwords' | 'passwordGroups'>>): UsersConfig {
  return { entries: passwords ?? new Map(), totp: new Map(), groups: passwordGroups ?? [] }
}

/** A user of a provider's file, as what they set themselves is kept: under whose key, and over what of the file. */
export interface FilePerson {
  /** The name of the provider. */
  readonly provider: string
  readonly name: string
  /** What no later user of the same name has: the id in the file, or where it has none, name and password. */
  readonly key: readonly string[]
  /** A mark of what the operator gave the user: of the password, the second factor and the id. */
  readonly over: string
}

/** A user of a provider's file; null where it has no such name. */
export function personOf(
  { name: provider, users }: Pick<ProviderConfig, 'name' | 'users'>,
  name: string,
): FilePerson | null {
  const entry = users?.entries.get(name)
  if (users === null || entry === undefined) return null
  const { id, hash } = entry
  const key = id === null ? ['name', name, sha256(hash)] : ['id', id]
  return { provider, name, key, over: sha256(JSON.stringify([id, hash, users.totp.get(name) ?? null])) }
}

/** Everybody of a provider's file. */
export function peopleOf(provider: Pick<ProviderConfig, 'name' | 'users'>): readonly FilePerson[] {
  return [...(provider.users?.entries.keys() ?? [])].flatMap(name => personOf(provider, name) ?? [])
}

/** What a sign-in of this user stands on; null where there is none. Another password, second factor or groups make another. */
export function credentialOf({ entries, totp, groups }: UsersConfig, name: string): string | null {
  const entry = entries.get(name)
  if (entry === undefined) return null
  const secret = totp.get(name)
  const own = entry.id === null ? [] : [{ mark: entry.mark }]
  return sha256(JSON.stringify([name, entry.hash, groups, ...(secret === undefined ? [] : [secret]), ...own]))
}

/** The name in the subject of a user of a file; null for any other subject. */
export function userNameOf(subject: string): string | null {
  return subject.startsWith(OWN_SUBJECTS.password) ? subject.slice(OWN_SUBJECTS.password.length) : null
}

export function userSubject(name: string): string {
  return OWN_SUBJECTS.password + name
}
