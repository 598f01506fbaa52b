/** Old addresses of another program: requests for them, where their `rd` leads, and what health checks, `userinfo` and `auth` answer. */

import { randomToken } from '../../base/bytes.ts'
import { errorFacts, GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { NOBODY_IN_PARTICULAR, type PersonRule } from '../../config/keys/rules.ts'
import type { Identity } from '../../identity/identity.ts'
import { compilePerson } from '../../policy/user-conditions.ts'
import { parseReturnTo, type SafeReturnTo } from '../../route/return-to.ts'
import { parseAuthority } from '../../route/target.ts'
import type { Sessions } from '../../session/session.ts'
import { acceptedAnswer, jsonAnswer, textAnswer } from '../answer.ts'
import { portalNotFound } from '../error-page.tsx'
import { type CompatPage, type CompatRequest, type PortalRequest, readQuery } from '../portal-request.ts'

/** A request for an address of a program that stood here before. */
export interface CompatContext extends PortalRequest {
  readonly compat: CompatRequest
}

/** One of its addresses below its prefix, as a path of any host of the portal. */
export function compatPath(
  { compat }: CompatContext,
  page: CompatPage,
  query: Readonly<Record<string, string>>,
): string {
  return `${compat.prefix}/${page}?${new URLSearchParams(query)}`
}

/** Where `rd` leads: a path of this host, or an address of another one of the file. */
export type Onward =
  | { readonly kind: 'here'; readonly path: SafeReturnTo }
  | { readonly kind: 'away'; readonly address: string }

export const FRONT_PAGE: Onward = { kind: 'here', path: parseReturnTo(null) }

/** Scheme, authority without a user name, and the rest: what every browser reads the same way. */
const ADDRESS = /^(https?):\/\/([A-Za-z0-9.-]+(?::\d{1,5})?)(\/.*)?$/

/** The parameter by which an address says where to go on to. Throws `target.malformed` where it occurs twice. */
export function readOnward(ctx: CompatContext, parameter: 'rd' | 'redirect_url' | 'redirect_uri' = 'rd'): Onward {
  const value = readQuery(ctx).get(parameter) ?? (parameter === 'rd' ? besideQuery(ctx) : null)
  return parseOnward(value, { origin: ctx.origin, isServed: ctx.compat.isServed })
}

/**
 * The field in which nginx says what was asked for, where it shows `sign_in` in place of an application's page (`X-Auth-Request-Redirect`).
 * One of the program's own addresses is nothing to go on to. A client that writes it leads itself: it is checked as `rd` is.
 */
function besideQuery({ request, compat }: CompatContext): string | null {
  const value = request.headers.get('x-auth-request-redirect')
  return value === null || value.startsWith(`${compat.prefix}/`) ? null : value
}

/**
 * Where such a parameter leads: `/` where it is missing, or leads elsewhere than to a host of the file.
 *
 * Another host is led to by https, or by the scheme of this one (`origin`), and by no port but the usual one and that of this one: another
 * program may listen at any other. What is behind `#` is left out.
 */
export function parseOnward(
  rawValue: string | null,
  at: Pick<CompatRequest, 'isServed'> & { readonly origin: string },
): Onward {
  const raw = rawValue?.split('#', 1)[0]
  if (raw === undefined) return FRONT_PAGE
  if (raw.startsWith('/')) return { kind: 'here', path: parseReturnTo(raw) }
  const [, scheme, rawAuthority, path = '/'] = ADDRESS.exec(raw) ?? []
  if (scheme === undefined || rawAuthority === undefined) return FRONT_PAGE
  const place = parsePlace(rawAuthority)
  if (place === null || !at.isServed(place.host)) return FRONT_PAGE
  const [here, there] = [URL.parse(at.origin), URL.parse(`${scheme}://${place.authority}`)]
  if (here === null || there === null || there.hostname !== place.host) return FRONT_PAGE
  if (there.protocol !== 'https:' && there.protocol !== here.protocol) return FRONT_PAGE
  if (there.origin === here.origin) return { kind: 'here', path: parseReturnTo(path) }
  if (there.port !== '' && there.port !== here.port) return FRONT_PAGE
  return { kind: 'away', address: there.origin + parseReturnTo(path) }
}

/** The destination as a whole address, on this host too. */
export function wholeAddress(ctx: PortalRequest, onward: Onward): string {
  return onward.kind === 'here' ? ctx.reachedAt(ctx.target) + onward.path : onward.address
}

/** The same for this browser, which is on this host. */
export function addressOf(onward: Onward): string {
  return onward.kind === 'here' ? onward.path : onward.address
}

function parsePlace(rawAuthority: string): { readonly host: string; readonly authority: string } | null {
  try {
    return parseAuthority(rawAuthority)
  } catch (thrown) {
    if (thrown instanceof GateError) return null
    throw thrown
  }
}

interface HealthTools {
  readonly ports: Pick<Ports, 'random' | 'log'>
  readonly sessions: Pick<Sessions, 'peekOnce'>
}

/** oauth2-proxy's `/ping`: that this process answers. */
export function sayAlive(): Response {
  return textAnswer(200, 'OK')
}

/** oauth2-proxy's `/ready`: that what keeps the sessions answers too. */
export async function sayReady(
  ctx: Pick<PortalRequest, 'requestId'>,
  { ports, sessions }: HealthTools,
): Promise<Response> {
  try {
    await sessions.peekOnce('ticket', randomToken(ports.random))
    return textAnswer(200, 'OK')
  } catch (thrown) {
    ports.log.warn('Sessions cannot be read, as a health check has found', { id: ctx.requestId, ...errorFacts(thrown) })
    return textAnswer(503, 'Service Unavailable\n')
  }
}

/** oauth2-proxy's `/robots.txt`: no crawler is wanted anywhere (RFC 9309 §2.2). */
export function refuseRobots(): Response {
  return textAnswer(200, 'User-agent: *\nDisallow: /\n')
}

/** oauth2-proxy's `userinfo`, for scripts of this very host: as `me`, in its words. */
export function oldUserinfo(ctx: PortalRequest): Response {
  if (!ctx.isTold) return portalNotFound(ctx)
  if (ctx.session === null) return unauthorized()
  const { subject, email, groups, preferredUsername } = ctx.told(ctx.session).identity
  return jsonAnswer({
    user: subject,
    email: email ?? '',
    ...(groups.length === 0 ? {} : { groups }),
    ...(preferredUsername === null ? {} : { preferredUsername }),
  })
}

/**
 * oauth2-proxy's `auth`: whether the sender of this very request may open what is protected on this very host, 202,
 * 401 or 403.
 *
 * It does not read what the request says about another one (`X-Original-URL`, `X-Forwarded-Uri`): only the `verify`
 * listener of `[server]` decides about those. Throws `target.malformed` where a parameter occurs twice.
 */
export function oldAuth(ctx: CompatContext): Response {
  const { session } = ctx
  if (session === null) return unauthorized()
  const { identity } = ctx.told(session)
  if (!ctx.compat.mayOpenHost(session) || !isListed(readQuery(ctx), identity, ctx.compat))
    return textAnswer(403, 'Forbidden\n')
  return acceptedAnswer(ctx.isTold ? ctx.compat.fieldsOf(session) : [])
}

function unauthorized(): Response {
  return textAnswer(401, 'Unauthorized\n')
}

/** Lists by which a request may narrow down who passes, with what their entries name. */
const LISTS = [
  ['allowed_groups', entries => ({ groups: entries })],
  ['allowed_emails', entries => ({ emails: entries.map(entry => entry.toLowerCase()) })],
  ['allowed_email_domains', entries => ({ domains: entries.map(entry => entry.toLowerCase()) })],
] as const satisfies readonly (readonly [name: string, ruleOf: (entries: readonly string[]) => Partial<PersonRule>])[]

/** Whether a user is in every given list, as rules of the file compare; an empty list contains no user. */
function isListed(query: URLSearchParams, told: Identity, { trust }: CompatRequest): boolean {
  return LISTS.every(([name, ruleOf]) => {
    const list = query.get(name)
    if (list === null) return true
    const entries = list.split(',').filter(entry => entry !== '')
    // The identity for applications holds an email address only if it counts.
    const conditions = compilePerson(
      { ...NOBODY_IN_PARTICULAR, ...ruleOf(entries) },
      { ...trust, trusted: new Set([told.provider]) },
    )
    return conditions.every(({ judge }) => judge(told) === 'yes')
  })
}
