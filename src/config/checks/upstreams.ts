import type { RootTable } from '../keys/keys.ts'
import type { UpstreamTable } from '../keys/upstreams.ts'
import { showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { didYouMean } from '../text/suggest.ts'
import type { ConfigFiles } from '../values/files.ts'
import { checkCertificates, checkPrivateKey, isPair } from '../values/pem/pem.ts'
import { checkPem } from '../values/pem/pem-file.ts'

/**
 * What upstreams say together with the routes that name them, and the PEM files that they name.
 *
 * A file that is missing or is not PEM is a mistake, never a check that is left out.
 */
export function checkUpstreams(root: RootTable, files: ConfigFiles, report: Report): void {
  const named = root.values.upstreams ?? new Map<string, UpstreamTable>()
  const used = new Set<string>()
  for (const table of named.values()) checkTable(table, files, report)
  for (const route of root.values.routes ?? []) {
    const { upstream } = route.values
    if (!upstream) continue
    if (upstream.kind === 'own') {
      checkTable(upstream.table, files, report)
      continue
    }
    used.add(upstream.name)
    const raw = route.raw.entries.get('upstream')
    const isDefined = root.raw.entries.get('upstreams')?.kind === 'table' && named.has(upstream.name)
    if (isDefined || raw?.kind !== 'text') continue
    const hint = raw.isFilled
      ? ''
      : didYouMean(upstream.name, [...named.keys()], `add a table [upstreams.${upstream.name}]`)
    report.mistake(raw.at, 'upstream.undefined', `there is no upstream ${showRaw(raw)}`, { hint })
  }
  // A misspelt name is reported where it is; that its table is then unused would be the same mistake again.
  if ([...used].some(name => !named.has(name))) return
  for (const [name, { at }] of named) {
    if (used.has(name)) continue
    const hint = `name it in a route: upstream = "@${name}"`
    report.warn(at, 'upstream.unused', `no route uses the upstream ${name}`, { hint, part: 'key' })
  }
}

function checkTable(table: UpstreamTable, files: ConfigFiles, report: Report): void {
  const { raw, values } = table
  const hash = raw.entries.get('hash')
  if (hash !== undefined && values.hash && values.balance !== undefined && values.balance !== 'hash') {
    const hint = 'set balance = "hash", or remove hash'
    report.mistake(hash.at, 'upstream.hash', 'hash is only used where balance is "hash"', { hint, part: 'key' })
  }
  const plain = values.to?.find(address => address.kind === 'unix' || address.scheme === 'http')
  for (const name of ['tls', 'http2'] as const) {
    const entry = raw.entries.get(name)
    if (entry === undefined || plain === undefined || (name === 'http2' && values.http2 !== true)) continue
    const hint = `${name} is for https:// addresses; remove it, or change the addresses`
    report.mistake(entry.at, 'upstream.scheme', `${name} is set, and not every address is https://`, {
      hint,
      part: 'key',
    })
  }
  if (values.tls) checkTls(values.tls, files, report)
}

const PEM_CODES = { file: 'upstream.file', pem: 'upstream.pem' } as const

function checkTls(table: NonNullable<UpstreamTable['values']['tls']>, files: ConfigFiles, report: Report): void {
  const { raw, values } = table
  if (values.insecure_skip_verify === true) {
    const at = [...table.at, 'insecure_skip_verify']
    const hint = 'name the authority in ca instead, and the name in the certificate in server_name'
    const message = 'any certificate is trusted: anyone on the way can read and change everything'
    report.warn(at, 'upstream.insecure', message, { hint, part: 'key' })
  }
  checkPem(raw.entries.get('ca'), values.ca, checkCertificates, PEM_CODES, files, report)
  const cert = checkPem(raw.entries.get('cert'), values.cert, checkCertificates, PEM_CODES, files, report)
  const key = checkPem(raw.entries.get('key'), values.key, checkPrivateKey, PEM_CODES, files, report)
  for (const [one, other] of [
    ['cert', 'key'],
    ['key', 'cert'],
  ] as const) {
    const entry = raw.entries.get(one)
    if (entry === undefined || raw.entries.has(other)) continue
    report.mistake(entry.at, 'upstream.pair', `${one} is set without ${other}`, { hint: `add ${other}`, part: 'key' })
  }
  const keyEntry = raw.entries.get('key')
  if (cert === null || key === null || keyEntry === undefined || isPair(cert, key)) return
  const hint = `the first certificate in ${showRaw(raw.entries.get('cert'))} has another key`
  report.mistake(keyEntry.at, 'upstream.pair', 'key does not belong to cert', { hint })
}
