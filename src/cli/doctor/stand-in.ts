/** The doctor in place of an application (`--stand-in`): which identity fields the proxy in front copies. */

import { exportJWK, generateKeyPair, type JWTHeaderParameters, SignJWT } from 'jose'
import { randomToken } from '../../base/bytes.ts'
import { errorFacts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { timeLimit } from '../../base/time-limit.ts'
import type { PersonRule } from '../../config/keys/rules.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { PortalConfig } from '../../config/resolve/portals.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { RouteConfig } from '../../config/resolve/routes.ts'
import { addressText, type ListenAddress } from '../../config/values/listen.ts'
import type { Running } from '../../console/drop-root.ts'
import { type Identity, makeIdentity } from '../../identity/identity.ts'
import { userClaims, userSubject, vouchedBy } from '../../identity/passwords/users.ts'
import { decidePolicy } from '../../policy/policy.ts'
import { compileIdentityFields, identityFieldNames } from '../../proxy/fields/identity.ts'
import { listen } from '../../server/listen/listen.ts'
import { createJudge } from '../../server/preview/judge.ts'
import { cookieName, stripOwnCookies } from '../../session/cookie.ts'
import type { OpenSessions } from '../../session/open.ts'
import { openStateAsUser } from '../with-sessions.ts'
import { bad, type Finding, good, type Section, warning } from './finding.ts'
import { OTHER_PROTOCOLS } from './http.ts'
import { placesOf, unheldBack } from './proxies-in-front.ts'

const TIMEOUT_MS = 10_000

/** What a client writes who says itself who it is. */
const FORGED = 'doctor-forged'

/** What the query ends with where another protocol is asked for. */
const UPGRADED = '-upgraded'

/**
 * Which fields a proxy in front copies, as seen by the application: the doctor listens in place of the application at
 * `at`, creates a session of an invented user for as long as one request per host takes, and looks at what arrives. Where
 * all users are in a file, none can be invented, and it is one of them.
 *
 * A session is a secret: it sends no request to a host whose certificate is not trusted here.
 */
export async function examineCopying(
  config: Config,
  at: ListenAddress,
  ports: Pick<Ports, 'now' | 'random' | 'ask' | 'log'>,
  running: Running | null = null,
): Promise<Section> {
  const about = `what arrives at ${addressText(at)}, in place of the application`
  const arrived = new Map<string, Headers>()
  try {
    const server = listen(at, {
      fetch(request) {
        arrived.set(new URL(request.url).search.slice(1), request.headers)
        return new Response(null, { status: 204 })
      },
    })
    try {
      const { sessions } = openStateAsUser(config, ports, running)
      const findings = await examineAll(sessions, arrived, config, ports).finally(() => sessions.close())
      return { about, findings }
    } finally {
      await server.stop(true)
    }
  } catch (error) {
    const { error: what, hint } = errorFacts(error)
    return { about, findings: [bad(String(what), typeof hint === 'string' ? hint : 'stop the application first')] }
  }
}

async function examineAll(
  sessions: OpenSessions,
  arrived: ReadonlyMap<string, Headers>,
  config: Config,
  ports: Pick<Ports, 'now' | 'random' | 'ask'>,
): Promise<readonly Finding[]> {
  const found = await Promise.all(
    placesOf(config).map(({ origin, asked }) => {
      const route = asked.find(({ allow }) => allow.kind !== 'public') ?? asked[0]
      const portal = config.portals.get(route?.portal ?? '')
      if (route === undefined || portal === undefined) return []
      return examineRoute({ origin, route, portal, sessions, arrived }, config, ports)
    }),
  )
  const findings: Finding[] = found.flat()
  if (arrived.size === 0) {
    const hint = 'give the address where the proxy in front has the application, and check that the rules allow a user'
    findings.push(warning('no request arrives', hint))
  }
  return findings
}

interface Looked {
  readonly origin: string
  readonly route: RouteConfig
  readonly portal: PortalConfig
  readonly sessions: OpenSessions
  /** By the query of the request. */
  readonly arrived: ReadonlyMap<string, Headers>
}

async function examineRoute(
  { origin, route, portal, sessions, arrived }: Looked,
  config: Config,
  { random, ask, now }: Pick<Ports, 'random' | 'ask' | 'now'>,
): Promise<readonly Finding[]> {
  const identity = somebody(config, portal, route, now())
  if (identity === null) {
    return [
      warning(`no user of the file may open ${origin}${route.path}`, 'add one whom the rules allow, and ask again'),
    ]
  }
  const signed = route.assertion === null ? [] : [route.assertion.header.toLowerCase()]
  const names = [...identityFieldNames(route.headers).map(name => name.toLowerCase()), ...signed]
  const secrets = { idToken: '', refreshToken: null }
  const { session, token } = await sessions.start({ portal: portal.name, host: route.host, identity, secrets })
  const query = `doctor=${randomToken(random)}`
  try {
    const proof =
      portal.bindSessions === 'required' ? `; ${await bindHere(sessions, session.id, route.host, now())}` : ''
    const cookie = `${cookieName('session', origin.startsWith('https:'))}=${token}${proof}; doctor=1`
    // Which provider vouched is refused of clients.
    const forged = Object.fromEntries(names.filter(name => !name.endsWith('-provider')).map(name => [name, FORGED]))
    const signal = timeLimit(TIMEOUT_MS)
    const address = `${origin}${route.path}?${query}`
    const answer = await ask(address, { headers: { ...forged, cookie }, signal })
    await answer.drop()
    for (const fields of OTHER_PROTOCOLS) {
      const other = ask(`${address}${UPGRADED}`, { headers: { ...fields, cookie }, signal })
      // The answer does not matter: a proxy in front may refuse it.
      await other.then(one => one.drop()).catch(() => undefined)
      if (arrived.get(query + UPGRADED)?.has('upgrade') === true) break
    }
  } catch {
    return [warning(`${origin} cannot be asked`, 'see what is said of it among the proxies in front')]
  } finally {
    await sessions.end(session.id)
  }
  const fields = arrived.get(query)
  if (fields === undefined) return []
  const told = compileIdentityFields(route.headers, portal.providers.length > 1)?.(identity, []) ?? []
  const known = new Set([...told.map(([name]) => name), ...signed])
  const findings = [
    ...names.flatMap(name => examineField(origin, name, fields.get(name), known.has(name))),
    ...examineCookie(origin, fields.get('cookie')),
    ...examineHost(origin, route.host, fields),
    ...(arrived.get(query + UPGRADED)?.has('upgrade') === true ? [unheldBack(`${origin}${route.path}`)] : []),
  ]
  return findings.length > 0 ? findings : [good(`${origin}: every field of the route is copied, and its host arrives`)]
}

/** Binds a session to this program, as a browser does where it has to; answers the cookie that proves it at a host. */
async function bindHere({ bindings }: OpenSessions, sessionId: string, host: string, nowMs: number): Promise<string> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const { x, y } = await exportJWK(publicKey)
  const header = { alg: 'ES256', typ: 'dbsc+jwt', jwk: { kty: 'EC', crv: 'P-256', x, y } } as JWTHeaderParameters
  const signing = new SignJWT({ jti: await bindings.offer(sessionId) }).setProtectedHeader(header)
  await bindings.register(await signing.sign(privateKey), { brought: null, client: '' })
  const setCookie = await bindings.proofFor(sessionId, host, nowMs + bindings.times.proofMs)
  return setCookie.slice(0, setCookie.indexOf(';'))
}

