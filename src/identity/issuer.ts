/** Shared by the clients of one issuer. A file of its own, since two floors of this folder need the type. */

import type { MetadataSource } from './discovery.ts'
import type { ProviderFetch } from './http.ts'
import type { KeySource } from './jwks.ts'

/** What all clients of one issuer share. */
export interface Issuer {
  readonly metadata: MetadataSource
  readonly keys: KeySource
  readonly fetch: ProviderFetch
}
