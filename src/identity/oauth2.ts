/** Providers that speak OAuth 2.0 without OpenID Connect: who somebody is comes from their user endpoint. */

import { GateError, toGateError } from '../base/errors.ts'
import { isJsonObject } from '../base/json.ts'
import type { Ports } from '../base/ports.ts'
import type { OAuth2Config } from '../config/keys/oauth2.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import { besides, prompts, withParameters } from './authorization-request.ts'
import { readAnswer } from './authorization-response.ts'
import { createIdentityReader } from './claims.ts'
import type { Metadata } from './endpoints.ts'
import { bareError, type ProviderFetch } from './http.ts'
import type { Identity } from './identity.ts'
import { refuseOwnSubject } from './own-subjects.ts'
import { challengeParameters } from './pkce.ts'
import type {
  BeginOptions,
  HeldTokens,
  LoginRequest,
  LoginResult,
  ProviderClient,
  ProviderState,
  RefreshResult,
} from './provider.ts'
import { refuseStepUp } from './step-up.ts'
import { bySecret, type ClientProof } from './tokens/client-authentication.ts'
import { grantOf, redeemPlainCode, redeemRefreshToken } from './tokens/redeem.ts'
import { unavailable } from './tokens/token-endpoint.ts'
import { personClaims } from './userinfo.ts'

export type OAuth2Provider = ProviderConfig & { readonly oauth2: OAuth2Config }

/** Narrowed, so that nothing else need ask. */
export function isOAuth2Provider(config: ProviderConfig): config is OAuth2Provider {
  return config.oauth2 !== null
}

/**
 * A ProviderClient for a provider without OpenID Connect. The user's identity comes from its user endpoint, over TLS,
 * for the access token of this code.
 *
 * No answer is signed or names its provider. So each provider has a separate callback, to which the sign-in is bound
 * (RFC 9700 §4.4.2.2), and an `iss` in the answer is ignored. The provider does not say when or how the user signed
 * in: a sign-in that needs that is refused before it starts.
 *
 * Source: RFC 6749 §4.1, RFC 7636; RFC 9700 §2.1.
 */
