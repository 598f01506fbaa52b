import type { Json } from '../../config/text/raw.ts'
import { HTPASSWD } from '../../config/values/htpasswd.ts'
import { STAND_IN_HOST } from '../blanks.ts'
import type { Entry, Section } from '../draft.ts'
import { claimOfEmail, trustsEmails } from './claims.ts'
import { compatEntry } from './compat.ts'
import { type Context, note } from './context.ts'
import { GITHUB_RESTRICTIONS, githubGroup, githubRules, isGithub } from './github.ts'
import { PROVIDER } from './provider.ts'
import { BY_PASSWORD, hasForm, passesByPassword, passwordFile, USERS } from './users.ts'

/** The portal's name in the new file, and the one role that everyone who could sign in there has. */
export const PORTAL = 'home'
export const ROLE = 'user'

/** Options that keep people out by what no OpenID claim is certain to say. */
const OTHER_RESTRICTIONS = [
  'bitbucket_repository',
  'bitbucket_team',
  'entra_id_allowed_tenants',
  'gitlab_group',
  'gitlab_groups',
  'gitlab_projects',
  'google_group',
  'google_groups',
  'keycloak_group',
  'keycloak_groups',
]

/** Options of which oauth2-proxy asks for one before it starts, or that keep people out besides. */
const RESTRICTIONS = [
  'allowed_groups',
  'allowed_roles',
  'authenticated_emails_file',
  'email_domains',
  'htpasswd_file',
  ...OTHER_RESTRICTIONS,
  ...GITHUB_RESTRICTIONS,
]

/** Whether a file says nothing of who may sign in: whatever does is said elsewhere, and cannot be known here. */
export function keepsNobodyOut({ options }: Context): boolean {
  return RESTRICTIONS.every(name => options.text(name) === null)
}

/** `[portals.home]`: on the application's own host, as oauth2-proxy is, with the callback that is registered already. */
export function portalSections(context: Context, url: string | null): readonly Section[] {
  const { options, blanks } = context
  const rule = whoMay(context)
  const entries: Entry[] = [
    ...(url === null ? [] : [{ key: 'url', value: url, comment: 'redirect_url' }]),
    { key: 'providers', value: hasForm(context) ? [PROVIDER, USERS] : [PROVIDER] },
    ...(isAnyone(rule) ? [] : [{ key: 'members', value: [ROLE], comment: 'nobody else has a session' }]),
    ...(isGithub(context)
      ? []
      : [{ key: 'callback_path', value: callbackPath(context), comment: 'registered at the provider already' }]),
  ]
  entries.push(compatEntry(context))
  const passwords = passwordFile(context)
  if (passwords !== null) {
    entries.push({ key: 'htpasswd', value: blanks.literal(passwords), comment: 'htpasswd_file' })
    if (!hasForm(context)) note(context, 'changed', 'htpasswd_file', `htpasswd in the portal: ${BY_PASSWORD}`)
  }
  const isPlain = options.text('redirect_url')?.startsWith('http://') === true
  if (isPlain || options.flag('cookie_secure') === false) {
    entries.push({ key: 'insecure_cookies', value: true, comment: 'plain HTTP: only for tests' })
    const say = 'insecure_cookies = true, for people who come by plain HTTP: take it out as soon as they come by https'
    note(context, 'decide', isPlain ? ['redirect_url', 'cookie_secure'] : 'cookie_secure', say)
  } else note(context, 'kept', 'cookie_secure', 'cookies are Secure, and people are expected by https')
  note(
    context,
    'people',
    ['cookie_domain', 'cookie_domains'],
    'no cookie is shared: each host has its own; with url in [portals.home] one sign-in serves all hosts',
  )
  return [
    { title: `[portals.${PORTAL}]`, entries },
    {
      title: `[portals.${PORTAL}.roles]`,
      about: 'Role = who has it; routes name roles in allow. { groups = ["…"] }, { emails = ["…"] } and so on.',
      entries: [{ key: ROLE, value: rule }],
    },
  ]
}

function isAnyone(rule: Json): boolean {
  return typeof rule === 'object' && rule !== null && 'any' in rule
}

