import { compileStars } from '../../base/stars.ts'
import type { Json } from '../../config/text/raw.ts'
import { spellDuration } from '../durations.ts'
import type { Outcome } from '../notes.ts'
import {
  type Asked,
  allOf,
  type Conditions,
  EXPRESSION,
  isAnyone,
  ROLE_FIELDS,
  readCondition,
  statedRoles,
  statedRolesLike,
} from './conditions.ts'
import { type Context, isDynamic } from './context.ts'
import type { Directive } from './parse.ts'
import { type Provider, realmsOf } from './provider.ts'

/** An `authentication portal`, before it is known where it is and what roles policies ask for. */
export interface Portal {
  readonly name: string
  readonly was: string
  readonly line: number
  readonly providers: readonly Provider[]
  readonly lifetime: string | null
  readonly isInsecure: boolean
  /** Who may not pass anywhere. */
  readonly denied: readonly Json[]
  /** Whether it shut out people whom no rule can name. */
  readonly isClosed: boolean
  /** By role, rules of which any is enough. */
  readonly roles: ReadonlyMap<string, readonly Json[]>
  /** Whether more people had a role than its rules say, so that no denial may rest on it. */
  isUncertain(role: string): boolean
}

const COOKIES =
  'each host has a __Host- cookie of its own, HttpOnly and SameSite=Lax; none is shared, and none holds a token'
const LOOK =
  'the pages are Sallyport’s own; title, logo and colour in the portal make them yours, and routes are the list of applications'

/** `authentication portal NAME { … }`. */
export function readPortal(context: Context, { args, line, block }: Directive, providers: readonly Provider[]): Portal {
  const was = args[0] ?? 'portal'
  const own: Provider[] = []
  const made: Made = { roles: new Map(), uncertain: new Set(), denied: [], isClosed: false }
  let hasWaysIn = false
  let lifetime: string | null = null
  let isInsecure = false
  for (const directive of block ?? []) {
    const words = [directive.name, ...directive.args]
    const said = (outcome: Outcome, say: string) =>
      context.notes.add(outcome, words.slice(0, 4).join(' '), directive.line, say)
    if (starts(words, 'enable', 'identity', 'provider') || starts(words, 'enable', 'identity', 'providers')) {
      const named = words.slice(3).map(name => providers.find(provider => provider.was === name))
      own.push(...named.filter(provider => provider !== undefined))
      hasWaysIn = true
      said(
        named.includes(undefined) ? 'decide' : 'kept',
        named.includes(undefined) ? 'write [providers.NAME], and name it in the portal' : 'providers of the portal',
      )
    } else if (starts(words, 'crypto', 'default', 'token', 'lifetime')) {
      const seconds = Number(words[4])
      lifetime = seconds >= 60 ? spellDuration(seconds * 1000) : null
      said(
        'kept',
        'lifetime of the portal; the session is kept here, so that a restart signs nobody out and signing out is at once',
      )
    } else if (starts(words, 'crypto')) {
      // Its last word may be the key itself.
      context.notes.add(
        'kept',
        words.slice(0, 2).join(' '),
        directive.line,
        'no longer needed: a key is made at the first start and kept as sallyport.key beside the database',
      )
    } else if (starts(words, 'cookie', 'insecure')) {
      isInsecure = words[2] === 'on'
      said(
        isInsecure ? 'decide' : 'kept',
        isInsecure
          ? 'insecure_cookies = true: take it out as soon as people come by https'
          : 'cookies are Secure and HttpOnly',
      )
    } else if (words[0] === 'cookie') said('left', COOKIES)
    else if (starts(words, 'transform')) readTransform(context, directive, providers, made)
    else if (words[0] === 'ui') said('people', LOOK)
    else if (starts(words, 'enable', 'identity', 'store') || starts(words, 'enable', 'identity', 'stores')) {
      hasWaysIn = true
      said(
        'decide',
        'name a provider in its place: one with users = "FILE" has people with passwords of their own (sallyport user add FILE NAME); or better one such as Pocket ID',
      )
    } else if (starts(words, 'enable', 'admin', 'api'))
      said('changed', 'admin_role in the portal opens /.sallyport/admin and everyone’s sessions')
    else if (starts(words, 'trust', 'login') || starts(words, 'trust', 'logout'))
      said('left', 'people return to hosts of this file’s routes, and nowhere else')
    else if (words[0] === 'set') said('left', COOKIES)
    else if (words[0] === 'validate' || starts(words, 'enable', 'source'))
      said('left', 'sessions are not bound to an address; networks in a rule of allow asks for one')
    else if (words[0] !== 'comment') {
      made.isClosed = true
      const say =
        'its routes let nobody in, as it may say who may come in and is not known here: take it out where it does not, and import again'
      context.notes.add('closed', directive.name, directive.line, say)
    }
  }
  const isElsewhere = hasWaysIn && own.length === 0
  if (isElsewhere) {
    const say =
      'its routes let nobody in: write [providers.NAME] for how people sign in, name it in the portal, and write who may into allow of the routes'
    context.notes.add('closed', 'authentication portal', line, say)
  }
  return {
    name: context.names.of('portal', was),
    was,
    line,
    providers: own.length > 0 ? own : providers,
    lifetime,
    isInsecure,
    denied: [...made.denied, WITHOUT_EMAIL],
    isClosed: made.isClosed || isElsewhere || (own.length > 0 ? own : providers).some(one => one.isClosed),
    roles: made.roles,
    isUncertain: role => made.uncertain.has(role) || made.uncertain.has(ANY_ROLE),
  }
}

