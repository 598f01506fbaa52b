/** Writes `[portals.NAME]` for an imported portal, by where its pages are and which routes are its own. */

import type { Json } from '../../config/text/raw.ts'
import { parseRoutePath } from '../../config/values/path.ts'
import type { Entry, Section } from '../draft.ts'
import { STAND_IN_HOST } from '../variables-to-set.ts'
import { statedRoles } from './conditions.ts'
import { type Context, nameFor, spell, withoutTwins } from './context.ts'
import type { Host } from './hosts.ts'
import { type Table, tableOf, tablesOf, textOf, textsOf } from './json.ts'
import { lowerHost } from './matchers.ts'
import type { Portal } from './portal.ts'
import type { RoutePlan } from './route-plan.ts'
import { isRule } from './rules.ts'
import { isUnder, listsIn, MAX_DEPTH, type Server } from './servers.ts'

/** Where the pages of a portal are on a host. */
interface Placement {
  /** As the old file calls it. */
  readonly portal: string
  readonly paths: readonly string[]
  /** Paths of which all that is below is the portal's; an empty one is the whole host. */
  readonly whole: readonly string[]
}

/** `[portals.NAME]` and its roles. */
export function portalSections(
  context: Context,
  portal: Portal,
  hosts: readonly Host[],
  plans: readonly RoutePlan[],
  /** Addresses of other portals: a host is one portal's. */
  taken: Set<string>,
): readonly Section[] {
  const own = hosts.filter(host => placementsOn(host, portal).length > 0)
  const used = plans.filter(plan => plan.portal === portal)
  const isPlain = portal.isInsecure || used.some(({ host }) => host.isPlain)
  const stated = addressOf(context, portal, own, used)
  const url = stated !== null && taken.has(stated) ? null : stated
  if (url !== null) taken.add(url)
  if (url !== stated) {
    const say = `${stated} is another portal’s, and a host has one portal: users sign in at each host of its routes; register the callback of each host, or give the portal its own url`
    context.notes.add('decide', `authentication portal ${portal.was}`, null, say)
  }
  const entries: readonly Entry[] = [
    { key: 'url', value: url },
    { key: 'providers', value: portal.providers.map(({ name }) => name) },
    ...(portal.providers.length > 0 && portal.providers.every(({ isPreset }) => isPreset)
      ? []
      : [
          {
            key: 'callback_path',
            value: callbackPath(context, portal, own, used),
            comment: 'registered at the provider already',
          },
        ]),
    ...(portal.lifetime === null
      ? []
      : [
          { key: 'lifetime', value: portal.lifetime, comment: 'crypto default token lifetime' },
          { key: 'idle', value: portal.lifetime },
        ]),
    ...compatEntry(context, portal, own, url),
    ...(isPlain ? [{ key: 'insecure_cookies', value: true, comment: 'plain HTTP: only for tests' }] : []),
  ]
  return [
    { title: `[portals.${portal.name}]`, entries },
    {
      title: `[portals.${portal.name}.roles]`,
      about: 'Role = the users who have it; routes name roles in allow.',
      entries: roles(context, portal, used),
    },
  ]
}

/** `compat` of the portal, where all that is below a path was its own: applications and people have links there. */
function compatEntry(context: Context, portal: Portal, own: readonly Host[], url: string | null): readonly Entry[] {
  const placed = own.flatMap(host => placementsOn(host, portal))
  const isUsable = (path: string) => (path === '' ? url !== null : parseRoutePath(path).ok)
  // Where it was in several ways, only what all of them have is certain to be no application's.
  const prefix = placed[0]?.whole.find(path => isUsable(path) && placed.every(({ whole }) => whole.includes(path)))
  if (prefix === undefined) return []
  const say = `${prefix}/logout, login, portal and whoami keep answering where people sign in`
  context.notes.add('changed', 'its own addresses', null, say)
  const value: Json =
    prefix === '/auth' ? 'caddy-security' : { program: 'caddy-security', prefix: prefix === '' ? '/' : prefix }
  return [{ key: 'compat', value, comment: 'its own addresses keep answering' }]
}

function placementsOn({ is, servers }: Host, portal: Portal): readonly Placement[] {
  return servers.flatMap(({ server }) => placementsAt(is, server)).filter(({ portal: name }) => name === portal.was)
}