function examineField(origin: string, name: string, value: string | null, isKnown: boolean): readonly Finding[] {
  const hint = `name ${name} among the fields that the proxy in front copies from the verdict, as its recipe does`
  if (value?.includes(FORGED) === true) {
    return [bad(`${origin}: ${name} arrives as a client writes it, who may say to be anybody`, hint)]
  }
  return isKnown && !value ? [bad(`${origin}: ${name} is not copied`, hint)] : []
}

function examineCookie(origin: string, cookie: string | null): readonly Finding[] {
  const hint = 'name Cookie among the fields that the proxy in front copies from the verdict'
  if (cookie === null) return [warning(`${origin}: no cookie of the application's own arrives`, hint)]
  if (stripOwnCookies(cookie) === cookie) return []
  return [bad(`${origin}: Sallyport's own cookie arrives, by which the application could be anybody who comes`, hint)]
}

function examineHost(origin: string, host: string, fields: Headers): readonly Finding[] {
  const told = [fields.get('x-forwarded-host'), fields.get('host')].map(one => one?.replace(/:\d+$/, '').toLowerCase())
  if (told.includes(host)) return []
  const hint = 'let the proxy in front pass Host on to the application, or write it into X-Forwarded-Host'
  return [warning(`${origin}: the application does not get this host`, hint)]
}

