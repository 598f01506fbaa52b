/** A key of sessions, for whoever shares a store. */
export const SESSION_KEY = Buffer.alloc(32, 7).toString('base64')

/** The options of gates that share a store: a database by its path, or a server by its address. */
export function shared(store: string): { readonly store: string; readonly sessions: string } {
  return { store: store.includes('://') ? store : `sqlite:${store}`, sessions: `key = "${SESSION_KEY}"` }
}
