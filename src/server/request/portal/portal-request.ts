/** The portal's view of a request to it, and of the routes around it. */

import type { ProviderConfig } from '../../../config/resolve/providers.ts'
import type { RouteConfig } from '../../../config/resolve/routes.ts'
import { dataAddress } from '../../../config/values/picture.ts'
import { vouchedPart } from '../../../identity/claim-trust.ts'
import type { Identity } from '../../../identity/identity.ts'
import { passwordIdentity } from '../../../identity/passwords/password.ts'
import { passwordUsers, userNameOf } from '../../../identity/passwords/users.ts'
import { decidePolicy } from '../../../policy/policy.ts'
import { ownPath } from '../../../portal/paths.ts'
import type {
  Application,
  AskedRoute,
  GuestPlace,
  GuestTarget,
  PortalRequest,
  TokenPlace,
} from '../../../portal/portal-request.ts'
import { widestScope } from '../../../proxy/fields/response.ts'
import { upstreamHealth } from '../../../proxy/upstream/health.ts'
import { isSignIn } from '../../../session/credentials/credential-sessions.ts'
import { withoutSignIn } from '../../../session/credentials/owners.ts'
import type { Grants } from '../../../session/grants/grants.ts'
import type { Session } from '../../../session/session.ts'
import { ownOrigin } from '../../config/own-ports.ts'
import type { GatePortal, GateRoute, Snapshot } from '../../config/snapshot.ts'
import { isProgram, originOf, type RequestContext, requestFacts, schemeOf } from '../context.ts'
import { mayMakerOpen } from '../guests.ts'
import { compatRequest } from './compat.ts'
import { protectedResources } from './resources.ts'
import { keepsFragmentAt, routeAt } from './route-at.ts'

/**
 * This request as the portal sees it; null on a host that belongs to no portal. `grants` are for pages with a menu;
 * `current` is the snapshot by which roles are given, for pages whose forms may take a while to arrive.
 */
export function portalRequest(
  context: RequestContext,
  grants: Pick<Grants, 'waiting'> | null = null,
  current: () => Snapshot = () => context.snapshot,
): PortalRequest | null {
  const { snapshot, target, portal } = context
  if (portal === null || target === null) return null
  return {
    request: context.request,
    target,
    isProgram: isProgram(context),
    origin: originOf(context, target),
    // Without a configured address a portal sends no user to another host, and providers know the address of each
    // host.
    reachedAt: at =>
      portal.config.url === null
        ? `${schemeOf(context)}://${at.authority}`
        : ownOrigin(portal.ports, schemeOf(context), at),
    cameByPlainHttp: cameByPlainHttp(context),
    clientAddress: context.client,
    isClientProven: context.isClientProven,
    requestId: context.id,
    portal: portal.config,
    providers: snapshot.config.providers,
    scimOf: provider => scimNow(portal, current(), provider),
    wantsAuthTime: portal.wantsAuthTime,
    wantsAccess: snapshot.wantsAccess.has(portal.config.name),
    // The proxy that asks for a verdict has the form, and Sallyport does not.
    keepsForms: context.question !== null ? null : keepsForms(context.route),
    // A proxy in front would take our script for a verdict, since it is a success.
    workerScope: context.question === null && context.route !== null ? widestScope(context.route.bounds) : null,
    keepsFragment: path => keepsFragmentAt(context, portal, path),
    hasKeptForms: portal.hasKeptForms,
    session: context.session,
    unproven: context.unproven?.portal === portal.config.name ? context.unproven : null,
    hasStaleProof: context.hasStaleProof,
    provenUntilMs: context.provenUntilMs,
    compat: compatRequest(context, portal),
    serves: host => snapshot.portals.lookup(host) === portal,
    rolesOf: session => rolesNow(portal, current(), session),
    rolesByPortal: provider => rolesByPortal(context, provider),
    isTold: snapshot.isTold.lookup(target.host) === true,
    told: ({ identity }) => ({
      identity: vouchedPart(identity, portal.roles.trusted),
      roles: portal.rolesOf(identity),
    }),
    guestTarget: (host, path) => guestTargetAt(context, portal, host, path),
    guestPlaces: session => guestPlacesOf(context, portal, session),
    askedRoute: (session, path) => askedRouteAt(context, portal, session, path),
    isOpenTo: (session, path) => isOpenAt(context, portal, session, path),
    keepsOwnAddresses: context.question === null,
    waiting: (host, path) => waitingAt(context, portal, host, path),
    waitingRequests: () => grants?.waiting(portal.config.name) ?? 0,
    applications: session => applicationsOf(context, portal, session),
    tokenPlaces: session => tokenPlacesOf(context, portal, session),
    resources: protectedResources(context, portal),
    iconOf: hash => portal.icons.get(hash) ?? null,
  }
}

function scimNow({ config }: GatePortal, now: Snapshot, provider: string): ProviderConfig['scim'] {
  const portal = now.allPortals.find(one => one.config.name === config.name)
  return portal?.config.providers.includes(provider) ? (now.config.providers.get(provider)?.scim ?? null) : null
}

