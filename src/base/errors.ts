/** The one class of errors, with a closed list of codes. */

import { withShownAddresses } from './shown-address.ts'

/**
 * Every failure that a client, an operator or a script can meet, by its closed code.
 *
 * `say` is all that a client ever sees; `status` is the HTTP status it comes with. Codes are API: they are never renamed.
 */
export const CODES = {
  'target.malformed': { status: 400, say: 'The request could not be understood.' },
  'target.host': { status: 400, say: 'The request names no valid host.' },
  'target.ambiguous': { status: 400, say: 'The address can be read in more than one way.' },
  'target.method': { status: 405, say: 'This method is not served here.' },
  'target.header': { status: 400, say: 'The request has a malformed header field.' },
  'target.too_large': { status: 413, say: 'This is larger than this address accepts.' },
  'target.stalled': { status: 408, say: 'The request was not complete in time.' },
  'limit.open': { status: 429, say: 'Too many requests are open at the same time.' },
  'limit.descriptors': { status: 503, say: 'The server has too many open connections at the moment.' },
  'limit.rate': { status: 429, say: 'Too many requests came in a short time.' },
  'route.none': { status: 404, say: 'Nothing is served at this address.' },
  'route.own': { status: 404, say: 'The proxy in front asks about this address, but has to forward it instead.' },
  'route.method': { status: 405, say: 'This method is not allowed at this address.' },
  'route.grpc': { status: 501, say: 'This gRPC call does not pass here.' },
  'route.service_worker': { status: 403, say: 'This application is not allowed to use a service worker.' },
  'access.sign_in': { status: 401, say: 'Sign in to open this.' },
  'access.step_up': { status: 401, say: 'Sign in again to open this.' },
  'access.token': { status: 401, say: 'The token is not valid here.' },
  'access.denied': { status: 403, say: 'You do not have access to this.' },
  'access.password': { status: 401, say: 'The user name or the password is not right.' },
  'access.passkey': { status: 403, say: 'The passkey was not accepted.' },
  'access.device': { status: 403, say: 'The proof of this device was not accepted.' },
  'access.proxy': { status: 403, say: 'Only a trusted proxy may ask this.' },
  'access.origin': { status: 403, say: 'This request came from a page that may not make it.' },
  'oauth.request': { status: 400, say: 'A program asked for access in a way that cannot be granted.' },
  'files.none': { status: 404, say: 'Nothing is served at this address.' },
  'files.folder': { status: 500, say: 'The files of this address cannot be read at the moment.' },
  'upstream.refused': { status: 502, say: 'The application could not be reached.' },
  'upstream.untrusted': { status: 502, say: 'The application could not be trusted.' },
  'upstream.unreachable': { status: 504, say: 'The application could not be reached.' },
  'upstream.busy': { status: 503, say: 'The application is busy at the moment.' },
  'upstream.stalled': { status: 504, say: 'The application stopped in the middle of its answer.' },
  'upstream.broken': { status: 502, say: 'The application answered in a way that could not be understood.' },
  'upstream.timeout': { status: 504, say: 'The application did not answer in time.' },
  'upstream.loop': { status: 508, say: 'The request came back to where it started.' },
  'websocket.handshake': { status: 400, say: 'The WebSocket could not be opened: the request is malformed.' },
  'websocket.version': { status: 426, say: 'Only version 13 of the WebSocket protocol is spoken here.' },
  'provider.down': { status: 503, say: 'The sign-in provider cannot be reached at the moment.' },
  'provider.discovery': { status: 502, say: 'The sign-in provider is not set up correctly.' },
  'provider.request': { status: 502, say: 'Sign-in could not be completed.' },
  'provider.token': { status: 502, say: 'Sign-in could not be completed.' },
  'provider.id_token': { status: 502, say: 'Sign-in could not be completed.' },
  'provider.logout_token': { status: 400, say: 'The logout token was refused.' },
  'provider.userinfo': { status: 502, say: 'Sign-in could not be completed.' },
  'provider.issuer': { status: 400, say: 'The answer came from a provider that was not asked.' },
  'provider.subject': { status: 403, say: 'This account cannot be used here.' },
  'provider.refused': { status: 403, say: 'The provider did not sign you in.' },
  'provider.inactive': { status: 403, say: 'This account is not active here.' },
  'sign_in.member': { status: 403, say: 'This account may not sign in here.' },
  'sign_in.callback': { status: 400, say: 'The answer from the provider could not be understood.' },
  'sign_in.state': { status: 400, say: 'This sign-in has expired or was already used.' },
  'sign_in.browser': { status: 400, say: 'This sign-in was started in another browser.' },
  'sign_in.plain_http': { status: 400, say: 'This page came over plain HTTP, but signing in needs HTTPS here.' },
  'sign_in.loop': { status: 400, say: 'You have just signed in several times, but did not stay signed in.' },
  'sign_in.step_up': { status: 403, say: 'The provider did not confirm the sign-in that this needs.' },
  'sign_in.ticket': { status: 400, say: 'This sign-in has expired or was already used.' },
  'session.store': { status: 503, say: 'Sign-in is not available at the moment.' },
  'session.end': {
    status: 503,
    say: 'The change could not be stored, so the session is still valid. It ends automatically as soon as storing works again.',
  },
  'acme.refused': { status: 502, say: 'The server is not set up correctly.' },
  'acme.dns': { status: 502, say: 'The server is not set up correctly.' },
  'acme.unreachable': { status: 502, say: 'The server is not set up correctly.' },
  'config.unreadable': { status: 500, say: 'The server is not set up correctly.' },
  'config.invalid': { status: 500, say: 'The server is not set up correctly.' },
  'listen.failed': { status: 500, say: 'The server could not start.' },
  internal: { status: 500, say: 'Something went wrong on our side.' },
} as const satisfies Record<string, { status: number; say: string }>