/** The roles that transforms of any portal make, as they were called; null where what they are called is a person's to say. */
export function madeRoles({ names }: Context, portals: readonly Portal[]): readonly string[] | null {
  if (portals.some(({ isUncertain }) => isUncertain(ANY_ROLE))) return null
  return portals.flatMap(({ roles }) => [...roles.keys()]).map(role => names.textOf('role', role))
}

/** Whoever has no e-mail address got no session at caddy-security: its tokens are made out to one. */
const WITHOUT_EMAIL: Json = { not: { require_email: true } }

/** What transforms make of people. */
interface Made {
  readonly roles: Map<string, Json[]>
  readonly uncertain: Set<string>
  readonly denied: Json[]
  isClosed: boolean
}

/** For roles whose names a person's own fields make. */
const ANY_ROLE = '*'

/** Fields that policies and other transforms look at: what changes them changes who may. */
const JUDGED =
  /^(?:e?mail|sub|subject|realm|origin|name|aud|audience|org|organization|scopes?|iss|issuer|addr|address|exp|acl|nested)$/

function readTransform(context: Context, { block, line }: Directive, providers: readonly Provider[], made: Made): void {
  const { notes } = context
  const matches = (block ?? []).filter(({ name, args }) => [name, ...args].includes('match'))
  const actions = (block ?? []).filter(directive => !matches.includes(directive))
  const by: Asked = { of: 'provider', lets: true, realms: realmsOf(providers), roles: null }
  const asked = matches.map(({ name, args }) => [name, ...args]).filter(words => !isAnyone(words))
  const read = asked.map(words => readCondition(context, words, by))
  const known = read.filter(condition => condition !== null)
  const rule = matches.length > 0 && known.length === read.length ? allOf(known) : null
  const asksRoles = asked.some(words => words.some(word => ROLE_FIELDS.includes(word)))
  const hint = asked.some(words => words.includes('regex')) ? `; ${EXPRESSION}` : ''
  const denied = rule === null ? null : spellDenied(context, rule, made)
  /** What it does to people may keep them out somewhere: they are let in nowhere. */
  const keepsOut = (shown: string, at: number, say: string) => {
    if (denied === null) made.isClosed = true
    else made.denied.push(...denied)
    const whom = denied === null ? 'the routes let nobody in' : 'the routes deny those whom it is for'
    notes.add('closed', shown, at, `${say}: ${whom}, until you write that by hand`)
  }
  for (const { name, args, line: at } of actions) {
    const [verb = '', object = '', ...stated] = name === 'action' ? args : [name, ...args]
    const shown = `${verb} ${object}`.trimEnd()
    if (verb === 'ui' || verb === 'link')
      notes.add('people', shown, at, 'routes are the list of applications: name = "…" and app = { … } in a route')
    else if (verb === 'require') {
      keepsOut(
        shown,
        at,
        'amr = ["mfa"] or acr = ["…"] in a rule of allow asks the provider for it, and checks that it was so',
      )
    } else if (verb === 'block' || verb === 'deny') {
      if (denied === null) keepsOut(shown, at, `no rule says whom this shuts out${hint}`)
      else {
        made.denied.push(...denied)
        notes.add('kept', shown, at, 'deny of the routes')
      }
    } else if (verb === 'add' && ROLE_FIELDS.includes(object)) {
      const roles = stated.map(role => (isDynamic(role) ? ANY_ROLE : context.names.of('role', role)))
      if (rule === null || asksRoles) for (const role of roles) made.uncertain.add(role)
      const named = roles.filter(role => role !== ANY_ROLE)
      if (named.length < roles.length) made.uncertain.add(ANY_ROLE)
      if (rule === null || named.length < roles.length) {
        const what = stated.join(', ')
        notes.add(
          'decide',
          'transform user',
          line,
          `no rule says when this is added (${what}): write the role by hand${hint}`,
        )
      }
      if (rule === null) continue
      notes.add('kept', 'transform user', line, `the role ${named.join(', ')}`)
      for (const role of named) made.roles.set(role, [...(made.roles.get(role) ?? []), spellRule(rule, providers)])
    } else if (verb === 'add' && !JUDGED.test(object)) {
      notes.add('left', shown, at, 'claims are what the provider says; headers of the routes name them')
    } else keepsOut(shown, at, 'what changes or takes away what policies ask for cannot be told')
  }
}

