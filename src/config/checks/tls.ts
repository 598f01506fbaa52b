/** Checks `[tls]` as a whole, and with the hosts that are served: certificates and `[tls.acme]`. */

import type { ACME, AcmeDnsTable } from '../keys/acme.ts'
import type { RootTable } from '../keys/keys.ts'
import type { Table } from '../keys/table.ts'
import type { CertificateTable, TlsTable } from '../keys/tls.ts'
import { itemsOf, type Raw, showRaw, showValue } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { isCertifiable, isCovered } from '../values/certificate.ts'
import type { ConfigFiles } from '../values/files.ts'
import {
  type CertificateFacts,
  checkCertificates,
  checkPem,
  checkPrivateKey,
  isPair,
  readCertificateFacts,
} from '../values/pem.ts'
import { servedHosts } from './hosts-and-paths.ts'

/** How long before its end a certificate is spoken of. */
export const EXPIRY_WARNING_MS = 14 * 24 * 60 * 60 * 1000

/**
 * Checks `[tls]` together with the files that it names, and with the hosts that are served. `nowMs` null: the date is
 * unknown.
 *
 * A certificate that has expired is a warning: refusing the file would stop what still works, and after a restart
 * everything.
 */
export function checkTls(root: RootTable, files: ConfigFiles, nowMs: number | null, report: Report): void {
  const { tls } = root.values
  if (!tls) return
  const { certificates, acme } = tls.values
  if (acme) checkAcme(acme, root, files, report)
  if (certificates === null && acme === null) {
    const hint =
      'add certificates = [{ cert = "example.com.pem", key = "example.com-key.pem" }], or acme = { email = "me@example.com" }'
    report.mistake(tls.at, 'tls.certificates', '[tls] names no certificate', { hint, part: 'key' })
    return
  }
  if (certificates === undefined || acme === undefined) return
  if (certificates?.length === 0) {
    const hint = 'name at least one: { cert = "example.com.pem", key = "example.com-key.pem" }'
    report.mistake([...tls.at, 'certificates'], 'tls.certificates', 'certificates is an empty list', { hint })
    return
  }
  const facts = (certificates ?? []).map(certificate => checkCertificate(certificate, files, nowMs, report))
  const known = facts.filter(found => found !== null)
  // Where a certificate could not be read, its hosts are unknown.
  if (known.length === facts.length) warnOfUncovered(root, tls, known, report)
}

const PEM_CODES = { file: 'tls.file', pem: 'tls.pem' } as const

function checkCertificate(
  { raw, values }: CertificateTable,
  files: ConfigFiles,
  nowMs: number | null,
  report: Report,
): CertificateFacts | null {
  const entry = raw.entries.get('cert')
  const cert = checkPem(entry, values.cert, checkCertificates, PEM_CODES, files, report)
  const key = checkPem(raw.entries.get('key'), values.key, checkPrivateKey, PEM_CODES, files, report)
  const keyEntry = raw.entries.get('key')
  if (cert !== null && key !== null && keyEntry !== undefined && !isPair(cert, key)) {
    const hint = `the first certificate in ${showRaw(entry)} has another key; the server's own certificate comes before its chain`
    report.mistake(keyEntry.at, 'tls.pair', 'key does not belong to cert', { hint })
    return null
  }
  if (cert === null || key === null || entry === undefined) return null
  const facts = readCertificateFacts(cert)
  if (facts.names.length === 0) {
    const hint = 'browsers look at the names under subjectAltName alone; it is used only where no other fits'
    report.warn(entry.at, 'tls.names', 'this certificate has no host names', { hint })
  }
  if (nowMs !== null) warnOfExpiry(entry, facts, nowMs, report)
  return facts
}

function warnOfExpiry(entry: Raw, { validFromMs, expiresAtMs }: CertificateFacts, nowMs: number, report: Report): void {
  const hint = 'put a newer one in its place: it is read when the file changes'
  if (nowMs >= expiresAtMs) {
    report.warn(entry.at, 'tls.expiry', `this certificate expired on ${day(expiresAtMs)}: browsers refuse it`, { hint })
  } else if (nowMs >= expiresAtMs - EXPIRY_WARNING_MS) {
    report.warn(entry.at, 'tls.expiry', `this certificate expires on ${day(expiresAtMs)}`, { hint })
  } else if (nowMs < validFromMs) {
    report.warn(entry.at, 'tls.expiry', `this certificate is not valid before ${day(validFromMs)}`, {
      hint: "look at this machine's clock too",
    })
  }
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

/** Browsers that come to a host without a certificate of its name see a warning page, or nothing with HSTS. */
function warnOfUncovered(root: RootTable, tls: TlsTable, facts: readonly CertificateFacts[], report: Report): void {
  const names = new Set(facts.flatMap(found => found.names))
  const seen = new Set<string>()
  for (const { host, shown, at } of servedHosts(root)) {
    if (seen.has(host) || isAddress(host) || isCovered(host, names)) continue
    seen.add(host)
    const { acme } = tls.values
    if (acme && isCertifiable(host, Boolean(acme.values.dns))) continue
    const hint = acme
      ? host.startsWith('*')
        ? WILDCARD
        : UNCERTIFIABLE
      : `the certificates are for ${[...names].slice(0, 5).join(', ') || 'no host at all'}`
    report.warn(at, 'tls.uncovered', `no certificate in [${tls.at.join('.')}] is for ${shown}`, { hint })
  }
}

const WILDCARD =
  'a wildcard takes dns in [tls.acme], which proves names by records in DNS; or a certificate from elsewhere, named in certificates'
const UNCERTIFIABLE = 'acme is for names that others can reach; this one takes a certificate named in certificates'

/** Clients do not ask for an IP address by name: they get the first certificate. */
function isAddress(host: string): boolean {
  return /^[0-9.]+$|^\[/.test(host)
}

/** What `[tls.acme]` says together with its files, the session store, and itself. */
function checkAcme({ at, raw, values }: Table<typeof ACME>, root: RootTable, files: ConfigFiles, report: Report): void {
  checkPem(raw.entries.get('ca'), values.ca, checkCertificates, { file: 'tls.file', pem: 'tls.pem' }, files, report)
  const store = root.values.sessions?.values.store?.('/')
  if (store?.kind === 'sqlite' && store.path === ':memory:') {
    const hint = 'write a file into store: new certificates at every start reach the authority’s limits'
    report.mistake(at, 'tls.acme_store', 'certificates would be forgotten at every restart', { hint, part: 'key' })
  }
  if (values.dns) checkDns(values.dns, report)
  if (values.names) checkNames(values.names, values.dns === null, { raw }, report)
}

function checkNames(
  names: readonly string[],
  isHttp: boolean,
  { raw }: Pick<Table<typeof ACME>, 'raw'>,
  report: Report,
): void {
  const items = itemsOf(raw.entries.get('names'))
  for (const [index, name] of names.entries()) {
    const at = items[index]?.at
    if (at === undefined || isCertifiable(name, !isHttp)) continue
    const isWildcard = isHttp && name.startsWith('*')
    const shown = showValue(name, items[index])
    report.mistake(
      at,
      'tls.acme',
      isWildcard ? `${shown} takes a record in DNS` : `no certificate here is valid for ${shown}`,
      {
        hint: isWildcard
          ? 'add dns to [tls.acme]; http-01 proves single names alone'
          : 'a name that others can reach, or leave it out',
      },
    )
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
