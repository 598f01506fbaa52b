/** How browsers reach a new gate (HTTPS by ACME or files, behind a proxy, plain HTTP), and the tables for it. */

import { hostForSigningIn } from '../../config/values/host.ts'
import type { Entry, Section } from '../../migrate/draft.ts'

/**
 * How browsers come to Sallyport: by its own HTTPS with certificates made by ACME or from files, by a proxy in front that ends TLS, or
 * by plain HTTP in a network where everybody is trusted. `port`: where Sallyport listens for them, or for that proxy.
 */
export type Coming =
  | { readonly kind: 'acme'; readonly email: string | null }
  /** The files, as the new file names them. */
  | { readonly kind: 'files'; readonly cert: string; readonly key: string; readonly port: number }
  /** Where that proxy comes from; null: to be said later. `isPlain`: it takes plain HTTP itself, in such a network. */
  | { readonly kind: 'proxy'; readonly network: string | null; readonly port: number; readonly isPlain?: boolean }
  | { readonly kind: 'plain'; readonly port: number }

export const COMING_KINDS: readonly Coming['kind'][] = ['acme', 'files', 'proxy', 'plain']

/** The port where no other is said. */
export function usualPort(kind: Coming['kind']): number {
  return kind === 'files' || kind === 'acme' ? 443 : 8080
}

/** Whether browsers come by plain HTTP. */
export function isPlainHttp(coming: Coming): boolean {
  return coming.kind === 'plain' || (coming.kind === 'proxy' && coming.isPlain === true)
}

/** How browsers reach a host, as the start of every address there. */
export function originBy(coming: Coming, host: string): string {
  if (coming.kind === 'plain') return `http://${host}${coming.port === 80 ? '' : `:${coming.port}`}`
  if (coming.kind === 'files') return `https://${host}${coming.port === 443 ? '' : `:${coming.port}`}`
  return isPlainHttp(coming) ? `http://${host}` : `https://${host}`
}

/** A portal's own address beside an application: without one, an admin page keeps a portal from having a second host. */
export function portalOf({ host, coming }: { readonly host: string; readonly coming: Coming }): string {
  return originBy(coming, hostForSigningIn([host]))
}

/** The host at which Sallyport leads to the provider, and where that answers. */
export interface ProviderPlace {
  readonly host: string
  readonly upstream: string
}

/** The tables about listeners; `more` belongs to the first. */
export function listenerSections(coming: Coming, more: readonly Entry[]): readonly Section[] {
  switch (coming.kind) {
    case 'acme':
      return [
        {
          title: '[server]',
          entries: [
            {
              key: 'listen',
              value: ['0.0.0.0:80'],
              comment: 'sent on to https; the authority asks here: port 80 of each host leads to it',
            },
            ...more,
          ],
        },
        {
          about: 'Certificates for every host below, made and renewed by Let’s Encrypt; docs/https.md has the rest.',
          title: '[tls]',
          entries: [
            { key: 'listen', value: ['0.0.0.0:443'] },
            { key: 'acme', value: coming.email === null ? {} : { email: coming.email } },
          ],
          also: [
            'certificates = [{ cert = "example.com.pem", key = "example.com-key.pem" }]   # your own come first',
            'hsts = "180d"   # once all is well: browsers remember it',
          ],
        },
      ]
    case 'files':
      return [
        {
          title: '[server]',
          entries: [
            // Who has chosen another port may not have this one.
            coming.port === 443
              ? { key: 'listen', value: ['0.0.0.0:80'], comment: 'sent on to https' }
              : { key: 'listen', value: [], comment: 'no plain HTTP; "0.0.0.0:80" here would be sent on to https' },
            ...more,
          ],
        },
        {
          about: 'Your own certificates, read again when they change; docs/https.md has the rest.',
          title: '[tls]',
          entries: [
            { key: 'listen', value: [`0.0.0.0:${coming.port}`] },
            { key: 'certificates', value: [{ cert: coming.cert, key: coming.key }] },
          ],
          also: ['hsts = "180d"   # once all is well: browsers remember it'],
        },
      ]
    case 'proxy':
      return [proxySection(coming.network, coming.port, more)]
    case 'plain':
      return [
        {
          about:
            'Plain HTTP, for a network where every device is trusted: see insecure_cookies below. docs/https.md shows how to change to HTTPS.',
          title: '[server]',
          entries: [{ key: 'listen', value: [`0.0.0.0:${coming.port}`] }, ...more],
        },
      ]
  }
}

function proxySection(network: string | null, port: number, more: readonly Entry[]): Section {
  const isHere = network !== null && /^127\.|^::1(?:\/|$)/.test(network)
  return {
    title: '[server]',
    entries: [
      {
        key: 'listen',
        value: [`${isHere ? '127.0.0.1' : '0.0.0.0'}:${port}`],
        comment: 'plain HTTP, behind your TLS proxy; or see docs/https.md',
      },
      {
        key: 'trusted_proxies',
        value: network === null ? null : [network],
        comment: 'where it comes from: its X-Forwarded-* count',
      },
      ...more,
    ],
    also:
      network === null
        ? [
            'trusted_proxies = ["10.0.0.2"]   # the address that your TLS proxy comes from, so that its X-Forwarded-* count',
          ]
        : [],
  }
}

/** What a portal says of it. */
export function comingEntries(coming: Coming): readonly Entry[] {
  if (!isPlainHttp(coming)) return []
  return [
    {
      key: 'insecure_cookies',
      value: true,
      comment: 'plain HTTP: take it out once browsers come by https',
    },
  ]
}
