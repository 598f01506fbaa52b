import type { Json } from '../../config/text/raw.ts'
import { type Asked, allOf, type Conditions, isTable, ROLE_FIELDS, readCondition } from './conditions.ts'
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
  /** Whether it asks for a regular expression. */
  readonly hasExpression: boolean
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

/** A rule of roles alone is their names, and one of alternatives each of them. */
function spellAllowed(rule: Conditions): readonly Json[] {
  if (Object.keys(rule).length > 1) return [rule]
  const { roles, any } = rule
  if (Array.isArray(any)) return any.flatMap(part => (isTable(part) ? spellAllowed(part) : [part]))
  return Array.isArray(roles) ? roles : [rule]
}

/** What conditions of a policy are read by, whichever way they lead. */
export type AskedOfPolicy = Pick<Asked, 'realms' | 'roles'>

/** `allow roles admin editor [with get] [to /path]`, and `deny`. */
export function readShortcut(context: Context, { name, args, line }: Directive, by: AskedOfPolicy): ListedRule {
  const isAllowed = name === 'allow'
  const asked: Asked = { ...by, of: 'gate', lets: isAllowed }
  const read = (...words: readonly string[]): Whom => readCondition(context, words, asked) ?? 'unclear'
  const end = args.findIndex(word => word === 'with' || word === 'to')
  const [field = '', ...values] = end === -1 ? args : args.slice(0, end)
  const tail = end === -1 ? [] : args.slice(end)
  const method = tail[0] === 'with' ? tail[1] : undefined
  const at = tail.indexOf('to')
  const path = at === -1 ? tail[2] : tail[at + 1]
  const isAnyValue = values.some(value => value === '*' || value === 'any')
  const parts: readonly Whom[] = [
    isAnyValue ? whoHas(field) : read('match', field, ...values),
    ...(method === undefined ? [] : [{ methods: [method.toUpperCase()] }]),
    ...(path === undefined ? [] : [read('partial', 'match', 'path', path)]),
  ]
  const shown = [name, ...args].join(' ').slice(0, 60)
  return { isAllowed, isFinal: !isAllowed, whom: every(parts, isAllowed), line, shown, hasExpression: false }
}

/** `acl rule { … }`; null for one without an action. */
export function readListed(
  context: Context,
  { block, line }: Directive,
  by: AskedOfPolicy,
  /** Whether methods and paths are looked at at all. */
  seesRequests: boolean,
): ListedRule | null {
  const lines = (block ?? []).filter(({ name }) => name !== 'comment')
  const action = lines.find(({ name }) => name === 'allow' || name === 'deny')
  if (action === undefined) return null
  const isAllowed = action.name === 'allow'
  const asked: Asked = { ...by, of: 'gate', lets: isAllowed }
  const isCheck = ({ name }: Directive) => name === 'field'
  const checks = lines.filter(isCheck).map(({ args: [field = '', ...rest] }): Whom => {
    const has = whoHas(field)
    // Without an address nobody had a session, and nobody was without roles and a subject.
    return rest.join(' ') === 'exists' ? has : has === 'unclear' ? 'unclear' : 'nobody'
  })
  const parts = lines
    .filter(one => one !== action && !isCheck(one))
    .map(({ name, args }): Whom => {
      // It asks for a field that its tokens do not have, so that it never holds.
      if ([name, ...args].join(' ') === 'match any') return 'nobody'
      const read = readCondition(context, [name, ...args], asked)
      if (read === null) return 'unclear'
      return !seesRequests && isAllowed && asksRequest(read) ? 'nobody' : read
    })
  const hasField = lines.some(one => isCheck(one) && one.args[1] === 'exists')
  // Whichever of the others is enough, all fields have to be there that are asked for; and one that is there is enough.
  const isAny = action.args[0] === 'any' && checks.length + parts.length > 1
  const whom =
    checks.length + parts.length === 0
      ? 'unclear'
      : !isAny
        ? every([...checks, ...parts], isAllowed)
        : every([...checks, ...(hasField ? [] : [some(parts, isAllowed)])], isAllowed)
  const isFinal = !isAllowed || action.args.includes('stop')
  const hasExpression = lines.some(({ name, args }) => [name, args[0]].includes('regex'))
  return { isAllowed, isFinal, whom, line, shown: 'acl rule', hasExpression }
}

function asksRequest({ methods, paths, not }: Conditions): boolean {
  return methods !== undefined || paths !== undefined || (not !== undefined && isTable(not) && asksRequest(not))
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
