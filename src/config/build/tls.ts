import { servedHosts } from '../checks/served-hosts.ts'
import type { RootTable } from '../keys/keys.ts'
import { known } from '../keys/known.ts'
import type { AcmeTable, TlsTable } from '../keys/tls.ts'
import type { AcmeConfig, ServerCertificate, TlsConfig } from '../types/tls.ts'
import { findCertificate, isCertifiable } from '../values/certificate.ts'
import type { ConfigFiles } from '../values/files.ts'
import { readCertificateFacts } from '../values/pem.ts'
import { readPem } from '../values/pem-file.ts'

/** `[tls]` of a file without mistakes. Throws TypeError where a value is missing. */
export function buildTls(table: TlsTable | null, root: RootTable, files: ConfigFiles): TlsConfig | null {
  if (table === null) return null
  const { values } = table
  const listen = known(values.listen, 'listen')
  const hstsMs = known(values.hsts, 'hsts')
  const acme = known(values.acme, 'acme')
  const certificates = (known(values.certificates, 'certificates') ?? []).map(certificate => {
    const cert = readPem(known(certificate.values.cert, 'cert'), files)
    const { names, expiresAtMs } = readCertificateFacts(cert)
    return { cert, key: readPem(known(certificate.values.key, 'key'), files), names, expiresAtMs }
  })
  return {
    listen,
    certificates,
    acme: acme === null ? null : buildAcme(acme, certificates, root, files),
    http2: known(values.http2, 'http2'),
    redirectHttp: known(values.redirect_http, 'redirect_http'),
    publicPort: known(values.public_port, 'public_port') ?? listen[0]?.port ?? 443,
    hstsS: hstsMs === null ? null : Math.floor(hstsMs / 1000),
  }
}

function buildAcme(
  { values }: AcmeTable,
  certificates: readonly ServerCertificate[],
  root: RootTable,
  files: ConfigFiles,
): AcmeConfig {
  const ca = known(values.ca, 'ca')
  const hosts = servedHosts(root).map(({ host }) => host)
  return {
    email: known(values.email, 'email'),
    directory: known(values.directory, 'directory'),
    ca: ca === null ? null : readPem(ca, files),
    names: [...new Set(hosts)].filter(host => isCertifiable(host) && findCertificate(certificates, host) === undefined),
  }
}
