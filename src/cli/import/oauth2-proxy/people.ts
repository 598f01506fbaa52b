import { passwordFaults } from '../../../config/htpasswd.ts'
import type { Json } from '../../../config/raw.ts'
import { STAND_IN_HOST } from '../blanks.ts'
import type { Entry, Section } from '../draft.ts'
import { type Desk, note } from './desk.ts'
import { PROVIDER, trustsEmails } from './provider.ts'

/** The portal's name in the new file, and the one role that everyone who could sign in there has. */
export const PORTAL = 'home'
export const ROLE = 'user'

/** Options that keep people out by what no OpenID claim is certain to say. */
const OTHER_RESTRICTIONS = [
  'bitbucket_repository',
  'bitbucket_team',
  'entra_id_allowed_tenants',
  'github_org',
  'github_repo',
  'github_team',
  'github_users',
  'gitlab_group',
  'gitlab_groups',
  'gitlab_projects',
  'google_group',
  'google_groups',
  'keycloak_group',
  'keycloak_groups',
]

/** `[portals.home]`: on the application's own host, as oauth2-proxy is, with the callback that is registered already. */
export function portalSections(desk: Desk, url: string | null): readonly Section[] {
  const { options, blanks } = desk
  const entries: Entry[] = [
    ...(url === null ? [] : [{ key: 'url', value: url, comment: 'redirect_url' }]),
    { key: 'providers', value: [PROVIDER] },
    { key: 'callback_path', value: callbackPath(desk), comment: 'registered at the provider already' },
  ]
  const passwords = passwordFile(desk)
  if (passwords !== null) {
    entries.push({ key: 'htpasswd', value: blanks.literal(passwords), comment: 'htpasswd_file' })
    note(desk, 'changed', 'htpasswd_file', 'htpasswd in the portal: as HTTP Basic, without a form')
  }
  const isPlain = options.text('redirect_url')?.startsWith('http://') === true
  if (isPlain || options.flag('cookie_secure') === false) {
    entries.push({ key: 'insecure_cookies', value: true, comment: 'plain HTTP: only for tests' })
    const say = 'insecure_cookies = true, for people who come by plain HTTP: take it out as soon as they come by https'
    note(desk, 'decide', isPlain ? ['redirect_url', 'cookie_secure'] : 'cookie_secure', say)
  } else note(desk, 'kept', 'cookie_secure', 'cookies are Secure, and people are expected by https')
  note(
    desk,
    'changed',
    ['cookie_domain', 'cookie_domains'],
    'no cookie is shared: each host has its own; with url in [portals.home] one sign-in serves all hosts',
  )
  return [
    { title: `[portals.${PORTAL}]`, entries },
    {
      title: `[portals.${PORTAL}.roles]`,
      about: 'Role = who has it; routes name roles in allow. { groups = ["…"] }, { emails = ["…"] } and so on.',
      entries: [{ key: ROLE, value: whoMay(desk) }],
    },
  ]
}

/** The file with passwords; null where there is none, or one that protects them too little to be taken (`{SHA}`). */
export function passwordFile(desk: Desk): string | null {
  const path = desk.options.text('htpasswd_file')
  if (path === null) return null
  let text: string
  try {
    text = desk.readText(path)
  } catch {
    return path
  }
  const [fault] = passwordFaults(text)
  if (fault === undefined) return path
  const say = `not carried over, so that nobody comes in by a password: ${fault}; make its lines anew (htpasswd -B), and name it as htpasswd in the portal`
  note(desk, 'decide', 'htpasswd_file', say)
  return null
}

