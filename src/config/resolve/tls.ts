import { servedHosts } from '../checks/places.ts'
import type { AcmeDnsTable, AcmeTable } from '../keys/acme.ts'
import type { RootTable } from '../keys/keys.ts'
import { known } from '../keys/table.ts'
import type { CertificateTable, TlsTable } from '../keys/tls.ts'
import type { AcmeConfig, AcmeDns, ServerCertificate, TlsConfig } from '../types/tls.ts'
import { findCertificate, isCertifiable, isCovered } from '../values/certificate.ts'
import type { ConfigFiles } from '../values/files.ts'
import { readCertificateFacts, readPem } from '../values/pem.ts'

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
  // A wildcard is there for all below it.
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