export function createOAuth2Client(
  config: OAuth2Provider,
  fetch: ProviderFetch,
  ports: Pick<Ports, 'now' | 'log'>,
): ProviderClient {
  const { authorizationEndpoint, tokenEndpoint } = config.oauth2
  const metadata: Metadata = {
    issuer: config.issuer,
    authorization_endpoint: authorizationEndpoint,
    token_endpoint: tokenEndpoint,
    jwks_uri: '',
  }
  const scopes = config.scopes ?? []
  const tellOdd = () => {}
  const readIdentity = createIdentityReader(config, ports)
  let state: ProviderState = { kind: 'unasked' }

  /** Keeps in mind whether it answers. */
  async function asked<T>(answer: Promise<T>): Promise<T> {
    try {
      const result = await answer
      state = { kind: 'answers', atMs: ports.now() }
      return result
    } catch (thrown) {
      const isDown = thrown instanceof GateError && thrown.code === 'provider.down'
      if (!isDown) state = { kind: 'answers', atMs: ports.now() }
      else if (state.kind !== 'fails') state = { kind: 'fails', sinceMs: ports.now() }
      throw thrown
    }
  }

  async function identify(accessToken: string): Promise<Identity> {
    const person = await readPerson({ config, scopes, accessToken, fetch })
    const subject = subjectOf(person, config.oauth2.subject)
    if (subject === null) {
      throw new GateError('provider.userinfo', `the user endpoint of ${config.name} does not say who this is`, {
        hint: 'claims = { sub = "…" } names the member that identifies a user for good: a text or a whole number',
        facts: { provider: config.name, check: 'sub', member: config.oauth2.subject },
      })
    }
    refuseOwnSubject(subject, config)
    return readIdentity(config.issuer, subject, personClaims(person, subject))
  }

  async function signIn(answer: URLSearchParams, login: LoginRequest): Promise<LoginResult> {
    const own = new URLSearchParams(answer)
    own.delete('iss')
    readAnswer(own, metadata, login.state)
    const askedAtMs = ports.now()
    const proof = proofOf(config)
    const tokens = await redeemPlainCode({ config, proof, metadata, answer: own, login, tellOdd, fetch })
    return {
      identity: await identify(tokens.accessToken),
      access: grantOf(tokens, askedAtMs),
      idToken: '',
      refreshToken: tokens.refreshToken,
      offlineTerms: null,
      shownAtS: null,
    }
  }

  async function refresh({ identity, idToken, refreshToken }: HeldTokens): Promise<RefreshResult> {
    const askedAtMs = ports.now()
    const proof = proofOf(config)
    const tokens = await redeemRefreshToken({ config, proof, metadata, tellOdd, fetch }, refreshToken)
    if (tokens.kind === 'refused') return { kind: 'ended', reason: 'refused', says: tokens.says }
    if (tokens.kind === 'lost') return tokens
    const next = tokens.refreshToken
    try {
      const fresh = await identify(tokens.accessToken)
      if (fresh.subject !== identity.subject) return { kind: 'ended', reason: 'other_subject', refreshToken: next }
      return { kind: 'renewed', identity: fresh, access: grantOf(tokens, askedAtMs), idToken, refreshToken: next }
    } catch (thrown) {
      const failure = toGateError(thrown)
      // Somebody with this subject may not sign in either.
      if (failure.code === 'provider.subject') return { kind: 'ended', reason: 'other_subject', refreshToken: next }
      return { kind: 'unclear', refreshToken: next, failure }
    }
  }

  return Object.freeze({
    config,
    async begin(login: LoginRequest, options: BeginOptions = {}) {
      if (login.stepUp) refuseStepUp(login.stepUp, config.name)
      return withParameters(new URL(authorizationEndpoint), {
        ...besides(config, options),
        response_type: 'code',
        client_id: config.clientId,
        redirect_uri: login.redirectUri,
        ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
        state: login.state,
        ...(await challengeParameters(login.codeVerifier)),
        ...prompts([
          config.authorizeParams.get('prompt'),
          options.asksForAccount === true ? OTHER[config.oauth2.dialect] : undefined,
        ]),
      })
    },
    async finish(answer: URLSearchParams, login: LoginRequest) {
      if (login.stepUp) refuseStepUp(login.stepUp, config.name)
      return asked(signIn(answer, login))
    },
    refresh: (held: HeldTokens) => asked(refresh(held)),
    // There is no discovery, so the endpoint is unknown.
    revoke: async () => {},
    endSession: async () => null,
    readLogoutToken: async () => {
      throw new GateError('provider.logout_token', 'a provider by OAuth 2.0 signs no logout tokens')
    },
    readAccessToken: noBearer,
    introspect: noBearer,
    readClientToken: noBearer,
    readBearerIdToken: noBearer,
    state: () => state,
  })
}

/** The parameter that makes each provider ask for the account. Discord has none, but always asks first. */
const OTHER = { github: 'select_account', plain: 'select_account', discord: 'consent' } as const

async function noBearer(): Promise<never> {
  throw new GateError('access.token', 'a provider by OAuth 2.0 signs no tokens')
}

/** Parameters are what GitHub and Discord document; any other has to know Basic (RFC 6749 §2.3.1). */
function proofOf({ clientAuth, clientSecret, oauth2 }: OAuth2Provider): ClientProof {
  const usual = oauth2.dialect === 'plain' ? 'client_secret_basic' : 'client_secret_post'
  const bySort = clientSecret === null ? 'none' : usual
  const method = clientAuth === null || clientAuth === 'private_key_jwt' ? bySort : clientAuth
  return { method, prove: bySecret(method, clientSecret ?? '') }
}

/** How somebody is asked about. */
interface PersonRequest {
  readonly config: ProviderConfig & { readonly oauth2: OAuth2Config }
  readonly scopes: readonly string[]
  readonly accessToken: string
  readonly fetch: ProviderFetch
}

type Person = Readonly<Record<string, unknown>>

/**
 * The claims of the user endpoint for this access token, in the provider's own names. A preset adds claims from other
 * endpoints: `email` and `email_verified` from GitHub's list of addresses, `groups` from its organizations and teams,
 * or from Discord's servers. `groups` is null where it is unknown.
 *
 * Throws `provider.down`, and `provider.userinfo` for any other answer, such as a redirect.
 */
async function readPerson(request: PersonRequest): Promise<Person> {
  const { dialect, userEndpoint } = request.config.oauth2
  const said = await ask(request, userEndpoint, true)
  if (!isJsonObject(said)) throw unusable(request, 200)
  switch (dialect) {
    case 'plain':
      return said
    case 'github':
      return { ...said, ...(await githubEmail(request)), groups: await githubGroups(request) }
    case 'discord':
      return { ...said, groups: await discordGroups(request) }
  }
}

