/** Failures of an upstream as errors of ours, and what each says: unreachable, timed out, broken off. */

import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import { GateError } from '../base/errors.ts'

/** No connection came about. */
const REFUSED = new Set([
  'ConnectionRefused',
  'ECONNREFUSED',
  'FailedToOpenSocket',
  'ENOENT',
  'EHOSTUNREACH',
  'ENETUNREACH',
])

/** The name of the address leads nowhere. */
const NAMELESS = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ENODATA'])

/** This process, or the machine, may open no more. */
const EXHAUSTED = new Set(['EMFILE', 'ENFILE'])

/** The other side's certificate did not hold; what an operator can do about it. */
const UNTRUSTED: ReadonlyMap<string, string> = new Map([
  ['CERT_HAS_EXPIRED', 'renew the certificate of the application'],
  ['CERT_NOT_YET_VALID', 'check the clock here and there'],
  ['CERT_REVOKED', 'give the application another certificate'],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'set server_name in tls of this upstream to the name in the certificate, if that is the application',
  ],
  ...[
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'CERT_SIGNATURE_FAILURE',
    'CERT_UNTRUSTED',
    'CERT_REJECTED',
    'INVALID_CA',
    'INVALID_PURPOSE',
    'CERT_CHAIN_TOO_LONG',
    'PATH_LENGTH_EXCEEDED',
  ].map((code): [string, string] => [code, 'set ca in tls of this upstream to the authority that signed it']),
])

/**
 * An upstream's failure before its answer began, in our own words. `what` begins the message: the route; `label` is the address.
 *
 * Codes: limit.descriptors (none may be opened), upstream.refused (no connection), upstream.untrusted (its certificate does not hold; nothing was sent),
 * upstream.broken (anything later).
 */
export function translateFailure(error: unknown, what: string, label: string): GateError {
  const code = codeOf(error)
  const facts = { route: what, upstream: label }
  if (EXHAUSTED.has(code) || ((REFUSED.has(code) || NAMELESS.has(code)) && areFewLeft())) {
    return new GateError('limit.descriptors', `${what}: no connection to ${label} can be opened: too many are`, {
      cause: error,
      facts,
      hint: 'raise the limit of open files of this process',
      retryAfterS: 5,
    })
  }
  if (REFUSED.has(code)) {
    return new GateError('upstream.refused', `${what}: nothing answers at ${label}`, {
      cause: error,
      facts,
      hint: 'check that the application runs and that upstream in routes.toml is its address as seen from here',
    })
  }
  if (NAMELESS.has(code)) {
    return new GateError('upstream.refused', `${what}: the name in ${label} has no address here`, {
      cause: error,
      facts,
      hint: 'check the name in upstream as this machine or container sees it: in compose it is the name of the service, in a network that both are in',
    })
  }
  const remedy = UNTRUSTED.get(code)
  if (remedy !== undefined) {
    return new GateError('upstream.untrusted', `${what}: the certificate of ${label} does not hold`, {
      cause: error,
      facts,
      hint: remedy,
    })
  }
  return new GateError('upstream.broken', `${what}: the exchange with ${label} failed`, {
    cause: error,
    facts,
    hint: hintFor(code),
  })
}

/** No connection within `connect_timeout`; it is unknown whether something was sent. */
export function unreachable(what: string, label: string, connectTimeoutMs: number): GateError {
  return new GateError('upstream.unreachable', `${what}: no connection to ${label} in ${connectTimeoutMs} ms`, {
    facts: { route: what, upstream: label },
    hint: 'check the address and the firewalls on the way, or raise connect_timeout of this upstream',
  })
}

/** No answer in the time that its route gives it. */
export function timedOut(
  { id, timeoutMs }: { readonly id: string; readonly timeoutMs: number },
  label: string,
): GateError {
  return new GateError('upstream.timeout', `${id}: no response head after ${timeoutMs} ms`, {
    facts: { route: id, upstream: label },
    hint: `raise timeout for "${id}" in routes.toml if the application needs longer`,
  })
}

/**
 * The error of a body where the upstream's broke off: Bun 1.4.5 may write it to standard error, and Bun's own error
 * contains the whole address, query included.
 */
export class BrokenOff extends Error {
  constructor() {
    super('an upstream ended in the middle of its answer')
    this.name = 'BrokenOff'
  }
}

/**
 * Whether a body's end says something about its upstream: not where this process ended it (the abort's reason is a
 * text, or a GateError), nor a second time.
 */
export function isUpstreams(error: unknown): boolean {
  return error instanceof Error && !(error instanceof BrokenOff || error instanceof GateError)
}

/** Whether a failure is of no account against its upstream: a slow answer may be the request's own doing, and the others are the gate's. */
export function isBlameless({ code }: GateError): boolean {
  return BLAMELESS.has(code)
}

const BLAMELESS: ReadonlySet<string> = new Set([
  'upstream.timeout',
  'target.too_large',
  'access.denied',
  'limit.descriptors',
])

/** Whether a failed request certainly never reached an application, so that any method may be tried elsewhere. */
export function isUnsent(error: GateError): boolean {
  return error.code === 'upstream.refused' || error.code === 'upstream.untrusted'
}

/**
 * Whether hardly anything can be opened now. Bun 1.4.5 calls it a refused connection where there is no descriptor for one: of a
 * WebSocket always, of a request where the upstream has a name.
 */
function areFewLeft(): boolean {
  const opened: number[] = []
  try {
    while (opened.length < FEW) opened.push(openSync(devNull, 'r'))
    return false
  } catch (error) {
    return EXHAUSTED.has(codeOf(error))
  } finally {
    for (const one of opened) closeSync(one)
  }
}

/** Where a name has several addresses, the connection that was tried first has given its descriptor back by now. */
const FEW = 8

function hintFor(code: string): string {
  if (code === 'HTTP2Unsupported') return 'it does not speak HTTP/2: remove http2 from this upstream'
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
    return 'if it speaks plain HTTP there, upstream begins with http://; if it asks for a certificate, set cert and key in tls of this upstream'
  }
  return "look into the application's log for this time: it closed the connection, or did not speak HTTP; if it speaks HTTPS there, upstream begins with https://"
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
