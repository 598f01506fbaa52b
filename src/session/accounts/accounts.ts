/**
 * The accounts of users of files, over the session store: read, changed in one step, and ended with their entry.
 * Codes are checked in `server/credentials`.
 */

import { isDeepStrictEqual } from 'node:util'
import { randomToken, sha256 } from '../../base/bytes.ts'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { AccountGround } from '../../identity/identity.ts'
import type { FilePerson } from '../../identity/passwords/users.ts'
import type { DeferredEnds } from '../deferred-ends.ts'
import type { StoredAccount } from '../records.ts'
import { guarded } from '../rows.ts'
import type { Sealer } from '../seal.ts'
import { inSlices, SLICE } from '../sqlite/batches.ts'
import type { SessionStore } from '../store.ts'
import { type Account, EMPTY, parseAccount, storedAccount } from './account.ts'

/** What becomes of an account; undefined: it stays as it is. */
export type DecideAccount = (before: Account) => Account | undefined

/** Accounts as the rest of the program uses them. All throw `session.store`. */
export interface Accounts {
  /** What this user has set; `EMPTY` where nothing, also where it lay over another entry of the file. */
  of(person: FilePerson): Promise<Account>
  /**
   * A change by which other sign-ins of this user end: a sign-in that began before it is refused. The caller ends
   * the others. Answers the account as it is then; null where nothing was changed.
   */
  change(person: FilePerson, decide: DecideAccount): Promise<Account | null>
  /** A change that ends nothing: of a counter, a used recovery code, a notice that was shown. */
  note(person: FilePerson, decide: DecideAccount): Promise<Account | null>
  /**
   * Removes all that this user has set, also what cannot be read. A sign-in that began before it is refused, as after a
   * change. False where there was nothing.
   */
  drop(person: FilePerson): Promise<boolean>
  /** The secret of a second factor, to be kept in the account. */
  sealFactor(person: FilePerson, secret: string): Promise<string>
  /** The secret of an account's own second factor; null where it has none. Throws `session.store` for one that cannot be opened. */
  factorOf(person: FilePerson, account: Account): Promise<string | null>
}

/** Accounts with what only the owner of the sessions does. */
export interface OwnAccounts extends Accounts {
  /** Whether nothing that ends sign-ins has changed since one by this account began. */
  isCurrent(ground: AccountGround): Promise<boolean>
  /**
   * The file has these people now. What those set whom it gives something else than before, or nothing, counts for
   * nothing here. It is removed for all gates, once they agree. Never throws: what cannot be removed is tried again.
   */
  configure(people: readonly FilePerson[]): Promise<void>
  /** Removes accounts whose entry in the file has changed, perhaps while nothing ran. Never throws. */
  sweep(): Promise<void>
  /** Another process has changed an account, or perhaps any of them (null). */
  heard(accountId: string | null): void
  /** Called with the id of every account that was changed, here or elsewhere; null: any may be another one. */
  onChange(listener: (accountId: string | null) => void): void
}

/** Whether an id is that of an account, among those that the store notifies of. */
export function isAccountId(id: string): boolean {
  return id.startsWith(ACCOUNT_ID)
}

const ACCOUNT_ID = 'account:'

const SOONER = 'sallyport user reset NAME removes what a user has set at once'

const FAILURE = 'What users set over other entries of a file could not all be removed; it is tried again'

/** Notices for a user who did not sign in for long: the latest. */
const MOST_NOTICES = 20

/** What a sign-in by an account as it is now stands on. */
export function groundOf(person: FilePerson, { stamp }: Account): AccountGround {
  return Object.freeze({ id: accountIdOf(person), over: person.over, stamp })
}

/** Under which id the account of a user is kept: for the user's id in the file, so that a name used again finds nothing. */
export function accountIdOf({ provider, key }: Pick<FilePerson, 'provider' | 'key'>): string {
  return ACCOUNT_ID + sha256(JSON.stringify([provider, ...key]))
}

/** A recovery code as it is kept. Codes are too long to be guessed, and a store shows none. */
export function recoveryHash(person: FilePerson, code: string): string {
  return sha256(`recovery ${accountIdOf(person)} ${code.toLowerCase().replaceAll(/[^a-z0-9]/g, '')}`)
}

export interface AccountTools {
  readonly store: Pick<SessionStore, 'findRecord' | 'changeRecord'>
  readonly sealer: Pick<Sealer, 'seal' | 'open'>
  readonly ports: Pick<Ports, 'random'>
  readonly deferredEnds: Pick<DeferredEnds, 'add' | 'tend'>
  /** Those of the file at the start. */
  readonly people: readonly FilePerson[]
}