/** The subject that a person's own member holds: a text, or a whole number; null for anything else, which could be two people's. */
function subjectOf(person: Person, name: string): string | null {
  const value = Object.hasOwn(person, name) ? person[name] : undefined
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : null
  return typeof value === 'string' && value !== '' && value.length <= MAX_SUBJECT_LENGTH ? value : null
}

const MAX_SUBJECT_LENGTH = 255

/** The first address, where GitHub says that it is this account's and verified; none where it may not be asked. */
async function githubEmail(request: PersonRequest): Promise<Person> {
  const none = { email: null, email_verified: false }
  if (!request.scopes.some(scope => scope === 'user' || scope === 'user:email')) return none
  const list = await ask(request, `${request.config.oauth2.userEndpoint}/emails`)
  if (list === null) return none
  const primary = rows(request, list).find(row => row.primary === true)
  return typeof primary?.email === 'string' ? { email: primary.email, email_verified: primary.verified === true } : none
}

/** `acme` for an organization, `acme/ops` for a team of it. */
async function githubGroups(request: PersonRequest): Promise<readonly string[] | null> {
  if (!request.scopes.some(scope => /^(?:read|write|admin):org$/.test(scope))) return null
  const { userEndpoint } = request.config.oauth2
  const orgs = await askAll(request, `${userEndpoint}/orgs`)
  const teams = await askAll(request, `${userEndpoint}/teams`)
  if (orgs === null || teams === null) return null
  return [
    ...orgs.map(({ login }) => text(request, login)),
    ...teams.map(({ slug, organization }) => {
      return `${text(request, isJsonObject(organization) ? organization.login : null)}/${text(request, slug)}`
    }),
  ]
}

/** The ids of servers: their owners can give them any name. */
async function discordGroups(request: PersonRequest): Promise<readonly string[] | null> {
  if (!request.scopes.includes('guilds')) return null
  const list = await ask(request, `${request.config.oauth2.userEndpoint}/guilds`)
  return list === null ? null : rows(request, list).map(({ id }) => text(request, id))
}

const PER_PAGE = 100
const MOST_PAGES = 10

/** Every row of a list that comes by pages. More than are ever asked for are refused: half a list says nothing of who is not in it. */
async function askAll(request: PersonRequest, address: string): Promise<readonly Person[] | null> {
  const all: Person[] = []
  for (let page = 1; page <= MOST_PAGES; page++) {
    const list = await ask(request, `${address}?per_page=${PER_PAGE}&page=${page}`)
    if (list === null) return null
    const found = rows(request, list)
    all.push(...found)
    if (found.length < PER_PAGE) return all
  }
  throw unusable(request, 200)
}

/** The answer at an address; null where this token may not ask there, unless it has to. The token goes nowhere else: no redirect is followed. */
async function ask(request: PersonRequest, address: string, isNeeded = false): Promise<unknown> {
  const headers = { accept: 'application/json', authorization: `Bearer ${request.accessToken}` }
  const response = await request.fetch(address, { headers })
  const { status } = response
  if (status >= 500 || status === 429 || isRateLimited(response)) throw unavailable(address, status)
  if (!isNeeded && (status === 403 || status === 404)) return null
  if (status !== 200) throw unusable(request, status)
  try {
    return await response.json()
  } catch (thrown) {
    throw unusable(request, status, thrown)
  }
}

/** Whether a 403 is about how often was asked, and not about what this token may see (GitHub, "Rate limits for the REST API"). */
function isRateLimited({ status, headers }: Response): boolean {
  return status === 403 && (headers.has('retry-after') || headers.get('x-ratelimit-remaining') === '0')
}

function rows(request: PersonRequest, list: unknown): readonly Person[] {
  if (!Array.isArray(list) || !list.every(isJsonObject)) throw unusable(request, 200)
  return list
}

function text(request: PersonRequest, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw unusable(request, 200)
  return value
}

function unusable({ config }: PersonRequest, status: number, thrown?: unknown): GateError {
  return new GateError('provider.userinfo', `the user endpoint of ${config.name} gave no usable answer`, {
    hint: 'it has to answer with JSON, to whom has the access token alone; see user_endpoint, and the scopes of the client',
    facts: { provider: config.name, status },
    ...(thrown === undefined ? {} : { cause: bareError(thrown) }),
  })
}