function callbackPath(desk: Desk): string {
  const { options } = desk
  const prefix = options.text('proxy_prefix') ?? '/oauth2'
  note(
    desk,
    'changed',
    'proxy_prefix',
    'only the callback keeps it; sign-out is /.sallyport/logout, the portal page /.sallyport/',
  )
  const path = /^https?:\/\/[^/]*(\/[^?#]+)/.exec(options.text('redirect_url') ?? '')?.[1]
  return path ?? `${prefix.replace(/\/$/, '')}/callback`
}

/** Who could sign in there, as the rule of a role. What cannot be told lets nobody in until it is filled in. */
function whoMay(desk: Desk): Json {
  const { options } = desk
  const groups = options.list('allowed_groups')
  const { claims: ownClaims, ...address } = whoseAddress(desk)
  const claims = { ...tableOf(ownClaims), ...groupsInClaim(desk, groups), ...keycloakRoles(desk) }
  const rule = {
    ...address,
    ...inGroups(desk, groups),
    ...(Object.keys(claims).length > 0 ? { claims } : {}),
    ...otherwise(desk),
  }
  const isAnyone = Object.keys(rule).length === 0
  const own: Json = isAnyone ? { any: true } : rule
  // Its groups are of its own file: where groups are asked for, only those whom it puts into one pass.
  const theirs = options.list('htpasswd_user_groups').concat(options.list('htpasswd_user_group'))
  const passesByPassword = groups.length === 0 || groups.some(group => theirs.includes(group))
  note(
    desk,
    'changed',
    ['htpasswd_user_groups', 'htpasswd_user_group'],
    'people with a password have no groups here: { provider = "htpasswd" } in a role names them',
  )
  return passwordFile(desk) !== null && !isAnyone && passesByPassword ? [own, { provider: 'htpasswd' }] : own
}

function tableOf(value: Json | undefined): Readonly<Record<string, Json>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {}
  return Object.fromEntries(Object.entries(value))
}

function whoseAddress(desk: Desk): Readonly<Record<string, Json>> {
  const { options, blanks } = desk
  const stated = options.list('email_domains')
  if (stated.includes('*') && claimOfEmail(desk) === 'email') {
    const say = trustsEmails(desk)
      ? 'whoever has an e-mail address, verified or not, as there'
      : 'whoever has a verified e-mail address, as there; a provider that says nothing of that (email_verified) lets nobody in'
    note(desk, 'changed', 'email_domains', `${say}; { any = true } in the role is everyone`)
    note(desk, 'left', 'authenticated_emails_file', 'email_domains lets everyone in')
    return { require_email: true }
  }
  const other = otherEmails(desk)
  if (other !== null) return other
  const isPattern = (domain: string) => /^\*?\./.test(domain)
  const domains = stated.filter(domain => !isPattern(domain)).map(domain => blanks.literal(domain.toLowerCase()))
  if (stated.some(isPattern)) {
    note(
      desk,
      'decide',
      'email_domains',
      'subdomains do not count in domains: write each that people have an address in',
    )
  } else note(desk, 'kept', 'email_domains', 'domains of the role')
  const emails = listedAddresses(desk)
  if (domains.length + emails.length > 0) {
    return { ...(domains.length > 0 ? { domains } : {}), ...(emails.length > 0 ? { emails } : {}) }
  }
  if (!options.has('email_domains') && !options.has('authenticated_emails_file')) {
    desk.notes.add(
      'decide',
      'email_domains',
      null,
      'not in this file, so a flag or OAUTH2_PROXY_EMAIL_DOMAINS may have it: write who may into the role; { any = true } is everyone',
    )
  }
  return {
    domains: [blanks.add('EMAIL_DOMAIN', 'the domain of those who may sign in; or write another rule', STAND_IN_HOST)],
  }
}

/** Addresses in a claim of another name: single ones can be asked for there, domains cannot. */
function otherEmails(desk: Desk): Readonly<Record<string, Json>> | null {
  const { options, blanks } = desk
  const claim = claimOfEmail(desk)
  if (claim === 'email') return null
  const emails = listedAddresses(desk)
  if (options.list('email_domains').length === 0 && emails.length > 0) return { claims: { [claim]: emails } }
  note(
    desk,
    'decide',
    'email_domains',
    `domains look at the claim email, and not at ${claim}: write who may into the role`,
  )
  return { subjects: [blanks.add('WHO_MAY', 'a sub of somebody who may; better, a rule in its place', 'somebody')] }
}

function listedAddresses(desk: Desk): readonly string[] {
  const { options, blanks } = desk
  const path = options.text('authenticated_emails_file')
  if (path === null) return []
  try {
    const addresses = desk
      .readText(path)
      .split('\n')
      .map(line => line.split(',')[0]?.trim().replace(/^"|"$/g, '') ?? '')
      .filter(address => /^[^\s@]+@[^\s@]+$/.test(address))
    note(desk, 'kept', 'authenticated_emails_file', 'emails of the role, which are the list from now on')
    return [...new Set(addresses)].map(blanks.literal)
  } catch {
    note(
      desk,
      'decide',
      'authenticated_emails_file',
      'it cannot be read from here: write its addresses into the role, as emails = ["…"]',
    )
    return [
      blanks.add(
        'EMAIL_ADDRESS',
        `an address from the authenticated_emails_file in line ${options.line('authenticated_emails_file')}`,
        `someone@${STAND_IN_HOST}`,
      ),
    ]
  }
}

function inGroups(desk: Desk, groups: readonly string[]): Readonly<Record<string, Json>> {
  if (groups.length === 0 || claimOfGroups(desk) !== 'groups') return {}
  note(desk, 'kept', 'allowed_groups', 'groups of the role')
  return { groups: groups.map(desk.blanks.literal) }
}

/** Groups that the provider states in a claim of another name. */
function groupsInClaim(desk: Desk, groups: readonly string[]): Readonly<Record<string, Json>> {
  const claim = claimOfGroups(desk)
  if (groups.length === 0 || claim === 'groups') return {}
  note(desk, 'kept', 'allowed_groups', 'claims of the role')
  return { [claim]: groups.map(desk.blanks.literal) }
}

/** The claim that holds the address that counts; `user_id_claim` is an older name for it. */
export function claimOfEmail({ options }: Desk): string {
  return options.text('oidc_email_claim') ?? options.text('user_id_claim') ?? 'email'
}

/** The claim that holds the groups. */
export function claimOfGroups({ options }: Desk): string {
  return options.text('oidc_groups_claim') ?? 'groups'
}

function keycloakRoles(desk: Desk): Readonly<Record<string, Json>> {
  const roles = desk.options.list('allowed_roles')
  if (roles.length === 0) return {}
  note(
    desk,
    'decide',
    'allowed_roles',
    'have Keycloak put its roles into a claim "roles" (a mapper with that token claim name); the role asks for them there',
  )
  return { roles: roles.map(desk.blanks.literal) }
}

/** A restriction that is lost would let in more people than before. */
function otherwise(desk: Desk): Readonly<Record<string, Json>> {
  const present = OTHER_RESTRICTIONS.filter(name => desk.options.has(name))
  if (present.length === 0) return {}
  note(
    desk,
    'decide',
    present,
    'no claim is certain to say this: write who may into the role, by groups, emails or claims, in place of the subject there',
  )
  return {
    subjects: [desk.blanks.add('WHO_MAY', 'a sub of somebody who may; better, a rule in its place', 'somebody')],
  }
}
