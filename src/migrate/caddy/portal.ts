/** Reads an authentication portal of caddy-security from Caddy’s JSON. */

import { compileStars } from '../../base/wildcard.ts'
import type { Json } from '../../config/text/raw.ts'
import { spellDuration } from '../draft.ts'
import type { Outcome } from '../notes.ts'
import {
  type Asked,
  allOf,
  EXPRESSION,
  isAnyone,
  ROLE_FIELDS,
  readCondition,
  statedRoles,
  statedRolesLike,
  withRoles,
} from './conditions.ts'
import { type Context, isDynamic, type KeyRows, noteKeys } from './context.ts'
import { onlyTexts, type Table, tableOf, tablesOf, textOf, textsOf, valueAt, wordsOf } from './json.ts'
import { keysOf, tokenCookieOf } from './policy.ts'
import { type Provider, realmsOf } from './provider.ts'
import type { Conditions } from './rules.ts'

/** An authentication portal, before it is known where it is and what roles policies ask for. */
export type Portal = ReturnType<typeof readPortal>

const COOKIES =
  'each host has its own __Host- cookie, HttpOnly and SameSite=Lax; no cookie is shared, and none holds a token'

/** What is said of keys of a portal. Any other may keep people out. */
const KEYS: KeyRows = [
  [
    'people',
    'ui',
    'the pages are Sallyport’s own; title, logo and colour in the portal make them yours, and routes are the list of applications',
  ],
  ['decide', 'sso_providers', 'have applications sign people in at the provider themselves'],
  [
    'left',
    'trusted_login_redirect_uri_configs trusted_logout_redirect_uri_configs',
    'people return to hosts of this file’s routes, and nowhere else',
  ],
  [null, 'api cookie_config crypto_key_store_config identity_providers identity_stores name', ''],
  [null, 'portal_admin_roles portal_guest_roles portal_user_roles raw_crypto_key_store_config', ''],
  [null, 'token_grantor_options token_validator_options user_transformer_configs', ''],
]

/** One of `authentication_portals`; `stores` are the names of all that have people of their own. */
export function readPortal(context: Context, portal: Table, providers: readonly Provider[], stores: readonly string[]) {
  const was = textOf(portal.name) ?? 'portal'
  const title = `authentication portal ${was}`
  const said = (outcome: Outcome, what: string, say: string) =>
    context.notes.add(outcome, what === '' ? title : `${what} of ${title}`, null, say)
  const made: Made = { roles: new Map(), uncertain: new Set(), denied: [], isClosed: false }
  const named = onlyTexts(portal.identity_providers) ?? []
  const ownStores = onlyTexts(portal.identity_stores) ?? []
  // Where it names none at all, it has all of them.
  const isOfAll = named.length === 0 && ownStores.length === 0
  const own = isOfAll ? providers : named.flatMap(name => providers.find(provider => provider.was === name) ?? [])
  if (own.length < named.length)
    said('decide', 'identity_providers', 'write [providers.NAME], and name it in the portal')
  if (isOfAll ? stores.length > 0 : ownStores.length > 0) {
    const say =
      'name a provider in its place: one with users = "FILE" has people with passwords of their own (sallyport user add FILE NAME); or better one such as Pocket ID'
    said('decide', 'identity_stores', say)
  }
  const seconds = valueAt(portal, 'crypto_key_store_config', 'token_lifetime')
  const lifetime = typeof seconds === 'number' && seconds >= 60 ? spellDuration(seconds * 1000) : null
  if (lifetime !== null) {
    const say =
      'lifetime of the portal; the session is stored here, so a restart signs no user out, and a sign-out is immediate'
    said('kept', 'token_lifetime', say)
  }
  const cookies = tableOf(portal.cookie_config)
  const isInsecure = cookies.insecure === true
  if (isInsecure)
    said('decide', 'cookie_config insecure', 'insecure_cookies = true: take it out as soon as people come by https')
  if (Object.keys(cookies).some(key => !/_cookie_name$|^insecure$|^cookie_name_prefix$/.test(key)))
    said('left', 'cookie_config', COOKIES)
  for (const transform of tablesOf(portal.user_transformer_configs))
    readTransform(context, title, transform, providers, made)
  if (valueAt(portal, 'api', 'admin_enabled') === true)
    said('changed', 'api', 'admin_role in the portal opens /.sallyport/admin and everyone’s sessions')
  const isBound = valueAt(portal, 'token_validator_options', 'validate_source_address') === true
  if (isBound || valueAt(portal, 'token_grantor_options', 'enable_source_address') === true)
    said('left', 'source address', 'sessions are not bound to an address; networks in a rule of allow asks for one')
  const { ui, ...rest } = portal
  const stated = Object.keys(tableOf(ui)).length > 0 ? portal : rest
  const others =
    'its routes stay closed, because it is not known here and may limit who comes in: if it does not, remove it and import again'
  if (noteKeys(context, stated, KEYS, { of: title, others })) made.isClosed = true
  const isElsewhere = own.length === 0
  if (isElsewhere) {
    const say =
      'its routes stay closed: write [providers.NAME] for the sign-in, name it in the portal, and write allow into the routes'
    said('closed', '', say)
  }
  const used = own.length > 0 ? own : providers
  return {
    name: context.names.of('portal', was),
    was,
    keys: keysOf(portal),
    cookie: tokenCookieOf(portal),
    providers: used,
    lifetime,
    isInsecure,
    /** Who may not pass anywhere. */
    denied: [...made.denied, WITHOUT_EMAIL],
    /** Whether it shut out people whom no rule can name. */
    isClosed: made.isClosed || isElsewhere || used.some(one => one.isClosed),
    /** By role, rules of which any is enough. */
    roles: made.roles as ReadonlyMap<string, readonly Json[]>,
    /** Whether more people had a role than its rules say, so that no denial may rest on it. */
    isUncertain: (role: string) => made.uncertain.has(role) || made.uncertain.has(ANY_ROLE),
  }
}

