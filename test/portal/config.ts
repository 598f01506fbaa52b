/** A portal as a file that says nothing of it describes it, and a request for it, for the tests of this room. */

import type { PortalConfig } from '../../src/config/resolve/portals.ts'
import type { PortalRequest } from '../../src/portal/portal-request.ts'
import { parseTarget } from '../../src/route/target.ts'
import { LIFETIMES } from '../kit/sessions/lifetimes.ts'

export function portalConfig(changed: Partial<PortalConfig> = {}): PortalConfig {
  return {
    name: 'home',
    title: 'Example Home',
    url: null,
    providers: [],
    callbackPath: '/.sallyport/callback',
    insecureCookies: false,
    roles: new Map(),
    members: { kind: 'authenticated' },
    lifetimes: LIFETIMES,
    providerLogout: true,
    adminRole: null,
    passwords: null,
    passwordGroups: [],
    rpId: null,
    bindTickets: false,
    personalTokens: false,
    guestLinks: null,
    requests: null,
    compat: null,
    bindSessions: null,
    contact: null,
    timezone: 'UTC',
    brand: { logo: null, logoDark: null, colours: null },
    personalTokensRestMs: 30 * 24 * 3_600_000,
    ...changed,
  }
}

/** A request of nobody's that a client sends to this address, at a portal of which nothing more is known. */
export function portalRequest(request: Request, { origin, protocol, host }: URL): PortalRequest {
  return {
    request,
    target: parseTarget(request.method, request.url, host),
    isProgram: false,
    origin,
    reachedAt: ({ authority }) => `${protocol}//${authority}`,
    cameByPlainHttp: false,
    clientAddress: '192.0.2.1',
    isClientProven: true,
    requestId: 'req-7',
    portal: portalConfig(),
    providers: new Map(),
    wantsAuthTime: false,
    wantsAccess: false,
    keepsForms: null,
    workerScope: null,
    keepsFragment: () => false,
    hasKeptForms: false,
    session: null,
    unproven: null,
    hasStaleProof: false,
    provenUntilMs: 0,
    serves: () => true,
    rolesOf: () => [],
    isTold: true,
    told: ({ identity }) => ({ identity, roles: [] }),
    guestTarget: () => null,
    compat: null,
    applications: () => [],
    tokenPlaces: () => [],
    askedRoute: () => null,
    isOpenTo: () => false,
    keepsOwnAddresses: true,
    waiting: () => null,
    waitingRequests: () => 0,
    guestPlaces: () => [],
    scimOf: () => null,
    rolesByPortal: () => new Map(),
    iconOf: () => null,
    resources: { hasOwn: false, described: () => null, at: () => null },
  }
}
