import type { Json } from '../../config/text/raw.ts'
import { type AskedOfPolicy, compileAccessList, type ListedRule, readListed } from './access-list.ts'
import { EXPRESSION } from './conditions.ts'
import type { Context } from './context.ts'
import { onlyTexts, type Table, tablesOf, textOf, textsOf, wordsOf } from './json.ts'
import { type TokenMaker, takes } from './keys.ts'
import { bypassTest, joinTests } from './patterns.ts'
import type { Test } from './rules.ts'

/** An authorization policy, in the words of routes.toml. */
export interface Policy {
  readonly was: string
  readonly authUrl: string | null
  /** Whether it takes the sessions of a portal. */
  takes(portal: TokenMaker): boolean
  /** Null: the importer cannot express all of its conditions, so that no user passes. */
  readonly allow: Json | null
  readonly deny: readonly Json[]
  readonly headers: Json
  /** Fields that nothing fills any more, and no client may. */
  readonly removed: readonly string[]
  /** The field that people are called by. */
  readonly userId: string
  /** Paths that need no sign-in. */
  readonly open: readonly Test[]
  /** Every role that it asks for, and those of them that shut people out. */
  readonly roles: readonly string[]
  readonly deniedRoles: readonly string[]
}

/** Fields of `inject headers with claims`. */
export const CLAIM_FIELDS: Readonly<Record<string, string>> = {
  'X-Token-Subject': 'sub',
  'X-Token-User-Name': 'name',
  'X-Token-User-Email': 'email',
  'X-Token-User-Roles': 'all_roles',
}

/** What a person's fields are called there, as placeholders. Roles and groups are one list there. */
const KNOWN_FIELDS: Readonly<Record<string, string>> = {
  sub: 'sub',
  name: 'name',
  email: 'email',
  roles: 'all_roles',
  groups: 'groups',
  preferred_username: 'preferred_username',
}

type Said = readonly [outcome: 'left' | 'kept' | 'decide', say: string]

const REDIRECTED: Said = ['kept', 'nothing to write: whatever is not a page load gets 401, page loads are redirected']
const OF_COOKIES: Said = ['kept', 'nothing to write: our cookies never go to an application']
const NO_KEY: Said = ['kept', 'no longer needed: there is no token to verify, the session is kept here']
const PAGES: Said = ['left', 'a route’s portal decides that: its 403 page says which role is missing']
const OTHER_WAYS: Said = [
  'decide',
  'write tokens = true into the route, and let scripts in by sallyport tokens create; htpasswd in the portal takes passwords',
]

/** Keys of a policy that neither allow nor refuse users. */
const SAID: Readonly<Record<string, Said>> = {
  additional_scopes: PAGES,
  api_key_header_name: OTHER_WAYS,
  auth_proxy_config: OTHER_WAYS,
  auth_proxy_raw_config: OTHER_WAYS,
  auth_realm_header_name: OTHER_WAYS,
  auth_redirect_query_param: REDIRECTED,
  auth_redirect_status_code: REDIRECTED,
  crypto_key_store_config: NO_KEY,
  disable_auth_redirect: REDIRECTED,
  disable_auth_redirect_query: REDIRECTED,
  forbidden_url: PAGES,
  login_hint_validators: PAGES,
  raw_crypto_key_store_config: NO_KEY,
  redirect_with_javascript: REDIRECTED,
  session_id_cookie_name: OF_COOKIES,
  strip_token_enabled: OF_COOKIES,
  validate_bearer_header: ['kept', 'nothing to write'],
}

/** Keys that are there whether or not anybody wrote them. */
const ALWAYS_THERE = /^(?:api_key_header_name|auth_realm_header_name|auth_redirect_\w+|crypto_key_store_config|name)$/

/** Keys that are read. */
const READ = [
  'access_list_rules',
  'access_token_cookie_names',
  'allowed_token_sources',
  'auth_url_path',
  'bypass_configs',
  'header_injection_configs',
  'name',
  'pass_claims_with_headers',
  'user_identity_field',
  'validate_method_path',
]

