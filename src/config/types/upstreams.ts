import type { TemplatePart } from './values.ts'

export type UpstreamAddress =
  | {
      readonly kind: 'url'
      readonly scheme: 'http' | 'https'
      /** host or host:port, as it appears in the address. */
      readonly authority: string
      /** Put before the request's path; empty, or `/x` without a trailing slash. */
      readonly basePath: string
    }
  | { readonly kind: 'unix'; readonly path: string }

/** By what requests are kept on one of several addresses; what a request lacks is replaced by its client's address. */
export type HashKey =
  | { readonly kind: 'client' }
  | { readonly kind: 'user' }
  | { readonly kind: 'cookie'; readonly name: string }
  /** Lower-case. */
  | { readonly kind: 'header'; readonly name: string }

/** TLS to an upstream, as PEM texts. */
export interface UpstreamTls {
  /** The only authorities trusted; null: the system's. */
  readonly ca: string | null
  readonly serverName: string | null
  /** Our certificate and its key, for an upstream that asks. */
  readonly own: { readonly cert: string; readonly key: string } | null
  readonly insecureSkipVerify: boolean
}

/** How each address of an upstream is asked whether it is well. */
export interface HealthConfig {
  readonly path: string
  /** The Host field; null: the address's own. */
  readonly host: string | null
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly unhealthyAfter: number
  readonly healthyAfter: number
  /** Null: any 2xx. */
  readonly status: readonly number[] | null
}

export interface UpstreamConfig {
  /** The table's name in `[upstreams]`; null for one that is written at its route. */
  readonly name: string | null
  readonly addresses: readonly UpstreamAddress[]
  readonly balance: 'round-robin' | 'least-connections' | 'hash'
  /** Used where `balance` is `hash`. */
  readonly hash: HashKey
  readonly tls: UpstreamTls | null
  readonly http2: boolean
  readonly connectTimeoutMs: number
  /** Null: what Bun's fetch allows. */
  readonly idleTimeoutMs: number | null
  /** Null: no limit. */
  readonly maxConnections: number | null
  readonly queue: number
  readonly queueTimeoutMs: number
  readonly health: HealthConfig | null
  /** What we are called there, as an Authorization field (RFC 7617); null: nothing is sent. */
  readonly authorization: string | null
  /** What each person is called there, in place of `authorization`; null: nobody in particular. */
  readonly personal: BasicTemplates | null
}

/** Basic credentials that speak of a person. */
export interface BasicTemplates {
  readonly user: readonly TemplatePart[]
  readonly password: readonly TemplatePart[]
}
