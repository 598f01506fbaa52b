/** Bearer tokens of providers (RFC 9068): checks them, and remembers the good ones. */

import { sha256 } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { AccessToken } from '../../identity/access-token.ts'
import { isOpaqueForUs } from '../../identity/introspect.ts'
import { peekToken } from '../../identity/logout-token.ts'
import type { ProviderPool } from '../../identity/provider.ts'
import { accessSession } from '../../session/credentials/credential-sessions.ts'
import type { SessionDirectories } from '../../session/scim/directories.ts'
import { inactiveOwner } from '../../session/scim/inactive.ts'
import type { AccessKind, Session } from '../../session/session.ts'
import { type ChargeQuestion, createOpaqueTokens, type TokenFinder } from './opaque-tokens.ts'

interface Known {
  readonly session: Session
  /** The provider table of the check: when a file changes it, the token is checked again. */
  readonly provider: ProviderConfig
}

const BEARER = /^bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)$/i

/** Only good tokens are remembered; the oldest makes room. */
const MOST = 10_000

/**
 * Access tokens of providers, checked once and cached until they expire. A malformed token costs a decoding, and a
 * forged one a signature check. Invented key ids cause at most one request for keys in ten seconds.
 */
export function createAccessTokens(
  pool: ProviderPool,
  ports: Pick<Ports, 'now' | 'random'>,
  directories: Pick<SessionDirectories, 'isBarred' | 'isBarredNow' | 'see'>,
  charge: ChargeQuestion,
): TokenFinder {
  const known = new Map<string, Known>()
  const ofAsked = { admit: (portal: string, said: AccessToken) => admit(portal, said, 'asked'), review }
  const opaque = createOpaqueTokens(pool, ports, ofAsked, charge)

  return {
    find(authorization, portal, providers, audiences, clientAddress) {
      const token = BEARER.exec(authorization)?.[1]
      if (token === undefined) return opaque.find(authorization, portal, providers, audiences, clientAddress)
      // A token for one route is cached only for routes of the same audience.
      const key = `${portal} ${audiences?.join(' ') ?? ''} ${sha256(token)}`
      const before = known.get(key)
      if (before !== undefined) {
        if (ports.now() < before.session.expiresAtMs && providers.includes(before.provider)) return recall(key, before)
        known.delete(key)
      }
      const said = peekToken(token)
      const addressee = said === null ? null : findAddressee(said, providers, audiences)
      return addressee === null ? null : check(token, key, portal, addressee)
    },
  }

  function read(token: string, { provider, audience, kind }: Addressee): Promise<AccessToken> {
    const client = pool.client(provider)
    switch (kind) {
      case 'audience':
        return client.readAccessToken(token, audience)
      case 'client':
        return client.readClientToken(token)
      case 'id':
        return client.readBearerIdToken(token, audience)
    }
  }

  /** One that was checked before, as its holder counts by now. */
  function recall(key: string, before: Known): Session {
    const session = review(before.session)
    if (session !== before.session) known.set(key, { ...before, session })
    return session
  }

  function review(before: Session): Session {
    const { identity } = before
    if (directories.isBarred(identity)) throw inactiveOwner(identity)
    const seen = directories.see(identity)
    return seen === identity ? before : Object.freeze({ ...before, identity: seen })
  }

  async function admit(portal: string, said: AccessToken, by: AccessKind): Promise<Session> {
    if (await directories.isBarredNow(said.identity)) throw inactiveOwner(said.identity)
    return accessSession(portal, { ...said, identity: directories.see(said.identity) }, by, ports.random)
  }

  async function check(token: string, key: string, portal: string, addressee: Addressee): Promise<Session> {
    const { provider, kind } = addressee
    const session = await admit(portal, await read(token, addressee), kind)
    if (known.size >= MOST) for (const oldest of known.keys()) if (known.delete(oldest)) break
    known.set(key, { session, provider })
    return session
  }
}

/** Whose token it would be, and whom it is for: one of our audiences, or the client itself, as an access token or an ID token. */
interface Addressee {
  readonly provider: ProviderConfig
  readonly audience: string
  readonly kind: Exclude<AccessKind, 'asked'>
}

/**
 * Whether an access token by which somebody came would be taken now, by these tables of providers and for these audiences (as
 * `TokenFinder.find` has them). It is as good as it was then.
 */
export function isStillTaken(
  { identity, access }: Pick<Session, 'identity' | 'access'>,
  providers: readonly ProviderConfig[],
  audiences: readonly string[] | null,
): boolean {
  const own = providers.find(({ name, issuer }) => name === identity.provider && issuer === identity.issuer)
  if (access === undefined || own === undefined) return false
  if (access.by === 'asked')
    return own.accessTokens?.introspects === true && isOpaqueForUs(own, audiences, access.audiences)
  const now = findAddressee({ issuer: own.issuer, audiences: access.audiences }, [own], audiences)
  return now?.kind === access.by
}

/** The provider that a token names as its issuer, where it is addressed to us. Nothing is proven by that. */
function findAddressee(
  said: { readonly issuer: string; readonly audiences: readonly unknown[] },
  providers: readonly ProviderConfig[],
  audiences: readonly string[] | null,
): Addressee | null {
  for (const provider of providers) {
    const { issuer, accessTokens, idTokenClients, clientId } = provider
    if (issuer !== said.issuer) continue
    const wanted = accessTokens === null ? [] : (audiences ?? accessTokens.audiences)
    const audience = wanted.find(one => said.audiences.includes(one))
    if (audience !== undefined) return { provider, audience, kind: 'audience' }
    // A token for the client is for every route without its own audience.
    if (audiences !== null) continue
    const client = idTokenClients.find(one => said.audiences.includes(one))
    if (client !== undefined) return { provider, audience: client, kind: 'id' }
    if (!said.audiences.includes(clientId)) continue
    if (accessTokens?.takesClientAudience === true) return { provider, audience: clientId, kind: 'client' }
  }
  return null
}