function placementsAt(host: string, { table }: Server): readonly Placement[] {
  const named = tableOf(table.named_routes)
  const find = (routes: readonly Table[], around: Omit<Placement, 'portal'>, depth: number): readonly Placement[] =>
    routes.flatMap(route => {
      const here = narrow(route.match, around, host)
      if (here === null || depth > MAX_DEPTH) return []
      const own = tablesOf(route.handle).filter(({ handler }) => handler === 'authenticator')
      return [
        ...own.map(({ portal_name: portal }) => ({ portal: textOf(portal) ?? '', ...here })),
        ...listsIn(route, named).flatMap(list => find(list, here, depth + 1)),
      ]
    })
  return find(tablesOf(table.routes), { paths: [''], whole: [''] }, 0)
}

/** Null where it is for other hosts. */
function narrow(match: unknown, around: Omit<Placement, 'portal'>, host: string): Omit<Placement, 'portal'> | null {
  const sets = tablesOf(match)
  const isHere = ({ host: names }: Table) =>
    names === undefined ||
    textsOf(names)
      .map(lowerHost)
      .some(name => name === host || isUnder(host, name))
  const own = sets.filter(isHere)
  if (sets.length > 0 && own.length === 0) return null
  const paths = own.flatMap(({ path }) => textsOf(path))
  if (paths.length === 0) {
    const isOfHosts = own.every(set => Object.keys(set).every(key => key === 'host'))
    return isOfHosts ? around : { ...around, whole: [] }
  }
  return {
    paths: paths.map(path => path.replace(/\/?\*$/, '')),
    whole: paths.filter(path => path.endsWith('*')).map(path => path.replace(/\/?\*$/, '')),
  }
}

/** Null: it is on each host that it protects, as it was. */
function addressOf(context: Context, portal: Portal, own: readonly Host[], used: readonly RoutePlan[]): string | null {
  if (used.every(({ host }) => own.includes(host))) return null
  const stated = used
    .flatMap(({ policies }) => policies.map(({ authUrl }) => /^https?:\/\/[^/]+/.exec(authUrl ?? '')?.[0]))
    .filter(address => address !== undefined)
  const home = own.find(({ name }) => !name.startsWith('*'))
  if (home === undefined && stated[0] !== undefined) return spell(context, stated[0])
  if (home !== undefined) {
    // Its port is the one that people come by.
    const itsOwn = stated.find(address => address.replace(/^https?:\/\/|:\d+$/g, '').toLowerCase() === home.is)
    return itsOwn ?? `${home.isPlain ? 'http' : 'https'}://${home.name}`
  }
  return `https://${context.blanks.add('PORTAL_HOST', `the host where people sign in at ${portal.was}`, STAND_IN_HOST)}`
}

/** The registered callback: below the portal's old path, and with the first provider's realm. */
function callbackPath(context: Context, portal: Portal, own: readonly Host[], used: readonly RoutePlan[]): string {
  const [first, ...others] = portal.providers.filter(({ isPreset }) => !isPreset)
  if (others.length > 0) {
    const say = `register the callback of ${first?.was} at the other providers too: one serves all of a portal`
    context.notes.add('decide', `authentication portal ${portal.was}`, null, say)
  }
  const placed = own.flatMap(host => placementsOn(host, portal))
  const asked = used.flatMap(({ policies }) =>
    policies.map(({ authUrl }) => authUrl?.replace(/^https?:\/\/[^/]*/, '') ?? ''),
  )
  const paths = [...placed.flatMap(placement => placement.paths), ...asked].filter(path => parseRoutePath(path).ok)
  const above = paths.map(path => /^(.*?)\/oauth2\//.exec(path)?.[1]).find(base => base !== undefined)
  const plain = paths.map(path => path.replace(/\/(?:login)?$/, '')).find(path => path !== '')
  return `${above ?? plain ?? ''}/oauth2/${nameFor(first?.realm ?? 'generic')}/authorization-code-callback`
}

/** The roles that transforms make, and those that policies ask for and nothing makes: groups of that name. */
function roles(context: Context, portal: Portal, used: readonly RoutePlan[]): readonly Entry[] {
  const made = new Map(portal.roles)
  const policies = new Set(used.flatMap(({ policies: own }) => own))
  for (const { was, roles: asked, deniedRoles } of policies) {
    for (const role of asked.filter(name => !made.has(name))) {
      const say = `users with the group or role ${role} at the provider have this role, because no transform makes it`
      context.notes.add('decide', `authorization policy ${was}`, null, say)
    }
    // A user who brings a role of that name from the provider has it as well.
    for (const role of new Set([...asked, ...deniedRoles])) {
      const own = made.get(role) ?? []
      const isAnybodys = own.some(rule => isRule(rule) && 'any' in rule)
      if (!isAnybodys) made.set(role, [...own, ...statedRoles([context.names.textOf('role', role)])])
    }
  }
  return [...made].map(([key, rules]) => ({ key, value: rules.length === 1 ? (rules[0] ?? []) : withoutTwins(rules) }))
}
