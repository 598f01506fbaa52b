/** `[tls]`, as the program takes it: its keys, and for which hosts of the file an authority is asked. */

import { servedHosts } from '../checks/hosts-and-paths.ts'
import type { ACME } from '../keys/acme.ts'
import type { RootTable } from '../keys/keys.ts'
import { type Built, builderOf, known } from '../keys/table.ts'
import { acme, TLS, type TlsTable } from '../keys/tls.ts'
import { findCertificate, isCertifiable, isCovered, type ServerCertificate } from '../values/certificate.ts'
import { type BuildContext, build } from '../values/value.ts'

/** `acme` of `[tls]`. `dns` null: names are proved by http-01. */
export interface AcmeConfig extends Built<typeof ACME> {
  /** Hosts of the file without one of the file's certificates, lower-case, each once; wildcards only with `dns`. */
  readonly names: readonly string[]
}

/** `[tls]`. Clients that ask for an unknown name get the first of `certificates`. */
export interface TlsConfig extends Built<typeof TLS> {
  /** The authority that issues certificates for the other hosts; null: none. */
  readonly acme: AcmeConfig | null
  /** The port by which browsers come. */
  readonly publicPort: number
}

const fieldsOf = builderOf(TLS)

/** `[tls]` of a file without mistakes. Throws TypeError where a value is missing. */
export function buildTls(table: TlsTable, root: RootTable, context: BuildContext): TlsConfig {
  const fields = fieldsOf(table, context)
  const { acme: asked, public_port: port } = known(table)
  return {
    ...fields,
    acme:
      asked === null
        ? null
        : { ...build(acme, asked, context), names: hostsToCertify(known(asked), fields.certificates, root) },
    publicPort: port ?? fields.listen[0]?.port ?? 443,
  }
}

function hostsToCertify(
  { names, dns }: { readonly names: readonly string[] | null; readonly dns: object | null },
  certificates: readonly ServerCertificate[],
  root: RootTable,
): readonly string[] {
  const hosts = servedHosts(root).map(({ host }) => host)
  const wanted = new Set([...(names ?? []), ...hosts].filter(host => isCertifiable(host, dns !== null)))
  // A wildcard is for all hosts below it.
  const wildcards = new Set([...wanted].filter(name => name.startsWith('*.')))
  return [...wanted].filter(
    name => findCertificate(certificates, name) === undefined && (wildcards.has(name) || !isCovered(name, wildcards)),
  )
}
