/** Conditions of an access list (`match role admins`), as rules. */

import { compileStars } from '../../base/wildcard.ts'
import type { Json } from '../../config/text/raw.ts'
import { parseEmail, parseEmailDomain } from '../../config/values/email.ts'
import { parseEmailPattern, parseStarPattern } from '../../config/values/pattern.ts'
import { type Context, isDynamic, spell } from './context.ts'
import { bypassTest, joinTests } from './patterns.ts'
import { type Conditions, isRule, tableOf } from './rules.ts'

/** How a condition compares; without a word it is `exact`. */
const MANNERS = ['exact', 'partial', 'prefix', 'suffix', 'regex'] as const
type Manner = (typeof MANNERS)[number]

/** Roles and groups are one field there, by any of these names. */
export const ROLE_FIELDS: readonly string[] = ['role', 'roles', 'group', 'groups']

/** Where it looks for the roles that a provider states, beside `groups`. */
const ROLE_CLAIMS = ['roles', 'role', 'group', 'realm_access.roles', 'app_metadata.authorization.roles']

/** The role of a user without a role. */
const GUEST_ROLES = ['anonymous', 'guest', 'authp/guest']

const METHODS = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT']

/** What to write in place of an expression that no rule says. */
export const EXPRESSION =
  'in place of an expression, like = { email = "ada*" } matches the beginning, end or middle of a text'

/** What a condition is read for. */
export interface Asked {
  /** Whether it is one of a portal's, about what a provider says, or one of a policy's, about what the portal made of it. */
  readonly of: 'provider' | 'gate'
  /** Whether it may hold for no more people than there; else it may hold for no fewer. */
  readonly lets: boolean
  readonly realms: ReadonlyMap<string, string>
  /** The roles that transforms make, as they were called; null where a person's fields make some. */
  readonly roles: readonly string[] | null
}

/**
 * `[no] [exact|partial|prefix|suffix|regex] match [any] FIELD VALUE…` as keys of a rule. In a policy, roles are this
 * gate's own roles. In a transform, roles are the provider's values, under any claim name.
 *
 * Null for every other field: a field that go-authcrunch does not know holds for no user there, and may hold for a
 * user here.
 *
 * Source: go-authcrunch, pkg/acl (read).
 */
export function readCondition(context: Context, words: readonly string[], asked: Asked): Conditions | null {
  const isNegative = words[0] === 'no'
  const rest = isNegative ? words.slice(1) : words
  const manner = MANNERS.find(word => word === rest[0])
  const [verb, ...said] = manner === undefined ? rest : rest.slice(1)
  const isAny = said[0] === 'any' && said.length > 2
  const [field = '', ...stated] = isAny ? said.slice(1) : said
  if (verb !== 'match' || stated.length === 0 || stated.some(isDynamic)) return null
  if (!isNegative) return readHeld(context, manner ?? 'exact', field, stated, asked)
  // Roles are not defined by what somebody is not; and of a list, this is about any entry that is otherwise.
  if (asked.of === 'provider' || (isAny && manner === 'regex')) return null
  const held = readHeld(context, manner ?? 'exact', field, stated, { ...asked, lets: !asked.lets })
  return held === null ? null : { ...presence(field), not: held }
}

/** Whether a condition holds for everyone who signs in, in a transform. */
export function isAnyone(words: readonly string[]): boolean {
  return words.filter(word => word !== 'exact').join(' ') === 'match any'
}

/** What a condition that does not hold still asks for: that there is such a field. Everyone has roles, if only those of a guest. */
function presence(field: string): Conditions {
  if (field === 'email' || field === 'mail') return { require_email: true }
  return field === 'name' ? { like: { name: ['*'] } } : {}
}

/** Texts of which one has to be the field's, or patterns of them. */
interface Texts {
  readonly texts: readonly string[]
  readonly arePatterns: boolean
}

