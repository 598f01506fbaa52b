import type { Json } from '../../../config/raw.ts'
import type { Section } from '../draft.ts'
import type { Desk } from './desk.ts'
import { globalOptions, listenEntries } from './global.ts'
import { hostsOf, mergeHosts } from './hosts.ts'
import type { Caddyfile, Directive } from './parse.ts'
import { planRoutes, type RoutePlan } from './plan.ts'
import { CLAIM_FIELDS, readPolicy } from './policy.ts'
import { readPortal } from './portal.ts'
import { portalSections } from './portal-sections.ts'
import { readProvider } from './provider.ts'
import { expandSnippets } from './snippets.ts'

/** Every section of the new file, for a Caddyfile; every directive of the old one has a note afterwards. */
export function convertCaddyfile(desk: Desk, caddyfile: Caddyfile): readonly Section[] {
  const file = expandSnippets(caddyfile, desk.notes)
  const security = globalOptions(desk, file.options)
  const providers = named(security, 'oauth', 'identity', 'provider').map(one => readProvider(desk, one))
  const portals = named(security, 'authentication', 'portal').map(one => readPortal(desk, one, providers))
  const policies = named(security, 'authorization', 'policy').map(one => readPolicy(desk, one, providers))
  const hosts = mergeHosts(
    desk,
    file.sites.flatMap(site => hostsOf(desk, site)),
  )
  const plans = hosts.flatMap(host => planRoutes(desk, host, { hosts, portals, policies }))
  return [
    { title: '[server]', entries: listenEntries(desk, file) },
    ...providers.map(({ section }) => section),
    ...portals.flatMap(portal => portalSections(desk, portal, hosts, plans)),
    ...plans.map(routeSection),
  ]
}

/** Directives that begin with these words, without them. */
function named(directives: readonly Directive[], first: string, ...words: readonly string[]): readonly Directive[] {
  return directives
    .filter(({ name, args }) => name === first && words.every((word, index) => args[index] === word))
    .map(directive => ({ ...directive, args: directive.args.slice(words.length) }))
}

function routeSection({ host, path, service, policy, isBypassed, portal, allow, deny }: RoutePlan): Section {
  const { entries, headers } = service.answer
  const hasUpstream = entries.some(({ key }) => key === 'upstream')
  return {
    title: '[[routes]]',
    entries: [
      { key: 'host', value: host.name },
      { key: 'path', value: path === '/' ? null : path },
      ...entries,
      { key: 'strip_prefix', value: service.stripPrefix },
      { key: 'portal', value: portal?.name ?? null },
      { key: 'allow', value: allow, ...(isBypassed ? { comment: 'bypass' } : {}) },
      { key: 'deny', value: isBypassed || deny.length === 0 ? null : deny },
      { key: 'headers', value: hasUpstream ? identity(policy?.headers ?? null, headers) : null },
    ],
  }
}

/** What the policy sends, with what `header_up` adds to it. */
function identity(policy: Json, own: Readonly<Record<string, string>>): Json {
  if (Object.keys(own).length === 0) return policy
  if (policy === 'x-token') return { ...CLAIM_FIELDS, ...own }
  return typeof policy === 'object' && policy !== null && !Array.isArray(policy) ? { ...policy, ...own } : own
}
