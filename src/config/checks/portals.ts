/** Checks `[portals.NAME]` as a whole, and with routes: address, providers, roles, members, pictures. */

import type { RootTable } from '../keys/keys.ts'
import { isEverybodys } from '../keys/oauth2.ts'
import { PORTAL, type PortalTable, type RULE, type RuleTable } from '../keys/portals.ts'
import { ACCESS, type AccessTable, PERSON, SWITCHES } from '../keys/rules.ts'
import type { Values } from '../keys/table.ts'
import { itemsOf, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { didYouMean } from '../text/suggest.ts'
import type { ConfigFiles } from '../values/files.ts'
import { checkPicture, LOGO } from '../values/picture.ts'
import { checkUrl, suggestUrl, warnOfPlainCookies } from './portal-urls.ts'
import { checkProviderNames, checkRoleNames, checkRule, partsOf, portalCheck, tablesOf } from './rules.ts'
import { createIssuerCheck } from './several-providers.ts'

/** What portals say about each other, about providers, and about the routes they serve. */
export function checkPortals(root: RootTable, report: Report): void {
  const providers = namesIn(root, 'providers')
  const byHost = new Map<string, PortalTable>()
  for (const [name, portal] of root.values.portals ?? []) {
    checkReferences(portal, providers, report)
    checkSomeone(name, portal, report)
    warnOfPlainCookies(portal, report)
    checkPlace(name, portal, root, byHost, report)
    const issuers = createIssuerCheck(portal, root, report)
    for (const rules of portal.values.roles?.values() ?? []) {
      for (const rule of rules) {
        checkRoleRule(rule, portal, providers, report)
        issuers.check(rule, true)
      }
    }
    if (portal.values.guest_links && !mayHaveGuests(name, root)) {
      const hint = 'say in a route who may open it: allow = ["user", { guest_link = true }]'
      report.warn([...portal.at, 'guest_links'], 'portal.guest_links', 'no route lets guests in', { hint, part: 'key' })
    }
    checkRequests(name, portal, root, report)
    checkMembers(name, portal, root, report)
    checkBinding(name, portal, root, report)
    if (portal.values.bind_tickets === true && portal.values.url === null) {
      const message = 'a portal without a url gives no tickets'
      report.warn([...portal.at, 'bind_tickets'], 'portal.bind_tickets', message, { hint: 'remove it', part: 'key' })
    }
    if (isUnused(name, root)) {
      const hint = `name it in a route: portal = "${name}"`
      report.warn(portal.at, 'portal.unused', `no route uses the portal ${name}`, { hint, part: 'key' })
    }
  }
}

/** Roles that can be asked for have to be there; and somebody has to be there who grants them on a page. */
function checkRequests(name: string, portal: PortalTable, root: RootTable, report: Report): void {
  const { requests, roles, admin_role: admin } = portal.values
  if (!requests) return
  const listed = portal.raw.entries.get('requests')
  for (const raw of itemsOf(listed?.kind === 'table' ? listed.entries.get('roles') : undefined)) {
    if (raw.kind !== 'text' || raw.text === null || roles === undefined || roles.has(raw.text)) continue
    const hint = raw.isFilled
      ? ''
      : didYouMean(raw.text, [...roles.keys()], `add ${raw.text} to [portals.${name}.roles]`)
    report.mistake(raw.at, 'role.undefined', `the portal has no role ${showRaw(raw)}`, { hint })
  }
  if (admin === null) {
    const hint = 'name the role of those who grant: admin_role = "admin"; or grant by sallyport requests alone'
    const message = 'this portal has no admins who could see a request'
    report.warn([...portal.at, 'requests'], 'portal.requests', message, { hint, part: 'key' })
  }
  if (
    root.values.routes?.every(
      ({ values: { portal: other, allow } }) =>
        other !== name || allow?.kind === 'public' || allow?.kind === 'authenticated',
    )
  ) {
    const hint = 'say in a route who may open it: allow = ["family"]'
    report.warn([...portal.at, 'requests'], 'portal.requests', 'no route lets anybody in by a role', {
      hint,
      part: 'key',
    })
  }
}

/** Browsers bind sessions by HTTPS alone, and there have to be sessions; and their own requests for it have to arrive here. */
function checkBinding(name: string, portal: PortalTable, root: RootTable, report: Report): void {
  const { bind_sessions: binding, insecure_cookies: isInsecure, url, providers, compat } = portal.values
  if (!binding) return
  const place = [...portal.at, 'bind_sessions']
  if (isInsecure === true || url?.scheme === 'http') {
    const hint = 'remove it until people come by https://, without insecure_cookies'
    const message = `browsers bind no session over plain HTTP, which [portals.${name}] is for`
    report.mistake(place, 'portal.bind_sessions', message, { hint, part: 'key' })
  }
  if (providers?.length === 0 || providers === null) {
    const hint = 'remove it: passwords and tokens are asked for no device'
    report.mistake(place, 'portal.bind_sessions', 'nobody signs in at this portal, so there is nothing to bind', {
      hint,
      part: 'key',
    })
  }
  const isAskedAbout = root.values.routes?.some(route => route.values.portal === name && route.values.verify === true)
  if (url === null && compat && isAskedAbout) {
    const hint = `write url = "${suggestUrl(name, portal, root)}" in [portals.${name}], and pass that host to Sallyport; or remove compat`
    const message =
      'each host binds its own sessions at /.sallyport/bind, which a proxy in front that knows the old addresses (compat) does not pass on'
    report.mistake(place, 'portal.bind_sessions', message, { hint, part: 'key' })
  }
}

/** A mistaken `allow`, or a misspelt portal, may have meant to. */
function mayHaveGuests(name: string, { values: { routes = [], portals } }: RootTable): boolean {
  return routes.some(({ values: { portal, allow } }) => {
    const isOther = portal === null || (portal !== name && portal !== undefined && portals?.has(portal) === true)
    if (isOther) return false
    if (allow === undefined) return true
    return (
      allow.kind === 'list' &&
      allow.entries.some(entry => typeof entry !== 'string' && entry.values.guest_link !== false)
    )
  })
}

/** Certain only where every route's own portal is known: a misspelt one may have meant this. */
function isUnused(name: string, { values: { routes = [], portals } }: RootTable): boolean {
  if (routes.length === 0) return false
  return routes.every(
    ({ values: { portal } }) => portal === null || (portal !== name && portal !== undefined && portals?.has(portal)),
  )
}

/** Names of a root table's entries as they are in the file, mistaken or not, so that one mistake does not cause another. */
export function namesIn(root: RootTable, key: 'providers' | 'portals'): readonly string[] {
  const raw = root.raw.entries.get(key)
  return raw?.kind === 'table' ? [...raw.entries.keys()] : []
}

function checkReferences(portal: PortalTable, providers: readonly string[], report: Report): void {
  for (const raw of itemsOf(portal.raw.entries.get('providers'))) {
    if (raw.kind !== 'text' || raw.text === null || raw.text === '' || providers.includes(raw.text)) continue
    const hint = raw.isFilled ? '' : didYouMean(raw.text, providers, `add a table [providers.${raw.text}]`)
    report.mistake(raw.at, 'provider.undefined', `there is no provider ${showRaw(raw)}`, { hint })
  }
}

/** A portal where no user can sign in is a mistake. */
function checkSomeone(name: string, { at, raw }: PortalTable, report: Report): void {
  if (raw.entries.has('providers') || raw.entries.has('htpasswd')) return
  // A misspelt key is one mistake, not also a missing one.
  if ([...raw.entries.keys()].some(key => !Object.hasOwn(PORTAL, key))) return
  const hint = 'add it, for example: providers = ["pocket-id"]'
  report.mistake(at, 'key.missing', `[portals.${name}] needs the key providers`, { hint, part: 'key' })
}

/** Where a portal's address is, and who has its pages' powers there. */
function checkPlace(
  name: string,
  portal: PortalTable,
  root: RootTable,
  byHost: Map<string, PortalTable>,
  report: Report,
): void {
  const { url } = portal.values
  const isShared =
    url === null || root.values.routes?.some(({ values: { host } }) => url && host?.includes(url.host)) === true
  if (url === null && isMountedOften(name, root)) {
    refuseOnEachHost(name, portal, root, report)
    refuseConsent(name, root, report)
  } else if (isShared) warnOfSharedHost(name, portal, root, report)
  if (url) checkUrl({ name, portal, url, root, byHost, report })
}

/** Beside an application, a portal's pages have its origin: its scripts can do what their forms do. */
function warnOfSharedHost(name: string, portal: PortalTable, root: RootTable, report: Report): void {
  const place =
    portal.values.url === null
      ? `write url = "${suggestUrl(name, portal, root)}" in [portals.${name}], a host`
      : 'give the portal a url with a host'
  const hint = `${place} where no application is, if you do not trust all of them with that`
  for (const [key, what] of powersOf(portal)) {
    const message = `an application on the host of the portal's pages can ${what}`
    report.warn([...portal.at, key], 'portal.shared_host', message, { hint, part: 'key' })
  }
}

/** Whether a portal without its own host is mounted on more than one host. */
function isMountedOften(name: string, { values: { routes = [] } }: RootTable): boolean {
  const hosts = new Set(routes.flatMap(({ values: { portal, host } }) => (portal === name ? (host ?? []) : [])))
  return hosts.size > 1 || [...hosts].some(host => host.startsWith('*.'))
}

/** What is made on such pages holds on every host of the portal, so that each host's application would rule the others. */
function refuseOnEachHost(name: string, portal: PortalTable, root: RootTable, report: Report): void {
  const url = suggestUrl(name, portal, root)
  const hint = `write url = "${url}" in [portals.${name}], a host without an application; or give each host its own portal`
  for (const [key, what] of powersOf(portal)) {
    const message = `this portal is on several hosts, and the application on any of them could ${what}, for all of them`
    report.mistake([...portal.at, key], 'portal.several_hosts', message, { hint, part: 'key' })
  }
}

/** On the pages of a portal people agree to what programs may do in their name, for which it has to be one place. */
function refuseConsent(name: string, { values: { routes = [] } }: RootTable, report: Report): void {
  for (const { at, values } of routes) {
    if (values.portal !== name || values.mcp !== true) continue
    const hint = 'give the portal a url on a host without an application; or mcp = "provider"'
    const message =
      'the portal of this route is on several hosts, and the application on any of them could agree for people'
    report.mistake([...at, 'mcp'], 'portal.several_hosts', message, { hint, part: 'key' })
  }
}

/** What a portal's pages can do beyond signing in the visitor, with the key that enables it. */
function powersOf({ values }: PortalTable): readonly (readonly [key: string, what: string])[] {
  const { admin_role: admin, roles, personal_tokens: tokens, guest_links: guests, requests } = values
  const found: readonly (readonly [key: string, isSet: boolean, what: string])[] = [
    ['personal_tokens', tokens === true, 'make tokens in the name of each visitor'],
    ['guest_links', guests !== null && guests !== undefined, 'make guest links in the name of each visitor'],
    ['requests', Boolean(requests), 'ask for roles, and grant them when an admin visits it'],
    ['admin_role', admin ? roles?.has(admin) === true : false, 'see and end all sessions when an admin visits it'],
  ]
  return found.flatMap(([key, isSet, what]) => (isSet ? [[key, what] as const] : []))
}

const CONDITIONS = ['providers', 'provider', 'subjects', 'users', 'emails', 'domains', 'groups', 'claims'] as const

function checkRoleRule(rule: RuleTable, portal: PortalTable, providers: readonly string[], report: Report): void {
  const { raw, values, at } = rule
  if (!saysSomething(rule.raw.entries, values)) {
    const hint =
      'any = true for everyone who can sign in; else name providers, subjects, users, emails, domains, groups or claims'
    report.mistake(at, 'role.empty', 'this role has no condition', { hint, part: 'key' })
  }
  checkProviderNames(raw.entries, { all: providers, portal }, report)
}

/** An unknown key, or a mistaken one, counts as a condition: it was meant as one, and is reported itself. */
function saysSomething(entries: ReadonlyMap<string, unknown>, values: Values<typeof RULE>): boolean {
  if (CONDITIONS.some(name => entries.has(name))) return true
  if (values.any !== false || SWITCHES.some(name => values[name] !== false)) return true
  return [...entries.keys()].some(name => name !== 'any' && name !== 'clients' && SWITCHES.every(own => own !== name))
}

/** `members` of a portal: only conditions about users, since they are checked once and not at each request. */
function checkMembers(name: string, portal: PortalTable, root: RootTable, report: Report): void {
  const { members } = portal.values
  if (members?.kind === 'authenticated') adviseMembers(name, portal, root, report)
  if (members?.kind !== 'list') return
  const check = { ...portalCheck(portal, root, report), portalName: name, shown: name, served: null }
  checkRoleNames(portal.raw.entries.get('members'), check)
  const issuers = createIssuerCheck(portal, root, report)
  for (const rule of tablesOf(members)) {
    refuseBesidesPeople(rule, report)
    checkRule(rule, check)
    issuers.check(rule, true)
  }
  const roles = members.entries.filter(entry => typeof entry === 'string')
  if (roles.length === members.entries.length) warnOfCircle(roles, portal, report)
}

const ABOUT_PEOPLE = new Set<string>(['roles', ...Object.keys(PERSON), 'any', 'all', 'not'])
const ABOUT_SIGN_IN = new Set(['max_age', 'acr', 'amr'])

function refuseBesidesPeople(rule: AccessTable, report: Report, isPart = false): void {
  for (const [key, raw] of rule.raw.entries) {
    if (ABOUT_PEOPLE.has(key) || !Object.hasOwn(ACCESS, key)) continue
    const isWhole = key === 'anonymous' || key === 'guest_link'
    // In a part of a rule they have no place anywhere, and that is reported.
    if (isWhole && isPart) continue
    const [why, hint] = ABOUT_SIGN_IN.has(key)
      ? ['who is a member does not depend on how they signed in', 'in allow of a route it has people sign in again']
      : isWhole
        ? ['a member is somebody who signs in', 'it belongs to allow of a route; guests are no members, and pass']
        : ['who is a member does not depend on the request', 'write it in allow or deny of the routes']
    report.mistake(raw.at, 'members.request', `${why}: ${key} has no place here`, { hint, part: 'key' })
  }
  for (const part of partsOf(rule)) refuseBesidesPeople(part, report, true)
}

/** A user needs a session to request a role, but only gets a session with that role. */
function warnOfCircle(members: readonly string[], portal: PortalTable, report: Report): void {
  const { requests, admin_role: admin } = portal.values
  if (!requests) return
  const { roles: asked } = requests.values
  const isAskable = (role: string) => (asked ? asked.includes(role) : role !== admin)
  if (!members.every(isAskable)) return
  const hint = 'let members name all who may ask, such as a group or a domain'
  const message = 'users without one of these roles have no session, so they cannot ask for a role'
  report.warn([...portal.at, 'members'], 'portal.requests', message, { hint, part: 'key' })
}

/** Where everybody in the world may sign in, that is hardly meant: what is open to all who did is open to all. */
function adviseMembers(name: string, portal: PortalTable, root: RootTable, report: Report): void {
  if (portal.raw.entries.has('members')) return
  const open = (portal.values.providers ?? []).find(one => {
    const provider = root.values.providers?.get(one)
    return provider !== undefined && isEverybodys(provider.values)
  })
  if (open === undefined || !isOpenToAll(name, portal, root)) return
  const hint =
    'say who may have a session: members = [{ emails = ["ada@example.org"] }]; or members = "authenticated" if everybody may'
  const message = `everybody in the world can have an account at ${open}, and so a session here`
  report.warn(portal.at, 'portal.members', message, { hint, part: 'key' })
}

/** Whether anything is open to all who signed in. */
function isOpenToAll(name: string, portal: PortalTable, { values: { routes = [] } }: RootTable): boolean {
  const hasWideRole = [...(portal.values.roles?.values() ?? [])].some(rules =>
    rules.some(({ values }) => values.any === true),
  )
  return hasWideRole || routes.some(({ values }) => values.portal === name && values.allow?.kind === 'authenticated')
}

/** That every logo is a picture of a reasonable size, and that what is for the dark has its like for the light. */
export function checkBrands(root: RootTable, files: ConfigFiles, report: Report): void {
  for (const { raw, values } of root.values.portals?.values() ?? []) {
    for (const [name, code] of [
      ['colour', 'portal.colour'],
      ['logo', 'portal.logo'],
    ] as const) {
      const dark = raw.entries.get(`${name}_dark`)
      if (dark === undefined || raw.entries.has(name)) continue
      report.mistake(dark.at, code, `${name}_dark is set without ${name}`, { hint: `add ${name}`, part: 'key' })
    }
    for (const name of ['logo', 'logo_dark'] as const) {
      const [entry, path] = [raw.entries.get(name), values[name]]
      if (entry === undefined || !path) continue
      checkPicture({ entry, path, limits: LOGO, code: 'portal.logo' }, files, report)
    }
  }
}
