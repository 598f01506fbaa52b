import type { Json } from '../../config/text/raw.ts'
import { closingEntry, type Entry, EVERYONE, type Section } from '../draft.ts'
import { spellPath } from '../spell-path.ts'
import { boundPlaces } from './bind.ts'
import { type Context, createNames } from './context.ts'
import { directiveOrder } from './directives.ts'
import { spellFields } from './fields.ts'
import { globalOptions, makesTls, serverSection } from './global.ts'
import { USER_ID } from './header-up.ts'
import { type Host, hostsOf } from './hosts.ts'
import { isMatcher } from './matcher.ts'
import type { Caddyfile, Directive } from './parse.ts'
import { planRoutes, type RoutePlan } from './plan.ts'
import { CLAIM_FIELDS, readPolicy } from './policy.ts'
import { madeRoles, type Portal, readPortal } from './portal.ts'
import { portalSections } from './portal-sections.ts'
import { localProvider, readProvider, realmsOf } from './provider.ts'
import type { Served } from './ruling.ts'
import { openSite } from './walk/site.ts'

/** Every section of the new file, for a Caddyfile; every directive of the old one has a note afterwards. */
export function convertCaddyfile(tools: Omit<Context, 'names' | 'oldFiles'>, file: Caddyfile): readonly Section[] {
  const context: Context = { ...tools, names: createNames(), oldFiles: file.files }
  for (const { line, what } of file.imports) context.notes.add('kept', 'import', line, `what ${what} says`)
  const { security, unknown } = globalOptions(context, file.options)
  const providers = named(security, 'oauth', 'identity', 'provider').map(one => readProvider(context, one))
  const placed = named(security, 'authentication', 'portal')
  if (providers.length === 0 && placed.length > 0) providers.push(localProvider(context))
  const portals = placed.map(one => readPortal(context, one, providers))
  if (portals.length > 0) {
    const say = 'everyone signs in once more: the sessions of caddy-security end with it'
    context.notes.add('people', 'sign-in', null, say)
  }
  const policies = named(security, 'authorization', 'policy').map(one =>
    readPolicy(context, one, { realms: realmsOf(providers), roles: madeRoles(context, portals) }),
  )
  const order = directiveOrder(file.options)
  const { listen, closedAt } = boundPlaces(context, file)
  const bypassed = new Map(policies.map(({ was, open }) => [was, open]))
  const hasTls = makesTls(file.options)
  const sites = file.sites.map(site => ({
    site,
    walk: openSite(context, site.block, order, bypassed),
    closed: unknown ?? closedAt(site),
    hasTls,
  }))
  const hosts = hostsOf(context, sites)
  const plans = hosts.flatMap(host => planRoutes(context, host, { hosts, portals, policies }))
  for (const { block } of file.sites) noteUnmet(context, block)
  const placements = portals.map(portal => ({ portal, sections: portalSections(context, portal, hosts, plans) }))
  const callbacks = placements.flatMap(({ portal, sections }) => callbacksOf(portal, sections, plans))
  // Where a portal's own paths are refused, its callback is not: that path alone, on its own hosts, is no route's.
  const isCallback = ({ host, path, isExact, served }: RoutePlan) =>
    served === 404 && isExact && callbacks.some(one => one.path === path && one.hosts.includes(host.name))
  return [
    serverSection(context, file, { listen, asksClients: plans.some(looksAtClients), taken: ownPorts(plans) }),
    ...providers.map(({ section }) => section),
    ...placements.flatMap(({ sections }) => sections),
    ...plans.filter(plan => !isCallback(plan)).map(routeSection),
  ]
}

