/** How nginx, Caddy, Traefik, Envoy and others state the request that they ask about (forward auth). */

import { GateError } from '../../../base/errors.ts'
import { ownPath } from '../../../portal/paths.ts'
import type { SentFields } from '../../../proxy/fields/request.ts'
import { parseAuthority } from '../../../route/target.ts'
import { hostField, type Question, type RequestContext } from '../context.ts'

/** The request that a proxy in front asks about. */
export interface Stated {
  readonly method: string
  readonly host: string | null
  /** With the query; printable ASCII. */
  readonly path: string
  readonly scheme: 'http' | 'https'
}

/** How one kind of proxy asks, and how it uses the answer. */
export interface Dialect extends Question {
  /** Where it asks; one that ends with a slash has what is asked about behind it. */
  readonly address: string
  /** Reads the one set of fields that states the request here. Throws `target.malformed`, `target.host`. */
  read(context: RequestContext, address: string): Stated
}

const ADDRESS = ownPath('verify')

/**
 * Every dialect by its address, never by the request's fields: a proxy overwrites the fields of its dialect, and a
 * client may write the others.
 *
 * - Caddy, HAProxy and other proxies that copy named fields over those of the client: each field is present, possibly
 *   empty. Caddy 2.6 writes the name of its placeholder for a missing one.
 * - Traefik first removes the fields that it copies, and would pass an empty field on.
 * - Envoy asks with the request itself. It puts the request's path behind an address, and keeps its Host. It takes
 *   only 200 for a yes, and removes the fields that the answer names.
 * - nginx looks only at the status. So does its ingress in Kubernetes, which takes the host that it states from its
 *   client.
 */
const DIALECTS: readonly Dialect[] = [
  { address: ADDRESS, read: readForwarded, isStatusOnly: false, passes: 204, unknown: 'empty' },
  { address: `${ADDRESS}/traefik`, read: readTraefik, isStatusOnly: false, passes: 204, unknown: 'absent' },
  { address: `${ADDRESS}/envoy/`, read: readEnvoy, isStatusOnly: false, passes: 200, unknown: 'removed' },
  { address: `${ADDRESS}/nginx`, read: readOriginal, isStatusOnly: true, passes: 204, unknown: 'empty' },
  { address: `${ADDRESS}/ingress-nginx`, read: readIngress, isStatusOnly: true, passes: 204, unknown: 'empty' },
]

/** The dialect of one of Sallyport's addresses; null where no proxy asks. */
export function dialectAt(path: string): Dialect | null {
  if (!path.startsWith(ADDRESS)) return null
  return DIALECTS.find(({ address }) => path === address || (address.endsWith('/') && path.startsWith(address))) ?? null
}

/**
 * Whether the request in question announces a body, which stays with the proxy in front. The proxy passes its fields
 * on, or sets `X-Original-Body` where it does not pass on Content-Length and Transfer-Encoding. Absent on purpose: a
 * chunked body, which Caddy and Traefik do not report; a browser's has a Content-Type.
 */
export function tellsOfBody(sent: SentFields): boolean {
  if (sent['content-type'] !== undefined || sent['transfer-encoding'] !== undefined) return true
  return [sent['content-length'], sent['x-original-body']].some(value => value !== undefined && !/^0*$/.test(value))
}

