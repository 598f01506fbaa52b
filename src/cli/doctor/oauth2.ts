import { toGateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/types/providers.ts'
import type { OAuth2Provider } from '../../identity/oauth2/client.ts'
import { createProviderPool } from '../../identity/pool.ts'
import type { LoginRequest } from '../../identity/provider.ts'
import { bad, type Finding, good, warning } from './finding.ts'
import { examineHttps } from './network.ts'

/** A sign-in that nobody began; its texts are of the length that RFC 7636 §4.1 asks for. */
const INVENTED: Omit<LoginRequest, 'redirectUri'> = {
  state: 'sallyport-doctor',
  nonce: '',
  codeVerifier: 'sallyport-doctor'.repeat(3),
}

/** Whether people could sign in at a provider by OAuth 2.0, as far as it can be asked: it has no discovery, and its callbacks cannot be. */
export async function examineOAuth2(
  provider: OAuth2Provider,
  callbacks: readonly string[],
  ports: Pick<Ports, 'now' | 'ask' | 'resolve' | 'proxyFor' | 'log' | 'readText'>,
): Promise<readonly Finding[]> {
  const { authorizationEndpoint, tokenEndpoint, userEndpoint } = provider.oauth2
  const origins = new Set([authorizationEndpoint, tokenEndpoint, userEndpoint].map(address => new URL(address).origin))
  const ways = await Promise.all(
    [...origins].map(origin =>
      examineHttps(new URL(origin), ports.now(), { ca: provider.ca, proxyFor: ports.proxyFor }),
    ),
  )
  const [callback] = callbacks
  return [
    ...ways.flat(),
    ...(callback === undefined ? [] : [await examineClient(provider, callback, ports)]),
    ...callbacks.map(address =>
      good(`is to come back to ${address}: exactly this has to be registered for the client there`),
    ),
    ...examineGroups(provider),
  ]
}

/** Asked by redeeming a code that nobody issued. */
async function examineClient(
  provider: OAuth2Provider,
  redirectUri: string,
  ports: Pick<Ports, 'now' | 'ask' | 'resolve' | 'log' | 'readText'>,
): Promise<Finding> {
  const what = provider.clientSecret === null ? 'client_id' : 'client_id and client_secret'
  const answer = new URLSearchParams({ code: 'sallyport-doctor', state: INVENTED.state })
  try {
    await createProviderPool(ports)
      .client(provider)
      .finish(answer, { ...INVENTED, redirectUri })
    return bad('gives tokens for a code that nobody issued', 'this is no provider that anybody could trust')
  } catch (thrown) {
    const { code, facts, message, hint } = toGateError(thrown)
    if (code !== 'provider.token') return bad(`cannot be asked for tokens: ${message}`, hint ?? 'see token_endpoint')
    const says = facts.provider_error === undefined ? '' : ` (${String(facts.provider_error)})`
    if (facts.wrong === 'code') return good(`takes ${what}`)
    if (facts.is_about === 'client') return bad(`refuses ${what}${says}`, 'copy both from the provider again')
    return warning(`does not say whether it takes ${what}${says}`, 'sign in once, and look at the log')
  }
}

/** What each preset needs to be asked, before it says anything of groups. */
const GROUP_SCOPES: Readonly<Record<OAuth2Provider['oauth2']['dialect'], string | null>> = {
  plain: null,
  github: 'read:org',
  discord: 'guilds',
}

function examineGroups({ oauth2, scopes }: Pick<OAuth2Provider, 'oauth2'> & Pick<ProviderConfig, 'scopes'>): Finding[] {
  const needed = GROUP_SCOPES[oauth2.dialect]
  if (needed === null || scopes === null || scopes.includes(needed)) return []
  return [warning('is not asked for groups: no rule about them holds', `add "${needed}" to scopes, if any is to`)]
}
