import type { ConfigFiles } from './files.ts'
import type { TlsTable } from './keys-tls.ts'
import { known } from './known.ts'
import { readCertificateFacts } from './pem.ts'
import { readPem } from './pem-file.ts'
import type { TlsConfig } from './types.ts'

/** `[tls]` of a file without mistakes. Throws TypeError where a value is missing. */
export function buildTls(table: TlsTable | null, files: ConfigFiles): TlsConfig | null {
  if (table === null) return null
  const { values } = table
  const listen = known(values.listen, 'listen')
  const hstsMs = known(values.hsts, 'hsts')
  return {
    listen,
    certificates: (known(values.certificates, 'certificates') ?? []).map(certificate => {
      const cert = readPem(known(certificate.values.cert, 'cert'), files)
      const { names, expiresAtMs } = readCertificateFacts(cert)
      return { cert, key: readPem(known(certificate.values.key, 'key'), files), names, expiresAtMs }
    }),
    http2: known(values.http2, 'http2'),
    redirectHttp: known(values.redirect_http, 'redirect_http'),
    publicPort: known(values.public_port, 'public_port') ?? listen[0]?.port ?? 443,
    hstsS: hstsMs === null ? null : Math.floor(hstsMs / 1000),
  }
}
