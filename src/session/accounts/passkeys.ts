/** Passkeys in the accounts of users: added, used for a sign-in, and removed. `identity/passkeys` verifies them. */

import type { Audit } from '../../audit/writer.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig, UsersConfig } from '../../config/resolve/providers.ts'
import type { Identity } from '../../identity/identity.ts'
import {
  CEREMONY_MS,
  type Ceremony,
  isCloned,
  type PasskeyOwner,
  readShown,
  refusal,
  verifyCreation,
  verifyShown,
} from '../../identity/passkeys/ceremony.ts'
import { type FilePerson, passkeyAmr, peopleOf, userIdentity, userSubject } from '../../identity/passwords/users.ts'
import type { Sessions } from '../session.ts'
import type { Account, Passkey } from './account.ts'
import { type Accounts, accountIdOf, groundOf } from './accounts.ts'
import type { EndOthers } from './end-others.ts'

/** What a browser says of a passkey, and in which ceremony. */
export interface PasskeyAnswer {
  readonly answer: string
  readonly ceremony: Ceremony
}

export interface PasskeySignIn {
  readonly identity: Identity
  readonly person: FilePerson
  readonly passkey: Passkey
}

/** Passkeys as the rest of the program uses them. All throw `session.store`. */
export interface Passkeys {
  /**
   * The user whose passkey a browser shows, at a provider that is a file of users. Throws `access.passkey`, with the
   * reason and, once it is known, the user.
   */
  find(provider: ProviderConfig, shown: PasskeyAnswer): Promise<PasskeySignIn>
  /**
   * Adds the passkey that a browser has created to a user's account. `mayAdd` is asked once nothing refuses it, and
   * before anything is changed; `also` changes the account in the same step, and may be called more than once. `stamp`:
   * of the account that this was confirmed for; of another one it is refused. Answers the account as it is then. The
   * caller ends other sign-ins. Throws `access.passkey`, and what `mayAdd` throws.
   */
  add(
    person: FilePerson,
    made: PasskeyAnswer & { readonly name: string },
    terms: {
      readonly stamp?: string
      mayAdd(): Promise<void>
      also?(account: Account, made: Passkey): Account
    },
  ): Promise<{ readonly account: Account; readonly passkey: Passkey }>
}

/** No user needs more. */
const MOST_PASSKEYS = 20

interface PasskeyTools {
  readonly accounts: Accounts
  readonly once: Pick<Sessions, 'putOneTime'>
  readonly endOthers: EndOthers
  readonly ports: Pick<Ports, 'now'>
  readonly audit: Audit
}

