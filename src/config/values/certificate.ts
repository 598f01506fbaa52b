/** Certificates of listeners, and for which hosts they are. */

import { isLoopbackHost } from '../../base/net.ts'

/** A certificate with its chain and its key, as PEM texts; the key is secret. */
export interface ServerCertificate {
  readonly cert: string
  readonly key: string
  /** DNS names, lower-case; `*.example.com` for one label below. */
  readonly names: readonly string[]
  readonly expiresAtMs: number
}

/** Whether a certificate with these names is for a host; a wildcard matches one label (RFC 9525 §6.3). */
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

/**
 * Whether we can prove that a host is ours: no address, no name that means this machine everywhere, and a wildcard only by records in
 * DNS (RFC 8555 §7.1.3).
 */
export function isCertifiable(host: string, hasDns: boolean): boolean {
  const name = host.replace(/^\*\./, '')
  return (hasDns || name === host) && !/^[0-9.]+$|^\[/.test(name) && !isLoopbackHost(name)
}