/** By another file than the request came to, of a portal that is gone, or that has other admins, nobody has any. */
function rolesNow({ config: { name, adminRole } }: GatePortal, { allPortals }: Snapshot, { identity }: Session) {
  const now = allPortals.find(({ config }) => config.name === name && config.adminRole === adminRole)
  return now?.rolesOf(identity) ?? []
}

function keepsForms(route: GateRoute | null): PortalRequest['keepsForms'] {
  const maxBytes = route?.config.keepPostsBytes ?? null
  return maxBytes === null || route === null ? null : { maxBytes, name: route.config.name }
}

/**
 * The applications that this user may open at this portal, in the order of the file. The gate's own rules decide, for
 * a page load from the user's current address. Applications that need only a newer sign-in are included.
 *
 * Several routes of one host are one application, at the shortest path, unless the file separates them. One table is
 * one application, at the first of its addresses; without a name, one for each of its hosts.
 */
function applicationsOf(context: RequestContext, portal: GatePortal, session: Session): readonly Application[] {
  const facts = requestFacts(context, session)
  const open = context.snapshot.routes.filter(({ config, policy, portal: own }) => {
    if (own !== portal || config.host.startsWith('*.')) return false
    const target = { path: config.path, readings: [], query: '' }
    const { verdict } = decidePolicy(policy, session.identity, { ...facts, method: 'GET', target })
    return verdict === 'allow' || verdict === 'step-up'
  })
  const whole = open.filter(({ config }) => !config.isExact && config.when === null)
  const byAddress = new Map(whole.map(({ config }) => [config.host + config.path, config]))
  const scheme = schemeOf(context)
  const port = context.target?.authority.slice(context.target.host.length) ?? ''
  const shown = new Set<string>()
  return open
    .filter(route => !route.config.app.isHidden && !isPart(route.config, byAddress))
    .filter(({ config }) => {
      const own = config.app.isNamed ? config.firstId : `${config.host} ${config.firstId}`
      return shown.size < shown.add(own).size
    })
    .map(({ config, upstream }) => ({
      name: config.name,
      address: `${scheme}://${config.host}${port}${config.path}`,
      description: config.app.description,
      group: config.app.group,
      icon: config.app.icon === null ? null : `${ownPath('icons')}/${config.app.icon.hash}`,
      health: upstream === null ? null : upstreamHealth(upstream, context.startedMs),
    }))
}

/** Whether a route belongs to the application of one above it that this person may open, or is a single address. */
function isPart(
  { host, path, isExact, when, name, app }: RouteConfig,
  byAddress: ReadonlyMap<string, RouteConfig>,
): boolean {
  if ((isExact || when !== null) && !app.isNamed) return true
  for (let at = path; at !== '/'; ) {
    at = at.slice(0, at.lastIndexOf('/')) || '/'
    const above = byAddress.get(host + at)
    if (above !== undefined && (!app.isNamed || (above.app.isNamed && above.name === name))) return true
  }
  return false
}

/** So long a picture may be that travels in a page. */
const MOST_INLINE = 24 * 1024

/** What a route of this portal is called and looks like, unless the file hides it: whoever asked for it sees that before a sign-in. */
function waitingAt(context: RequestContext, portal: GatePortal, host: string, path: string) {
  const found = path.startsWith('/') ? routeAt(context, host, path) : null
  if (found === null || found.route.portal !== portal || found.route.config.app.isHidden) return null
  const { name, app } = found.route.config
  const isShort = app.icon !== null && app.icon.base64.length <= MOST_INLINE
  return { name, picture: isShort && app.icon !== null ? dataAddress(app.icon) : null }
}

/**
 * The roles of users at each portal where those of this provider come in, null for who does not: by the provider, or by
 * HTTP Basic where the portal has the same file.
 */
function rolesByPortal({ snapshot: { allPortals, config } }: RequestContext, provider: string) {
  const own = config.providers.get(provider)?.users ?? null
  return new Map(
    allPortals
      .filter(({ config: { providers, passwords } }) => providers.includes(provider) || passwords !== null)
      .map(({ config: portal, members, rolesOf }) => {
        const rolesThere = (identity: Identity) => {
          const known = portal.providers.includes(identity.provider) ? [identity] : []
          const name = identity.provider === provider ? userNameOf(identity.subject) : null
          const entry = name === null ? undefined : portal.passwords?.get(name)
          const isSame = entry !== undefined && name !== null && entry.mark === own?.entries.get(name)?.mark
          const byPassword = isSame ? [passwordIdentity(passwordUsers(portal), name, entry)] : []
          const all = [...known, ...byPassword].filter(one => members === null || members(one) === 'yes')
          return all.length === 0 ? null : [...new Set(all.flatMap(rolesOf))]
        }
        return [portal.name, rolesThere] as const
      }),
  )
}

