import { errorFacts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderPool } from '../../identity/provider.ts'
import type { Sessions } from '../../session/session.ts'
import type { PortalRequest } from '../portal.ts'

interface RevokeTools {
  readonly ports: Pick<Ports, 'log'>
  readonly sessions: Pick<Sessions, 'describe' | 'secretsOf'>
  readonly pool: ProviderPool
}

/** A refresh token of a session that ends, with the provider that gave it. */
interface HeldToken {
  readonly provider: string
  readonly issuer: string
  readonly refreshToken: string
}

/** The refresh tokens of these sessions, while there still are any, as far as the store can be read. */
export async function heldBy(
  ctx: PortalRequest,
  tools: Omit<RevokeTools, 'pool'>,
  sessionIds: readonly string[],
): Promise<readonly HeldToken[]> {
  const held: HeldToken[] = []
  const { sessions } = tools
  await unlessUnread(ctx, tools, async () => {
    for (const id of sessionIds) {
      const [entry, secrets] = await Promise.all([sessions.describe(id), sessions.secretsOf(id)])
      const refreshToken = secrets?.refreshToken ?? null
      if (entry === null || refreshToken === null) continue
      const { provider, issuer } = entry.session.identity
      held.push({ provider, issuer, refreshToken })
    }
  })
  return held
}

/**
 * What is read of a session that is to end, for its provider; null where the store cannot be read. That keeps no end from being asked for: one
 * that fails is owed, and one that was never asked for is forgotten.
 */
export async function unlessUnread<Read>(
  { requestId }: PortalRequest,
  { ports }: Pick<RevokeTools, 'ports'>,
  read: () => Promise<Read>,
): Promise<Read | null> {
  try {
    return await read()
  } catch (thrown) {
    const facts = { id: requestId, ...errorFacts(thrown) }
    ports.log.warn('Someone signs out here, but what their provider keeps could not be read', facts)
    return null
  }
}

/**
 * Has the providers forget them, for sessions that somebody signed out of: nothing else ends what a provider keeps for us without a browser.
 *
 * Nobody waits for it. What a provider does not forget is in the log, and of no use here any more.
 *
 * Absent on purpose: a session in whose place the same browser has signed in again, since at Keycloak both hang on one session there, and
 * what a provider itself has ended.
 */
export function revokeHeld(
  { providers, requestId }: PortalRequest,
  { ports, pool }: Omit<RevokeTools, 'sessions'>,
  held: readonly HeldToken[],
): void {
  for (const { provider: name, issuer, refreshToken } of held) {
    const provider = providers.get(name)
    if (provider === undefined || provider.issuer !== issuer) continue
    pool
      .client(provider)
      .revoke(refreshToken)
      .catch((thrown: unknown) => {
        ports.log.warn('Someone signed out here, but their refresh token could not be revoked at the provider', {
          id: requestId,
          provider: name,
          ...errorFacts(thrown),
        })
      })
  }
}
