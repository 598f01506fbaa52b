/** Routes that answer without an upstream: redirects, fixed answers and files. */

import { GateError } from '../../base/errors.ts'
import type { OwnAnswer } from '../../config/resolve/routes.ts'
import type { TemplatePart } from '../../config/values/template.ts'
import type { RequestValues } from '../fields/rules.ts'
import type { Compressor } from './compressor.ts'
import { compileFiles } from './files.ts'

/** A request that its route answers without an upstream. */
interface OwnRequest {
  readonly request: Request
  /** The path below the route, after `strip_prefix` and `add_prefix`. */
  readonly path: string
  readonly query: string
  readonly values: RequestValues
  /** Whether an address of the same host is closed to the client. */
  readonly isClosed: (address: string) => boolean
}

/** How a route without an upstream answers. */
export type Answering = (asked: OwnRequest) => Response | Promise<Response>

/** A redirect, a fixed response or a folder of files as a function. What is fixed is prepared here. */
export function compileAnswer(answer: OwnAnswer, isForAll: boolean, compressor: Compressor): Answering {
  switch (answer.kind) {
    case 'redirect': {
      const { location, status } = answer
      return ({ path, values }) =>
        new Response(null, { status, headers: { location: locationOf(location, { ...values, path }) } })
    }
    case 'respond': {
      const { status, body, contentType } = answer
      const headers: Readonly<Record<string, string>> = body === '' ? {} : { 'content-type': contentType }
      return () => new Response(body === '' ? null : body, { status, headers })
    }
    case 'files': {
      const files = compileFiles(answer, isForAll, compressor)
      return ({ values, ...asked }) => files({ ...asked, shownPath: values.path })
    }
    case 'verify':
      return () => {
        throw new GateError('route.none', 'the application of this route is behind the proxy in front, not here', {
          hint: 'the proxy in front should send here only what it asks /.sallyport/verify, and what is refused',
        })
      }
  }
}

/** An address in ASCII: all other characters of a path or query are percent-encoded (RFC 3986 §2.1). */
function locationOf(parts: readonly TemplatePart[], values: RequestValues): string {
  let address = ''
  for (const part of parts)
    if (part.kind !== 'identity') address += part.kind === 'text' ? part.text : values[part.name]
  return address.toWellFormed().replace(/[^\x21-\x7e]+/gu, encodeURIComponent)
}
