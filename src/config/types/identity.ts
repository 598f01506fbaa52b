export type HeaderPreset = 'none' | 'x-token' | 'caddy-security' | 'x-forwarded' | 'x-auth-request' | 'remote'

/** Which identity the upstream is told: a preset, or fields with templates such as `{email}`. */
export type HeaderSpec =
  | { readonly kind: 'preset'; readonly preset: HeaderPreset }
  | { readonly kind: 'table'; readonly fields: readonly { readonly name: string; readonly template: string }[] }

/** A signed statement of who someone is, for one application. */
export interface AssertionConfig {
  readonly audience: string
  /** Lower-case. */
  readonly header: string
  /** Null: the portal's own address. */
  readonly issuer: string | null
}

export type ProviderTokenKind = 'access' | 'id'

/** A token of the provider that goes to the application, and in which field (lower-case; `authorization` adds `Bearer`). */
export interface PassedToken {
  readonly kind: ProviderTokenKind
  readonly header: string
}
