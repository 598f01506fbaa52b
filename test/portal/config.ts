/** A portal as a file that says nothing of it describes it, for the tests of this room. */

import type { PortalConfig } from '../../src/config/resolve/portals.ts'
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
    bindTickets: false,
    personalTokens: false,
    guestLinks: null,
    requests: null,
    compat: null,
    contact: null,
    timezone: 'UTC',
    brand: { logo: null, logoDark: null, colours: null },
    personalTokensRestMs: 30 * 24 * 3_600_000,
    ...changed,
  }
}
