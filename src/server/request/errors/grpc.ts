/** Refusals of gRPC calls, as gRPC has them. */

import { CODES, GateError } from '../../../base/errors.ts'
import type { GateRoute } from '../../config/snapshot.ts'
import type { RequestContext } from '../context.ts'

/**
 * Whether a request is a call of gRPC. gRPC-Web, which keeps its trailers in the body, is a request like any other.
 *
 * Source: gRPC over HTTP2, Requests (Call-Definition, Content-Type).
 */
export function isGrpc({ request, sent: { 'content-type': type } }: RequestContext): boolean {
  return type !== undefined && request.method === 'POST' && /^application\/grpc(?:$|[+;\s])/i.test(type)
}

/**
 * Whether a refusal takes gRPC's form, which always has status 200.
 *
 * A proxy that asks whether another request may pass takes 200 for yes, and may pass on the fields of a stranger. So
 * only direct calls to a route get this form: requests in the form of a call that do not come from a trusted proxy. A
 * gRPC client maps any other status to a code, too.
 */
export function isToldByGrpc(context: RequestContext): boolean {
  const { front, sent, route, question, isPeerTrusted } = context
  if (route === null || !isGrpc(context) || question !== null || isPeerTrusted) return false
  return front.protocol === 'https' && sent.te !== undefined && /^trailers$/i.test(sent.te)
}

/**
 * A call that may pass stops here: the application would carry it out, and its client would not learn the result.
 *
 * The status of a call comes in trailers. Bun 1.4.5 drops those of `fetch`, and `Bun.serve` has none for an answer.
 */
export function grpcRefused({ config: { id } }: GateRoute): GateError {
  return new GateError('route.grpc', `${id}: a call of gRPC came, which cannot be passed on`, {
    facts: { route: id },
    hint: 'let a proxy in front carry gRPC and ask here who may call (verify in [server]), or call by gRPC-Web',
  })
}

const UNIMPLEMENTED = 12
const UNAUTHENTICATED = 16

/** Status codes of gRPC by those of HTTP. Pages are redirected so by which people sign in. */
const STATUSES: Readonly<Record<number, number>> = {
  302: UNAUTHENTICATED,
  303: UNAUTHENTICATED,
  400: 13,
  401: UNAUTHENTICATED,
  403: 7,
  404: UNIMPLEMENTED,
  405: UNIMPLEMENTED,
  408: 4,
  413: 8,
  429: 14,
  500: 13,
  501: UNIMPLEMENTED,
  502: 14,
  503: 14,
  504: 14,
  508: 14,
}
const UNKNOWN = 2

/** Fields that say how to come back. */
const KEPT = ['www-authenticate', 'retry-after']

/**
 * A refusal as gRPC reads it: 200 and "Trailers-Only", with our own code and the reference of the log.
 *
 * Source: gRPC over HTTP2, Responses; "HTTP to gRPC Status Code Mapping".
 */
export async function tellGrpc(response: Response): Promise<Response> {
  const { status } = response
  const headers = new Headers({
    'content-type': 'application/grpc',
    'grpc-status': `${STATUSES[status] ?? UNKNOWN}`,
    'grpc-message': percentEncoded(await messageOf(response)),
    'cache-control': 'no-store',
  })
  for (const name of KEPT) {
    const value = response.headers.get(name)
    if (value !== null) headers.set(name, value)
  }
  return new Response(null, { headers })
}

async function messageOf(response: Response): Promise<string> {
  const { status, headers } = response
  if (headers.get('content-type') === 'application/problem+json') {
    const { detail, code, reference } = (await response.json()) as Readonly<Record<string, string>>
    return `${detail} (${code}, ${reference})`
  }
  await response.body?.cancel()
  return STATUSES[status] === UNAUTHENTICATED ? CODES['access.sign_in'].say : `HTTP ${status}`
}

/** Bytes outside of printable ASCII, and the percent sign, as `%XX`. */
function percentEncoded(text: string): string {
  let encoded = ''
  for (const byte of Buffer.from(text)) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}
