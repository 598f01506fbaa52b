import type { ProviderFetch } from './http.ts'
import type { KeySource } from './jwks.ts'
import type { MetadataSource } from './metadata.ts'

/** What all clients of one issuer share. */
export interface Issuer {
  readonly metadata: MetadataSource
  readonly keys: KeySource
  readonly fetch: ProviderFetch
}
