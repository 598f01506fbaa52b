/** The provider's answer to an authorization request, and how to fix a refusal. */

import { type Facts, GateError } from '../base/errors.ts'
import type { Metadata } from './endpoints.ts'

/**
 * Checks the parameters with which a provider sent the browser back, before anything in them is used.
 *
 * Throws `sign_in.callback` (a parameter twice, no code, a packed response), `provider.issuer` (RFC 9207 iss missing where
 * it is announced, or another's), `sign_in.state`, and for an error answer `provider.request` where that is about what was asked, else
 * `provider.refused`.
 * Source: RFC 6749 §4.1.2 and §3.1 (no parameter twice), RFC 9207 §2.4.
 */
export function readAnswer(answer: URLSearchParams, metadata: Metadata, state: string): void {
  if (repeatedName(answer) !== null) throw callbackError('a parameter occurs twice')
  if (answer.has('response')) throw callbackError('it is a packed response, which was not asked for')

  const issuer = answer.get('iss')
  if (issuer === null ? metadata.authorization_response_iss_parameter_supported === true : issuer !== metadata.issuer) {
    throw new GateError(
      'provider.issuer',
      `the answer's iss is ${issuer === null ? 'missing' : 'another provider’s'}`,
      {
        hint: 'this may be a mix-up attack between two providers; start again from the application',
        facts: { issuer: metadata.issuer },
      },
    )
  }
  if (answer.get('state') !== state) throw new GateError('sign_in.state', 'the answer belongs to another sign-in')

  const error = answer.get('error')
  if (error !== null) throw refusedError(error, answer.get('error_description'), metadata.issuer)
  if (answer.get('code') === null || answer.get('code') === '')
    throw callbackError('it has neither a code nor an error')
}

/**
 * The first name that occurs a second time, or null.
 *
 * One look at each: anyone may send thousands of parameters, and to look each up among all the others would take seconds.
 */
export function repeatedName(query: URLSearchParams): string | null {
  const seen = new Set<string>()
  for (const name of query.keys()) {
    if (seen.has(name)) return name
    seen.add(name)
  }
  return null
}

/** Errors about what was asked, and not about who signs in (RFC 6749 §4.1.2.1, OpenID Connect Core 1.0 §3.1.2.6). */
const OF_THE_REQUEST = new Set(
  'invalid_request unauthorized_client unsupported_response_type invalid_scope invalid_request_uri invalid_request_object request_not_supported request_uri_not_supported'.split(
    ' ',
  ),
)

function refusedError(error: string, description: string | null, issuer: string): GateError {
  const facts: Facts = { issuer, provider_error: error.slice(0, 64), provider_says: description?.slice(0, 200) }
  if (OF_THE_REQUEST.has(error)) {
    return new GateError('provider.request', 'the provider refused the request', {
      hint: fixOf(error, description ?? '') ?? 'run "sallyport doctor"; the provider’s own log says more',
      facts,
    })
  }
  return new GateError('provider.refused', 'the provider answered with an error instead of a code', {
    hint:
      error === 'access_denied'
        ? 'the person said no, or the provider does not let this account use this client'
        : 'look for this error in the provider’s own log; scopes and redirect address are the usual reasons',
    facts,
  })
}

function callbackError(why: string): GateError {
  return new GateError('sign_in.callback', `the provider's answer was refused: ${why}`)
}

/**
 * How to fix a configuration mistake that shows in a provider's refusal of a sign-in; null where its words do not say
 * which mistake it is.
 */
export function fixOf(word: string, says: string): string | null {
  if (/pushed/i.test(says)) {
    return 'the provider takes only requests of this client that are pushed to it: write par = "always" into its table'
  }
  if (word === 'invalid_scope' || /scope/i.test(says)) {
    return 'the provider knows one of the scopes not, or this client may not have it: see scopes in its table, and what the client has there'
  }
  if (/code[ _]challenge|pkce/i.test(says)) {
    return 'sign-ins use PKCE with S256: let the client take that method at the provider (Keycloak: Proof Key for Code Exchange)'
  }
  if (word === 'unauthorized_client' || word === 'unsupported_response_type') {
    return 'turn on the authorization code flow for this client at the provider (Keycloak: standard flow)'
  }
  return null
}
