/** Who may sign in: restrictions of oauth2-proxy as members, roles and a file of users. */

import type { Json } from '../../config/text/raw.ts'
import { HTPASSWD, passwordFaults } from '../../config/values/htpasswd.ts'
import { parseRoutePath } from '../../config/values/path.ts'
import { type Entry, entry, type Section } from '../draft.ts'
import { STAND_IN_HOST } from '../variables-to-set.ts'
import { readOrNull } from './old-texts.ts'
import { NO_CLAIM } from './options.ts'
import { claimOfEmail, isGithub, PROVIDER, trustsEmails } from './provider.ts'
import type { Old } from './settings.ts'

/** The portal's name in the new file, and the one role that everyone who could sign in there has. */
export const PORTAL = 'home'
export const ROLE = 'user'
/** The provider that is a file of passwords. */
const USERS = 'users'

const GITHUB = ['github_org', 'github_repo', 'github_team', 'github_users']
/** Options that keep people out by what no OpenID claim is certain to say. */
const OTHERS = [
  ...['bitbucket_repository', 'bitbucket_team', 'entra_id_allowed_tenants', 'gitlab_groups', 'gitlab_projects'],
  ...['google_groups', 'keycloak_groups'],
]
/** Options of which oauth2-proxy needs one before it starts, or that keep users out in addition. */
const RESTRICTIONS = [
  ...['allowed_groups', 'allowed_roles', 'authenticated_emails_file', 'email_domains', 'htpasswd_file'],
  ...[...OTHERS, ...GITHUB],
]

type Rule = Readonly<Record<string, Json>>

/** Whether a file says nothing of who may sign in: such options are set elsewhere, and are unknown here. */
export function keepsNobodyOut(old: Old): boolean {
  return RESTRICTIONS.every(name => old.text(name) === null)
}

/** The file with passwords; null where there is none, or one that protects them too little to be taken (`{SHA}`). */
export function passwordFile(old: Old): string | null {
  const path = old.text('htpasswd_file')
  const text = path === null ? null : readOrNull(old.readText, path)
  const [fault] = text === null ? [] : passwordFaults(text)
  if (fault === undefined) return path
  const way = `give each of them a new password (sallyport user passwd ${path} NAME, or htpasswd -B ${path} NAME), and import again`
  const say = `not carried over, so passwords do not work: ${fault}; a hash cannot be converted, so ${way}`
  old.tell('htpasswd_file', 'decide', say)
  return null
}

/**
 * `[providers.users]`, `[portals.home]` and its role: on the application's own host, as oauth2-proxy is, with the callback that is
 * registered already.
 */
export function portalSections(old: Old, url: string | null): readonly Section[] {
  const passwords = passwordFile(old)
  const hasForm = passwords !== null && old.isOn('display_htpasswd_form')
  const rule = whoMay(old, passwords !== null, hasForm)
  const isAnyone = JSON.stringify(rule) === '{"any":true}'
  const isPlain = old.text('redirect_url')?.startsWith('http://') === true
  if (isPlain) old.tell(['redirect_url', 'cookie_secure'], 'decide')
  const path = /^https?:\/\/[^/]*(\/[^?#]+)/.exec(old.text('redirect_url') ?? '')?.[1]
  const callback = path ?? `${(old.text('proxy_prefix') ?? '/oauth2').replace(/\/$/, '')}/callback`
  const registered = 'registered at the provider already'
  const entries: readonly Entry[] = [
    entry('url', url, 'redirect_url'),
    entry('providers', hasForm ? [PROVIDER, USERS] : [PROVIDER]),
    entry('members', isAnyone ? null : [ROLE], 'no other user has a session'),
    entry('callback_path', isGithub(old) ? null : callback, registered),
    compatEntry(old),
    entry('htpasswd', passwords === null ? null : old.spell(passwords), 'htpasswd_file'),
    entry('insecure_cookies', isPlain || !old.isOn('cookie_secure') ? true : null, 'plain HTTP: only for tests'),
  ]
  const about =
    'Role = the users who have it; routes name roles in allow. { groups = ["…"] }, { emails = ["…"] } and so on.'
  const portal = [
    { title: `[portals.${PORTAL}]`, entries },
    { title: `[portals.${PORTAL}.roles]`, about, entries: [entry(ROLE, rule)] },
  ]
  const basic =
    'HTTP Basic (Authorization) still works, and reaches the application; users are known as htpasswd:NAME, and by their name in X-…-Preferred-Username; a wrong password gets 401, also from a signed-in user'
  if (passwords === null || !hasForm) {
    const fix = 'no password works until htpasswd_file is fixed'
    old.tell('htpasswd_user_groups', 'changed', passwords === null && old.has('htpasswd_file') ? fix : undefined)
    if (passwords !== null) old.tell('htpasswd_file', 'changed', `htpasswd in the portal: ${basic}`)
    return portal
  }
  old.tell('htpasswd_file', 'people', `the sign-in page has a form for them, and ${basic}`)
  const groups = old.list('htpasswd_user_groups').map(old.spell)
  const users: readonly Entry[] = [
    entry('users', old.spell(passwords), 'htpasswd_file, with its form'),
    entry('groups', groups.length === 0 ? null : groups, 'htpasswd_user_groups'),
  ]
  return [{ title: `[providers.${USERS}]`, entries: users }, ...portal]
}

/** `compat` of the portal: oauth2-proxy's own addresses, which applications and people have links to. */
function compatEntry(old: Old): Entry {
  const usual: Readonly<Record<string, string>> = { proxy_prefix: '/oauth2', ping_path: '/ping', ready_path: '/ready' }
  /** Where something was; null where it was where it usually is, or in a place that no request is sure to mean. */
  const pathOf = (option: string): string | null => {
    const stated = old.text(option)
    if (stated === null) return null
    const path = parseRoutePath(stated.startsWith('/') ? stated : `/${stated}`)
    const own = 'no path of its own, so that it is'
    if (path.ok && path.value !== '/') return path.value === usual[option] ? null : old.spell(path.value)
    old.tell(option, 'decide', `${own} ${usual[option]} in compat: choose another`)
    return null
  }
  const agent = old.text('ping_user_agent')
  const said = {
    prefix: pathOf('proxy_prefix'),
    headers: old.isOn('set_xauthrequest') ? 'x-auth-request' : null,
    ping_path: pathOf('ping_path'),
    ready_path: pathOf('ready_path'),
    ping_user_agent: agent === null ? null : old.spell(agent),
  }
  const more = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== null))
  const say = `${said.prefix ?? usual.proxy_prefix}/sign_out and the rest keep answering (sallyport help moving-in)`
  old.notes.add('changed', 'its own addresses', null, say)
  const value = Object.keys(more).length === 0 ? 'oauth2-proxy' : { program: 'oauth2-proxy', ...more }
  return entry('compat', value, 'its own addresses keep answering')
}

