/** The outgoing proxy (`outgoing` of a file): which requests of our own take it, and how it fails. */

import { messageOf } from './errors.ts'
import type { Answered, Ask, ProxyFor } from './http-client.ts'
import { canonicalAddress, compileNetworks, isLoopbackHost } from './net.ts'
import type { Ports } from './ports.ts'

/** The proxy by which requests of our own leave this network, and which of them do not take it. */
export interface OutgoingConfig {
  /** `http://host:port`: nothing in it is secret. */
  readonly proxy: string
  /** What goes in Proxy-Authorization; null for a proxy that asks for nothing. Secret. */
  readonly authorization: string | null
  readonly except: {
    /** Hosts, IPv6 in brackets. */
    readonly hosts: readonly string[]
    /** Ends of names, each with its dot. */
    readonly suffixes: readonly string[]
    /** Of hosts that are addresses themselves. */
    readonly networks: readonly string[]
  }
}

/**
 * A request that went by a proxy, and came to nothing: the proxy was not there, refused, or what came through it was no good. `code` is
 * that of the platform, so that it is judged like all others; `refusal` is the status by which the proxy refused.
 */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'
  readonly code: string
  readonly proxy: string
  readonly refusal: string | null

  constructor(proxy: string, thrown: unknown) {
    const own = thrown instanceof Error ? messageOf(thrown) : 'failed'
    const refusal = /Proxy refused to open a tunnel: ([\w -]{1,80})/.exec(own)?.[1] ?? null
    super(refusal === null ? `${own} (through the proxy ${proxy})` : `the proxy ${proxy} refused: ${refusal}`)
    this.code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
    this.proxy = proxy
    this.refusal = refusal
  }
}

/** The code with which the platform says that a proxy refused a tunnel. */
const REFUSED = 'ERR_PROXY_TUNNEL'
const WANTS_LOGIN = 407

/**
 * The same ports, with requests through the proxy that the current file names. Requests to this machine never use a
 * proxy.
 *
 * For requests on Sallyport's own account: to providers, authorities, trace receivers and webhooks. Never for
 * applications.
 */
export function throughProxy<P extends Pick<Ports, 'ask'>>(
  ports: P,
  config: () => OutgoingConfig | null,
): P & { readonly ask: Ask; readonly proxyFor: ProxyFor } {
  let known: { readonly config: OutgoingConfig; readonly isExcepted: (host: string) => boolean } | null = null

  function find(address: string): OutgoingConfig | null {
    const outgoing = config()
    const host = URL.parse(address)?.hostname
    if (outgoing === null || host === undefined) return null
    if (known?.config !== outgoing) known = { config: outgoing, isExcepted: compileExcept(outgoing.except) }
    return known.isExcepted(host) ? null : outgoing
  }

  async function ask(address: string, init: Parameters<Ask>[1]): Promise<Answered> {
    const outgoing = find(address)
    if (outgoing === null) return ports.ask(address, init)
    const { proxy, authorization } = outgoing
    const headers = authorization === null ? {} : { headers: { 'proxy-authorization': authorization } }
    let answer: Answered
    try {
      answer = await ports.ask(address, { ...init, proxy: { url: proxy, ...headers } })
    } catch (thrown) {
      throw new ProxyError(proxy, thrown)
    }
    // By plain HTTP the answer of a proxy looks like any other, and this one is never of who was asked (RFC 9110 §15.5.8).
    if (answer.status !== WANTS_LOGIN) return answer
    await answer.drop()
    const why = new Error('Proxy refused to open a tunnel: 407 Proxy Authentication Required')
    throw new ProxyError(proxy, Object.assign(why, { code: REFUSED }))
  }

  return { ...ports, ask, proxyFor: address => find(address)?.proxy ?? null }
}

function compileExcept({ hosts, suffixes, networks }: OutgoingConfig['except']): (host: string) => boolean {
  const [named, inside] = [new Set(hosts), compileNetworks(networks)]
  return raw => {
    const host = raw.replace(/\.$/, '')
    const address = canonicalAddress(host.replace(/^\[|\]$/g, ''))
    if (isLoopbackHost(host) || named.has(host)) return true
    return address === null ? suffixes.some(suffix => host.endsWith(suffix)) : inside.has(address)
  }
}

/** What to do about a proxy that was not there or refused; null where the mistake is another. */
export function hintForProxy({ code, proxy, refusal }: ProxyError): string | null {
  if (refusal?.startsWith(String(WANTS_LOGIN))) {
    return `the proxy ${proxy} wants a login: write user and password into outgoing of [server]`
  }
  if (refusal !== null) return `see the log of the proxy ${proxy}: does it allow this host and port, and reach it?`
  if (
    /^(?:ConnectionRefused|ECONNREFUSED|FailedToOpenSocket|ENETUNREACH|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|ENODATA)$/.test(
      code,
    )
  ) {
    return `the proxy ${proxy} cannot be reached: see proxy in outgoing of [server]; a host that is reached without it goes into except`
  }
  return null
}
