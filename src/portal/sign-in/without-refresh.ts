import { errorFacts, GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/types/providers.ts'
import type { LoginResult } from '../../identity/provider.ts'
import type { Sessions } from '../../session/session.ts'
import type { PortalRequest } from '../portal.ts'

interface Tools {
  readonly ports: Pick<Ports, 'log'>
  readonly sessions: Pick<Sessions, 'noteLackedRefresh'>
}

/**
 * Of a sign-in that brought no refresh token, where one is wanted: the log says that its provider is not asked again, and sign-ins from now
 * on ask for `offline_access` where the provider lists it. Throws `session.store`.
 */
export async function tellWithoutRefresh(
  { portal, requestId }: PortalRequest,
  { ports, sessions }: Tools,
  provider: ProviderConfig,
  { identity, offlineTerms }: Pick<LoginResult, 'identity' | 'offlineTerms'>,
): Promise<void> {
  if (portal.lifetimes.refreshMs === null) return
  const isNews = offlineTerms !== null && (await sessions.noteLackedRefresh(provider, offlineTerms))
  const next = isNews ? 'the next one asks for offline_access, which the provider lists' : 'it lasts for its lifetime'
  ports.log[isNews ? 'warn' : 'info'](
    `A sign-in brought no refresh token, so that its provider is not asked again about it: ${next}`,
    {
      id: requestId,
      provider: provider.name,
      subject: identity.subject,
      ...(isNews ? {} : { hint: hintFor(provider, offlineTerms) }),
    },
  )
}

function hintFor({ scopes }: ProviderConfig, offlineTerms: string | null): string {
  if (scopes !== null && !scopes.includes('offline_access')) {
    return 'add "offline_access" to scopes, if the provider knows that scope; refresh = "off" in the portal asks for none'
  }
  return offlineTerms === null
    ? 'let the provider give this client refresh tokens; refresh = "off" in the portal asks for none'
    : 'let the provider give this client refresh tokens, for offline_access or without; refresh = "off" in the portal asks for none'
}

/** What a provider says where `offline_access` is not for this client or this person: RFC 6749 §4.1.2.1, and Keycloak at its token endpoint. */
const OF_OFFLINE: ReadonlySet<unknown> = new Set(['invalid_scope', 'not_allowed'])

/** Whether a sign-in that asked for `offline_access` failed by that. */
export function isAboutOffline(thrown: unknown): thrown is GateError {
  if (!(thrown instanceof GateError)) return false
  const isAnswer =
    thrown.code === 'provider.request' || thrown.code === 'provider.refused' || thrown.code === 'provider.token'
  return isAnswer && OF_OFFLINE.has(thrown.facts.provider_error)
}

/**
 * A browser could say so too, of its own sign-in: nothing is kept of it, and the same sign-in begins without.
 */
export function tellOfflineRefused(
  { requestId }: PortalRequest,
  { ports }: Pick<Tools, 'ports'>,
  provider: ProviderConfig,
  failure: GateError,
): void {
  ports.log.warn('The provider does not take offline_access, though it lists it: this sign-in begins again without', {
    id: requestId,
    provider: provider.name,
    ...errorFacts(failure),
    hint: 'allow that scope for this client there, or write scopes in the provider’s table without it',
  })
}
