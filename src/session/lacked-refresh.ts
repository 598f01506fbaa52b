import { sha256 } from '../base/bytes.ts'
import { guarded } from './rows.ts'
import type { KnownClient, LackedRefresh } from './session.ts'
import type { SessionStore } from './store.ts'

/** Over a store: one value for each client, which a later one replaces. */
export function createLackedRefresh(store: Pick<SessionStore, 'readShared' | 'replaceShared'>): LackedRefresh {
  return {
    lackedRefresh: async client => guarded(() => store.readShared(nameOf(client))),
    async noteLackedRefresh(client, terms) {
      const before = await guarded(() => store.readShared(nameOf(client)))
      return before !== terms && guarded(() => store.replaceShared(nameOf(client), before, terms))
    },
  }
}

function nameOf({ name, issuer, clientId }: KnownClient): string {
  return `lacked-refresh ${sha256(JSON.stringify([name, issuer, clientId]))}`
}
