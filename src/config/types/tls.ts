import type { ListenAddress } from './server.ts'

/** A certificate with its chain and its key, as PEM texts; the key is secret. */
export interface ServerCertificate {
  readonly cert: string
  readonly key: string
  /** DNS names, lower-case; `*.example.com` for one label below. */
  readonly names: readonly string[]
  readonly expiresAtMs: number
}

/** An account elsewhere that vouches for ours at an authority (RFC 8555 §7.3.4). */
export interface ExternalAccount {
  readonly id: string
  /** Of an HMAC, as base64url; secret. */
  readonly key: string
}

/** `acme` of `[tls]`. */
export interface AcmeConfig {
  readonly email: string | null
  readonly directory: string
  /** The only authorities that are trusted for `directory`, as PEM; null: the system's. */
  readonly ca: string | null
  readonly externalAccount: ExternalAccount | null
  /** Hosts of the file that none of its own certificates is for, lower-case, each once. */
  readonly names: readonly string[]
}

/** `[tls]`. */
export interface TlsConfig {
  readonly listen: readonly Extract<ListenAddress, { kind: 'tcp' }>[]
  /** In the order of the file: the first serves whoever asks for a name that none has. */
  readonly certificates: readonly ServerCertificate[]
  /** Who gives certificates to the other hosts; null: nobody. */
  readonly acme: AcmeConfig | null
  readonly http2: boolean
  readonly redirectHttp: boolean
  /** The port by which browsers come. */
  readonly publicPort: number
  /** Null: no Strict-Transport-Security. */
  readonly hstsS: number | null
}
