/** The addresses at a provider where a browser signs in and out, with their parameters. */

import type { ProviderConfig } from '../config/resolve/providers.ts'
import { hasCredentials, type Metadata } from './endpoints.ts'
import { challengeParameters } from './pkce.ts'
import type { BeginOptions, EndSession, LoginRequest } from './provider.ts'
import { chooseScopes } from './scopes.ts'
import { AUTH_TIME_MAX_AGE, stepUpParameters } from './step-up.ts'

/** The address where a browser signs in, with these parameters or with a `request_uri` for them. */
export function loginAddress(metadata: Metadata, parameters: Readonly<Record<string, string>>): string {
  return withParameters(new URL(metadata.authorization_endpoint), parameters)
}

/** What a provider is asked in a sign-in (RFC 6749 §4.1.1, OpenID Connect Core 1.0 §3.1.2.1). */
export async function loginParameters(
  config: ProviderConfig,
  metadata: Metadata,
  login: LoginRequest,
  options: BeginOptions,
): Promise<Readonly<Record<string, string>>> {
  return {
    ...besides(config, options),
    response_type: 'code',
    client_id: config.clientId,
    redirect_uri: login.redirectUri,
    scope: chooseScopes(config, metadata, options.lackedRefresh ?? null).join(' '),
    state: login.state,
    nonce: login.nonce,
    ...(await challengeParameters(login.codeVerifier)),
    ...(options.wantsAuthTime === true ? { max_age: AUTH_TIME_MAX_AGE } : {}),
    ...(login.stepUp ? stepUpParameters(login.stepUp) : {}),
    ...prompts([
      config.authorizeParams.get('prompt'),
      login.stepUp ? 'login' : undefined,
      options.asksForAccount === true ? choosePrompt(metadata) : undefined,
    ]),
  }
}

/** Further parameters of the file. A hint at one account does not apply where the user wants another. */
export function besides(
  { authorizeParams }: Pick<ProviderConfig, 'authorizeParams'>,
  { asksForAccount }: BeginOptions,
): Readonly<Record<string, string>> {
  const kept = [...authorizeParams].filter(([name]) => asksForAccount !== true || name !== 'login_hint')
  return Object.fromEntries(kept)
}

/** Everything that the provider is to ask, as one parameter (OpenID Connect Core 1.0 §3.1.2.1). */
export function prompts(wanted: readonly (string | undefined)[]): { readonly prompt?: string } {
  const words = new Set(wanted.flatMap(text => text?.split(' ') ?? []))
  return words.size === 0 ? {} : { prompt: [...words].join(' ') }
}

/** Where a browser goes to sign out (OpenID Connect RP-Initiated Logout 1.0 §2); null where the provider has no such place. */
export function logoutAddress(
  { clientId }: ProviderConfig,
  { end_session_endpoint: endpoint, issuer }: Metadata,
  { idToken, returnTo, state }: EndSession,
): string | null {
  const address = typeof endpoint === 'string' ? URL.parse(endpoint) : null
  const isAllowed = address?.protocol === 'https:' || (address?.protocol === 'http:' && issuer.startsWith('http:'))
  if (address === null || !isAllowed || hasCredentials(address)) return null
  const parameters = { id_token_hint: idToken, client_id: clientId, post_logout_redirect_uri: returnTo, state }
  return withParameters(address, parameters)
}

/**
 * The address as text, with these parameters in its query: each in place of one of the same name. `address` is changed.
 */
export function withParameters(address: URL, parameters: Readonly<Record<string, string>>): string {
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value)
  return address.href
}

/** `select_account` only where it is announced; every provider has to know `login` (OpenID Connect Core §3.1.2.1). */
function choosePrompt(metadata: Metadata): string {
  const announced = metadata.prompt_values_supported
  return Array.isArray(announced) && announced.includes('select_account') ? 'select_account' : 'login'
}
