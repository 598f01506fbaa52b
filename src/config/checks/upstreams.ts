/** Checks `[upstreams.NAME]` as a whole, and with the routes and listeners of their file. */

import { isLoopbackHost } from '../../base/net.ts'
import type { RootTable } from '../keys/keys.ts'
import type { UpstreamTable } from '../keys/upstreams.ts'
import type { DiagnosticCode } from '../text/diagnostic.ts'
import { itemsOf, type RawTable, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { didYouMean } from '../text/suggest.ts'
import type { UpstreamAddress } from '../values/address.ts'
import type { ConfigFiles } from '../values/files.ts'
import type { ListenAddress } from '../values/listen.ts'
import { checkCertificates, checkPem, checkPrivateKey, isPair } from '../values/pem.ts'

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

const PEM_CODES = { file: 'upstream.file', pem: 'upstream.pem', pair: 'upstream.pair' } as const

function checkTls(table: NonNullable<UpstreamTable['values']['tls']>, files: ConfigFiles, report: Report): void {
  const { values } = table
  if (values.insecure_skip_verify === true) {
    const at = [...table.at, 'insecure_skip_verify']
    const hint = 'name the authority in ca instead, and the name in the certificate in server_name'
    const message = 'any certificate is trusted: anyone on the way can read and change everything'
    report.warn(at, 'upstream.insecure', message, { hint, part: 'key' })
  }
  checkClientTls(table, PEM_CODES, files, report)
}

interface ClientTls {
  readonly raw: RawTable
  readonly values: Readonly<Partial<Record<'ca' | 'cert' | 'key', string | null | undefined>>>
}

/** Files with whom we trust, and who we are: a certificate and its key. */
export function checkClientTls(
  { raw, values }: ClientTls,
  codes: Readonly<Record<'file' | 'pem' | 'pair', DiagnosticCode>>,
  files: ConfigFiles,
  report: Report,
): void {
  checkPem(raw.entries.get('ca'), values.ca, checkCertificates, codes, files, report)
  const cert = checkPem(raw.entries.get('cert'), values.cert, checkCertificates, codes, files, report)
  const key = checkPem(raw.entries.get('key'), values.key, checkPrivateKey, codes, files, report)
  for (const [one, other] of [
    ['cert', 'key'],
    ['key', 'cert'],
  ] as const) {
    const entry = raw.entries.get(one)
    if (entry === undefined || raw.entries.has(other)) continue
    report.mistake(entry.at, codes.pair, `${one} is set without ${other}`, { hint: `add ${other}`, part: 'key' })
  }
  const keyEntry = raw.entries.get('key')
  if (cert === null || key === null || keyEntry === undefined || isPair(cert, key)) return
  const hint = `the first certificate in ${showRaw(raw.entries.get('cert'))} has another key`
  report.mistake(keyEntry.at, codes.pair, 'key does not belong to cert', { hint })
}

/** An upstream that is a listener of this very gate: each request would come back to it, and be refused as a loop. */
export function checkSelf(root: RootTable, report: Report): void {
  const server = root.values.server?.values
  const own = [
    ...(server?.listen ?? []),
    ...(server?.verify ?? []),
    ...(server?.admin ? [server.admin] : []),
    ...(root.values.tls?.values.listen ?? []),
  ]
  const inRoutes = (root.values.routes ?? []).flatMap(({ values: { upstream } }) =>
    upstream?.kind === 'own' ? [upstream.table] : [],
  )
  for (const table of [...(root.values.upstreams?.values() ?? []), ...inRoutes]) checkSelfIn(table, own, report)
}

function checkSelfIn({ raw, values }: UpstreamTable, own: readonly ListenAddress[], report: Report): void {
  const items = itemsOf(raw.entries.get('to'))
  for (const [index, address] of (values.to ?? []).entries()) {
    const item = items[index]
    if (item === undefined || !own.some(listener => isSame(address, listener))) continue
    const hint =
      'name where the application listens, as in "http://127.0.0.1:3000"; in a container 127.0.0.1 is the container itself'
    report.mistake(item.at, 'upstream.self', `${showRaw(item)} is where this gate itself listens`, { hint })
  }
}

function isSame(address: UpstreamAddress, listener: ListenAddress): boolean {
  if (address.kind === 'unix' || listener.kind === 'unix') {
    return address.kind === 'unix' && listener.kind === 'unix' && address.path === listener.path
  }
  const [, host = '', port] = /^(.*?)(?::(\d+))?$/.exec(address.authority) ?? []
  if (Number(port ?? (address.scheme === 'https' ? 443 : 80)) !== listener.port) return false
  const name = host.replace(/^\[|\]$/g, '')
  const isEvery = listener.host === '0.0.0.0' || listener.host === '::'
  if (name === listener.host || (isEvery && (name === '0.0.0.0' || name === '::'))) return true
  if (!isLoopbackHost(name)) return false
  return isEvery || (isLoopbackHost(listener.host) && (name === 'localhost' || listener.host === 'localhost'))
}