/** The path where a portal gets people back from a provider, with the hosts where it does: that of its `url`, or those with its routes. */
function callbacksOf(portal: Portal, sections: readonly Section[], plans: readonly RoutePlan[]) {
  const entries = sections.flatMap(section => section.entries)
  const url = entries.find(({ key }) => key === 'url')?.value
  const used = plans.filter(plan => plan.portal === portal).map(({ host }) => host.name)
  const hosts = typeof url === 'string' ? [url.replace(/^https?:\/\//, '')] : used
  return entries.filter(({ key }) => key === 'callback_path').map(({ value }) => ({ path: value, hosts }))
}

/** Names the directives to which no request came: something before them answered all. */
function noteUnmet(context: Context, block: readonly Directive[]): void {
  const noted = new Set(context.notes.list.map(({ line }) => line))
  for (const { name, args, line, block: inner } of block) {
    if (name.startsWith('@') || noted.has(line)) continue
    if (BLOCKS.has(name)) noteUnmet(context, inner ?? [])
    else if (!SILENT.has(name) && !(inner ?? []).some(one => noted.has(one.line))) {
      // Any other word may be a secret.
      const shown = isMatcher(args[0]) ? `${name} ${args[0]}` : name
      context.notes.add('left', shown, line, 'no request came to it: something before it answered them')
    }
  }
}

const BLOCKS = new Set(['handle', 'route', 'handle_path'])
/** What is said of others, or of a whole site. */
const SILENT = new Set(['root', 'bind', 'import'])

/** Directives that begin with these words, without them. */
function named(directives: readonly Directive[], first: string, ...words: readonly string[]): readonly Directive[] {
  return directives
    .filter(({ name, args }) => name === first && words.every((word, index) => args[index] === word))
    .map(directive => ({ ...directive, args: directive.args.slice(words.length) }))
}

function routeSection(plan: RoutePlan): Section {
  const { host, served, closed, policies, portal, allow, deny, fields } = plan
  const isOwn = typeof served === 'number'
  const hasUpstream = !isOwn && served.answer.answer.entries.some(({ key }) => key === 'upstream')
  const headers = policies.find(one => one.headers !== null)?.headers ?? null
  const userId = policies[0]?.userId ?? 'email'
  return {
    title: '[[routes]]',
    entries: [
      { key: 'host', value: host.name },
      { key: 'path', value: spellPath(plan) },
      { key: 'one_label', value: host.name.startsWith('*.') ? true : null },
      ...(isOwn
        ? [{ key: 'respond', value: { status: served } }]
        : answerEntries(served).map(entry => onHost(entry, host))),
      { key: 'response_headers', value: isOwn ? null : spellFields(fields) },
      { key: 'portal', value: portal?.name ?? null },
      { key: 'allow', value: allow },
      closed.length > 0 ? closingEntry(closed, deny) : { key: 'deny', value: deny.length === 0 ? null : deny },
      { key: 'headers', value: hasUpstream ? identity(headers, callBy(served.answer.answer.headers, userId)) : null },
    ],
  }
}

/** A redirect to a name that is made of its own host's names that: any host could be meant by the placeholder. */
function onHost(entry: Entry, { name }: Host): Entry {
  const { key, value } = entry
  const isMade = key === 'redirect' && typeof value === 'string' && /^https?:\/\/[^/]*\{host\}/.test(value)
  if (!isMade || name.startsWith('*') || /^https?:\/\/\{host\}(?![^/{])/.test(value)) return entry
  return { ...entry, value: value.replace('{host}', name) }
}

/** What answers, with what is done to the request for it. */
function answerEntries({ answer, stripPrefix, addPrefix, requestHeaders }: Served): readonly Entry[] {
  const { entries, requestHeaders: own } = answer.answer
  if (entries.some(({ key }) => key === 'respond')) return entries
  const set = { ...requestHeaders.set, ...own.set }
  const append = { ...requestHeaders.append, ...own.append }
  const remove = [...requestHeaders.remove, ...own.remove]
  const changes = {
    ...(Object.keys(set).length > 0 ? { set } : {}),
    ...(Object.keys(append).length > 0 ? { append } : {}),
    ...(remove.length > 0 ? { remove } : {}),
  }
  const hasUpstream = entries.some(({ key }) => key === 'upstream')
  return [
    ...entries,
    { key: 'request_headers', value: hasUpstream && Object.keys(changes).length > 0 ? changes : null },
    { key: 'strip_prefix', value: stripPrefix },
    { key: 'add_prefix', value: addPrefix },
  ]
}

/** Whether a route asks where clients come from, and not only for everyone. */
function looksAtClients({ allow, deny }: RoutePlan): boolean {
  const asked = deny.filter(rule => JSON.stringify(rule) !== JSON.stringify(EVERYONE))
  return JSON.stringify([allow, asked]).includes('"networks"')
}

/** The ports of applications on this machine, as far as they are told. */
function ownPorts(plans: readonly RoutePlan[]): ReadonlySet<string> {
  const upstreams = plans.flatMap(({ served }) =>
    typeof served === 'number' ? [] : served.answer.answer.entries.filter(({ key }) => key === 'upstream'),
  )
  const found = JSON.stringify(upstreams).matchAll(/:\/\/(?:localhost|127\.[\d.]+|\[::1\]):(\d+)/g)
  return new Set([...found].map(([, port = '']) => port))
}

/** Fields with what people are called by in its place. */
function callBy(fields: Readonly<Record<string, string>>, userId: string): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(fields).map(([name, claim]) => [name, claim === USER_ID ? userId : claim]))
}

/** What the policy sends, with what `header_up` adds to it. */
function identity(policy: Json, own: Readonly<Record<string, string>>): Json {
  if (Object.keys(own).length === 0) return policy
  if (policy === 'caddy-security') return { ...CLAIM_FIELDS, ...own }
  return typeof policy === 'object' && policy !== null && !Array.isArray(policy) ? { ...policy, ...own } : own
}