export function createAccounts({ store, sealer, ports, deferredEnds, ...initial }: AccountTools): OwnAccounts {
  let { people } = initial
  /** By account. */
  let overs = oversOf(people)
  const listeners: ((accountId: string | null) => void)[] = []

  function heard(accountId: string | null): void {
    for (const listener of listeners) listener(accountId)
  }

  async function read(id: string, over: string): Promise<Account> {
    const found = await guarded(() => store.findRecord('account', { id }))
    return parsed(found, over) ?? EMPTY
  }

  async function put(person: FilePerson, decide: DecideAccount): Promise<Account | null> {
    const id = accountIdOf(person)
    let after: Account | undefined
    await guarded(() =>
      store.changeRecord('account', { id }, found => {
        const next = decide(parsed(found, person.over) ?? EMPTY)
        after = next === undefined ? undefined : { ...next, notices: next.notices.slice(-MOST_NOTICES) }
        return after === undefined ? undefined : versionAfter(found, id, storedAccount(after, person.over))
      }),
    )
    if (after === undefined) return null
    heard(id)
    return after
  }

  async function remove(id: string, isMeant: (found: StoredAccount) => boolean): Promise<boolean> {
    const gone = await guarded(() =>
      store.changeRecord('account', { id }, found =>
        found === null || found.value === '' || !isMeant(found) ? undefined : versionAfter(found, id, ''),
      ),
    )
    if (gone === undefined) return false
    heard(id)
    return true
  }

  /** Decided once it is due: who has the same entry again by then loses nothing, and who had another one loses it. */
  function removing(gone: readonly FilePerson[]): () => Promise<void> {
    let due: readonly FilePerson[] | null = null
    return async () => {
      due ??= gone.filter(person => overs.get(accountIdOf(person)) !== person.over)
      // Not of another one: a gate that has read the new file before may have a newer account by now.
      const [left, failure] = await tryEach(due, person =>
        remove(accountIdOf(person), found => parsed(found, person.over) !== null),
      )
      due = left
      if (left.length > 0) throw failure
    }
  }

  /** Of everybody who is in the file once it begins; over which entry counts, the file of each moment says. */
  function removingOthers(): () => Promise<void> {
    let due: readonly string[] | null = null
    return async () => {
      due ??= [...overs.keys()]
      const [left, failure] = await tryEach(due, async id => {
        const over = overs.get(id)
        if (over !== undefined) await remove(id, found => parsed(found, over) === null)
      })
      due = left
      if (left.length > 0) throw failure
    }
  }

  return {
    of: person => read(accountIdOf(person), person.over),
    change(person, decide) {
      const stamp = randomToken(ports.random)
      return put(person, before => {
        const after = decide(before)
        return after === undefined ? undefined : { ...after, stamp }
      })
    },
    note: put,
    async drop(person) {
      const id = accountIdOf(person)
      const stamp = randomToken(ports.random)
      let hadSome = false
      await guarded(() =>
        store.changeRecord('account', { id }, found => {
          hadSome = holdsSome(found, person.over)
          return versionAfter(found, id, storedAccount({ ...EMPTY, stamp }, person.over))
        }),
      )
      heard(id)
      return hadSome
    },
    sealFactor: (person, secret) => sealer.seal({ secret }, factorPurpose(person), Number.MAX_SAFE_INTEGER),
    async factorOf(person, { factor }) {
      if (factor === null) return null
      const opened = await sealer.open(factor.sealed, factorPurpose(person))
      const secret: unknown = typeof opened === 'object' && opened !== null ? Reflect.get(opened, 'secret') : null
      if (typeof secret === 'string') return secret
      throw new GateError('session.store', 'the second factor of a user was sealed with another key', {
        hint: 'bring back the key of the session store, or remove what the user has set: sallyport user reset',
      })
    },
    isCurrent: async ({ id, over, stamp }) => (await read(id, over)).stamp === stamp,
    configure(now) {
      const before = people
      people = now
      overs = oversOf(now)
      const gone = before.filter(person => overs.get(accountIdOf(person)) !== person.over)
      for (const [provider, theirs] of Map.groupBy(gone, person => person.provider))
        deferredEnds.add({ about: { provider }, sooner: SOONER, act: removing(theirs), failure: FAILURE })
      return deferredEnds.tend()
    },
    sweep() {
      if (people.length > 0)
        deferredEnds.add({ about: { users: people.length }, sooner: SOONER, act: removingOthers(), failure: FAILURE })
      return deferredEnds.tend()
    },
    heard,
    onChange(listener) {
      listeners.push(listener)
    },
  }
}

/** Does this for each, whatever becomes of the others; those that failed, and how one of them did. */
async function tryEach<T>(
  all: readonly T[],
  act: (one: T) => Promise<unknown>,
): Promise<readonly [failed: readonly T[], failure: unknown]> {
  const failed: T[] = []
  let failure: unknown
  let at = 0
  await inSlices(async () => {
    for (const one of all.slice(at, at + SLICE)) {
      try {
        await act(one)
      } catch (error) {
        failed.push(one)
        failure = error
      }
    }
    at += SLICE
    return at < all.length
  })
  return [failed, failure]
}

function oversOf(people: readonly FilePerson[]): ReadonlyMap<string, string> {
  return new Map(people.map(person => [accountIdOf(person), person.over]))
}

/** A change is a version more, also where nothing is left: after a failover the highest counts. */
function versionAfter(before: StoredAccount | null, id: string, value: string): StoredAccount {
  return { id, version: (before?.version ?? 0) + 1, value }
}

function factorPurpose(person: FilePerson): string {
  return `second factor of ${accountIdOf(person)}`
}

/** Whether something is set, for this entry or another. What cannot be read is something. */
function holdsSome(found: StoredAccount | null, over: string): boolean {
  if (found === null || found.value === '') return false
  try {
    const account = parseAccount(found.value, over)
    return account === null || !isDeepStrictEqual({ ...account, stamp: '' }, EMPTY)
  } catch {
    return true
  }
}

/** The account of this entry; null where there is none. */
function parsed(found: StoredAccount | null, over: string): Account | null {
  if (found === null || found.value === '') return null
  try {
    return parseAccount(found.value, over)
  } catch (cause) {
    throw new GateError('session.store', 'what a user has set over their entry in the file cannot be read', {
      cause,
      hint: 'look at the disk of the session store; sallyport user reset removes it',
    })
  }
}
