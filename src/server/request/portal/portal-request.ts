import { vouchedPart } from '../../../identity/vouched.ts'
import type { PortalRequest } from '../../../portal/portal.ts'
import { widestScope } from '../../../proxy/fields/response.ts'
import { ownOrigin } from '../../config/own-ports.ts'
import type { GateRoute } from '../../config/snapshot.ts'
import { isProgram, originOf, type Passage, schemeOf } from '../passage.ts'
import { cameByPlainHttp } from '../plain-http.ts'
import { applicationsOf } from './applications.ts'
import { askedRouteAt } from './asked-roles.ts'
import { compatRequest } from './compat.ts'
import { guestTargetAt } from './guest-target.ts'
import { protectedResources } from './resources.ts'
import { keepsFragmentAt } from './route-at.ts'
import { tokenPlacesOf } from './token-places.ts'

/** This request as the portal sees it; null on a host that belongs to no portal. */
export function portalRequest(passage: Passage): PortalRequest | null {
  const { snapshot, target, portal } = passage
  if (portal === null || target === null) return null
  return {
    request: passage.request,
    target,
    isProgram: isProgram(passage),
    origin: originOf(passage, target),
    // Without an address of its own a portal leads nobody to another host, and providers know the address of each.
    reachedAt: at =>
      portal.config.url === null
        ? `${schemeOf(passage)}://${at.authority}`
        : ownOrigin(portal.ports, schemeOf(passage), at),
    cameByPlainHttp: cameByPlainHttp(passage),
    clientAddress: passage.client,
    requestId: passage.id,
    portal: portal.config,
    providers: snapshot.config.providers,
    wantsAuthTime: portal.wantsAuthTime,
    wantsAccess: snapshot.wantsAccess.has(portal.config.name),
    // Whoever asks for a verdict has the form, and we have not.
    keepsForms: passage.question !== null ? null : keepsForms(passage.route),
    // A proxy in front would take our script for a verdict, since it is a success.
    workerScope: passage.question === null && passage.route !== null ? widestScope(passage.route.bounds) : null,
    keepsFragment: path => keepsFragmentAt(passage, portal, path),
    hasKeptForms: portal.hasKeptForms,
    session: passage.session,
    compat: compatRequest(passage, portal),
    serves: host => snapshot.portals.lookup(host) === portal,
    rolesOf: session => portal.rolesOf(session.identity),
    isTold: snapshot.isTold.lookup(target.host) === true,
    told: ({ identity }) => ({
      identity: vouchedPart(identity, portal.roles.trusted),
      roles: portal.rolesOf(identity),
    }),
    guestTarget: (host, path) => guestTargetAt(passage, portal, host, path),
    askedRoute: (session, path) => askedRouteAt(passage, portal, session, path),
    applications: session => applicationsOf(passage, portal, session),
    tokenPlaces: session => tokenPlacesOf(passage, portal, session),
    resources: protectedResources(passage, portal),
    iconOf: hash => portal.icons.get(hash) ?? null,
  }
}

function keepsForms(route: GateRoute | null): PortalRequest['keepsForms'] {
  const maxBytes = route?.config.keepPostsBytes ?? null
  return maxBytes === null || route === null ? null : { maxBytes, name: route.config.name }
}