/**
 * Everyone of whom a condition may hold, wherever the provider says what roles there are, and by those that transforms before
 * it made; null for everyone at all, and for people whom no rule can name.
 */
function spellDenied(context: Context, rule: Conditions, made: Made): readonly Json[] | null {
  const { groups, like, ...rest } = rule
  if (Object.keys(rule).length === 0) return null
  const patterns = likeOf(like, 'groups')
  if (!Array.isArray(groups) && patterns === null) return [rule]
  // Of patterns beside others, and of roles that a pattern names: whom this is for is not all told.
  if (patterns !== null && (Object.keys(rule).length > 1 || made.uncertain.size > 0)) return null
  const names = Array.isArray(groups) ? groups.filter(group => typeof group === 'string') : []
  const roles = names.map(name => context.names.of('role', name))
  if (made.uncertain.has(ANY_ROLE) || roles.some(role => made.uncertain.has(role))) return null
  const tests = (patterns ?? []).map(compileStars)
  const alike = [...made.roles].filter(([role]) => tests.some(test => test(context.names.textOf('role', role))))
  const ways: readonly Json[] = [
    ...(patterns === null ? statedRoles(names) : statedRolesLike(patterns)),
    ...roles.flatMap(role => made.roles.get(role) ?? []),
    ...alike.flatMap(([, rules]) => rules),
  ]
  return ways.map(way => (Object.keys(rest).length === 0 ? way : { all: [rest, way] }))
}

function likeOf(like: Json | undefined, claim: string): readonly string[] | null {
  const patterns = typeof like === 'object' && like !== null ? new Map(Object.entries(like)).get(claim) : undefined
  return Array.isArray(patterns) ? patterns.filter(pattern => typeof pattern === 'string') : null
}

/** A rule for everyone of the only provider is a rule for everyone. */
function spellRule(rule: Conditions, providers: readonly Provider[]): Json {
  const keys = Object.keys(rule)
  if (keys.length === 0) return { any: true }
  return keys.length === 1 && keys[0] === 'providers' && providers.length === 1 ? { any: true } : rule
}

function starts(words: readonly string[], ...first: readonly string[]): boolean {
  return first.every((word, index) => words[index] === word)
}
