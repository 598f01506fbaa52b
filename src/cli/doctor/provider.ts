/** Whether a provider lets people sign in: its discovery, keys, client and callbacks. */

import { errorFacts, toGateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { PortalConfig } from '../../config/resolve/portals.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { fixOf } from '../../identity/authorization-response.ts'
import { ruleTrust } from '../../identity/claim-trust.ts'
import { ASYMMETRIC_ALGORITHMS } from '../../identity/id-token.ts'
import { isOAuth2Provider, type OAuth2Provider } from '../../identity/oauth2.ts'
import { createProviderPool } from '../../identity/pool.ts'
import type { Answered } from '../../identity/probe/callback.ts'
import { type ClientAnswered, type Probe, probeProvider } from '../../identity/probe/probe.ts'
import type { LoginRequest } from '../../identity/provider.ts'
import { compilePolicy } from '../../policy/policy.ts'
import { type AskedOfSignIn, askedOfProvider, UNSTATED_HINT, unstatedClaims } from '../../policy/required-claims.ts'
import { compileRoles } from '../../policy/roles.ts'
import { callbackPathFor, ownPath } from '../../portal/paths.ts'
import { bad, type Finding, good, type Section, unseen, warning } from './finding.ts'
import { examineHttps } from './network.ts'

/** What ID tokens may be off by (OpenID Connect Core §3.1.3.7 leaves it to us). */
const MAX_SKEW_MS = 60_000

/** The providers that can be asked anything: a file of users cannot. */
export function askedProviders({ providers }: Config): readonly ProviderConfig[] {
  return [...providers.values()].filter(({ users }) => users === null)
}

/** Whether people could sign in at a provider, and what would be in the way. */
export async function examineProvider(
  provider: ProviderConfig,
  config: Config,
  ports: Pick<Ports, 'now' | 'ask' | 'resolve' | 'proxyFor' | 'log' | 'readText'>,
): Promise<Section> {
  const about = `provider "${provider.name}", ${provider.issuer}`
  const portals = [...config.portals.values()].filter(({ providers }) => providers.includes(provider.name))
  const callbacks = addressesOf(portals, config, portal => callbackPathFor(portal, provider))
  const signedOut = addressesOf(
    portals.filter(({ providerLogout }) => providerLogout),
    config,
    () => ownPath('signed-out'),
  )
  if (isOAuth2Provider(provider)) return { about, findings: await examineOAuth2(provider, callbacks, ports) }
  const transport = await examineWays(provider, ports)
  let probe: Probe
  try {
    probe = await probeProvider(provider, ports)
  } catch (error) {
    return { about, findings: [...transport, failed('does not answer discovery', error)] }
  }
  const findings = [
    ...transport,
    good('answers discovery, and is the issuer that the file names'),
    ...examineClock(probe),
    await examineKeys(probe),
    ...(await examineClient(probe, provider, callbacks)),
    ...(portals.some(({ lifetimes }) => lifetimes.refreshMs !== null) ? await examineOffline(probe, callbacks) : []),
    ...examineScopes(probe, provider, portals),
    ...examineEmails(probe, provider, rulesOn(portals, config)),
    ...examineAbilities(probe, provider, portals),
    ...(await examineSignOut(probe, signedOut)),
    ...examineUnseen(probe, provider),
    ...examineClaims(probe, askedOfProvider(config, provider.name)),
  ]
  return { about, findings }
}

/** Where users go, and where Sallyport sends requests: with `internal_url`, only browsers need the former. */
async function examineWays(
  { issuer, internalUrl, ca }: ProviderConfig,
  { now, proxyFor }: Pick<Ports, 'now' | 'proxyFor'>,
): Promise<readonly Finding[]> {
  const people = await examineHttps(new URL(issuer), now(), { ca, proxyFor })
  if (internalUrl === null) return people
  const inside = new URL(internalUrl)
  const isSeen = inside.protocol === 'https:' || (proxyFor?.(internalUrl) ?? null) !== null
  const own = isSeen ? await examineHttps(inside, now(), { ca, proxyFor }) : []
  const plain = inside.protocol === 'https:' ? '' : ', over plain HTTP: no other program may be in that network'
  return [
    ...people.map(found =>
      found.grade === 'bad'
        ? warning(`for people: ${found.what}`, `${found.hint}; what is asked from here does not go there`)
        : found,
    ),
    ...own,
    good(`is asked at ${internalUrl} (internal_url)${plain}`),
  ]
}

/** Where somebody begins to sign in at a provider, each place once. */
export function signInPlaces({ name }: ProviderConfig, config: Config): readonly string[] {
  const portals = [...config.portals.values()].filter(({ providers }) => providers.includes(name))
  return addressesOf(portals, config, () => `${ownPath('login')}?provider=${encodeURIComponent(name)}`)
}

/** Addresses of portals, each once. */
function addressesOf(
  portals: readonly PortalConfig[],
  config: Config,
  pathOf: (portal: PortalConfig) => string,
): readonly string[] {
  return [...new Set(portals.flatMap(portal => addressesIn(portal, config, pathOf(portal))))]
}

/** Those of one portal: its own, or one for each host that it is mounted on. */
function addressesIn(portal: PortalConfig, config: Config, path: string): readonly string[] {
  if (portal.url !== null) return [`${portal.url.scheme}://${portal.url.authority}${path}`]
  const { before, after } = comingBy(portal, config)
  return config.routes
    .filter(route => route.portal === portal.name && !route.host.startsWith('*.'))
    .map(route => `${before}${route.host}${after}${path}`)
}

/** What stands around a host where browsers come: by our own port, unless somebody in front has one. */
function comingBy({ insecureCookies }: PortalConfig, { server, tls }: Config): { before: string; after: string } {
  const plain = server.trustedProxies.length > 0 ? undefined : server.listen.find(({ kind }) => kind === 'tcp')
  const ours = insecureCookies ? (plain?.kind === 'tcp' ? plain.port : 80) : (tls?.publicPort ?? 443)
  const isUsual = ours === 0 || ours === (insecureCookies ? 80 : 443)
  return { before: insecureCookies ? 'http://' : 'https://', after: isUsual ? '' : `:${ours}` }
}

function examineClock({ clockAheadMs }: Probe): readonly Finding[] {
  if (clockAheadMs === null) return []
  const seconds = Math.abs(clockAheadMs) / 1000
  if (Math.abs(clockAheadMs) <= MAX_SKEW_MS / 2) return [good('has the same time as this machine')]
  const what = `says that this machine's clock is ${seconds} s ${clockAheadMs > 0 ? 'ahead' : 'behind'}`
  const hint = 'set the clocks of both machines by NTP: beyond 60 s no sign-in is taken'
  return [Math.abs(clockAheadMs) > MAX_SKEW_MS ? bad(what, hint) : warning(what, hint)]
}

async function examineKeys(probe: Probe): Promise<Finding> {
  try {
    await probe.askKeys()
    return good('hands out its signing keys')
  } catch (error) {
    return failed('does not hand out its signing keys', error)
  }
}

function examineScopes({ metadata }: Probe, provider: ProviderConfig, portals: readonly PortalConfig[]): Finding[] {
  const offered = metadata.scopes_supported
  const missing = (provider.scopes ?? []).filter(scope => offered !== undefined && !offered.includes(scope))
  const findings: Finding[] = []
  if (missing.length > 0) {
    findings.push(
      warning(
        `lists no scope ${missing.map(scope => `"${scope}"`).join(', ')}`,
        'see what the provider calls it, or take it out of scopes',
      ),
    )
  }
  const asksForGroups = provider.scopes?.includes('groups') ?? offered?.includes('groups') ?? false
  const needsGroups = portals.some(({ roles }) => [...roles.values()].flat().some(rule => rule.groups !== null))
  // For another claim it is unknown which scope has it.
  if (needsGroups && !asksForGroups && provider.claims.groups === null) {
    findings.push(
      warning(
        'is not asked for groups, which roles look at',
        offered !== undefined && !offered.includes('groups')
          ? 'let it put them into the ID token or userinfo, and say in claims which claim that is: claims = { groups = "…" }; it lists no scope "groups"'
          : 'add "groups" to scopes where the provider knows that scope; some send groups without it',
      ),
    )
  }
  return findings
}

/** Where rules look at e-mail addresses of a provider: roles of its portals, and routes. */
function rulesOn(portals: readonly PortalConfig[], { providers, routes }: Config): readonly string[] {
  return portals.flatMap(portal => {
    const { name, roles } = portal
    const compiled = compileRoles(roles, ruleTrust(portal, providers))
    const own = routes.filter(
      route => route.portal === name && route.allow.kind !== 'roles' && compilePolicy(route, compiled).emails !== null,
    )
    return [...[...compiled.aboutEmail].map(role => `role ${role}`), ...own.map(({ id }) => `route ${id}`)]
  })
}

function examineEmails({ metadata }: Probe, { trustsEmails }: ProviderConfig, rules: readonly string[]): Finding[] {
  const claims = metadata.claims_supported
  if (trustsEmails) return []
  if (!Array.isArray(claims) || claims.includes('email_verified')) {
    if (rules.length === 0) return []
    const where = rules.length > 3 ? `${rules.slice(0, 3).join(', ')} and ${rules.length - 3} more` : rules.join(', ')
    return [
      good(
        `is asked which e-mail addresses are verified: others count for nothing in ${where}, until they are verified there`,
      ),
    ]
  }
  return [
    unseen(
      'does not list the claim email_verified, but may send it (Keycloak does): an e-mail address counts in rules, and goes to applications, only if the claim is true',
      'sign in, and open /.sallyport/me at an application with headers: email_verified is true, false, or null if the provider does not send it; then let it send that claim',
    ),
  ]
}

function examineAbilities({ metadata }: Probe, { par }: ProviderConfig, portals: readonly PortalConfig[]): Finding[] {
  const findings: Finding[] = []
  if (par === 'always' && metadata.pushed_authorization_request_endpoint === undefined) {
    findings.push(bad('has no place for pushed requests', 'remove par = "always": no user can sign in with it'))
  }
  const methods = metadata.code_challenge_methods_supported
  if (methods !== undefined && !methods.includes('S256')) {
    findings.push(warning('does not list PKCE with S256', 'sign-ins use it all the same; a newer version may check it'))
  }
  if (portals.some(({ providerLogout }) => providerLogout) && metadata.end_session_endpoint === undefined) {
    findings.push(warning('has no place to sign out', 'remove provider_logout: people stay signed in at the provider'))
  }
  return findings
}

/** What rules need of a new sign-in: without it, users who have to sign in again are refused. */
function examineClaims({ metadata }: Probe, asked: AskedOfSignIn): readonly Finding[] {
  return unstatedClaims(metadata, asked).map(({ claim, key }) =>
    warning(
      `does not list the claim ${claim}, which ${key} needs: users who have to sign in again for it may be refused`,
      UNSTATED_HINT,
    ),
  )
}

/** Whether people come back who sign out at the provider too. */
function examineSignOut(probe: Probe, addresses: readonly string[]): Promise<readonly Finding[]> {
  if (probe.metadata.end_session_endpoint === undefined) return Promise.resolve([])
  const hint = 'register exactly this address for the client at the provider, among those for after a sign-out'
  return Promise.all(
    addresses.map(async address => {
      const { verdict, says } = await probe.askSignOut(address).catch(() => ({ verdict: 'unclear', says: null }))
      if (verdict === 'good') return good(`comes back to ${address} after a sign-out`)
      if (verdict === 'refused') return bad(`does not come back to ${address} after a sign-out (${says})`, hint)
      return unseen(`does not say before a sign-out whether it comes back to ${address}`, hint)
    }),
  )
}

/** Settings of a client at the provider that prevent every sign-in, and that only a sign-in shows. */
function examineUnseen({ metadata }: Probe, { claimsFrom, idTokenAlgs }: ProviderConfig): readonly Finding[] {
  const asksPerson = claimsFrom !== 'id_token' && metadata.userinfo_endpoint !== undefined
  const signing = metadata.id_token_signing_alg_values_supported ?? []
  const can = [
    ...(signing.some(alg => !ASYMMETRIC_ALGORITHMS.includes(alg)) && idTokenAlgs === null
      ? ['sign ID tokens with its secret (HS256)']
      : []),
    ...(isListed(metadata.id_token_encryption_alg_values_supported) ? ['encrypt ID tokens'] : []),
    ...(asksPerson && isListed(metadata.userinfo_signing_alg_values_supported) ? ['sign userinfo'] : []),
  ]
  if (can.length === 0) return []
  return [
    {
      ...unseen(
        `can ${can.join(', ')} for a client, so that no user can sign in; only a sign-in shows it`,
        'sign in once, and look at the log; the usual settings of a client have none of that',
      ),
      isUntilSignIn: true,
    },
  ]
}

function isListed(algorithms: unknown): boolean {
  return Array.isArray(algorithms) && algorithms.some(alg => alg !== 'none')
}

/** An invented sign-in; its values have the length that RFC 7636 §4.1 requires. */
const INVENTED: Omit<LoginRequest, 'redirectUri'> = {
  state: 'sallyport-doctor',
  nonce: '',
  codeVerifier: 'sallyport-doctor'.repeat(3),
}

/** Whether people could sign in at a provider by OAuth 2.0, as far as it can be asked: it has no discovery, and its callbacks cannot be. */
async function examineOAuth2(
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
    ...(callback === undefined ? [] : [await examineOAuth2Client(provider, callback, ports)]),
    ...callbacks.map(address =>
      good(`is to come back to ${address}: exactly this has to be registered for the client there`),
    ),
    ...examineGroups(provider),
  ]
}