function readHeld(
  context: Context,
  manner: Manner,
  field: string,
  stated: readonly string[],
  asked: Asked,
): Conditions | null {
  const { of, lets } = asked
  const isEmail = field === 'email' || field === 'mail'
  if (field === 'path' || field === 'http_path') return of === 'gate' ? readPaths(manner, stated) : null
  const found = isEmail && manner === 'regex' ? textsOf('regex', stated.map(plainAddress)) : textsOf(manner, stated)
  if (found === null) return null
  const { texts, arePatterns } = found
  if (ROLE_FIELDS.includes(field)) return readRoles(context, found, asked)
  if (isEmail)
    return readEmails(
      context,
      found,
      lets,
      stated.every(text => text.startsWith('(?i)')),
    )
  const values = texts.map(text => spell(context, text))
  switch (field) {
    case 'name':
      return readName({ texts: values, arePatterns }, asked)
    case 'sub':
    case 'subject':
      if (arePatterns) return { like: { sub: values } }
      // A subject names a user only together with the provider.
      return asked.realms.size > 1 ? { claims: { sub: values } } : { subjects: values }
    case 'realm':
    case 'origin': {
      // A policy's tokens have no realm, and their origin cannot be determined.
      if (of === 'gate') return null
      const isAs = texts.map(text => (arePatterns ? compileStars(text) : (realm: string) => realm === text))
      const named = [...asked.realms].filter(([realm]) => isAs.some(test => test(realm))).map(([, name]) => name)
      const isKnown = arePatterns || texts.every(text => asked.realms.has(text))
      // Where a provider has one name for all, its origin is that.
      const isOrigin = named.every(name => asked.realms.get(context.names.textOf('provider', name)) === name)
      if (field === 'origin' && !isOrigin) return null
      return isKnown && named.length > 0 ? { providers: named } : null
    }
    case 'method':
    case 'http_method': {
      if (of !== 'gate') return null
      const methods = arePatterns
        ? METHODS.filter(method => texts.some(text => compileStars(text)(method)))
        : texts.filter(text => /^(?!TRACE$|CONNECT$)[A-Z]+$/.test(text))
      const areAll = !arePatterns && methods.length === texts.length
      return methods.length > 0 && (lets || areAll) ? { methods } : null
    }
    default:
      return null
  }
}

/** The texts that values stand for in a manner; null for what no star says. */
function textsOf(manner: Manner, stated: readonly string[]): Texts | null {
  if (manner === 'exact') return { texts: stated, arePatterns: false }
  const read = manner === 'regex' ? stated.map(expressionTexts) : stated.map(text => starred(manner, text))
  const known = read.filter(texts => texts !== null)
  if (known.length < read.length) return null
  const texts = [...new Set(known.flat())]
  return { texts, arePatterns: texts.some(text => text.includes('*')) }
}

function starred(manner: 'partial' | 'prefix' | 'suffix', text: string): readonly string[] | null {
  if (text.includes('*') || text === '' || !parseStarPattern(text).ok) return null
  return [`${manner === 'prefix' ? '' : '*'}${text}${manner === 'suffix' ? '' : '*'}`]
}

function readPaths(manner: Manner, stated: readonly string[]): Conditions | null {
  const tests = joinTests(stated.map(text => bypassTest(manner, text)))
  const rules = tests.map(test => (test.kind === 'asked' ? { [test.key]: test.any.map(({ text }) => text) } : null))
  const [first, ...others] = rules.filter(rule => rule !== null)
  if (first === undefined || others.length + 1 < rules.length) return null
  return others.length === 0 ? first : { any: [first, ...others] }
}

/** A simple expression as a text in which a star is anything at all; null for any other. */
function expressionTexts(expression: string): readonly string[] | null {
  const [all, start, body = '', end] = /^(\^?)((?:[^\\^$.*+?()[\]{}|]|\\[.@+_/-]|\.\*)*)(\$?)$/s.exec(expression) ?? []
  if (all === undefined) return null
  const text = body.replace(/\\(.)|\.\*/g, (_, letter?: string) => letter ?? '*')
  const starred = `${start === '' ? '*' : ''}${text}${end === '' ? '*' : ''}`.replace(/\*{2,}/g, '*')
  return starred === '' ? null : [starred]
}

/** An address has something before its one @: what asks for no more than that is a star. */
function plainAddress(expression: string): string {
  return expression.replace(/^\(\?i\)/, '').replace(/^\^(?:\.|\[\^@\])[+*]@/, '^.*@')
}

