import type { RootTable } from '../../keys/keys.ts'
import type { AcmeDnsTable, AcmeTable } from '../../keys/tls/acme.ts'
import { itemsOf } from '../../text/raw.ts'
import type { Report } from '../../text/report.ts'
import { isCertifiable } from '../../values/certificate.ts'
import type { ConfigFiles } from '../../values/files.ts'
import { checkCertificates } from '../../values/pem/pem.ts'
import { checkPem } from '../../values/pem/pem-file.ts'

/** What `[tls.acme]` says together with its files, the session store, and itself. */
export function checkAcme({ at, raw, values }: AcmeTable, root: RootTable, files: ConfigFiles, report: Report): void {
  checkPem(raw.entries.get('ca'), values.ca, checkCertificates, { file: 'tls.file', pem: 'tls.pem' }, files, report)
  const store = root.values.sessions?.values.store?.('/')
  if (store?.kind === 'sqlite' && store.path === ':memory:') {
    const hint = 'give the store a file: asking anew at every start meets the limits of the authority'
    report.mistake(at, 'tls.acme_store', 'certificates would be forgotten at every restart', { hint, part: 'key' })
  }
  if (values.dns) checkDns(values.dns, report)
  if (values.names) checkNames(values.names, values.dns === null, { raw }, report)
}

function checkNames(names: readonly string[], isHttp: boolean, { raw }: Pick<AcmeTable, 'raw'>, report: Report): void {
  const items = itemsOf(raw.entries.get('names'))
  for (const [index, name] of names.entries()) {
    const at = items[index]?.at
    if (at === undefined || isCertifiable(name, !isHttp)) continue
    const isWildcard = isHttp && name.startsWith('*')
    report.mistake(at, 'tls.acme', isWildcard ? `${name} takes a record in DNS` : `nobody vouches for ${name}`, {
      hint: isWildcard
        ? 'add dns to [tls.acme]; http-01 proves single names alone'
        : 'a name that others can reach, or leave it out',
    })
  }
}

/** One way to write, with all that it takes, and nothing of the other. */
function checkDns({ at, raw, values }: AcmeDnsTable, report: Report): void {
  const has = (name: string) => raw.entries.has(name)
  if (has('server') === has('exec')) {
    const message = has('server')
      ? 'server and exec are two ways to write a record'
      : '[tls.acme.dns] names no way to write a record'
    const hint = has('server')
      ? 'leave one of them out'
      : 'add server, key_name and key, for a name server that takes updates; or exec, a program that writes it'
    report.mistake(at, 'tls.dns', message, { hint, part: 'key' })
    return
  }
  const [way, needed, foreign] = has('server')
    ? (['server', ['key_name', 'key'], ['env', 'timeout']] as const)
    : (['exec', [], ['key_name', 'key', 'zone']] as const)
  for (const name of needed) {
    if (has(name)) continue
    const hint = 'updates are signed: "tsig-keygen sallyport" makes a key for BIND, "keymgr -t sallyport" for Knot'
    report.mistake(at, 'tls.dns', `server needs ${name}`, { hint, part: 'key' })
    return
  }
  for (const name of foreign) {
    const entry = raw.entries.get(name)
    if (entry === undefined) continue
    report.mistake(entry.at, 'tls.dns', `${name} says nothing beside ${way}`, { hint: 'leave it out', part: 'key' })
  }
  const [program] = values.exec ?? []
  const [item] = itemsOf(raw.entries.get('exec'))
  if (program === undefined || item === undefined || program.startsWith('/')) return
  report.mistake(item.at, 'tls.dns', 'the program is not named by its whole path', {
    hint: 'as "/usr/local/bin/dns-record"; arguments are texts of their own behind it: no shell reads this',
  })
}