export function createPasskeys({ accounts, once, endOthers, ports, audit }: PasskeyTools): Passkeys {
  /** A challenge is answered once, by all workers and machines. */
  async function answerOnce(person: FilePerson, { challenge }: Ceremony): Promise<void> {
    const terms = { lifetimeMs: CEREMONY_MS, owner: accountIdOf(person) }
    if (!(await once.putOneTime('passkey', challenge, {}, terms))) throw refused('it was shown before', person)
  }

  return {
    async find(provider, { answer, ceremony }) {
      const { id, handle } = readShown(answer)
      const person = personOfHandle(provider, handle)
      if (person === null) throw refusal('its user is not in the file', { reason: 'unknown user' })
      const account = await accounts.of(person)
      const kept = account.passkeys.find(one => one.id === id && one.rpId === ceremony.rpId)
      if (kept === undefined) throw refused('the user has no such passkey', person, 'unknown passkey')
      const shown = await verifyShown(answer, ceremony, kept).catch((thrown: unknown) => {
        throw refused('it does not hold', person, 'does not hold', thrown instanceof Error ? thrown.cause : thrown)
      })
      await answerOnce(person, ceremony)
      let isCopy = false
      const usedAtMs = ports.now()
      const noted = await accounts.note(person, before => {
        const one = before.passkeys.find(({ id: other }) => other === id)
        isCopy = one !== undefined && isCloned(one, shown)
        if (one === undefined || isCopy) return undefined
        const { counter, isSynced: isBackedUp } = shown
        const used = { ...one, counter, isBackedUp, usedAtMs }
        return { ...before, passkeys: before.passkeys.map(other => (other === one ? used : other)) }
      })
      const how = { account: groundOf(person, account), amr: passkeyAmr(kept) }
      const identity = userIdentity(provider, person.name, usedAtMs, how)
      if (identity === null) throw refused('its user is not in the file', person)
      if (isCopy) {
        // The copy may have signed somebody in. Before and after: where the store fails at that, the passkey stays, so
        // that whoever shows it next ends them.
        const all = { keep: null, endsTokens: false }
        await endOthers(identity, all)
        await accounts.change(person, before => without(before, id))
        try {
          await endOthers(identity, all)
        } finally {
          await audit.keep('passkey.cloned', { user: identity.subject, name: person.name, passkey: kept.name })
        }
        throw refused('its counter went back: there are two of it', person, 'cloned')
      }
      if (noted === null) throw refused('the user has no such passkey', person, 'unknown passkey')
      return { identity, person, passkey: kept }
    },
    async add(person, { answer, ceremony, name }, { stamp, mayAdd, also }) {
      const created = await verifyCreation(answer, ceremony)
      await answerOnce(person, ceremony)
      const { id, publicKey, counter, rpId, isSyncable, isSynced } = created
      const passkey: Passkey = {
        id,
        publicKey,
        counter,
        rpId,
        name,
        createdAtMs: ports.now(),
        usedAtMs: null,
        isBackupEligible: isSyncable,
        isBackedUp: isSynced,
      }
      const take = (before: Account) => {
        // A change meanwhile has ended the session that adds this.
        if (stamp !== undefined && before.stamp !== stamp) return undefined
        if (before.passkeys.length >= MOST_PASSKEYS || before.passkeys.some(one => one.id === id)) return undefined
        const after = { ...before, passkeys: [...before.passkeys, passkey] }
        return also?.(after, passkey) ?? after
      }
      const isRefused = take(await accounts.of(person)) === undefined
      if (!isRefused) await mayAdd()
      const account = isRefused ? null : await accounts.change(person, take)
      if (account === null)
        throw refused(`the user has it already, or ${MOST_PASSKEYS} of them, or the account was changed`, person)
      return { account, passkey }
    },
  }
}

function without(account: Account, id: string): Account | undefined {
  const passkeys = account.passkeys.filter(one => one.id !== id)
  return passkeys.length === account.passkeys.length ? undefined : { ...account, passkeys }
}

/** Whom a passkey is made for: the handle is of the user's id, and of no name (Web Authentication §14.6.1). */
export function passkeyOwner(person: FilePerson, displayName: string | null): PasskeyOwner {
  return { handle: handleOf(accountIdOf(person)), name: person.name, displayName: displayName ?? person.name }
}

/** The part of an account's id that says nothing else. */
function handleOf(accountId: string): string {
  return accountId.slice(accountId.indexOf(':') + 1)
}

const PEOPLE = new WeakMap<UsersConfig, ReadonlyMap<string, FilePerson>>()

function personOfHandle(provider: ProviderConfig, handle: string): FilePerson | null {
  const { users } = provider
  if (users === null) return null
  const known = PEOPLE.get(users) ?? new Map(peopleOf(provider).map(one => [handleOf(accountIdOf(one)), one]))
  PEOPLE.set(users, known)
  return known.get(handle) ?? null
}

/** The user with this account, by the current file; null where it has none. */
export function personOfAccount(provider: ProviderConfig, accountId: string): FilePerson | null {
  return personOfHandle(provider, handleOf(accountId))
}

function refused(why: string, person: FilePerson, reason = 'does not hold', cause?: unknown) {
  return refusal(why, { user: userSubject(person.name), name: person.name, reason }, cause)
}