/**
 * The users that could sign in there, as the rule of a role. An undetermined part allows no user until the operator
 * completes it.
 */
function whoMay(old: Old, hasPasswords: boolean, hasForm: boolean): Json {
  const isKeycloak = old.text('provider') === 'keycloak-oidc'
  // Its roles are groups there, of which any is enough.
  const roles = isKeycloak ? old.list('allowed_roles').map(role => `role:${role}`) : []
  if (isKeycloak) old.tell('allowed_roles', 'kept')
  const groups = [...new Set([...old.list('allowed_groups'), ...roles])]
  const named = isGithub(old) ? groups.map(group => group.replace(':', '/')) : groups
  const claims = isKeycloak ? [] : old.list('allowed_roles').map(old.spell)
  const asked = {
    ...(groups.length === 0 ? {} : { groups: named.map(old.spell) }),
    ...(claims.length === 0 ? {} : { claims: { roles: claims } }),
  }
  const github = githubRules(old)
  // Of groups and of claims a rule has one list each, and both would have to hold.
  const isSaid = github !== null && (github.length === 0 || Object.keys(asked).length === 0)
  const others = [...OTHERS, ...(isSaid ? [] : GITHUB)].filter(old.has)
  for (const name of others) if (name !== 'github_repo') old.tell(name, 'decide', NO_CLAIM)
  const meaning = 'the sub of a user who may; a rule is better'
  const rest: Rule = others.length === 0 ? {} : { subjects: [old.blanks.add('WHO_MAY', meaning, 'somebody')] }
  const more = isSaid && github.length > 0 ? github : [{}]
  const rules: readonly Rule[] = whoseAddress(old).flatMap(address =>
    more.map(one => ({ ...address, ...asked, ...rest, ...one })),
  )
  if (rules.every(one => Object.keys(one).length === 0)) return { any: true }
  // What the provider says is no word of the file's.
  const own: Json[] = hasForm ? rules.map(one => ({ provider: PROVIDER, ...one })) : [...rules]
  if (hasPasswords && passesByPassword(old))
    own.push(hasForm ? { providers: [HTPASSWD, USERS] } : { provider: HTPASSWD })
  else if (hasPasswords) {
    const why = 'htpasswd_user_groups puts its people into none of the groups that are asked for'
    old.tell('htpasswd_file', 'changed', `no password works, as there: ${why}`)
  }
  const [first = null] = own
  return own.length === 1 ? first : own
}

