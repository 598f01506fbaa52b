/** A relying party for one provider: starts a sign-in, redeems its code, refreshes, signs out. */

import type { JWTPayload } from 'jose'
import { GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import { readRoleClaims, verifyAccessToken } from './access-token.ts'
import { loginAddress, loginParameters, logoutAddress } from './authorization-request.ts'
import { readAnswer } from './authorization-response.ts'
import { createIdentityReader, lacksGroups } from './claims.ts'
import type { Issuer } from './discovery.ts'
import type { Metadata } from './endpoints.ts'
import { ASYMMETRIC_ALGORITHMS, verifyIdToken } from './id-token.ts'
import type { Identity } from './identity.ts'
import { introspectToken } from './introspect.ts'
import { verifyLogoutToken } from './logout-token.ts'
import { refuseOwnSubject } from './own-subjects.ts'
import type { BeginOptions, EndSession, HeldTokens, LoginRequest, LoginResult, ProviderClient } from './provider.ts'
import { refreshIdentity } from './refresh.ts'
import { offlineTerms } from './scopes.ts'
import type { ExpectedToken } from './signed-token.ts'
import { checkStepUp } from './step-up.ts'
import { chooseProof } from './tokens/client-authentication.ts'
import { isPushed, pushRequest } from './tokens/pushed-request.ts'
import { grantOf, redeemCode } from './tokens/redeem.ts'
import { revokeRefreshToken } from './tokens/revoke.ts'
import { askPerson, believedClaims } from './userinfo.ts'

/** A ProviderClient for one `[providers.*]` table, on what is shared for its issuer. */
export function createProviderClient(
  config: ProviderConfig,
  issuer: Issuer,
  ports: Pick<Ports, 'now' | 'log' | 'readText'>,
): ProviderClient {
  const readIdentity = createIdentityReader(config, ports)
  const { tellOdd, tellNoGroups } = createWarnings(config, ports)
  const checkBy = createTokenCheck(config, issuer, ports)

  async function readBearer(token: string, audience: string, kind: 'access' | 'client' | 'id' | 'any') {
    return checkBy(await issuer.metadata.get(), audience, (expected, address) =>
      verifyAccessToken(token, readIdentity, expected, issuer.keys, address, kind),
    )
  }

  /** What is read of an access token itself: roles, where the file wants them as groups; null for nothing. */
  async function readRoles(metadata: Metadata, accessToken: string, subject: string) {
    if (!config.hasRoleGroups) return null
    return checkBy(metadata, config.clientId, (expected, address) =>
      readRoleClaims(accessToken, subject, expected, issuer.keys, address),
    )
  }

  return Object.freeze({
    config,
    async begin(login: LoginRequest, options: BeginOptions = {}) {
      const metadata = await issuer.metadata.get()
      const parameters = await loginParameters(config, metadata, login, options)
      if (!isPushed(config, metadata)) return loginAddress(metadata, parameters)
      const proof = await chooseProof(config, metadata, ports)
      const uri = await pushRequest({ config, metadata, proof, parameters, fetch: issuer.fetch })
      return loginAddress(metadata, { client_id: config.clientId, request_uri: uri })
    },

    async finish(answer: URLSearchParams, login: LoginRequest): Promise<LoginResult> {
      const metadata = await issuer.metadata.get()
      readAnswer(answer, metadata, login.state)
      const proof = await chooseProof(config, metadata, ports)
      // Before the code is used up.
      chooseAlgorithms(config, metadata)
      const askedAtMs = ports.now()
      const tokens = await redeemCode({ config, proof, metadata, answer, login, tellOdd, fetch: issuer.fetch })
      const { idToken, accessToken } = tokens
      const claims = await checkBy(metadata, config.clientId, (expected, address) =>
        verifyIdToken(idToken, { ...expected, nonce: login.nonce, accessToken }, issuer.keys, address),
      )
      refuseOwnSubject(claims.sub, config)
      if (login.stepUp) checkStepUp(claims, login.stepUp, ports.now())
      const userinfo = await askPerson({
        metadata,
        config,
        accessToken: tokens.accessToken,
        subject: claims.sub,
        fetch: issuer.fetch,
      })
      const roles = await readRoles(metadata, accessToken, claims.sub)
      const believed = { ...believedClaims(config, claims, userinfo), ...roles }
      const identity = readIdentity(metadata.issuer, claims.sub, believed)
      if (lacksGroups(identity)) tellNoGroups(identity)
      return {
        identity,
        access: grantOf(tokens, askedAtMs),
        idToken: tokens.idToken,
        refreshToken: tokens.refreshToken,
        offlineTerms: offlineTerms(config, metadata),
        shownAtS: shownAt(claims, login, askedAtMs),
      }
    },

    async refresh(held: HeldTokens) {
      const metadata = await issuer.metadata.get()
      const proof = await chooseProof(config, metadata, ports)
      // Before the refresh token is used up.
      chooseAlgorithms(config, metadata)
      const result = await refreshIdentity(held, {
        config,
        readIdentity,
        fetch: issuer.fetch,
        metadata,
        proof,
        checkIdToken: (idToken, accessToken) =>
          checkBy(metadata, config.clientId, (expected, address) =>
            verifyIdToken(idToken, { ...expected, nonce: null, accessToken }, issuer.keys, address),
          ),
        readRoles: (accessToken, subject) => readRoles(metadata, accessToken, subject),
        tellOdd,
        nowMs: ports.now(),
      })
      const isNews = result.kind === 'renewed' && lacksGroups(result.identity) && !lacksGroups(held.identity)
      if (isNews) tellNoGroups(held.identity)
      return result
    },

    async revoke(refreshToken: string) {
      const metadata = await issuer.metadata.get()
      if (metadata.revocation_endpoint === undefined) return
      const proof = await chooseProof(config, metadata, ports)
      await revokeRefreshToken({ config, proof, metadata, fetch: issuer.fetch }, refreshToken)
    },

    async endSession(request: EndSession) {
      return logoutAddress(config, await issuer.metadata.get(), request)
    },

    state: () => issuer.metadata.state(),

    readAccessToken: (token: string, audience: string) => readBearer(token, audience, 'access'),
    async introspect(token: string, audiences: readonly string[] | null) {
      const metadata = await issuer.metadata.get()
      const proof = await chooseProof(config, metadata, ports)
      return introspectToken({
        config,
        readIdentity,
        metadata,
        proof,
        fetch: issuer.fetch,
        token,
        audiences,
        nowMs: ports.now(),
      })
    },
    readClientToken: (token: string) => readBearer(token, config.clientId, 'client'),
    readBearerIdToken: (token: string, audience: string) =>
      readBearer(token, audience, audience === config.clientId ? 'id' : 'any'),

    async readLogoutToken(token: string) {
      return checkBy(await issuer.metadata.get(), config.clientId, (expected, address) =>
        verifyLogoutToken(token, expected, issuer.keys, address),
      )
    },
  })
}

/** What is told of a provider's answers. */
function createWarnings(config: ProviderConfig, ports: Pick<Ports, 'log'>) {
  const told = new Set<string>()
  /** Once for each member: a provider sends it with every answer. */
  function tellOdd(members: readonly string[]): void {
    const news = members.filter(name => !told.has(name))
    for (const name of news) told.add(name)
    if (news.length === 0) return
    ports.log.warn('A provider answers with tokens, but not all of that is as it has to be: this counts as absent', {
      provider: config.name,
      members: news,
      source: 'RFC 6749 §5.1',
    })
  }

  function tellNoGroups({ subject }: Identity): void {
    ports.log.error('A provider does not state the groups of a user: rules about groups do not match', {
      provider: config.name,
      subject,
      reason: 'group.unknown',
      hint: 'where they are too many for it, let it state only those that this client needs, or roles in their place; else see claims',
    })
  }

  return { tellOdd, tellNoGroups }
}

/** Checks tokens against the provider's keys and metadata; once more where these have changed. */
function createTokenCheck(config: ProviderConfig, issuer: Issuer, ports: Pick<Ports, 'now'>) {
  return async function checkBy<Token>(
    metadata: Metadata,
    clientId: string,
    check: (expected: ExpectedToken, keysAddress: string) => Promise<Token>,
  ): Promise<Token> {
    const checkAt = (stated: Metadata) => {
      const algorithms = chooseAlgorithms(config, stated)
      return check({ issuer: stated.issuer, clientId, algorithms, nowMs: ports.now() }, stated.jwks_uri)
    }
    try {
      return await checkAt(metadata)
    } catch (thrown) {
      if (!isAboutKey(thrown, config)) throw thrown
      const newer = await issuer.metadata.newer(metadata)
      if (newer === null) throw thrown
      return checkAt(newer)
    }
  }
}

/** See `LoginResult.shownAtS`. */
function shownAt({ auth_time, iat }: JWTPayload, { begunAtMs = null }: LoginRequest, askedAtMs: number): number | null {
  if (typeof auth_time === 'number') return auth_time
  if (iat === undefined) return null
  // By the provider's clock, as far as ours goes as fast.
  return begunAtMs === null ? iat : iat - Math.max(0, Math.ceil((askedAtMs - begunAtMs) / 1000))
}

/** Whether a token's key or algorithm is what failed, where a newer discovery document may tell another. */
function isAboutKey(thrown: unknown, { idTokenAlgs }: ProviderConfig): boolean {
  if (!(thrown instanceof GateError)) return false
  const { check } = thrown.facts
  return check === 'signature' || (check === 'alg' && idTokenAlgs === null)
}

/** The pinned algorithms; else the announced asymmetric ones; RS256 where nothing is announced (Core §3.1.3.7, rule 7). */
function chooseAlgorithms(config: ProviderConfig, metadata: Metadata): readonly string[] {
  const wanted = config.idTokenAlgs ?? metadata.id_token_signing_alg_values_supported ?? ['RS256']
  const usable = wanted.filter(alg => ASYMMETRIC_ALGORITHMS.includes(alg))
  if (usable.length > 0) return usable
  throw new GateError('provider.discovery', `${config.issuer} signs ID tokens in no way that can be trusted`, {
    hint: `let the provider sign with one of ${ASYMMETRIC_ALGORITHMS.join(', ')}`,
    facts: { provider: config.name, offered: wanted.map(String) },
  })
}
