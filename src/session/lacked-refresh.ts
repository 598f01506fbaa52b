import { sha256 } from '../base/bytes.ts'
import { guarded } from './rows.ts'
import type { KnownClient, LackedRefresh } from './session.ts'
import type { SessionStore } from './store.ts'

/** Over a store: one value for each client, which a later one replaces. */
export function createLackedRefresh(store: Pick<SessionStore, 'readShared' | 'replaceShared'>): LackedRefresh {
  return {
    // Empty where it was taken back: a store forgets no name.
    lackedRefresh: async client => (await guarded(() => store.readShared(nameOf(client)))) || null,
    async noteLackedRefresh(client, terms) {
      const before = await guarded(() => store.readShared(nameOf(client)))
      if ((before ?? '') === (terms ?? '')) return false
      return guarded(() => store.replaceShared(nameOf(client), before, terms ?? ''))
    },
  }
}

function nameOf({ name, issuer, clientId }: KnownClient): string {
  return `lacked-refresh ${sha256(JSON.stringify([name, issuer, clientId]))}`
}