function callbackPath(context: Context): string {
  const { options } = context
  const prefix = options.text('proxy_prefix') ?? '/oauth2'
  const path = /^https?:\/\/[^/]*(\/[^?#]+)/.exec(options.text('redirect_url') ?? '')?.[1]
  return path ?? `${prefix.replace(/\/$/, '')}/callback`
}

/** Who could sign in there, as the rule of a role. What cannot be told lets nobody in until it is filled in. */
function whoMay(context: Context): Json {
  const { options } = context
  const isKeycloak = options.text('provider') === 'keycloak-oidc'
  const stated = options.list('allowed_groups')
  const groups = isKeycloak ? stated.filter(group => !isRole(group)) : stated
  const claims = isKeycloak ? {} : otherRoles(context)
  const github = githubRules(context)
  // Of groups and of claims a rule has one list each, and both would have to hold.
  const isSaid = github !== null && (github.length === 0 || groups.length + Object.keys(claims).length === 0)
  const inOne = inGroups(context, groups)
  const withRole = Object.keys(claims).length > 0 ? { claims } : {}
  const addresses = whoseAddress(context)
  const others = otherwise(context, isSaid ? [] : GITHUB_RESTRICTIONS)
  // Keycloak's roles are groups there, of which any is enough.
  const roles = isKeycloak ? keycloakRoles(context) : []
  const ways = [...(roles.length === 0 || groups.length > 0 ? [{ ...inOne, ...withRole }] : []), ...roles]
  const rules = addresses.flatMap(address =>
    ways.flatMap(way => {
      const rule = { ...address, ...way, ...others }
      return isSaid && github.length > 0 ? github.map(more => ({ ...rule, ...more })) : [rule]
    }),
  )
  const isEverybody = rules.every(one => Object.keys(one).length === 0)
  // What the provider says is no word of the file's.
  const named: readonly Json[] = hasForm(context) ? rules.map(one => ({ provider: PROVIDER, ...one })) : rules
  const [first = { any: true }, ...more] = isEverybody ? [] : named
  const own: Json = more.length === 0 ? first : [first, ...more]
  if (passwordFile(context) === null || isEverybody) return own
  if (!passesByPassword(context)) {
    const say =
      'nobody passes by a password, as there: htpasswd_user_groups puts its people into none of the groups that are asked for'
    note(context, 'changed', 'htpasswd_file', say)
    return own
  }
  return [first, ...more, hasForm(context) ? { providers: [HTPASSWD, USERS] } : { provider: HTPASSWD }]
}

/** Whose address counts, as rules of which one has to hold. */
function whoseAddress(context: Context): readonly Readonly<Record<string, Json>>[] {
  const { options, blanks } = context
  const stated = options.list('email_domains')
  if (stated.includes('*')) {
    const say = trustsEmails(context)
      ? 'whoever has an e-mail address, verified or not, as there'
      : 'whoever has a verified e-mail address, as there; where the provider says of none that it is verified, write emails = "trusted" into [providers.oidc]'
    note(context, 'changed', 'email_domains', say)
    note(context, 'left', 'authenticated_emails_file', 'email_domains lets everyone in')
    return [{ require_email: true }]
  }
  const isPattern = (domain: string) => /^\*?\./.test(domain)
  const domains = stated.filter(domain => !isPattern(domain)).map(domain => blanks.literal(domain.toLowerCase()))
  const patterns = stated.filter(isPattern).map(domain => `*@*${domain.toLowerCase().replace(/^\*/, '')}`)
  const isOdd = patterns.some(pattern => pattern.slice('*@*'.length).includes('*'))
  if (isOdd)
    note(context, 'decide', 'email_domains', 'a star within a domain is no domain here: write who may into the role')
  else note(context, 'kept', 'email_domains', patterns.length > 0 ? 'domains, and like for subdomains' : 'domains')
  const emails = listedAddresses(context)
  const named = {
    ...(domains.length > 0 ? { domains } : {}),
    ...(emails.length > 0 ? { emails } : {}),
  }
  const below = {
    require_email: true,
    like: { [claimOfEmail(context)]: patterns.map(blanks.literal) },
  }
  const ways = [
    ...(domains.length + emails.length > 0 ? [named] : []),
    ...(patterns.length > 0 && !isOdd ? [below] : []),
  ]
  if (ways.length > 0) return ways
  if (keepsNobodyOut(context)) {
    const say =
      'nothing in this file says who may sign in, so flags or OAUTH2_PROXY_* do, and the routes let nobody in: write who may into the role; { any = true } is everyone'
    context.notes.add('closed', 'email_domains', options.line('email_domains'), say)
  } else if (!options.has('email_domains') && !options.has('authenticated_emails_file')) {
    context.notes.add(
      'decide',
      'email_domains',
      null,
      'not in this file, so a flag or OAUTH2_PROXY_EMAIL_DOMAINS may have it: write who may into the role; { any = true } is everyone',
    )
  }
  return [
    {
      domains: [
        blanks.add('EMAIL_DOMAIN', 'the domain of those who may sign in; or write another rule', STAND_IN_HOST),
      ],
    },
  ]
}

function listedAddresses(context: Context): readonly string[] {
  const { options, blanks } = context
  const path = options.text('authenticated_emails_file')
  if (path === null) return []
  try {
    const addresses = context
      .readText(path)
      .split('\n')
      .map(line => line.split(',')[0]?.trim().replace(/^"|"$/g, '') ?? '')
      .filter(address => /^[^\s@]+@[^\s@]+$/.test(address))
    note(context, 'kept', 'authenticated_emails_file', 'emails of the role, which are the list from now on')
    return [...new Set(addresses)].map(blanks.literal)
  } catch {
    note(
      context,
      'decide',
      'authenticated_emails_file',
      'it cannot be read from here: write its addresses into the role, as emails = ["…"]',
    )
    return [
      blanks.add(
        'EMAIL_ADDRESS',
        `an address from the authenticated_emails_file in ${options.where('authenticated_emails_file')}`,
        `someone@${STAND_IN_HOST}`,
      ),
    ]
  }
}

function inGroups(context: Context, groups: readonly string[]): Readonly<Record<string, Json>> {
  if (groups.length === 0) return {}
  note(context, 'kept', 'allowed_groups', 'groups of the role')
  const names = isGithub(context) ? groups.map(githubGroup) : groups
  return { groups: names.map(context.blanks.literal) }
}

/** `role:NAME` and `role:CLIENT:NAME` among groups are roles of Keycloak. */
function isRole(group: string): boolean {
  return group.startsWith('role:')
}

/**
 * Roles of Keycloak, as rules of which one has to hold: those of the realm, and those of each client, by the claims that Keycloak has
 * them in. A name with a colon may be either.
 */
function keycloakRoles(context: Context): readonly Readonly<Record<string, Json>>[] {
  const { options, blanks } = context
  const groups = options.list('allowed_groups').filter(isRole)
  const roles = [...groups.map(group => group.slice('role:'.length)), ...options.list('allowed_roles')]
  note(
    context,
    'changed',
    'provider',
    'roles (role:…) are not among the groups that applications are told (X-Forwarded-Groups)',
  )
  if (roles.length === 0) return []
  const say =
    'claims of the role: in Keycloak’s client scope "roles", have its mappers add them to the ID token; they are in access tokens alone, which nobody looks into here'
  note(context, 'decide', ['allowed_roles', ...(groups.length > 0 ? ['allowed_groups'] : [])], say)
  const byClaim = new Map([['realm_access.roles', roles]])
  for (const role of roles) {
    const [, client, name] = /^([^:.]+):(.+)$/s.exec(role) ?? []
    if (client === undefined || name === undefined) continue
    const claim = `resource_access.${client}.roles`
    byClaim.set(claim, [...(byClaim.get(claim) ?? []), name])
  }
  return [...byClaim].map(([claim, names]) => ({ claims: { [claim]: names.map(blanks.literal) } }))
}

function otherRoles(context: Context): Readonly<Record<string, Json>> {
  const roles = context.options.list('allowed_roles')
  if (roles.length === 0) return {}
  note(
    context,
    'decide',
    'allowed_roles',
    'the role asks for them in the claim "roles": have the provider put them there',
  )
  return { roles: roles.map(context.blanks.literal) }
}

const REPOSITORY = 'github_repo'

const NO_CLAIM =
  'no claim is certain to say this: write who may into the role, by groups, emails or claims, in place of the subject there'

const NO_REPOSITORY =
  'GitHub says of nobody which repositories are theirs: write a team that has the same people into the role (groups = ["acme/ops"]), or their numbers (subjects = ["583231"], the "id" of api.github.com/users/NAME), in place of the subject there'

/** A restriction that is lost would let in more people than before. */
function otherwise(context: Context, more: readonly string[]): Readonly<Record<string, Json>> {
  const present = [...OTHER_RESTRICTIONS, ...more].filter(name => context.options.has(name))
  if (present.length === 0) return {}
  note(
    context,
    'decide',
    present.filter(name => name !== REPOSITORY),
    NO_CLAIM,
  )
  if (present.includes(REPOSITORY)) note(context, 'decide', REPOSITORY, NO_REPOSITORY)
  return {
    subjects: [context.blanks.add('WHO_MAY', 'a sub of somebody who may; better, a rule in its place', 'somebody')],
  }
}
