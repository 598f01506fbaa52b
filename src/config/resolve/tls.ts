/** `[tls]`, as the program takes it: certificates, and how an authority is asked for them. */

import { servedHosts } from '../checks/places.ts'
import type { AcmeDnsTable, AcmeTable, NameServer } from '../keys/acme.ts'
import type { RootTable } from '../keys/keys.ts'
import { known } from '../keys/table.ts'
import type { CertificateTable, TlsTable } from '../keys/tls.ts'
import { findCertificate, isCertifiable, isCovered, type ServerCertificate } from '../values/certificate.ts'
import type { ConfigFiles } from '../values/files.ts'
import type { ListenAddress } from '../values/listen.ts'
import { readCertificateFacts, readPem } from '../values/pem.ts'

/** An account elsewhere that vouches for ours at an authority (RFC 8555 §7.3.4). */
export interface ExternalAccount {
  readonly id: string
  /** Of an HMAC, as base64url; secret. */
  readonly key: string
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
  /**
   * The name servers that Sallyport asks whether a record exists; empty: those of its zone, as the system's resolver
   * finds them.
   */
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
  /** Hosts of the file without one of the file's certificates, lower-case, each once; wildcards only with `dns`. */
  readonly names: readonly string[]
}

/** `[tls]`. */
export interface TlsConfig {
  readonly listen: readonly Extract<ListenAddress, { kind: 'tcp' }>[]
  /** In the order of the file: clients that ask for an unknown name get the first. */
  readonly certificates: readonly ServerCertificate[]
  /** The authority that issues certificates for the other hosts; null: none. */
  readonly acme: AcmeConfig | null
  readonly http2: boolean
  readonly redirectHttp: boolean
  /** The port by which browsers come. */
  readonly publicPort: number
  /** Null: no Strict-Transport-Security. */
  readonly hstsS: number | null
}

/** `[tls]` of a file without mistakes. Throws TypeError where a value is missing. */
export function buildTls(table: TlsTable, root: RootTable, files: ConfigFiles): TlsConfig {
  const tls = known(table)
  const certificates = (tls.certificates ?? []).map(certificate => buildCertificate(certificate, files))
  return {
    listen: tls.listen,
    certificates,
    acme: tls.acme === null ? null : buildAcme(tls.acme, certificates, root, files),
    http2: tls.http2,
    redirectHttp: tls.redirect_http,
    publicPort: tls.public_port ?? tls.listen[0]?.port ?? 443,
    hstsS: tls.hsts === null ? null : Math.floor(tls.hsts / 1000),
  }
}

function buildCertificate(table: CertificateTable, files: ConfigFiles): ServerCertificate {
  const paths = known(table)
  const cert = readPem(paths.cert, files)
  const { names, expiresAtMs } = readCertificateFacts(cert)
  return { cert, key: readPem(paths.key, files), names, expiresAtMs }
}

function buildAcme(
  table: AcmeTable,
  certificates: readonly ServerCertificate[],
  root: RootTable,
  files: ConfigFiles,
): AcmeConfig {
  const { email, directory, ca, external_account, names, dns } = known(table)
  const hosts = servedHosts(root).map(({ host }) => host)
  const wanted = new Set([...(names ?? []), ...hosts].filter(host => isCertifiable(host, dns !== null)))
  // A wildcard is for all hosts below it.
  const wildcards = new Set([...wanted].filter(name => name.startsWith('*.')))
  return {
    email,
    directory,
    ca: ca === null ? null : readPem(ca, files),
    externalAccount: external_account === null ? null : known(external_account),
    dns: dns === null ? null : buildDns(dns),
    names: [...wanted].filter(
      name => findCertificate(certificates, name) === undefined && (wildcards.has(name) || !isCovered(name, wildcards)),
    ),
  }
}

function buildDns(table: AcmeDnsTable): AcmeDns {
  const { server, key_name, key, zone, exec, env, timeout, wait, resolvers } = known(table)
  const asked = { resolvers: resolvers ?? [], waitMs: wait }
  if (exec !== null) {
    return { ...asked, writer: { kind: 'program', command: exec, env: env ?? new Map(), timeoutMs: timeout } }
  }
  if (server === null || key_name === null || key === null) throw new TypeError('dns has no way to write')
  return { ...asked, writer: { kind: 'update', server, zone, keyName: key_name, key } }
}
