import { at, entriesAt, itemsAt, textAt, type Yaml } from '../yaml.ts'
import { allowText, denyText, listed, type Row, type Rule } from './row.ts'

/** The rules of `access_control`, and what holds where none of them does. */
export function autheliaRows(document: Yaml | null): readonly Row[] {
  const defined = [
    ...itemsAt(document, 'access_control', 'networks'),
    ...entriesAt(document, 'definitions', 'network').map(([name, networks]): Yaml => {
      const entries = new Map<string, Yaml>([
        ['name', { kind: 'text', text: name, line: networks.line }],
        ['networks', networks],
      ])
      return { kind: 'map', entries, line: networks.line }
    }),
  ]
  const named = new Map(defined.map(one => [textAt(one, 'name') ?? '', textsAt(one, 'networks')]))
  const rows = itemsAt(document, 'access_control', 'rules').flatMap(rule => {
    const hosts = [...textsAt(rule, 'domain'), ...textsAt(rule, 'domain_regex').map(text => `~ ${text}`)]
    const resources = textsAt(rule, 'resources')
    const policy = textAt(rule, 'policy') ?? 'deny'
    const people = subjectsOf(rule)
    const said = [policy, ...people.map(({ said: text }) => text)]
    const odd = entriesAt(rule).find(([key]) => !KEYS.includes(key))?.[0]
    const where = conditionsOf(rule, named)
    const rules = people.map(one => one.rule)
    const here = odd === undefined ? hereOf(policy, where, rules) : `nothing: no rule says ${odd} as there`
    return hosts.map(host => ({ host, path: resources.join(' '), there: said.join(', '), here: noHost(host) ?? here }))
  })
  const fallback = textAt(document, 'access_control', 'default_policy') ?? 'deny'
  const rest = fallback === 'deny' ? 'nothing: what no rule of allow says is refused' : hereOf(fallback, {}, [])
  return [...rows, { host: '(any other)', path: '', there: fallback, here: rest }]
}

/** Where the host is none that a route can have. */
function noHost(host: string): string | null {
  if (host.startsWith('~ ')) return 'a route for each host: none has an expression'
  return /[{}]/.test(host) ? 'a route for each person’s host' : null
}

function hereOf(policy: string, where: Rule, people: readonly Rule[]): string {
  const rules = people.length === 0 ? [where] : people.map(rule => ({ ...where, ...rule }))
  if (policy === 'bypass') return allowText(rules, true)
  if (policy === 'deny') return denyText(rules)
  return allowText(policy === 'two_factor' ? rules.map(rule => ({ ...rule, amr: 'mfa' })) : rules, false)
}

const KEYS = ['domain', 'domain_regex', 'policy', 'subject', 'networks', 'resources', 'methods']

function conditionsOf(rule: Yaml, named: ReadonlyMap<string, readonly string[]>): Rule {
  const resources = textsAt(rule, 'resources')
  const methods = textsAt(rule, 'methods')
  const networks = textsAt(rule, 'networks').flatMap(name => named.get(name) ?? [name])
  return {
    ...(resources.length === 0 ? {} : { path_regexp: listed(resources) }),
    ...(methods.length === 0 ? {} : { methods }),
    ...(networks.length === 0 ? {} : { networks }),
  }
}

/** `subject`: a list of which one has to hold; one that is a list itself holds as a whole. */
function subjectsOf(rule: Yaml): readonly { readonly said: string; readonly rule: Rule }[] {
  return itemsAt(rule, 'subject').map(item => {
    const words = item.kind === 'list' ? item.items.flatMap(textOf) : textOf(item)
    const groups = namesOf(words, 'group:')
    const users = namesOf(words, 'user:')
    const clients = namesOf(words, 'oauth2:client:')
    const parts = [
      ...groups.map(group => ({ groups: [group] })),
      ...users.map(user => ({ claims: { preferred_username: [user] } })),
      ...clients.map(client => ({ subjects: [client] })),
    ]
    const [only = {}, ...more] = parts
    return { said: words.join(' and '), rule: more.length === 0 ? only : { all: parts } }
  })
}

function namesOf(words: readonly string[], kind: string): readonly string[] {
  return words.flatMap(word => (word.startsWith(kind) ? [word.slice(kind.length)] : []))
}

function textOf(node: Yaml): readonly string[] {
  return node.kind === 'text' ? [node.text] : []
}

function textsAt(node: Yaml, key: string): readonly string[] {
  return at(node, key) === null ? [] : itemsAt(node, key).flatMap(textOf)
}
