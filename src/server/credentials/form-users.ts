/** Users of files by the forms of our own pages: a password, a code after it, and both again before a change. */

import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { AccountGround, Identity } from '../../identity/identity.ts'
import { userIdentity } from '../../identity/passwords/users.ts'
import type { Guesses } from './password-guesses.ts'
import type { CodeOutcome, Codes } from './second-factor-codes.ts'
import type { UserInForce, UsersInForce } from './users-in-force.ts'
import { type Given, type PasswordSource, refusal, type StandIn, type Verify } from './verify-password.ts'

/** A user with this password; `code`: a code has to follow for this account. */
export type FoundUser = { readonly identity: Identity } | { readonly code: AccountGround }

/** A user with this code; `recoveryLeft`: it was a recovery code, of which so many are left. */
export interface CodedUser {
  readonly identity: Identity
  readonly recoveryLeft: number | null
}

interface GivenCode {
  readonly name: string
  readonly code: string
  /** As `findUser` said it. */
  readonly account: AccountGround
}

interface GivenFactor {
  readonly name: string
  readonly secret: string
  readonly code: string
}

export interface FormUsers {
  /**
   * The user of a name and a password at a provider that is a users file; for a user with a second factor, what the
   * code that has to follow is for. Throws `access.password`, the same for each mistake, `limit.rate` after too
   * many of them, and `session.store`. `browser` identifies a browser in which this user has signed in before; null
   * where there is none.
   */
  findUser(provider: ProviderConfig, given: Given, client: string, browser: string | null): Promise<FoundUser>
  /**
   * The user of a name and a code, or a recovery code, once `findUser` has found the password right. Wrong codes count
   * with wrong passwords. Throws like `findUser`, also where the account has changed since.
   */
  checkCode(provider: ProviderConfig, given: GivenCode, client: string, browser: string | null): Promise<CodedUser>
  /** Whether this is the present password of a user, who has a session. Throws like `findUser`. */
  confirm(provider: ProviderConfig, given: Given, client: string): Promise<void>
  /**
   * Whether a code is of this secret and came for the first time: for a second factor that is about to be kept. Wrong
   * ones count as at a sign-in. Throws `access.password`, `limit.rate`, `session.store`.
   */
  confirmFactor(provider: ProviderConfig, given: GivenFactor, client: string): Promise<void>
}

export interface FormUserTools {
  readonly ports: Pick<Ports, 'now'>
  readonly guesses: Guesses
  readonly verify: Verify
  readonly standIn: StandIn
  readonly users: UsersInForce
  readonly codes: Codes
}

export function createFormUsers({ ports, guesses, verify, standIn, users, codes }: FormUserTools): FormUsers {
  /** The user of a right password. `isAllOf`: whether nothing else has to follow. Throws `access.password` and more. */
  async function checkPassword(
    provider: ProviderConfig,
    given: Given,
    source: Pick<PasswordSource, 'client' | 'browser'>,
    isAllOf: (user: UserInForce | null) => boolean,
  ): Promise<UserInForce> {
    const whose = standIn(given.name, provider.users?.entries ?? new Map())
    const held = whose === undefined ? null : await users.of(provider, whose)
    const user = whose === given.name ? held : null
    const place = { ...source, where: `provider ${provider.name}` }
    await verify(given, { hash: held?.hash, isOwn: user !== null }, place, isAllOf(user))
    if (user === null) throw refusal('the name is not in the file')
    return user
  }

  /** Runs a check of a code as one more guess at this user's sign-in; throws with its reason where it has one. */
  async function guessCode(
    provider: ProviderConfig,
    name: string,
    { client, browser }: Pick<PasswordSource, 'client' | 'browser'>,
    check: () => Promise<CodeOutcome>,
  ): Promise<number | null> {
    const guess = await guesses.begin({ client, who: `provider ${provider.name} ${name}`, user: name, browser })
    let outcome: CodeOutcome
    try {
      outcome = await check()
      if (outcome.refusal === null) await guess.takeBack(true)
    } finally {
      guess.leave()
    }
    if (outcome.refusal !== null) throw refusal('the code is wrong', { user: name, reason: outcome.refusal })
    return outcome.recoveryLeft
  }

  /** The identity of a user whose sign-in by the form is complete. */
  function complete(provider: ProviderConfig, name: string, account: AccountGround, amr: readonly string[]): Identity {
    const identity = userIdentity(provider, name, ports.now(), { account, amr })
    if (identity === null) throw refusal('the name is not in the file')
    return identity
  }

  return {
    async findUser(provider, given, client, browser) {
      requirePasswords(provider)
      const user = await checkPassword(provider, given, { client, browser }, one => one?.factor == null)
      return user.factor === null
        ? { identity: complete(provider, given.name, user.ground, ['pwd']) }
        : { code: user.ground }
    },
    async checkCode(provider, { name, code, account }, client, browser) {
      requirePasswords(provider)
      const user = await users.of(provider, name)
      const isSame = user !== null && user.ground.stamp === account.stamp && user.ground.over === account.over
      if (user === null || !isSame || user.ground.id !== account.id) {
        throw refusal('the account was changed after the password was given', { user: name, reason: 'another account' })
      }
      const recoveryLeft = await guessCode(provider, name, { client, browser }, () => codes.check(user, code))
      return { identity: complete(provider, name, user.ground, ['pwd', 'otp']), recoveryLeft }
    },
    async confirm(provider, given, client) {
      requirePasswords(provider)
      await checkPassword(provider, given, { client, browser: null }, () => true)
    },
    async confirmFactor(provider, { name, secret, code }, client) {
      requirePasswords(provider)
      const place = { client, browser: null }
      await guessCode(provider, name, place, () => codes.checkFactor({ provider: provider.name, name, secret }, code))
    },
  }
}

/** Where there are passkeys alone, no password, code or recovery code counts, and none is tried. Throws `access.password`. */
function requirePasswords({ takesPasswords }: ProviderConfig): void {
  if (!takesPasswords) throw refusal('the provider takes no passwords')
}
