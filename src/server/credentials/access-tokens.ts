import { sha256 } from '../../base/bytes.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/types/providers.ts'
import { peekToken } from '../../identity/logout-token.ts'
import type { ProviderPool } from '../../identity/provider.ts'
import { accessSession } from '../../session/credentials/credential-sessions.ts'
import type { Session } from '../../session/session.ts'

/** Access tokens of providers, checked once and remembered until they expire. */
export interface AccessTokens {
  /**
   * Whom an Authorization field stands for at a portal; null where it holds no token of these providers that is addressed to us:
   * it is then the application's own business. Throws `access.token`, `provider.down`.
   */
  find(authorization: string, portal: string, providers: readonly ProviderConfig[]): MaybePromise<Session | null>
}

interface Known {
  readonly session: Session
  /** The table that it was checked by: a file that changes it has the token checked anew. */
  readonly provider: ProviderConfig
}

const BEARER = /^bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)$/i

/** Only good tokens are remembered; the oldest makes room. */
const MOST = 10_000

/**
 * A cache over the providers' clients. One that cannot be good costs a decoding, one that is forged a signature; keys are asked
 * for at most once a minute, whatever ids are made up.
 */
export function createAccessTokens(pool: ProviderPool, ports: Pick<Ports, 'now' | 'random'>): AccessTokens {
  const known = new Map<string, Known>()

  return {
    find(authorization, portal, providers) {
      const token = BEARER.exec(authorization)?.[1]
      if (token === undefined) return null
      const key = `${portal} ${sha256(token)}`
      const before = known.get(key)
      if (before !== undefined) {
        if (ports.now() < before.session.expiresAtMs && providers.includes(before.provider)) return before.session
        known.delete(key)
      }
      const addressee = findAddressee(token, providers)
      return addressee === null ? null : check(token, key, portal, addressee)
    },
  }

  async function check(
    token: string,
    key: string,
    portal: string,
    { provider, audience }: Addressee,
  ): Promise<Session> {
    const client = pool.client(provider)
    const said = audience === null ? client.readBearerIdToken(token) : client.readAccessToken(token, audience)
    const session = accessSession(portal, await said, ports.random)
    if (known.size >= MOST) for (const oldest of known.keys()) if (known.delete(oldest)) break
    known.set(key, { session, provider })
    return session
  }
}

/** Whose token it would be, and the audience that it is for; null: the client itself. */
interface Addressee {
  readonly provider: ProviderConfig
  readonly audience: string | null
}

/** The provider that a token names as its issuer, where it is addressed to us. Nothing is proven by that. */
function findAddressee(token: string, providers: readonly ProviderConfig[]): Addressee | null {
  const said = peekToken(token)
  if (said === null) return null
  for (const provider of providers) {
    const { issuer, accessTokens, takesIdTokens, clientId } = provider
    if (issuer !== said.issuer) continue
    const audience = accessTokens?.audience ?? null
    if (audience !== null && said.audiences.includes(audience)) return { provider, audience }
    if (takesIdTokens && said.audiences.includes(clientId)) return { provider, audience: null }
  }
  return null
}