/** One of `authorization_policies`. A part that cannot be expressed allows no user. */
export function readPolicy(context: Context, policy: Table, by: AskedOfPolicy): Policy {
  const was = textOf(policy.name) ?? ''
  const title = `authorization policy ${was}`
  const guards = Object.keys(policy).filter(key => isGuard(key, policy))
  for (const guard of guards) {
    const say = INSTEAD[guard] ?? 'not known here, so it may guard something; write what it did into their rules'
    context.notes.add('closed', `${guard} of ${title}`, null, `the routes of this policy let nobody in: ${say}`)
  }
  for (const [key, [outcome, say]] of Object.entries(SAID)) {
    if (Object.hasOwn(policy, key) && !ALWAYS_THERE.test(key))
      context.notes.add(outcome, `${key} of ${title}`, null, say)
  }
  const rules = tablesOf(policy.access_list_rules).map(rule => {
    const conditions = (onlyTexts(rule.conditions) ?? []).map(wordsOf)
    const action = wordsOf(textOf(rule.action) ?? '')
    return readListed(context, { conditions, action }, by, policy.validate_method_path === true)
  })
  for (const rule of rules) noteRule(context, title, rule)
  const { allow, deny, lost } = compileAccessList(rules)
  if (lost !== null) {
    const say = `no rule says whom this shuts out: the routes of this policy let nobody in; write who may into their allow by hand${lost.hasExpression ? `; ${EXPRESSION}` : ''}`
    context.notes.add('closed', `${lost.shown} of ${title}`, null, say)
  }
  const isTold = guards.length === 0 && lost === null && allow.length > 0
  if (!isTold) {
    const say = 'who may pass cannot all be told: write allow of its routes by hand, which let nobody in until then'
    context.notes.add('closed', title, null, say)
  }
  return {
    was,
    authUrl: textOf(policy.auth_url_path),
    takes: portal => takes(policy, portal),
    allow: isTold ? allow : null,
    deny,
    ...readPassing(context, policy, title, by),
    roles: [...rolesIn(allow), ...rolesIn(deny)],
    // Roles in an allow rule before a denial count as well: a user who wrongly counts as one of them escapes the
    // denial.
    deniedRoles: rolesIn(deny),
  }
}

const INSTEAD: Readonly<Record<string, string>> = {
  allowed_token_sources:
    'it takes no session by a cookie, which is how people come; tokens = true in a route takes tokens of scripts',
  validate_access_list_path_claim: 'tokens listed the paths that their bearers may open; write rules for each path',
  validate_source_address: 'a session held for the address that it began at alone; networks in a rule asks for one',
}

function isGuard(key: string, policy: Table): boolean {
  if (key === 'allowed_token_sources') return !textsOf(policy[key]).includes('cookie')
  return !READ.includes(key) && !Object.hasOwn(SAID, key) && policy[key] !== false
}

function noteRule(context: Context, title: string, { isAllowed, whom, shown, hasExpression }: ListedRule): void {
  const hint = hasExpression ? `; ${EXPRESSION}` : ''
  const said = (outcome: 'decide' | 'kept', say: string) =>
    context.notes.add(outcome, `${shown} of ${title}`, null, say)
  if (whom === 'unclear') {
    if (isAllowed) said('decide', `no rule says this: write it into allow of the routes${hint}`)
  } else if (whom === 'nobody') said('kept', 'nothing to write: there it held for nobody')
  else if (whom === 'everyone' && isAllowed) said('kept', 'allow = "authenticated"')
  else said('kept', `${isAllowed ? 'allow' : 'deny'} of the routes, which asks deny first`)
}

/** What `set user identity` may name; it is the e-mail address otherwise. */
const USER_IDS: Readonly<Record<string, string>> = { sub: 'sub', subject: 'sub', id: 'claims.jti' }

