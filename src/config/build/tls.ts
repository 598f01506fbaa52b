import { servedHosts } from '../checks/served-hosts.ts'
import type { RootTable } from '../keys/keys.ts'
import { known } from '../keys/known.ts'
import type { AcmeTable, CertificateTable, TlsTable } from '../keys/tls.ts'
import type { AcmeConfig, ServerCertificate, TlsConfig } from '../types/tls.ts'
import { findCertificate, isCertifiable } from '../values/certificate.ts'
import type { ConfigFiles } from '../values/files.ts'
import { readCertificateFacts } from '../values/pem/pem.ts'
import { readPem } from '../values/pem/pem-file.ts'

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
  const { email, directory, ca, external_account } = known(table)
  const hosts = servedHosts(root).map(({ host }) => host)
  return {
    email,
    directory,
    ca: ca === null ? null : readPem(ca, files),
    externalAccount: external_account === null ? null : known(external_account),
    names: [...new Set(hosts)].filter(host => isCertifiable(host) && findCertificate(certificates, host) === undefined),
  }
}