/** An invented user whom the rules allow, as far as one user can satisfy all of them; null where only a file has users, and allowed ones not. */
function somebody(config: Config, portal: PortalConfig, route: RouteConfig, nowMs: number): Identity | null {
  const named = portal.providers.flatMap(name => config.providers.get(name) ?? [])
  const provider = named.find(({ users }) => users === null)
  if (provider !== undefined) return invent(provider, portal, route)
  const { policy, isMember } = createJudge(config).compiled(route)
  const target = { path: route.path, readings: [], query: '' }
  const facts = { method: 'GET', client: null, target, sent: {}, nowMs, signedInAtMs: nowMs }
  const isAllowed = (one: Identity) => isMember(one) && decidePolicy(policy, one, facts).verdict === 'allow'
  return named.flatMap(one => usersOf(one, nowMs)).find(isAllowed) ?? null
}

/** The users of a provider's file, as they sign in by their passwords. */
function usersOf({ name: provider, issuer, users }: ProviderConfig, nowMs: number): readonly Identity[] {
  if (users === null) return []
  return [...users.entries].map(([name, entry]) => {
    const claims = { ...userClaims(name, entry, users.groups), auth_time: Math.floor(nowMs / 1000), amr: ['pwd'] }
    const identity = makeIdentity(provider, issuer, userSubject(name), claims)
    return Object.freeze({ ...identity, ...vouchedBy(users, name, entry) })
  })
}

function invent({ name: provider, issuer }: ProviderConfig, portal: PortalConfig, { allow }: RouteConfig): Identity {
  const rules: readonly PersonRule[] = [
    ...[...portal.roles.values()].flat(),
    ...(allow.kind === 'rules' ? allow.rules : []),
  ]
  const all = (key: 'groups' | 'emails' | 'domains') => rules.flatMap(rule => rule[key] ?? [])
  const claims = Object.fromEntries(
    rules.flatMap(rule => [...(rule.claims ?? [])]).map(([name, [value]]) => [name, value]),
  )
  const likes = rules
    .flatMap(rule => [...(rule.like ?? [])])
    .map(([name, patterns]) => {
      const texts = patterns.map(pattern => pattern.replaceAll('*', 'doctor'))
      return [name, texts] as const
    })
  const like = new Map(likes)
  return makeIdentity(provider, issuer, 'sallyport-doctor', {
    ...Object.fromEntries(likes),
    ...claims,
    name: 'Sallyport doctor',
    preferred_username: 'sallyport-doctor',
    email: all('emails')[0] ?? like.get('email')?.[0] ?? `doctor@${all('domains')[0] ?? 'doctor.invalid'}`,
    email_verified: true,
    groups: [...new Set(['doctor', ...all('groups'), ...(like.get('groups') ?? [])])],
  })
}
