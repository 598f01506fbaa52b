import { isLoopbackHost } from '../../base/net.ts'
import type { RootTable } from '../keys/keys.ts'
import type { UpstreamTable } from '../keys/upstreams.ts'
import { itemsOf, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import type { ListenAddress } from '../types/server.ts'
import type { UpstreamAddress } from '../types/upstreams.ts'

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
  for (const table of [...(root.values.upstreams?.values() ?? []), ...inRoutes]) checkTable(table, own, report)
}

function checkTable({ raw, values }: UpstreamTable, own: readonly ListenAddress[], report: Report): void {
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