/** What of a policy is not about who may pass. */
function readPassing(
  context: Context,
  policy: Table,
  title: string,
  by: AskedOfPolicy,
): Pick<Policy, 'headers' | 'removed' | 'userId' | 'open'> {
  const said = (outcome: 'decide' | 'changed' | 'kept', what: string, say: string) =>
    context.notes.add(outcome, `${what} of ${title}`, null, say)
  const open = tablesOf(policy.bypass_configs).flatMap(({ match_type: manner, uri }) => {
    const test = bypassTest(textOf(manner) ?? '', textOf(uri) ?? '')
    const isTold = test.kind !== 'unknown'
    const say = isTold
      ? 'for everyone, by a rule with anonymous = true, or by a route of its own where the application is told who is there'
      : 'no rule says this, so it stays closed; where that may be open, write { paths = ["…"], anonymous = true } into allow'
    said(isTold ? 'changed' : 'decide', `bypass ${textOf(uri) ?? ''}`, say)
    return isTold ? [test] : []
  })
  const fields: Record<string, string> = {}
  const removed: string[] = []
  for (const { header, field } of tablesOf(policy.header_injection_configs)) {
    const claim = claimFor(textOf(field) ?? '')
    const name = textOf(header) ?? ''
    const inUserinfo = /^userinfo\|(.*)/.exec(textOf(field) ?? '')?.[1]
    if (inUserinfo !== undefined && !by.userinfo.includes(inUserinfo)) {
      removed.push(name)
      const say = `it was empty, as no provider says extract ${inUserinfo} from userinfo: a client’s is removed; claims.${inUserinfo} in headers of the routes would fill it`
      said('changed', `header ${name}`, say)
    } else {
      if (claim !== null && name !== '') fields[name] = claim
      said(claim === null ? 'decide' : 'kept', `header ${name}`, 'headers of the routes')
    }
  }
  const hasClaims = policy.pass_claims_with_headers === true
  if (hasClaims) {
    const say =
      'headers = "caddy-security": the same fields; a blank in the name of a role is percent-encoded, since blanks part them'
    said('kept', 'pass_claims_with_headers', say)
  }
  const stated = textOf(policy.user_identity_field)
  const userId = USER_IDS[stated ?? ''] ?? 'email'
  if (stated !== null) said('kept', 'user_identity_field', `{http.auth.user.id} is ${userId}`)
  const own = hasClaims ? { ...CLAIM_FIELDS, ...fields } : fields
  const headers = Object.keys(fields).length > 0 ? own : hasClaims ? 'caddy-security' : null
  return { headers, removed, userId, open: joinTests(open) }
}

/**
 * A rule that holds for no user until the operator completes it. A subject names a user only together with the
 * provider.
 */
export function nobody({ blanks }: Context, hasSeveral: boolean): Json {
  const sub = [blanks.add('WHO_MAY', 'a sub of somebody who is meant; better, a rule in its place', 'somebody')]
  return hasSeveral ? { claims: { sub } } : { subjects: sub }
}

/** Every role that rules name, in their parts too. */
function rolesIn(rule: Json): readonly string[] {
  if (typeof rule === 'string') return rule === 'authenticated' ? [] : [rule]
  if (Array.isArray(rule)) return rule.flatMap(rolesIn)
  if (typeof rule !== 'object' || rule === null) return []
  return ['roles', 'any', 'all', 'not'].flatMap(key =>
    rolesIn(Object.entries(rule).find(([name]) => name === key)?.[1] ?? null),
  )
}

/** A field of go-authcrunch as a placeholder of `headers`; null for one that is inside of another. */
export function claimFor(field: string): string | null {
  const plain = field.replace(/^userinfo\|/, '')
  const known = Object.hasOwn(KNOWN_FIELDS, plain) ? KNOWN_FIELDS[plain] : undefined
  if (known !== undefined) return known
  return /^[A-Za-z0-9_-]+$/.test(plain) ? `claims.${plain}` : null
}