/** Tried by redeeming an invented code. */
async function examineOAuth2Client(
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
    return bad('gives tokens for an invented code', 'this is no provider that anybody could trust')
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

/** The client and its callback addresses: for an unknown client there is nothing more to ask. */
async function examineClient(
  probe: Probe,
  provider: ProviderConfig,
  callbacks: readonly string[],
): Promise<readonly Finding[]> {
  const [callback] = callbacks
  if (callback === undefined) return []
  const answered = await probe.askClient(callback)
  const found = judgeClient(answered, provider)
  if (answered.wrong === 'client_id') return [found]
  return [found, ...(await Promise.all(callbacks.map(each => examineCallback(probe, each))))]
}

function judgeClient({ verdict, says, wrong }: ClientAnswered, provider: ProviderConfig): Finding {
  const what = ['client_id', ...proofsOf(provider)].join(' and ')
  if (verdict === 'good') return good(`takes ${what}`)
  if (verdict === 'unclear') {
    return warning(`does not say whether it takes ${what}${quoted(says)}`, 'sign in once, and look at the log')
  }
  switch (wrong) {
    case 'client_id':
      return bad(
        `knows no client with this client_id${quoted(says)}`,
        'copy client_id from the provider again, or make the client again if it was removed',
      )
    case 'client_secret':
      return bad(
        `refuses client_secret, and knows client_id${quoted(says)}`,
        'make a new secret for this client at the provider, and copy all of it',
      )
    case 'no_secret':
      return bad(
        `wants a client_secret of client_id${quoted(says)}`,
        'set client_secret, or make this client a public one at the provider',
      )
    case null:
      return bad(
        `refuses ${what}${quoted(says)}`,
        provider.clientKey === null && provider.assertionFile === null
          ? 'copy both from the provider again; a client without a secret has to be a public one there'
          : 'register the key that sallyport client-key prints, or the issuer of client_assertion_file, for this client there',
      )
  }
}

/** The keys of a provider's table by which its client proves itself. */
function proofsOf({ clientSecret, clientKey, assertionFile }: ProviderConfig): readonly string[] {
  return [
    ...(clientSecret === null ? [] : ['client_secret']),
    ...(clientKey === null ? [] : ['client_key']),
    ...(assertionFile === null ? [] : ['client_assertion_file']),
  ]
}

async function examineCallback(probe: Probe, callback: string): Promise<Finding> {
  let answered: Answered
  try {
    answered = await probe.askCallback(callback)
  } catch (error) {
    return failed(`cannot be asked about ${callback}`, error)
  }
  const { verdict, says } = answered
  if (verdict === 'good') return good(`comes back to ${callback}`)
  if (verdict === 'refused') {
    return bad(
      `does not come back to ${callback}${quoted(says)}`,
      'register exactly this address for the client at the provider',
    )
  }
  if (verdict === 'error') {
    const [word = ''] = says?.split(':') ?? []
    return bad(
      `answers a sign-in for ${callback} with an error${quoted(says)}: no user can sign in`,
      fixOf(word, says ?? '') ?? 'the provider’s own log says more; see what the client may do there',
    )
  }
  return warning(
    `does not say whether it comes back to ${callback}${quoted(says)}`,
    'see that exactly this address is registered for the client at the provider',
  )
}

/** Whether it takes `offline_access` of this client, which is asked for once a sign-in without it has brought no refresh token. */
async function examineOffline(probe: Probe, callbacks: readonly string[]): Promise<readonly Finding[]> {
  const [callback] = callbacks
  if (callback === undefined || !probe.mayAskOffline) return []
  // A provider that cannot be asked, or refuses without it, too, is reported with the callback.
  const ask = (asksOffline: boolean) =>
    probe.askCallback(callback, asksOffline).catch(() => ({ verdict: 'unclear', says: null }))
  const { says } = await ask(true)
  if (says === null || !/scope|not_allowed/i.test(says) || (await ask(false)).verdict === 'error') return []
  return [
    warning(
      `does not take offline_access of this client, though it lists it${quoted(says)}: where a sign-in brings no refresh token without it, the provider is not asked again`,
      'allow that scope for this client there, or see that it gives refresh tokens without it',
    ),
  ]
}

function quoted(says: string | null): string {
  return says === null ? '' : ` (${says})`
}

/** What a provider did not do, with why and what helps. */
function failed(what: string, error: unknown): Finding {
  const { error: why, hint, cause } = errorFacts(error)
  const because = [why, cause].filter(part => part !== undefined).join('; ')
  return bad(`${what}: ${because}`, typeof hint === 'string' ? hint : 'the provider’s own log says more')
}