const METHOD = /^[A-Z-]+$/
const PATH = /^\/[\x21-\x7e]*$/
const URL_PARTS = /^(https?|wss?):\/\/([^/?#\s]+)(\/[\x21-\x7e]*)$/i

/** `X-Forwarded-Method`, `-Uri`, `-Host` and `-Proto`: what Caddy's `forward_auth` and Traefik's ForwardAuth write. */
function readForwarded(context: RequestContext, address: string): Stated {
  const { sent } = context
  const method = sent['x-forwarded-method']
  const path = sent['x-forwarded-uri']
  if (method === undefined || path === undefined || !METHOD.test(method) || !PATH.test(path)) {
    throw unstated('X-Forwarded-Method and X-Forwarded-Uri', address)
  }
  const host = hostField(context)
  refuseOtherHost(context, host)
  return { method, path, host, scheme: isSecure(sent['x-forwarded-proto']) ? 'https' : 'http' }
}

/** The same. Traefik's strip middlewares say `X-Forwarded-Prefix`: then the path is no longer the one that was asked for. */
function readTraefik(context: RequestContext, address: string): Stated {
  if (context.sent['x-forwarded-prefix'] !== undefined) {
    throw new GateError('target.malformed', 'a prefix was taken off the path before the verdict was asked for', {
      hint: 'name the ForwardAuth middleware before stripPrefix among the middlewares of the router',
    })
  }
  return readForwarded(context, address)
}

/**
 * What the question itself states. Envoy asks with its client's method, path and Host. Where it cannot be configured
 * to add fields (the Gateway API, Istio), it states no more than that. It passes its client's fields on. So a field
 * that is present has to say the same, or it would be judged in place of the request. Bun has percent-encoded some
 * characters of the path, and so of the field. Dot segments are gone from the path, as from the request that Envoy
 * forwards (`normalize_path`).
 */
function readEnvoy(context: RequestContext, address: string): Stated {
  const { request, target, sent } = context
  const asked = target === null ? '' : target.path.slice(address.length - 1) + target.query
  const { 'x-forwarded-method': method = request.method, 'x-forwarded-uri': path = asked, host = '' } = sent
  if (!METHOD.test(method) || !PATH.test(path)) throw unstated('X-Forwarded-Method and X-Forwarded-Uri', address)
  const said = sent['x-forwarded-host']
  if (said !== undefined && parseAuthority(said).authority !== parseAuthority(host).authority) {
    throw new GateError('target.host', 'Host and X-Forwarded-Host name different hosts', {
      hint: `below ${address} the proxy in front asks with its client's own Host; let it take X-Forwarded-Host off, or write the same into it`,
    })
  }
  if (method === request.method && new Request(`http://host${path}`).url === `http://host${asked}`) {
    return { method, path, host, scheme: isSecure(sent['x-forwarded-proto']) ? 'https' : 'http' }
  }
  throw new GateError('target.malformed', 'the request that asks, and its fields, name different ones', {
    hint: `below ${address} the proxy in front asks with its client's own method and path; let it take X-Forwarded-Method and X-Forwarded-Uri off, or write both`,
  })
}

/**
 * Refuses a host that contradicts Host, where that can be known: some proxies ask with their client's Host, and let a client that they
 * trust write X-Forwarded-Host; others write the name of this listener into Host, which no route has.
 */
function refuseOtherHost({ sent, snapshot }: RequestContext, stated: string | null): void {
  if (stated === null || sent.host === undefined || stated === sent.host) return
  const asked = parseAuthority(sent.host).host
  if (snapshot.portals.lookup(asked) === undefined || parseAuthority(stated).host === asked) return
  throw new GateError('target.host', 'Host and X-Forwarded-Host name different hosts', {
    hint: 'let the proxy in front set X-Forwarded-Host to the host by which it chose the application; it has to ask by a name that no route has',
  })
}

/**
 * `X-Original-Method` and `X-Original-URL`: nginx writes them by configuration, and the nginx ingress of Kubernetes by
 * default.
 */
function readOriginal({ sent }: RequestContext, address: string): Stated {
  const method = sent['x-original-method']
  const [, scheme, host, path] = URL_PARTS.exec(sent['x-original-url'] ?? '') ?? []
  if (method === undefined || host === undefined || path === undefined || !METHOD.test(method)) {
    throw unstated('X-Original-Method and X-Original-URL', address)
  }
  return { method, host, path, scheme: isSecure(scheme) ? 'https' : 'http' }
}

/**
 * The same, whose host is the word of its client (`$http_host`, where a request's own address may name another), held to the one by which
 * nginx chose the application: `X-Forwarded-Host` says it.
 */
function readIngress(context: RequestContext, address: string): Stated {
  const stated = readOriginal(context, address)
  const chosen = context.sent['x-forwarded-host']
  if (chosen !== undefined && parseAuthority(chosen).host === parseAuthority(stated.host ?? '').host) return stated
  throw new GateError('target.host', 'X-Original-URL names another host than X-Forwarded-Host, or there is none', {
    hint: `at ${address} X-Forwarded-Host has to be $host: name a ConfigMap that says so in auth-proxy-set-headers, as in ingress-nginx.yaml`,
  })
}

function isSecure(scheme: string | undefined): boolean {
  return scheme !== undefined && /^(?:https|wss)$/i.test(scheme)
}

function unstated(fields: string, address: string): GateError {
  return new GateError('target.malformed', `${fields} do not state one request`, {
    hint: `at ${address} the proxy in front has to set both, to the method and address that its client asked for`,
  })
}
