import type { Json } from '../../config/text/raw.ts'
import { allOf, type Conditions, ROLE_FIELDS, readCondition } from './conditions.ts'
import { type Context, withoutTwins } from './context.ts'
import type { Directive } from './parse.ts'

/**
 * Whom a rule of an access list is about: a rule of routes.toml, everyone who is signed in, nobody at all, or people whom no
 * rule can name (`unclear`).
 */
type Whom = Conditions | 'everyone' | 'nobody' | 'unclear'

/** A rule of an access list, in its order. */
export interface ListedRule {
  readonly isAllowed: boolean
  /** Whether nothing after it counts for those it holds for. A denial always is. */
  readonly isFinal: boolean
  readonly whom: Whom
  readonly line: number
  /** As it is shown. */
  readonly shown: string
}

/** What an access list comes to; `allow` is empty where it lets nobody in, or nobody who can be told. */
export interface AccessList {
  readonly allow: 'authenticated' | readonly Json[]
  readonly deny: readonly Json[]
  /** The first denial that would let people in if it were left out; null: there is none. */
  readonly lost: ListedRule | null
}

/**
 * The rules as `allow` and `deny`, which has no order.
 *
 * There, a denial is the end of it, and so is an `allow … stop`; any other `allow` counts unless a denial follows. So each
 * denial holds but for those whom a final `allow` has let in before.
 * Source: go-authcrunch, pkg/acl (read, and held against what it answers: test/recorded).
 */
export function compileAccessList(rules: readonly ListedRule[]): AccessList {
  const allow: Json[] = []
  const deny: Json[] = []
  const passed: Conditions[] = []
  let isOpen = false
  let lost: ListedRule | null = null
  for (const rule of rules) {
    const { isAllowed, isFinal, whom } = rule
    if (whom === 'nobody' || (isAllowed && whom === 'unclear')) continue
    if (isAllowed) {
      if (whom === 'everyone') isOpen = true
      else if (whom !== 'unclear') allow.push(...spellAllowed(whom))
      if (isFinal && whom === 'everyone') break
      if (isFinal && whom !== 'everyone' && whom !== 'unclear') passed.push(whom)
      continue
    }
    const others: Conditions | null = passed.length === 0 ? null : { not: { any: [...passed] } }
    if (whom !== 'everyone' && whom !== 'unclear') deny.push(others === null ? whom : { all: [whom, others] })
    else {
      if (others === null) lost ??= rule
      else deny.push(others)
      break
    }
  }
  return { allow: isOpen ? 'authenticated' : withoutTwins(allow), deny: withoutTwins(deny), lost }
}

/** A rule of roles alone is their names. */
function spellAllowed(rule: Conditions): readonly Json[] {
  const { roles } = rule
  return Object.keys(rule).length === 1 && Array.isArray(roles) ? roles : [rule]
}

type RealmName = (realm: string) => string | null

/** `allow roles admin editor [with get] [to /path]`, and `deny`. */
export function readShortcut(context: Context, { name, args, line }: Directive, realm: RealmName): ListedRule {
  const end = args.findIndex(word => word === 'with' || word === 'to')
  const [field = '', ...values] = end === -1 ? args : args.slice(0, end)
  const tail = end === -1 ? [] : args.slice(end)
  const method = tail[0] === 'with' ? tail[1] : undefined
  const hasPath = tail.includes('to') || tail.length > 2
  const person = values.some(value => value === '*' || value === 'any')
    ? whoHas(field)
    : (readCondition(context, ['match', field, ...values], 'gate', realm) ?? 'unclear')
  const parts: readonly Whom[] = [
    person,
    ...(method === undefined ? [] : [{ methods: [method.toUpperCase()] }]),
    ...(hasPath ? ['unclear' as const] : []),
  ]
  const isAllowed = name === 'allow'
  const shown = [name, ...args].join(' ').slice(0, 60)
  return { isAllowed, isFinal: !isAllowed, whom: every(parts, isAllowed), line, shown }
}

/** `acl rule { … }`; null for one without an action. */
export function readListed(
  context: Context,
  { block, line }: Directive,
  realm: RealmName,
  /** Whether methods are looked at at all. */
  seesMethods: boolean,
): ListedRule | null {
  const lines = (block ?? []).filter(({ name }) => name !== 'comment')
  const action = lines.find(({ name }) => name === 'allow' || name === 'deny')
  if (action === undefined) return null
  const isAllowed = action.name === 'allow'
  const parts = lines
    .filter(one => one !== action)
    .map(({ name, args }): Whom => {
      if (name === 'field' && args.slice(1).join(' ') === 'exists') return whoHas(args[0] ?? '')
      // It asks for a field that its tokens do not have, so that it never holds.
      if ([name, ...args].join(' ') === 'match any') return 'nobody'
      const read = readCondition(context, [name, ...args], 'gate', realm)
      if (read === null) return 'unclear'
      return Object.hasOwn(read, 'methods') && !seesMethods && isAllowed ? 'nobody' : read
    })
  const whom =
    parts.length === 0 ? 'unclear' : action.args[0] === 'any' ? some(parts, isAllowed) : every(parts, isAllowed)
  return { isAllowed, isFinal: !isAllowed || action.args.includes('stop'), whom, line, shown: 'acl rule' }
}

/** Whoever has a field at all: everyone has roles there, if only those of a guest. */
function whoHas(field: string): Whom {
  if (ROLE_FIELDS.includes(field) || field === 'sub' || field === 'subject') return 'everyone'
  return field === 'email' || field === 'mail' ? { require_email: true } : 'unclear'
}

/** All of them. What is unclear is left out of a denial, which then holds for more people. */
function every(parts: readonly Whom[], isAllowed: boolean): Whom {
  if (parts.includes('nobody')) return 'nobody'
  if (isAllowed && parts.includes('unclear')) return 'unclear'
  const clear = parts.filter(part => typeof part !== 'string')
  if (clear.length > 0) return allOf(clear) ?? { all: clear }
  return parts.includes('unclear') ? 'unclear' : 'everyone'
}

/** Any of them. What is unclear is left out of an `allow`, which then holds for fewer people. */
function some(parts: readonly Whom[], isAllowed: boolean): Whom {
  const clear = parts.filter(part => typeof part !== 'string')
  if (parts.includes('everyone')) return 'everyone'
  if (!isAllowed && parts.includes('unclear')) return 'unclear'
  const [first, ...others] = clear
  if (first === undefined) return parts.includes('unclear') ? 'unclear' : 'nobody'
  return others.length === 0 ? first : { any: clear }
}
