import { formatToml } from '../../config/keys/table.ts'
import { at, entriesAt, itemsAt, textAt, type Yaml } from '../yaml.ts'
import { allowText, denyText, peopleRules, type Row, type Rule, UNKNOWN } from './row.ts'

/** `routes`, or `policy` as it was called before; null for a file without any that have a `from`. */
export function pomeriumRows(document: Yaml | null): readonly Row[] | null {
  const routes = [...itemsAt(document, 'routes'), ...itemsAt(document, 'policy')].filter(
    one => at(one, 'from') !== null,
  )
  return routes.length === 0 ? null : routes.map(rowOf)
}

function rowOf(route: Yaml): Row {
  const host = (textAt(route, 'from') ?? '').replace(/^[a-z+]+:\/\//i, '').replace(/\/.*$/, '')
  const [path = ''] = ['prefix', 'path', 'regex'].flatMap(key => textAt(route, key) ?? [])
  const to = itemsAt(route, 'to').flatMap(one => (one.kind === 'text' ? [one.text] : []))
  const where = to.length === 0 ? [] : [`upstream = ${formatToml(to.length === 1 ? (to[0] ?? '') : to)}`]
  const { said, texts } = whoMay(route)
  return { host, path, there: said.join(', ') || 'nobody', here: [...where, ...texts].join('; ') }
}

function whoMay(route: Yaml): { readonly said: readonly string[]; readonly texts: readonly string[] } {
  for (const [key, isOpen] of [
    ['allow_public_unauthenticated_access', true],
    ['allow_any_authenticated_user', false],
  ] as const) {
    if (textAt(route, key) === 'true') return { said: [key], texts: [allowText([], isOpen)] }
  }
  const users = itemsAt(route, 'allowed_users').flatMap(textOf)
  const domains = itemsAt(route, 'allowed_domains').flatMap(textOf)
  const claims = entriesAt(route, 'allowed_idp_claims').map(([name, value]) => ({
    claims: { [name]: itemsAt(value).flatMap(textOf) },
  }))
  const found = [...peopleRules([...users, ...domains.map(domain => `@${domain}`)]), ...claims]
  const said = [...users, ...domains.map(domain => `@${domain}`), ...claims.map(one => Object.keys(one.claims).join())]
  const texts = found.length === 0 ? [] : [allowText(found, false)]
  for (const policy of itemsAt(route, 'policy')) {
    for (const action of ['allow', 'deny'] as const) {
      const rules = entriesAt(policy, action).map(([operator, list]) =>
        joined(operator, itemsAt(list).map(criterionOf)),
      )
      if (rules.length === 0) continue
      said.push(...entriesAt(policy, action).flatMap(([, list]) => itemsAt(list).map(one => `${action} ${tell(one)}`)))
      const open = rules.every(rule => rule.kind === 'open')
      const own = rules.flatMap(rule => rule.rules)
      texts.push(action === 'deny' ? denyText(own) : allowText(own, open))
    }
  }
  return { said, texts }
}

interface Criteria {
  readonly kind: 'open' | 'people'
  readonly rules: readonly Rule[]
}

function joined(operator: string, all: readonly (Rule | 'accept')[]): Criteria {
  const rules = all.filter(one => one !== 'accept')
  if (rules.length < all.length && (operator === 'or' || rules.length === 0)) return { kind: 'open', rules: [] }
  if (operator === 'or') return { kind: 'people', rules }
  const whole = { and: { all: rules }, not: { not: { any: rules } }, nor: { not: { any: rules } } }[operator]
  return { kind: 'people', rules: [whole ?? UNKNOWN] }
}

/** A criterion of a policy, such as `email: { is: ada@example.com }`. */
function criterionOf(node: Yaml): Rule | 'accept' {
  const [[name = '', value] = []] = entriesAt(node)
  if (value === undefined) return UNKNOWN
  const [[operator = 'is', operand] = []] = entriesAt(value)
  const texts = (operand === undefined ? itemsAt(value) : itemsAt(operand)).flatMap(textOf)
  switch (name) {
    case 'accept':
      return 'accept'
    case 'authenticated_user':
      return {}
    case 'email':
      return operator === 'is' ? { emails: texts } : UNKNOWN
    case 'domain':
      return operator === 'is' ? { domains: texts } : UNKNOWN
    case 'user':
      return operator === 'is' ? { subjects: texts } : UNKNOWN
    case 'groups':
      return { groups: texts }
    case 'http_method':
      return operator === 'is' ? { methods: texts } : UNKNOWN
    default:
      return name.startsWith('claim/') ? { claims: { [name.slice('claim/'.length)]: texts } } : UNKNOWN
  }
}

function tell(node: Yaml): string {
  const [[name = '?', value] = []] = entriesAt(node)
  const own =
    value?.kind === 'map' ? [...value.entries].map(([key, one]) => `${key} ${itemsAt(one).flatMap(textOf)}`) : []
  return [name, ...own].join(' ')
}

function textOf(node: Yaml): readonly string[] {
  return node.kind === 'text' ? [node.text] : []
}