/** Whether a path of the host that was asked is open to this user, or will be after a newer sign-in. */
function isOpenAt(context: RequestContext, portal: GatePortal, session: Session, path: string): boolean {
  const { target: asked } = context
  const found = asked === null || !path.startsWith('/') ? null : routeAt(context, asked.host, path)
  if (found === null || found.route.portal !== portal) return false
  const facts = { ...requestFacts(context, session), method: 'GET', target: found.target }
  return decidePolicy(found.route.policy, session.identity, facts).verdict !== 'deny'
}

/**
 * The route at a path of the host that was asked, with the roles that this person may ask for there: such as would let them in by
 * themselves, and as the portal lets people ask for. Null where there are none.
 */
function askedRouteAt(context: RequestContext, portal: GatePortal, session: Session, path: string): AskedRoute | null {
  if (context.target === null || !path.startsWith('/')) return null
  const found = routeAt(context, context.target.host, path)
  if (found === null || found.route.portal !== portal) return null
  const { route, target } = found
  const facts = { ...requestFacts(context, session), method: 'GET', target }
  const decision = decidePolicy(route.policy, session.identity, facts)
  const roles = decision.verdict === 'deny' ? rolesToAskFor(portal, session, decision.needed) : []
  return roles.length === 0 ? null : { id: route.config.id, roles }
}

/**
 * What a guest link for a host and path of this portal would open; null where no rule lets guests in, or where the path could be
 * read as one of another route.
 */
function guestTargetAt(context: RequestContext, portal: GatePortal, host: string, path: string): GuestTarget | null {
  const found = routeAt(context, host, path)
  if (found === null) return null
  const { route, target } = found
  if (route.portal !== portal || !route.takesGuests) return null
  return {
    name: route.config.name,
    isOpenTo(session) {
      const facts = { ...requestFacts(context, session), method: 'GET', target }
      return decidePolicy(route.policy, session.identity, facts).verdict === 'allow'
    },
    isSharedWith: guest => mayMakerOpen(route, guest, { ...requestFacts(context, null), method: 'GET', target }),
  }
}

/** The applications that take guests and that this user may open, where a link to each would lead. */
function guestPlacesOf(context: RequestContext, portal: GatePortal, session: Session): readonly GuestPlace[] {
  const scheme = schemeOf(context)
  const port = context.target?.authority.slice(context.target.host.length) ?? ''
  return context.snapshot.routes.flatMap(({ config: { host, path, name, isExact }, takesGuests, portal: own }) => {
    if (own !== portal || !takesGuests || isExact || host.startsWith('*.')) return []
    if (guestTargetAt(context, portal, host, path)?.isOpenTo(session) !== true) return []
    return [{ name: path === '/' ? name : `${name} (${path})`, address: `${scheme}://${host}${port}${path}` }]
  })
}

/**
 * Where a token of this user would be accepted, in the order of the file. The gate's own rules decide: for the user
 * without any time or method of sign-in, since a token has none, from their current address and by a method that the
 * route takes.
 */
function tokenPlacesOf(context: RequestContext, portal: GatePortal, session: Session): readonly TokenPlace[] {
  const scheme = schemeOf(context)
  const port = context.target?.authority.slice(context.target.host.length) ?? ''
  const identity = withoutSignIn(session.identity)
  const facts = requestFacts(context, null)
  return context.snapshot.routes
    .filter(({ config, policy, portal: own }) => {
      if (own !== portal || !config.tokens) return false
      const method = config.methods?.includes('GET') === false ? (config.methods[0] ?? 'GET') : 'GET'
      const target = { path: config.path, readings: [], query: '' }
      return decidePolicy(policy, identity, { ...facts, method, target }).verdict === 'allow'
    })
    .map(({ config: { host, path } }) => ({
      place: path === '/' ? host : host + path,
      address: host.startsWith('*.') ? null : `${scheme}://${host}${port}${path}`,
    }))
}

/** Fields that nearly all proxies write: a proxy that wrote one may have ended TLS. */
const PROXY_FIELDS = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-real-ip', 'forwarded', 'via']

/**
 * Whether a page was loaded by plain HTTP although HTTPS is promised, as far as can be seen.
 *
 * A trusted proxy says so. Otherwise it is true when no field shows a proxy, and the browser sends no Sec-Fetch
 * fields. It sends them to every address that it trusts (Fetch Metadata §2, Secure Contexts §3.1). Browsers before
 * 2023 never send them, so this is no proof.
 */
export function cameByPlainHttp(context: RequestContext): boolean {
  const { front, sent, isPeerTrusted, question, snapshot } = context
  if (question !== null || front.protocol === 'https' || schemeOf(context) === 'http') return false
  if (isPeerTrusted) return sent['x-forwarded-proto'] === 'http'
  if (sent['sec-fetch-mode'] !== undefined || sent[snapshot.clientField] !== undefined) return false
  return PROXY_FIELDS.every(name => sent[name] === undefined)
}

/** Of roles that would do, those that somebody may ask for: who signed in here, and not by a token, a password or a guest link. */
export function rolesToAskFor(portal: GatePortal, session: Session, needed: readonly string[]): readonly string[] {
  if (!isSignIn(session) || !portal.config.providers.includes(session.identity.provider)) return []
  return needed.filter(role => portal.offeredRoles.has(role))
}