/** The roles that transforms of any portal make, as they were called; null where what they are called is a person's to say. */
export function madeRoles({ names }: Context, portals: readonly Portal[]): readonly string[] | null {
  if (portals.some(({ isUncertain }) => isUncertain(ANY_ROLE))) return null
  return portals.flatMap(({ roles }) => [...roles.keys()]).map(role => names.textOf('role', role))
}

/** A user without an e-mail address got no session at caddy-security: its tokens are issued to an address. */
const WITHOUT_EMAIL: Json = { not: { require_email: true } }

interface Made {
  readonly roles: Map<string, Json[]>
  readonly uncertain: Set<string>
  readonly denied: Json[]
  isClosed: boolean
}

/** For roles whose names a person's own fields make. */
const ANY_ROLE = '*'

const SECOND_FACTOR =
  'amr = ["mfa"] or acr = ["…"] in a rule of allow asks the provider for it, and checks that it was so'

/** Fields that policies and other transforms look at: what changes them changes who may. */
const JUDGED =
  /^(?:e?mail|sub|subject|realm|origin|name|aud|audience|org|organization|scopes?|iss|issuer|addr|address|exp|acl|nested)$/

function readTransform(
  context: Context,
  title: string,
  transform: Table,
  providers: readonly Provider[],
  made: Made,
): void {
  const add = (outcome: Outcome, what: string, say: string) =>
    context.notes.add(outcome, `${what} of ${title}`, null, say)
  const stated = (onlyTexts(transform.matchers) ?? ['']).map(wordsOf)
  const actions = textsOf(transform.actions).map(wordsOf)
  const by: Asked = { of: 'provider', lets: true, realms: realmsOf(providers), roles: null }
  const asked = stated.filter(words => !isAnyone(words))
  const read = asked.map(words => readCondition(context, words, by))
  const known = read.filter(condition => condition !== null)
  const rule = stated.length > 0 && known.length === read.length ? allOf(known) : null
  const asksRoles = asked.some(words => words.some(word => ROLE_FIELDS.includes(word)))
  const hint = asked.some(words => words.includes('regex')) ? `; ${EXPRESSION}` : ''
  const denied = rule === null ? null : spellDenied(context, rule, made)
  /** Its effect on users may refuse them somewhere: they are refused everywhere. */
  const keepsOut = (shown: string, say: string) => {
    if (denied === null) made.isClosed = true
    else made.denied.push(...denied)
    const whom = denied === null ? 'the routes let nobody in' : 'the routes deny those whom it is for'
    add('closed', shown, `${say}: ${whom}, until you write that by hand`)
  }
  for (const words of actions) {
    const [verb = '', object = '', ...stated] = words[0] === 'action' ? words.slice(1) : words
    const shown = `${verb} ${object}`.trimEnd()
    if (verb === 'ui' || verb === 'link')
      add('people', shown, 'routes are the list of applications: name = "…" and app = { … } in a route')
    else if (verb === 'require') keepsOut(shown, SECOND_FACTOR)
    else if (verb === 'block' || verb === 'deny') {
      if (denied === null) keepsOut(shown, `no rule says whom this shuts out${hint}`)
      else {
        made.denied.push(...denied)
        add('kept', shown, 'deny of the routes')
      }
    } else if (verb === 'add' && ROLE_FIELDS.includes(object)) {
      const roles = stated.map(role => (isDynamic(role) ? ANY_ROLE : context.names.of('role', role)))
      if (rule === null || asksRoles) for (const role of roles) made.uncertain.add(role)
      const named = roles.filter(role => role !== ANY_ROLE)
      if (named.length < roles.length) made.uncertain.add(ANY_ROLE)
      if (rule === null || named.length < roles.length) {
        const say = `no rule says when this is added (${stated.join(', ')}): write the role by hand${hint}`
        add('decide', 'user_transformer_configs', say)
      }
      if (rule === null) continue
      add('kept', 'user_transformer_configs', `the role ${named.join(', ')}`)
      for (const role of named) made.roles.set(role, [...(made.roles.get(role) ?? []), ...spellRule(rule, providers)])
    } else if (verb === 'add' && !JUDGED.test(object)) {
      add('left', shown, 'claims are what the provider says; headers of the routes name them')
    } else keepsOut(shown, 'it may change what policies ask for')
  }
}

/**
 * Everyone for whom a condition may hold, with the roles from any claim of the provider, and from earlier transforms.
 * Null for everyone, and for users that no rule can name.
 */
function spellDenied(context: Context, rule: Conditions, made: Made): readonly Json[] | null {
  const { groups, like, ...rest } = rule
  if (Object.keys(rule).length === 0) return null
  const likeGroups = valueAt(like, 'groups')
  const patterns = Array.isArray(likeGroups) ? likeGroups.filter(pattern => typeof pattern === 'string') : null
  if (!Array.isArray(groups) && patterns === null) return [rule]
  // For patterns beside other conditions, and for roles that a pattern names: the affected users cannot all be
  // determined.
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

/** A rule for everyone of the only provider is a rule for everyone. */
function spellRule(rule: Conditions, providers: readonly Provider[]): readonly Json[] {
  const keys = Object.keys(rule)
  if (keys.length === 0) return [{ any: true }]
  return keys.length === 1 && keys[0] === 'providers' && providers.length === 1 ? [{ any: true }] : withRoles(rule)
}
