/** What tests ask a store about records, in the words of each kind. */

import { usedFirst } from '../../../src/session/credentials/api-tokens.ts'
import { usedOnceMore } from '../../../src/session/credentials/guest-links.ts'
import { keepOwner, noteOwners, type OwnerNote } from '../../../src/session/credentials/owners.ts'
import type { StoredApiToken, StoredGuestLink, StoredOwner } from '../../../src/session/records.ts'
import type { SessionStore } from '../../../src/session/store.ts'

/** The same store, with calls that say what they do to a record. */
export function named(store: SessionStore) {
  return {
    ...store,
    insertToken: async (token: StoredApiToken) =>
      void (await store.changeRecord('token', { id: token.id }, () => token)),
    async insertShortToken(of: string, token: Omit<StoredApiToken, 'id'>) {
      await store.changeRecord('token', { hash: token.hash }, () => ({ ...token, id: `${of}/${token.hash}` }))
    },
    findToken: async (hash: string) => store.findRecord('token', { hash }),
    findTokenById: async (id: string) => store.findRecord('token', { id }),
    listTokens: async (portal: string) => store.listRecords('token', portal),
    useToken: async (id: string) => (await store.changeRecord('token', { id }, usedFirst)) !== undefined,
    removeToken: async (id: string) => store.removeIssued('token', id),
    insertLink: async (link: StoredGuestLink) => void (await store.changeRecord('link', { id: link.id }, () => link)),
    findLink: async (hash: string) => store.findRecord('link', { hash }),
    findLinkById: async (id: string) => store.findRecord('link', { id }),
    listLinks: async (portal: string) => store.listRecords('link', portal),
    useLink: async (hash: string, nowMs: number) =>
      (await store.changeRecord('link', { hash }, link => usedOnceMore(link, nowMs))) ?? null,
    removeLink: async (id: string) => store.removeIssued('link', id),
    keepOwner: async (owner: StoredOwner) => keepOwner(store, owner),
    findOwner: async (id: string) => store.findRecord('owner', { id }),
    noteOwners: async (notes: ReadonlyMap<string, OwnerNote>) => noteOwners(store, notes),
    listPushed: async (directory: string) => (await store.listRecords('pushed', directory)).map(({ value }) => value),
    readPushed: async (directory: string, id: string) =>
      (await store.findRecord('pushed', { directory, id }))?.value ?? null,
    async replacePushed(directory: string, id: string, before: string | null, after: string | null) {
      const done = await store.changeRecord('pushed', { directory, id }, found => {
        if ((found?.value ?? null) !== before) return undefined
        return after === null ? null : { directory, id, value: after }
      })
      return done !== undefined
    },
  }
}

export type NamedStore = ReturnType<typeof named>

/**
 * The same store, where any cookie fits any session: the hash of one is another in the store, where the first does not fit. Tests
 * name cookies for people.
 */
export function fitting(store: SessionStore, names: Map<string, string>): SessionStore {
  const { fits = () => true } = store
  const known = (hash: string) => names.get(hash) ?? hash
  const fit = (hash: string, sessionId: string) => {
    for (let tries = 0; !names.has(hash); tries++) {
      const name = tries === 0 ? hash : `${hash} ${tries}`
      if (fits(name, sessionId)) names.set(hash, name)
    }
    return known(hash)
  }
  const replacedOf = <R extends { readonly hash: string } | null | undefined>(replaced: R, sessionId: string): R =>
    replaced == null ? replaced : { ...replaced, hash: fit(replaced.hash, sessionId) }
  return {
    ...store,
    insert: (session, handle) => store.insert(session, { ...handle, hash: fit(handle.hash, session.id) }),
    signInAgain: (session, handle, before) =>
      store.signInAgain(
        session,
        { ...handle, hash: fit(handle.hash, session.id) },
        { ...before, replaced: replacedOf(before.replaced, session.id) },
      ),
    addHandle: (handle, replaced) =>
      store.addHandle({ ...handle, hash: fit(handle.hash, handle.sessionId) }, replacedOf(replaced, handle.sessionId)),
    findByHash: hash => store.findByHash(known(hash)),
  }
}