export type Code = keyof typeof CODES

/** Small values that say where and how much; never a secret, a token or a cookie. */
export type Facts = Readonly<Record<string, string | number | boolean | null | readonly string[] | undefined>>

export interface GateErrorDetails {
  /** What an operator can do about it. */
  readonly hint?: string
  readonly facts?: Facts
  readonly cause?: unknown
  /** Seconds after which trying again makes sense; becomes Retry-After. */
  readonly retryAfterS?: number
}

/**
 * The one error class. Branch on `code`, never on the message.
 *
 * `message`, `hint`, `facts` and the `cause` chain are for the log and the command line; a client sees only `say`.
 */
export class GateError extends Error {
  readonly code: Code
  readonly hint: string | undefined
  readonly facts: Facts
  readonly retryAfterS: number | undefined

  constructor(code: Code, message: string, details: GateErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'GateError'
    this.code = code
    this.hint = details.hint
    this.facts = details.facts ?? {}
    this.retryAfterS = details.retryAfterS
  }

  get status(): number {
    return CODES[this.code].status
  }

  get say(): string {
    return CODES[this.code].say
  }
}

/** Any thrown value as a GateError; what is not one already becomes `internal` with the value as its cause. */
export function toGateError(thrown: unknown): GateError {
  if (thrown instanceof GateError) return thrown
  return new GateError('internal', describe(thrown), { cause: thrown })
}

/** A thrown value and its causes as flat facts for the log: error, code, hint, cause (`a <- b <- c`). */
export function errorFacts(thrown: unknown): Facts {
  if (thrown instanceof GateError) {
    return { ...thrown.facts, code: thrown.code, error: thrown.message, hint: thrown.hint, cause: causes(thrown.cause) }
  }
  return { error: describe(thrown), cause: thrown instanceof Error ? causes(thrown.cause) : undefined }
}

function causes(cause: unknown): string | undefined {
  const chain: string[] = []
  for (let at = cause; at !== undefined && at !== null && chain.length < 5; ) {
    chain.push(describe(at))
    at = at instanceof Error ? at.cause : undefined
  }
  return chain.length === 0 ? undefined : chain.join(' <- ')
}

function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return withShownAddresses(String(thrown), 'program')
  const code = 'code' in thrown && typeof thrown.code === 'string' ? ` (${thrown.code})` : ''
  return `${thrown.name}: ${withShownAddresses(messageOf(thrown), 'program')}${code}`
}

/** Words of Bun's fetch errors that do not say what happened: advice for programmers, and words about browsers. */
const ADVICE = ['. For more information, pass `verbose: true`', '. Is the computer able to access the url']

/** The words of an error for people who run the program: of what the platform says, what happened. */
export function messageOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  const at = ADVICE.map(advice => text.indexOf(advice)).find(index => index >= 0)
  return at === undefined ? text : text.slice(0, at)
}
