/** Authorization policies of caddy-security. */

import type { Json } from '../../config/text/raw.ts'
import { type AskedOfPolicy, compileAccessList, type ListedRule, readListed } from './access-list.ts'
import { EXPRESSION } from './conditions.ts'
import { type Context, type KeyRows, noteKeys } from './context.ts'
import { onlyTexts, type Table, tableOf, tablesOf, textOf, textsOf, wordsOf } from './json.ts'
import { bypassTest, joinTests } from './patterns.ts'
import { tablesIn } from './rules.ts'

/** An authorization policy, in the words of routes.toml. */
export type Policy = ReturnType<typeof readPolicy>

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

const CLOSED = 'the routes of this policy stay closed'

/** What is said of keys of a policy that are switched on. Any other may guard something. */
const KEYS: KeyRows = [
  [
    null,
    'access_list_rules access_token_cookie_names auth_url_path bypass_configs header_injection_configs name pass_claims_with_headers user_identity_field validate_method_path',
    '',
  ],
  [
    null,
    'api_key_header_name auth_realm_header_name auth_redirect_query_param auth_redirect_status_code crypto_key_store_config',
    '',
  ],
  [
    'left',
    'additional_scopes forbidden_url login_hint_validators',
    'a route’s portal decides that: its 403 page says which role is missing',
  ],
  [
    'decide',
    'auth_proxy_config auth_proxy_raw_config',
    'write tokens = true into the route, and let scripts in by sallyport tokens create; htpasswd in the portal takes passwords',
  ],
  [
    'kept',
    'disable_auth_redirect disable_auth_redirect_query redirect_with_javascript',
    'nothing to write: page loads are redirected, all other requests get 401',
  ],
  ['kept', 'raw_crypto_key_store_config', 'no longer needed: there is no token to verify, the session is kept here'],
  ['kept', 'session_id_cookie_name strip_token_enabled', 'nothing to write: our cookies never go to an application'],
  ['kept', 'validate_bearer_header', 'nothing to write'],
  [
    'closed',
    'allowed_token_sources',
    `${CLOSED}: it takes no session by a cookie, which is how people come; tokens = true in a route takes tokens of scripts`,
  ],
  [
    'closed',
    'validate_access_list_path_claim',
    `${CLOSED}: tokens listed the paths that their bearers may open; write rules for each path`,
  ],
  [
    'closed',
    'validate_source_address',
    `${CLOSED}: a session was valid from its first address only; write networks into a rule`,
  ],
]

/** One of `authorization_policies`. A part that cannot be expressed allows no user. */
export function readPolicy(context: Context, policy: Table, by: AskedOfPolicy) {
  const was = textOf(policy.name) ?? ''
  const title = `authorization policy ${was}`
  const stated = Object.entries(policy).filter(
    ([key, value]) => value !== false && (key !== 'allowed_token_sources' || !textsOf(value).includes('cookie')),
  )
  const isGuarded = noteKeys(context, Object.fromEntries(stated), KEYS, {
    of: title,
    others: `${CLOSED}: not known here, so it may guard something; write what it did into their rules`,
  })
  const rules = tablesOf(policy.access_list_rules).map(rule => {
    const conditions = (onlyTexts(rule.conditions) ?? []).map(wordsOf)
    const action = wordsOf(textOf(rule.action) ?? '')
    return readListed(context, { conditions, action }, by, policy.validate_method_path === true)
  })
  for (const rule of rules) noteRule(context, title, rule)
  const { allow, deny, lost } = compileAccessList(rules)
  if (lost !== null) {
    const say = `no rule says whom this shuts out: the routes of this policy stay closed; write who may into their allow by hand${lost.hasExpression ? `; ${EXPRESSION}` : ''}`
    context.notes.add('closed', `${lost.shown} of ${title}`, null, say)
  }
  const isTold = !isGuarded && lost === null && allow.length > 0
  if (!isTold) {
    const say = 'who may pass is not clear: its routes stay closed until you write their allow by hand'
    context.notes.add('closed', title, null, say)
  }
  return {
    was,
    authUrl: textOf(policy.auth_url_path),
    takes: (portal: TokenMaker) => takes(policy, portal),
    /** Null: not all of its conditions are expressed, so that no user passes. */
    allow: isTold ? (allow as Json) : null,
    deny,
    ...readPassing(context, policy, title, by),
    /** Every role that it asks for. */
    roles: [...rolesIn(allow), ...rolesIn(deny)],
    // Roles in an allow rule before a denial count as well: a user who wrongly counts as one of them escapes the
    // denial.
    deniedRoles: rolesIn(deny),
  }
}

