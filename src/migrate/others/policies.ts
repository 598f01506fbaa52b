/** Access rules of Authelia and pomerium in the words of routes.toml. */

import { formatToml } from '../../config/keys/table.ts'
import type { Json } from '../../config/text/raw.ts'
import { at, entriesAt, itemsAt, textAt, textsAt, type Yaml } from '../yaml.ts'

/** One rule of another gate: its place, its text there, and its counterpart here. */
export interface Row {
  readonly host: string
  readonly path: string
  readonly there: string
  readonly here: string
}

/** A rule of a route, in the order of its keys. */
export type Rule = Readonly<Record<string, Json>>

/** The rule for users that no rule describes: no user, until the operator writes it. */
const UNKNOWN: Rule = { subjects: ['write-who-may'] }

/** `allow` of a route; without a condition everybody, or everybody who is signed in, is meant. */
export function allowText(rules: readonly Rule[], isOpen: boolean): string {
  const whole = rules.length === 0 || rules.some(rule => Object.keys(rule).length === 0)
  if (whole) return `allow = "${isOpen ? 'public' : 'authenticated'}"`
  return `allow = ${formatToml(isOpen ? rules.map(rule => ({ ...rule, anonymous: true })) : [...rules])}`
}

/** `deny` of a route; without a condition everybody is. */
export function denyText(rules: readonly Rule[]): string {
  const whole = rules.length === 0 || rules.some(rule => Object.keys(rule).length === 0)
  return `deny = ${formatToml(whole ? [{ networks: ['0.0.0.0/0', '::/0'] }] : [...rules])}`
}

/** People as other gates write them: an address, `@domain`, an expression between slashes, a name. */
export function peopleRules(entries: readonly string[]): readonly Rule[] {
  const kindOf = (one: string) =>
    /^\/.*\/$/.test(one) ? 'odd' : one.startsWith('@') ? 'domain' : one.includes('@') ? 'email' : 'name'
  const all = Map.groupBy(entries, kindOf)
  const [emails, domains, names] = [all.get('email'), all.get('domain')?.map(one => one.slice(1)), all.get('name')]
  const addresses = { ...(emails && { emails }), ...(domains && { domains }) }
  return [
    ...(Object.keys(addresses).length === 0 ? [] : [addresses]),
    ...(names ? [{ claims: { preferred_username: names } }] : []),
    // An expression has no word here: it is what is shown beside this.
    ...(all.has('odd') ? [UNKNOWN] : []),
  ]
}

/** The rules of Authelia's `access_control`, and what holds where none of them does. */
export function autheliaRows(document: Yaml | null): readonly Row[] {
  const named = new Map<string | null, readonly string[]>([
    ...itemsAt(document, 'access_control', 'networks').map(
      one => [textAt(one, 'name'), textsAt(one, 'networks')] as const,
    ),
    ...entriesAt(document, 'definitions', 'network').map(([name, networks]) => [name, textsAt(networks)] as const),
  ])
  const known = ['domain', 'domain_regex', 'policy', 'subject', 'networks', 'resources', 'methods']
  const rows = itemsAt(document, 'access_control', 'rules').flatMap(rule => {
    const hosts = [...textsAt(rule, 'domain'), ...textsAt(rule, 'domain_regex').map(text => `~ ${text}`)]
    const resources = textsAt(rule, 'resources')
    const methods = textsAt(rule, 'methods')
    const networks = textsAt(rule, 'networks').flatMap(name => named.get(name) ?? [name])
    const policy = textAt(rule, 'policy') ?? 'deny'
    // A list of which one has to hold; one that is a list itself holds as a whole.
    const people = itemsAt(rule, 'subject').map(one => textsAt(one))
    const odd = entriesAt(rule).find(([key]) => !known.includes(key))?.[0]
    const where: Rule = {
      ...(resources.length === 0
        ? {}
        : { path_regexp: resources.length === 1 ? (resources[0] ?? '') : [...resources] }),
      ...(methods.length === 0 ? {} : { methods }),
      ...(networks.length === 0 ? {} : { networks }),
    }
    const rules = people.length === 0 ? [where] : people.map(words => ({ ...where, ...subject(words) }))
    const here = odd === undefined ? policyText(policy, rules) : `nothing: no rule says ${odd} as there`
    const there = [policy, ...people.map(words => words.join(' and '))].join(', ')
    return hosts.map(host => ({ host, path: resources.join(' '), there, here: noHost(host) ?? here }))
  })
  const fallback = textAt(document, 'access_control', 'default_policy') ?? 'deny'
  const rest = fallback === 'deny' ? 'nothing: what no rule of allow says is refused' : policyText(fallback, [{}])
  return [...rows, { host: '(any other)', path: '', there: fallback, here: rest }]
}

/** Where the host is none that a route can have. */
function noHost(host: string): string | null {
  if (host.startsWith('~ ')) return 'a route for each host: none has an expression'
  return /[{}]/.test(host) ? 'a route for each person’s host' : null
}

function policyText(policy: string, rules: readonly Rule[]): string {
  if (policy === 'bypass') return allowText(rules, true)
  if (policy === 'deny') return denyText(rules)
  return allowText(policy === 'two_factor' ? rules.map(rule => ({ ...rule, amr: 'mfa' })) : rules, false)
}

