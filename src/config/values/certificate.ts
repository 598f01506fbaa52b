import { isLoopbackHost } from '../../base/net.ts'
import type { ServerCertificate } from '../types/tls.ts'

/** Whether a certificate with these names is for a host; a wildcard stands for one label (RFC 9525 §6.3). */
export function isCovered(host: string, names: ReadonlySet<string>): boolean {
  return names.has(host) || names.has(`*${host.slice(host.indexOf('.'))}`)
}

/** The certificate that a client which asks for a host gets, if any is for it: one that has the name itself before a wildcard, else in order. */
export function findCertificate(
  certificates: readonly ServerCertificate[],
  host: string,
): ServerCertificate | undefined {
  return (
    certificates.find(({ names }) => names.includes(host)) ??
    certificates.find(({ names }) => isCovered(host, new Set(names)))
  )
}

/** Whether http-01 can prove that a host is ours: not of a wildcard, an address, or a name that means this machine everywhere. */
export function isCertifiable(host: string): boolean {
  return !host.startsWith('*') && !/^[0-9.]+$|^\[/.test(host) && !isLoopbackHost(host)
}
