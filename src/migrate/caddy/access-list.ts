/** Access lists of caddy-security, rule by rule, as `allow` and `deny`. */

import type { Json } from '../../config/text/raw.ts'
import { type Asked, allOf, fieldOf, ROLE_FIELDS, readCondition } from './conditions.ts'
import { type Context, withoutTwins } from './context.ts'
import { type Conditions, isRule, tablesIn } from './rules.ts'

/**
 * The users of a rule of an access list: a rule of routes.toml, every signed-in user, no user, or users that no rule
 * can name (`unclear`).
 */
type Whom = Conditions | 'everyone' | 'nobody' | 'unclear'

export interface ListedRule {
  readonly isAllowed: boolean
  /** Whether nothing after it counts for those it holds for. A denial always is. */
  readonly isFinal: boolean
  readonly whom: Whom
  readonly shown: string
  readonly hasExpression: boolean
}

/**
 * The rules as `allow` and `deny`, which has no order.
 *
 * In Caddy a denial is final, and so is an `allow … stop`; any other `allow` counts unless a denial follows. So each
 * denial holds for everyone except users that a final `allow` has allowed before.
 *
 * `allow` is empty where the list allows no user, or only users that cannot be determined. `lost` is the first denial that would let
 * people in if it were left out.
 *
 * Source: go-authcrunch, pkg/acl (read, and compared with its answers: test/recorded).
 */
export function compileAccessList(rules: readonly ListedRule[]) {
  const allow: Json[] = []
  const deny: Json[] = []
  const passed: Conditions[] = []
  let isOpen = false
  let lost = null as ListedRule | null
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
  return { allow: isOpen ? ('authenticated' as const) : withoutTwins(allow), deny: withoutTwins(deny), lost }
}

/** A rule with only roles is their names, and one of alternatives is each of them. */
function spellAllowed(rule: Conditions): readonly Json[] {
  if (Object.keys(rule).length > 1) return [rule]
  const { roles, any } = rule
  if (Array.isArray(any)) return any.flatMap(part => (isRule(part) ? spellAllowed(part) : [part]))
  return Array.isArray(roles) ? roles : [rule]
}

export type AskedOfPolicy = Pick<Asked, 'realms' | 'roles'> & {
  /** Claims that a provider adds to those of its tokens. */
  readonly userinfo: readonly string[]
}

/** What an action says beside whether it lets in: whether any condition is enough, and whether it is the end. */
function readAction(words: readonly string[]): { readonly isAny: boolean; readonly stops: boolean } | null {
  let isAny = false
  let stops = false
  for (let at = 0; at < words.length; at++) {
    const word = words[at]
    if (word === 'any') isAny = true
    else if (word === 'stop') stops = true
    // What follows these is theirs.
    else if (word === 'tag') at++
    else if (word === 'log' && /^(?:debug|info|warn|error)$/.test(words[at + 1] ?? '')) at++
    else if (word !== 'counter' && word !== 'log') return null
  }
  return { isAny, stops }
}

export function readListed(
  context: Context,
  { conditions, action }: { readonly conditions: readonly (readonly string[])[]; readonly action: readonly string[] },
  by: AskedOfPolicy,
  /** Whether methods and paths are looked at at all. */
  seesRequests: boolean,
): ListedRule {
  const [verb, ...rest] = action
  const isAllowed = verb === 'allow'
  const read = isAllowed || verb === 'deny' ? readAction(rest) : null
  const asked: Asked = { ...by, of: 'gate', lets: isAllowed }
  const isCheck = ([name]: readonly string[]) => name === 'field'
  const checks = conditions.filter(isCheck).map(([, field = '', ...how]): Whom => {
    const has = whoHas(field)
    // Without an address no user had a session, and no user was without roles and a subject.
    return how.join(' ') === 'exists' ? has : has === 'unclear' ? 'unclear' : 'nobody'
  })
  const parts = conditions
    .filter(words => !isCheck(words))
    .map((words): Whom => {
      // They ask for fields that its tokens do not have, so that they never hold.
      if (words.join(' ') === 'match any' || fieldOf(words) === 'realm') return 'nobody'
      const read = readCondition(context, words, asked)
      if (read === null) return 'unclear'
      return !seesRequests && isAllowed && asksRequest(read) ? 'nobody' : read
    })
  const hasField = conditions.some(words => isCheck(words) && words[2] === 'exists')
  // Where any of the other conditions is enough, all fields of the existence checks still have to exist; and an
  // existing field is enough.
  const isAny = read?.isAny === true && checks.length + parts.length > 1
  const whom =
    read === null || checks.length + parts.length === 0
      ? 'unclear'
      : !isAny
        ? every([...checks, ...parts], isAllowed)
        : every([...checks, ...(hasField ? [] : [some(parts, isAllowed)])], isAllowed)
  return {
    isAllowed,
    isFinal: !isAllowed || read?.stops === true,
    whom,
    shown: [...action.slice(0, 1), ...conditions.map(words => words.join(' '))].join(' ').slice(0, 80),
    hasExpression: conditions.some(words => words.includes('regex')),
  }
}

function asksRequest(conditions: Conditions): boolean {
  return tablesIn(conditions).some(one => ['methods', 'paths', 'path_regexp'].some(key => Object.hasOwn(one, key)))
}

/** The users that have a field: everyone has roles there, at least those of a guest. */
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
