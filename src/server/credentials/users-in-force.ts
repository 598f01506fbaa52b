/** Users of files as they sign in now: by the file, and by what they have set over it themselves. */

import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { UserEntry } from '../../config/values/users-file.ts'
import type { AccountGround } from '../../identity/identity.ts'
import { type FilePerson, personOf } from '../../identity/passwords/users.ts'
import { type Accounts, accountIdOf, groundOf } from '../../session/accounts/accounts.ts'

/** How a user signs in now. */
export interface UserInForce {
  readonly person: FilePerson
  /** What the password has to hash to. */
  readonly hash: string
  /** The secret of the second factor; null: there is none. */
  readonly factor: string | null
  /** What a sign-in stands on that begins with this. */
  readonly ground: AccountGround
}

/** What lies over an entry of a portal's `htpasswd`, which may be a file of a provider, too. */
interface OverEntry {
  /** Null: that of the file. */
  readonly hash: string | null
  readonly hasFactor: boolean
  /** The ids of the accounts that say so, or might. */
  readonly accounts: readonly string[]
}

export interface UsersInForce {
  /** Null for a name that is not in the file. Throws `session.store`. */
  of(provider: ProviderConfig, name: string): Promise<UserInForce | null>
  /** The same of a portal's own file. Throws `session.store`. */
  overEntry(providers: Iterable<ProviderConfig>, name: string, entry: UserEntry): Promise<OverEntry>
}

export function createUsersInForce(accounts: Pick<Accounts, 'of' | 'factorOf'>): UsersInForce {
  return {
    async of(provider, name) {
      const person = personOf(provider, name)
      const entry = provider.users?.entries.get(name)
      if (person === null || entry === undefined) return null
      const account = await accounts.of(person)
      const factor = (await accounts.factorOf(person, account)) ?? provider.users?.totp.get(name) ?? null
      return { person, hash: account.password?.hash ?? entry.hash, factor, ground: groundOf(person, account) }
    },
    async overEntry(providers, name, { mark }) {
      const ids: string[] = []
      let hash: string | null = null
      let hasFactor = false
      for (const provider of providers) {
        const person = provider.users?.entries.get(name)?.mark === mark ? personOf(provider, name) : null
        if (person === null) continue
        const account = await accounts.of(person)
        ids.push(accountIdOf(person))
        hash ??= account.password?.hash ?? null
        hasFactor ||= account.factor !== null
      }
      return { hash, hasFactor, accounts: ids }
    },
  }
}