/** There, case counts, but in an expression that says otherwise. */
function readEmails(
  context: Context,
  { texts, arePatterns }: Texts,
  lets: boolean,
  isFolded: boolean,
): Conditions | null {
  const hasCase = (text: string) => !isFolded && text !== text.toLowerCase()
  if (!arePatterns && !isFolded) {
    // Text that is no address matches no user.
    const known = texts.filter(text => !isFixed(text) || parseEmail(text).ok)
    const values = (known.length === 0 ? texts : known).map(text => spell(context, text))
    return known.length === 0 || known.some(hasCase) ? { claims: { email: values } } : { emails: values }
  }
  const folded = texts.map(text => text.toLowerCase())
  if (texts.includes('*')) return { require_email: true }
  const domains = folded.map(text => /^\*@([^@*]+)$/.exec(text)?.[1]).filter(domain => domain !== undefined)
  if (domains.length === texts.length && domains.every(domain => parseEmailDomain(domain).ok)) return { domains }
  if ((lets && texts.some(hasCase)) || !folded.every(text => parseEmailPattern(text).ok)) return null
  return { like: { email: folded.map(text => spell(context, text)) } }
}

/** In a policy, a name is without the address of its owner, where that is in it. */
function readName({ texts, arePatterns }: Texts, { of, lets }: Asked): Conditions {
  if (of === 'gate' && !lets) return { like: { name: [...texts, ADDRESS] } }
  const named = arePatterns ? { like: { name: texts } } : { claims: { name: texts } }
  return of === 'provider' ? named : { ...named, not: { like: { name: [ADDRESS] } } }
}

const ADDRESS = '*@*'

function readRoles(context: Context, { texts, arePatterns }: Texts, { of, lets, roles }: Asked): Conditions | null {
  const tests = texts.map(text => (arePatterns ? compileStars(text) : (role: string) => role === text))
  const isMeant = (role: string) => tests.some(test => test(role))
  // Who has none had these: nothing here says who that is.
  if (of === 'gate' && !lets && GUEST_ROLES.some(isMeant)) return null
  if (!arePatterns) {
    if (of === 'provider') return { groups: texts.map(text => spell(context, text)) }
    return texts.every(isFixed) ? { roles: texts.map(role => context.names.of('role', role)) } : null
  }
  const patterns = texts.map(text => spell(context, text))
  if (of === 'provider') return { like: { groups: patterns } }
  if (roles === null && !lets) return null
  const made = (roles ?? []).filter(isMeant)
  return {
    any: [
      ...(made.length === 0 ? [] : [{ roles: made.map(role => context.names.of('role', role)) }]),
      ...statedRolesLike(patterns),
    ],
  }
}

export function fieldOf(words: readonly string[]): string {
  return words.find(word => !['no', 'match', 'any', ...MANNERS].includes(word)) ?? ''
}

/**
 * The roles of a provider that a rule asks for, as rules of which any is enough: one for each claim that may hold
 * them.
 */
export function withRoles(rule: Conditions): readonly Conditions[] {
  const { groups, like, ...rest } = rule
  const { groups: patterns, ...others } = tableOf(like)
  const own: Conditions = Object.keys(others).length === 0 ? rest : { ...rest, like: others }
  const ways = [
    ...(Array.isArray(groups) ? statedRoles(textsIn(groups)) : []),
    ...(Array.isArray(patterns) ? statedRolesLike(textsIn(patterns)) : []),
  ]
  const known = ways.map(way => allOf([own, way])).filter(way => way !== null)
  return ways.length === 0 || (Array.isArray(groups) && Array.isArray(patterns)) ? [rule] : known
}

function textsIn(list: readonly Json[]): readonly string[] {
  return list.filter(one => typeof one === 'string')
}

function isFixed(text: string): boolean {
  return !/[{}<>]/.test(text)
}

/** Several conditions that all have to hold as one rule; null where two of them ask for the same. */
export function allOf(conditions: readonly Conditions[]): Conditions | null {
  const rule: Record<string, Json> = {}
  for (const [key, value] of conditions.flatMap(one => Object.entries(one))) {
    const [before, added] = [tableOf(rule[key]), tableOf(value)]
    const isOther = /^(?:claims|like)$/.test(key) && !Object.keys(added).some(name => Object.hasOwn(before, name))
    if (rule[key] !== undefined && !isOther) return null
    rule[key] = isRule(value) ? { ...before, ...added } : value
  }
  return rule
}

/** Where go-authcrunch looks for the roles of a person, as rules of which each is enough. */
export function statedRoles(names: readonly string[]): readonly Conditions[] {
  return [{ groups: names }, ...ROLE_CLAIMS.map(claim => ({ claims: { [claim]: names } }))]
}

export function statedRolesLike(patterns: readonly string[]): readonly Conditions[] {
  return ['groups', ...ROLE_CLAIMS].map(claim => ({ like: { [claim]: patterns } }))
}