function noteRule(context: Context, title: string, { isAllowed, whom, shown, hasExpression }: ListedRule): void {
  const hint = hasExpression ? `; ${EXPRESSION}` : ''
  const said = (outcome: 'decide' | 'kept', say: string) =>
    context.notes.add(outcome, `${shown} of ${title}`, null, say)
  if (whom === 'unclear') {
    if (isAllowed) said('decide', `no rule says this: write it into allow of the routes${hint}`)
  } else if (whom === 'nobody') said('kept', 'nothing to write: there it matched no request')
  else if (whom === 'everyone' && isAllowed) said('kept', 'allow = "authenticated"')
  else said('kept', `${isAllowed ? 'allow' : 'deny'} of the routes, which asks deny first`)
}

/** What `set user identity` may name; it is the e-mail address otherwise. */
const USER_IDS: Readonly<Record<string, string>> = { sub: 'sub', subject: 'sub', id: 'claims.jti' }

/** What of a policy is not about who may pass. */
function readPassing(context: Context, policy: Table, title: string, by: AskedOfPolicy) {
  const said = (outcome: 'decide' | 'changed' | 'kept', what: string, say: string) =>
    context.notes.add(outcome, `${what} of ${title}`, null, say)
  const open = tablesOf(policy.bypass_configs).flatMap(({ match_type: manner, uri }) => {
    const test = bypassTest(textOf(manner) ?? '', textOf(uri) ?? '')
    const isTold = test.kind !== 'unknown'
    const say = isTold
      ? 'for everybody, by a rule with anonymous = true, or by a separate route where the application gets the user'
      : 'no rule says this, so it stays closed; to open it, write { paths = ["…"], anonymous = true } into allow'
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
  const headers: Json = Object.keys(fields).length > 0 ? own : hasClaims ? 'caddy-security' : null
  // `removed` are fields that nothing fills any more, and no client may; people are called by `userId`.
  return { headers, removed, userId, open: joinTests(open) }
}

/**
 * A rule that holds for no user until the operator completes it. A subject names a user only together with the
 * provider.
 */
export function nobody({ blanks }: Context, hasSeveral: boolean): Json {
  const sub = [blanks.add('WHO_MAY', 'the sub of a user who is meant; a rule is better', 'somebody')]
  return hasSeveral ? { claims: { sub } } : { subjects: sub }
}

function rolesIn(rules: Json): readonly string[] {
  if (Array.isArray(rules)) return rules.flatMap(one => (typeof one === 'string' ? [one] : rolesIn(one)))
  return tablesIn(rules).flatMap(({ roles }) => textsOf(roles))
}

/** A field of go-authcrunch as a placeholder of `headers`; null for one that is inside of another. */
export function claimFor(field: string): string | null {
  const plain = field.replace(/^userinfo\|/, '')
  const known = Object.hasOwn(KNOWN_FIELDS, plain) ? KNOWN_FIELDS[plain] : undefined
  if (known !== undefined) return known
  return /^[A-Za-z0-9_-]+$/.test(plain) ? `claims.${plain}` : null
}

/** The keys of a portal or a policy; none: one is made at its start, for all that have none. */
export type Keys = readonly string[]

/** The secrets by which tokens are signed and verified: what they are called does not count. */
export function keysOf(owner: Table): Keys {
  return [
    ...textsOf(owner.raw_crypto_key_store_config),
    ...textsOf(tableOf(owner.crypto_key_store_config).raw_key_configs),
  ]
    .map(wordsOf)
    .filter(([first, second]) => first === 'crypto' && second === 'key')
    .map(secretOf)
}

/** `crypto key [ID] sign-verify SECRET`, `… verify from file PATH`: everything after the key's use. */
function secretOf(words: readonly string[]): string {
  const at = words.findIndex(word => /^(?:sign-verify|sign|verify|token)$/.test(word))
  return words.slice(at === -1 ? 2 : at + 1).join(' ')
}

export function tokenCookieOf(portal: Table): string {
  return textOf(tableOf(portal.cookie_config).access_token_cookie_name) ?? DEFAULT_COOKIE
}

const DEFAULT_COOKIE = 'AUTHP_ACCESS_TOKEN'

export interface TokenMaker {
  readonly keys: Keys
  readonly cookie: string
}

/** Whether a policy takes the sessions of a portal: one of its keys is the portal's too, and it looks into the portal's cookie. */
export function takes(policy: Table, portal: TokenMaker): boolean {
  const named = textsOf(policy.access_token_cookie_names)
  if (!(named.length === 0 ? [DEFAULT_COOKIE] : named).includes(portal.cookie)) return false
  const keys = keysOf(policy)
  if (keys.length === 0 || portal.keys.length === 0) return keys.length === portal.keys.length
  return keys.some(key => portal.keys.includes(key))
}
