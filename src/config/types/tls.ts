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

export interface NameServer {
  /** A name, or an address without brackets. */
  readonly host: string
  readonly port: number
}

/** A primary name server that takes updates (RFC 2136) signed with a key by HMAC-SHA256 (RFC 8945). */
export interface DnsUpdate {
  readonly kind: 'update'
  readonly server: NameServer
  /** Null: asked for at the server. */
  readonly zone: string | null
  readonly keyName: string
  /** Base64; secret. */
  readonly key: string
}

/** A program that writes records. */
export interface DnsProgram {
  readonly kind: 'program'
  /** Its path, and its first arguments. */
  readonly command: readonly string[]
  /** Secret. */
  readonly env: ReadonlyMap<string, string>
  readonly timeoutMs: number
}

/** `[tls.acme.dns]`: how names are proved by records in DNS. */
export interface AcmeDns {
  readonly writer: DnsUpdate | DnsProgram
  /** Who is asked whether a record is there; empty: the name servers of its zone, as the system's resolver finds them. */
  readonly resolvers: readonly NameServer[]
  /** How long a record may take until all of them show it. */
  readonly waitMs: number
}

/** `acme` of `[tls]`. */
export interface AcmeConfig {
  readonly email: string | null
  readonly directory: string
  /** The only authorities that are trusted for `directory`, as PEM; null: the system's. */
  readonly ca: string | null
  readonly externalAccount: ExternalAccount | null
  /** Null: names are proved by http-01. */
  readonly dns: AcmeDns | null
  /** Hosts of the file that none of its own certificates is for, lower-case, each once; wildcards only with `dns`. */
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
