import type { Json } from '../../config/text/raw.ts'
import { HTPASSWD } from '../../config/values/htpasswd.ts'
import { STAND_IN_HOST } from '../blanks.ts'
import type { Entry, Section } from '../draft.ts'
import { trustsEmails } from './claims.ts'
import { compatEntry } from './compat.ts'
import { type Context, note } from './context.ts'
import { GITHUB_RESTRICTIONS, githubGroup, githubRules, isGithub } from './github.ts'
import { PROVIDER } from './provider.ts'
import { hasForm, passesByPassword, passwordFile, USERS } from './users.ts'

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
  const entries: Entry[] = [
    ...(url === null ? [] : [{ key: 'url', value: url, comment: 'redirect_url' }]),
    { key: 'providers', value: hasForm(context) ? [PROVIDER, USERS] : [PROVIDER] },
    ...(isGithub(context)
      ? []
      : [{ key: 'callback_path', value: callbackPath(context), comment: 'registered at the provider already' }]),
  ]
  entries.push(compatEntry(context))
  const passwords = passwordFile(context)
  if (passwords !== null) {
    entries.push({ key: 'htpasswd', value: blanks.literal(passwords), comment: 'htpasswd_file' })
    if (!hasForm(context)) note(context, 'kept', 'htpasswd_file', 'htpasswd in the portal, as HTTP Basic')
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
      entries: [{ key: ROLE, value: whoMay(context) }],
    },
  ]
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
  const groups = options.list('allowed_groups')
  const claims = keycloakRoles(context)
  const github = githubRules(context)
  // Of groups and of claims a rule has one list each, and both would have to hold.
  const isSaid = github !== null && (github.length === 0 || groups.length + Object.keys(claims).length === 0)
  const inOne = inGroups(context, groups)
  const withRole = Object.keys(claims).length > 0 ? { claims } : {}
  // Keycloak's roles are groups there, of which any is enough.
  const isEither = options.text('provider') === 'keycloak-oidc' && groups.length > 0 && 'claims' in withRole
  const address = whoseAddress(context)
  const others = otherwise(context, isSaid ? [] : GITHUB_RESTRICTIONS)
  const ways = isEither ? [inOne, withRole] : [{ ...inOne, ...withRole }]
  const rules = ways.flatMap(way => {
    const rule = { ...address, ...way, ...others }
    return isSaid && github.length > 0 ? github.map(more => ({ ...rule, ...more })) : [rule]
  })
  const isAnyone = rules.every(one => Object.keys(one).length === 0)
  // What the provider says is no word of the file's.
  const named: readonly Json[] = hasForm(context) ? rules.map(one => ({ provider: PROVIDER, ...one })) : rules
  const [first = { any: true }, ...more] = isAnyone ? [] : named
  const own: Json = more.length === 0 ? first : [first, ...more]
  if (passwordFile(context) === null || isAnyone) return own
  if (!passesByPassword(context)) {
    const say =
      'nobody passes by a password, as there: htpasswd_user_groups puts its people into none of the groups that are asked for'
    note(context, 'changed', 'htpasswd_file', say)
    return own
  }
  return [first, ...more, hasForm(context) ? { providers: [HTPASSWD, USERS] } : { provider: HTPASSWD }]
}

function whoseAddress(context: Context): Readonly<Record<string, Json>> {
  const { options, blanks } = context
  const stated = options.list('email_domains')
  if (stated.includes('*')) {
    const say = trustsEmails(context)
      ? 'whoever has an e-mail address, verified or not, as there'
      : 'whoever has a verified e-mail address, as there; where the provider says of none that it is verified, write emails = "trusted" into [providers.oidc]'
    note(context, 'changed', 'email_domains', say)
    note(context, 'left', 'authenticated_emails_file', 'email_domains lets everyone in')
    return { require_email: true }
  }
  const isPattern = (domain: string) => /^\*?\./.test(domain)
  const domains = stated.filter(domain => !isPattern(domain)).map(domain => blanks.literal(domain.toLowerCase()))
  if (stated.some(isPattern)) {
    note(
      context,
      'decide',
      'email_domains',
      'subdomains do not count in domains: write each that people have an address in',
    )
  } else note(context, 'kept', 'email_domains', 'domains of the role')
  const emails = listedAddresses(context)
  if (domains.length + emails.length > 0) {
    return { ...(domains.length > 0 ? { domains } : {}), ...(emails.length > 0 ? { emails } : {}) }
  }
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
  return {
    domains: [blanks.add('EMAIL_DOMAIN', 'the domain of those who may sign in; or write another rule', STAND_IN_HOST)],
  }
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

function keycloakRoles(context: Context): Readonly<Record<string, Json>> {
  const roles = context.options.list('allowed_roles')
  if (roles.length === 0) return {}
  note(
    context,
    'decide',
    'allowed_roles',
    'have Keycloak put its roles into a claim "roles" (a mapper with that token claim name); the role asks for them there',
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