/** `group:admins`, `user:john`, `oauth2:client:x`: all of them. */
function subject(words: readonly string[]): Rule {
  const named = (kind: string) => words.flatMap(word => (word.startsWith(kind) ? [word.slice(kind.length)] : []))
  const parts: readonly Rule[] = [
    ...named('group:').map(group => ({ groups: [group] })),
    ...named('user:').map(user => ({ claims: { preferred_username: [user] } })),
    ...named('oauth2:client:').map(client => ({ subjects: [client] })),
  ]
  const [only = UNKNOWN, ...more] = parts
  return more.length === 0 && words.length === 1 ? only : parts.length < words.length ? UNKNOWN : { all: [...parts] }
}

/**
 * Pomerium's `routes`, or `policy` by its earlier name, or a file of only routes; none for a file without any that
 * have a `from`.
 */
export function pomeriumRows(document: Yaml | null): readonly Row[] {
  const places = [[], ['routes'], ['policy'], ['config', 'routes'], ['config', 'policy']]
  const routes = places.flatMap(path => itemsAt(document, ...path)).filter(one => at(one, 'from') !== null)
  return routes.map(route => {
    const [, scheme = '', host = ''] = /^(?:([a-z0-9+]+):\/\/)?([^/]*)/i.exec(textAt(route, 'from') ?? '') ?? []
    const [path = ''] = ['prefix', 'path', 'regex'].flatMap(key => textAt(route, key) ?? [])
    const to = textsAt(route, 'to')
    const target = to.length === 0 ? [] : [`upstream = ${formatToml(to.length === 1 ? (to[0] ?? '') : [...to])}`]
    const { said, texts } = whoMay(route)
    const here = /^(?:tcp|udp|ssh)/.test(scheme)
      ? 'nothing: HTTP alone is served here'
      : [...target, ...texts].join('; ')
    return { host, path, there: said.join(', ') || 'nobody', here }
  })
}

function whoMay(route: Yaml): { readonly said: readonly string[]; readonly texts: readonly string[] } {
  const isOn = (key: string) => textAt(route, key) === 'true'
  const [open, any] = ['allow_public_unauthenticated_access', 'allow_any_authenticated_user']
  if (isOn(open)) return { said: [open], texts: [allowText([], true)] }
  if (isOn(any)) return { said: [any], texts: [allowText([], false)] }
  const people = [...textsAt(route, 'allowed_users'), ...textsAt(route, 'allowed_domains').map(domain => `@${domain}`)]
  const groups = textsAt(route, 'allowed_groups')
  const claims = entriesAt(route, 'allowed_idp_claims').map(([name, value]) => ({ claims: { [name]: textsAt(value) } }))
  const found: readonly Rule[] = [...peopleRules(people), ...(groups.length === 0 ? [] : [{ groups }]), ...claims]
  const said = [...people, ...groups, ...claims.map(one => Object.keys(one.claims).join())]
  const texts = found.length === 0 ? [] : [allowText(found, false)]
  for (const policy of itemsAt(route, 'policy')) {
    for (const action of ['allow', 'deny'] as const) {
      const lists = entriesAt(policy, action)
      if (lists.length === 0) continue
      said.push(...lists.flatMap(([, list]) => itemsAt(list).map(one => `${action} ${tell(one)}`)))
      const rules = lists.map(([operator, list]) => joined(operator, itemsAt(list).map(criterionOf)))
      const own = rules.flatMap(rule => rule ?? [])
      texts.push(
        action === 'deny'
          ? denyText(own)
          : allowText(
              own,
              rules.every(rule => rule === null),
            ),
      )
    }
  }
  return { said, texts }
}

/** Rules of which one has to hold; null where everybody passes. */
function joined(operator: string, all: readonly (Rule | 'accept')[]): readonly Rule[] | null {
  const rules = all.filter(one => one !== 'accept')
  if (rules.length < all.length && (operator === 'or' || rules.length === 0)) return null
  if (operator === 'or') return rules
  const whole = { and: { all: rules }, not: { not: { any: rules } }, nor: { not: { any: rules } } }[operator]
  return [whole ?? UNKNOWN]
}

/** A criterion of a policy, such as `email: { is: ada@example.com }`. */
function criterionOf(node: Yaml): Rule | 'accept' {
  const [[name = '', value = null] = []] = entriesAt(node)
  const [[operator = 'is', operand = value] = []] = entriesAt(value)
  const texts = textsAt(operand)
  if (name === 'accept') return 'accept'
  if (name === 'authenticated_user') return {}
  if (name === 'groups') return { groups: texts }
  if (name.startsWith('claim/')) return { claims: { [name.slice('claim/'.length)]: texts } }
  const key = { email: 'emails', domain: 'domains', user: 'subjects', http_method: 'methods' }[name]
  return key === undefined || operator !== 'is' || value === null ? UNKNOWN : { [key]: texts }
}

function tell(node: Yaml): string {
  const [[name = '?', value = null] = []] = entriesAt(node)
  return [name, ...entriesAt(value).map(([key, one]) => `${key} ${textsAt(one)}`)].join(' ')
}
