/** How long sign-ins last and how often they are checked: of `[sessions]`, or of one portal. */
export interface LifetimeConfig {
  /** Absolute: from sign-in. */
  readonly lifetimeMs: number
  /** Since the last request. */
  readonly idleMs: number
  /** How often the provider is asked again; null: never. */
  readonly refreshMs: number | null
  /** How long an old answer counts while the provider cannot be asked; of no meaning where `refreshMs` is null. */
  readonly refreshLimitMs: number
}

export interface PortalLifetimes extends LifetimeConfig {
  /** The lifetime, absolute and idle, of a sign-in that its owner chose to keep; null: there is no such choice. */
  readonly rememberMs: number | null
}

export type StoreConfig =
  | {
      readonly kind: 'sqlite'
      /** Absolute, or `:memory:`. */
      readonly path: string
    }
  | {
      readonly kind: 'redis'
      /** With the password. */
      readonly url: string
      /** The same for people: without the password. */
      readonly shownAs: string
    }

export interface SessionsConfig extends LifetimeConfig {
  readonly store: StoreConfig
  /** Of 32 bytes as base64url, at least one: the first seals, and all open. Null: a file beside the database. */
  readonly keys: readonly string[] | null
  /** Sessions kept in memory. */
  readonly cacheEntries: number
}