/** Whose address counts, as rules of which one has to hold. */
function whoseAddress(old: Old): readonly Rule[] {
  const stated = old.list('email_domains')
  if (stated.includes('*')) {
    const trusting = 'every user with an e-mail address, verified or not, as there'
    const way = 'where the provider says of none that it is verified, write emails = "trusted" into [providers.oidc]'
    const say = trustsEmails(old) ? trusting : `every user with a verified e-mail address, as there; ${way}`
    old.tell('email_domains', 'changed', say)
    old.tell('authenticated_emails_file', 'left')
    return [{ require_email: true }]
  }
  const isPattern = (domain: string) => /^\*?\./.test(domain)
  const domains = stated.filter(domain => !isPattern(domain)).map(domain => old.spell(domain.toLowerCase()))
  const patterns = stated.filter(isPattern).map(domain => domain.toLowerCase().replace(/^\*/, ''))
  const isOdd = patterns.some(pattern => pattern.includes('*'))
  if (isOdd)
    old.tell('email_domains', 'decide', 'a star within a domain is no domain here: write who may into the role')
  else if (patterns.length > 0) old.tell('email_domains', 'kept', 'domains, and like for subdomains')
  const emails = listedAddresses(old)
  const named: Rule = { ...(domains.length > 0 ? { domains } : {}), ...(emails.length > 0 ? { emails } : {}) }
  const like = { [claimOfEmail(old)]: patterns.map(pattern => old.spell(`*@*${pattern}`)) }
  const ways = [
    ...(Object.keys(named).length > 0 ? [named] : []),
    ...(patterns.length > 0 && !isOdd ? [{ require_email: true, like }] : []),
  ]
  if (ways.length > 0) return ways
  const write = 'write who may into the role; { any = true } is everyone'
  if (keepsNobodyOut(old)) {
    const say = 'nothing in this file says who may sign in, so flags or OAUTH2_PROXY_* do, and the routes stay closed'
    old.notes.add('closed', 'email_domains', old.line('email_domains'), `${say}: ${write}`)
  } else if (!old.has('email_domains') && !old.has('authenticated_emails_file')) {
    const say = 'not in this file, so a flag or OAUTH2_PROXY_EMAIL_DOMAINS may have it'
    old.notes.add('decide', 'email_domains', null, `${say}: ${write}`)
  }
  const meaning = 'the domain of those who may sign in; or write another rule'
  return [{ domains: [old.blanks.add('EMAIL_DOMAIN', meaning, STAND_IN_HOST)] }]
}

function listedAddresses(old: Old): readonly string[] {
  const option = 'authenticated_emails_file'
  const path = old.text(option)
  if (path === null) return []
  const text = readOrNull(old.readText, path)
  if (text !== null) {
    const rows = text.split('\n').map(line => line.split(',')[0]?.trim().replace(/^"|"$/g, '') ?? '')
    return [...new Set(rows.filter(address => /^[^\s@]+@[^\s@]+$/.test(address)))].map(old.spell)
  }
  old.tell(option, 'decide')
  const meaning = `an address from the ${option} in ${old.where(option)}`
  return [old.blanks.add('EMAIL_ADDRESS', meaning, `someone@${STAND_IN_HOST}`)]
}

/**
 * Who of GitHub may come in, as rules of which one has to hold: named people, or members of the organization or its teams, as
 * oauth2-proxy has it. None where nothing is asked; null where no rule says exactly that.
 */
function githubRules(old: Old): readonly Rule[] | null {
  if (!GITHUB.some(old.has)) return []
  const [org, teams, users] = [old.text('github_org'), old.list('github_team'), old.list('github_users')]
  const isName = (text: string) => /^[A-Za-z0-9-]+$/.test(text)
  // Teams are `ops` beside an organization, and `acme:ops` without one; anything else not every version takes alike.
  const isTeam = (team: string) => (org === null ? /^[A-Za-z0-9-]+:[\w-]+$/ : /^[\w-]+$/).test(team)
  const isKnown = isGithub(old) && old.text('github_repo') === null && (org === null || isName(org))
  if (!isKnown || !users.every(isName) || !teams.every(isTeam)) return null
  const beside = teams.length === 0 && org !== null ? [org] : teams.map(team => `${org}/${team}`)
  const groups = org === null ? teams.map(team => team.replace(':', '/')) : beside
  return [
    ...(groups.length === 0 ? [] : [{ groups: groups.map(old.spell) }]),
    ...(users.length === 0 ? [] : [{ claims: { preferred_username: users.map(old.spell) } }]),
  ]
}

/**
 * Whether users with a password pass where groups are required. oauth2-proxy requires groups of every session, and
 * these users have only the file's groups. A provider's requirement may replace `allowed_groups` (Google, GitLab,
 * Keycloak), so that each has to hold.
 */
function passesByPassword(old: Old): boolean {
  const theirs = old.list('htpasswd_user_groups')
  const roles = old.list('allowed_roles').map(role => `role:${role}`)
  const projects = old.list('gitlab_projects').map(project => `project:${project.replace(/=.*$/, '')}`)
  const asked = [
    [...old.list('allowed_groups'), ...roles],
    [...old.list('gitlab_groups'), ...projects],
    old.list('google_groups'),
    old.list('keycloak_groups'),
  ]
  return asked.every(groups => groups.length === 0 || groups.some(group => theirs.includes(group)))
}
