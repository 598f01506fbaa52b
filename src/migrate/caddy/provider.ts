import { STAND_IN_HOST } from '../blanks.ts'
import type { Entry, Section } from '../draft.ts'
import { openidScopes } from '../scopes.ts'
import { type Context, spell } from './context.ts'
import { type Table, tableOf, textOf, textsOf, valueAt } from './json.ts'

/** One of `identity_providers` that speaks OpenID Connect, or OAuth. */
export interface Provider {
  readonly name: string
  /** Its name in the portal. */
  readonly was: string
  readonly realm: string
  /** Whether something keeps people out, or roles from them, that is not carried over. */
  readonly isClosed: boolean
  /** Whether it is GitHub, Discord or a file, whose people and groups have other names here, and which need no callback that is stated. */
  readonly isPreset: boolean
  readonly section: Section
}

/** The names of providers by what they were called in the portal; of two of one realm, the first. */
export function realmsOf(providers: readonly Provider[]): ReadonlyMap<string, string> {
  return new Map(providers.map(({ realm, name }) => [realm, name] as const).toReversed())
}

/**
 * A file of users with passwords, where no provider is named: the operator has to create it, and until then no user
 * can sign in.
 */
export function localProvider({ names }: Context): Provider {
  const name = names.of('provider', 'local')
  const comment = 'to be made: sallyport user add users.htpasswd NAME, for each of them'
  const section = { title: `[providers.${name}]`, entries: [{ key: 'users', value: 'users.htpasswd', comment }] }
  return { name, was: 'local', realm: 'local', isClosed: true, isPreset: true, section }
}

const WELL_KNOWN = '/.well-known/openid-configuration'

const ISSUERS: Readonly<Record<string, string>> = {
  google: 'https://accounts.google.com',
  gitlab: 'https://gitlab.com',
}
const NOT_OPENID = ['github', 'facebook', 'discord', 'linkedin', 'nextcloud']

/**
 * The scopes of a preset, except groups. Anyone can create an organization or a server with the name of a role of the
 * file. caddy-security separated these by `github.com/` before the name.
 */
const PRESET_SCOPES: Readonly<Record<string, readonly string[]>> = {
  github: ['user:email'],
  discord: ['identify', 'email'],
}

/** What says that a provider is somewhere else than its preset. */
const ELSEWHERE = ['base_auth_url', 'metadata_url', 'domain_name', 'authorization_url', 'token_url']

/** Parameters that leave out what people would have a role by. */
const FILTERS: Readonly<Record<string, string>> = {
  user_group_filters: 'groups in a role names those that count',
  user_org_filters: 'claims in a role names those that count',
}

const COOKIE = 'no cookie holds a token of the provider; pass_token in a route hands one to the application'
const PROTECTED = 'nothing that protects a sign-in can be switched off'

/** Parameters whose meaning does not depend on their value. */
const SAID: Readonly<Record<string, readonly ['left' | 'kept', string]>> = {
  accept_header_enabled: ['left', COOKIE],
  authorization_url: ['kept', 'nothing to write: discovery says it'],
  delay_start: [
    'kept',
    'nothing to write: it starts at once, and asks the provider when somebody signs in, again and again until it answers',
  ],
  email_claim_check_disabled: ['left', PROTECTED],
  identity_token_cookie_enabled: ['left', COOKIE],
  identity_token_cookie_name: ['left', COOKIE],
  identity_token_field_name: ['kept', 'the ID token is in id_token'],
  js_callback_enabled: ['left', 'no script is needed for the way back'],
  jwks_keys: ['kept', 'nothing to write: discovery says it'],
  key_verification_disabled: ['left', PROTECTED],
  login_icon: ['left', 'label is what the button says'],
  logout_enabled: ['left', 'provider_logout = true in the portal signs out at the provider too'],
  logout_url: ['left', 'discovery says it; provider_logout = true in the portal signs out there too'],
  metadata_discovery_disabled: ['left', PROTECTED],
  nonce_disabled: ['left', PROTECTED],
  pkce_disabled: ['left', PROTECTED],
  required_token_fields: ['kept', 'the ID token is required, and nothing else'],
  response_type: ['kept', 'it is always code, with PKCE'],
  retry_attempts: ['kept', 'nothing to write: a provider that does not answer is asked again for ever'],
  retry_interval: [
    'kept',
    'nothing to write: a provider that does not answer is asked again after 1 s, then ever more slowly',
  ],
  scope_disabled: ['left', PROTECTED],
  tls_insecure_skip_verify: ['left', PROTECTED],
  token_url: ['kept', 'nothing to write: discovery says it'],
  user_info_fields: ['kept', 'nothing to write: all of userinfo is there for rules and headers, as claims.NAME'],
  user_info_roles_field_name: ['left', 'claims in a role names the field'],
}

/** One of `identity_providers`. */
export function readProvider(context: Context, provider: Table): Provider {
  const was = textOf(provider.name) ?? 'oidc'
  const params = tableOf(provider.params)
  const value = (name: string) => textOf(valueAt(params, name))
  const name = context.names.of('provider', was)
  const driver = value('driver') ?? was
  const isClosed = Object.keys(params).some(key => !isKnown(key))
  const asked = ELSEWHERE.some(key => Object.hasOwn(params, key)) ? undefined : PRESET_SCOPES[driver]
  const realm = value('realm') ?? was
  if (asked !== undefined) {
    const entries: readonly Entry[] = [
      { key: 'preset', value: driver },
      clientId(context, value('client_id'), was),
      ...secret(context, value('client_secret'), was),
      { key: 'scopes', value: [...asked], comment: 'no groups: anybody may call one like a role' },
    ]
    const say = `preset = "${driver}": register the callback /.sallyport/callback/${name} of the portal there, as each of these has one of its own; people are their number, verified addresses alone count, and groups are not asked for`
    context.notes.add('decide', `identity provider ${was}`, null, say)
    note(context, was, params, { ...KEPT, ...PRESET_KEPT })
    return { name, was, realm, isClosed, isPreset: true, section: { title: `[providers.${name}]`, entries } }
  }
  const stated = textsOf(params.scopes)
  const { list, outcome, say: sayOfScopes } = openidScopes(stated)
  const entries: readonly Entry[] = [
    { key: 'issuer', value: issuer(context, driver, value) },
    ...metadata(context, value),
    clientId(context, value('client_id'), was),
    ...secret(context, value('client_secret'), was),
    ...(list.length > 0
      ? [
          {
            key: 'scopes',
            value: list.map(scope => spell(context, scope)),
            comment: '"groups" lets roles ask for groups, "offline_access" lets them follow the provider',
          },
        ]
      : []),
    { key: 'emails', value: 'trusted', comment: 'as caddy-security, which does not ask whether they are verified' },
  ]
  const say =
    'emails = "trusted", as there: take it out where people can enter an address that is not theirs. Whoever has none passes no rule, as nobody without one could sign in'
  context.notes.add('decide', `identity provider ${was}`, null, say)
  if (stated.length > 0) context.notes.add(outcome, `scopes of identity provider ${was}`, null, sayOfScopes)
  const { scopes: _, ...others } = params
  note(context, was, others, KEPT)
  return { name, was, realm, isClosed, isPreset: false, section: { title: `[providers.${name}]`, entries } }
}

function issuer(context: Context, driver: string, value: (name: string) => string | null): string {
  if (NOT_OPENID.includes(driver)) {
    context.notes.add(
      'decide',
      'driver',
      null,
      `${driver} is no OpenID provider: put one that lets people in from there (Pocket ID, Keycloak, Dex) in front of it, and name that`,
    )
  }
  const metadataUrl = value('metadata_url')
  const base =
    metadataUrl?.endsWith(WELL_KNOWN) === true ? metadataUrl.slice(0, -WELL_KNOWN.length) : value('base_auth_url')
  if (base !== null) return spell(context, base, `https://${STAND_IN_HOST}`)
  const tenant = value('tenant_id')
  if (driver === 'azure' && tenant !== null) return `https://login.microsoftonline.com/${spell(context, tenant)}/v2.0`
  const domain = value('domain_name')
  if (domain !== null) return `https://${spell(context, domain)}`
  return (
    ISSUERS[driver] ??
    context.blanks.add(
      'OIDC_ISSUER',
      'the provider’s address, as its metadata has it in "issuer"',
      `https://${STAND_IN_HOST}`,
    )
  )
}

function metadata(context: Context, value: (name: string) => string | null): readonly Entry[] {
  const url = value('metadata_url')
  if (url === null || url.endsWith(WELL_KNOWN)) return []
  return [{ key: 'metadata_url', value: spell(context, url, `https://${STAND_IN_HOST}${WELL_KNOWN}`) }]
}

function clientId(context: Context, id: string | null, was: string): Entry {
  const missing = () => context.blanks.add(`${was}_CLIENT_ID`, 'the client, as registered at the provider', 'client')
  return { key: 'client_id', value: id === null ? missing() : spell(context, id) }
}

function secret(context: Context, stated: string | null, was: string): readonly Entry[] {
  if (stated === null) return []
  const isReference = /^\{(?:env\.\w+|file\.[^}]+)\}$/.test(stated)
  const value = isReference
    ? spell(context, stated, 'fill-in')
    : context.blanks.add(`${was}_CLIENT_SECRET`, `what client_secret of the identity provider ${was} says`, 'fill-in')
  return [
    { key: 'client_secret', value },
    { key: 'client_auth', value: 'client_secret_post', comment: 'as caddy-security sends it' },
  ]
}

const KEPT: Readonly<Record<string, string>> = {
  realm: 'in the callback address; roles ask for the provider by its name',
  driver: 'whatever speaks OpenID Connect; discovery tells the rest',
  client_id: 'client_id',
  client_secret: 'client_secret, from the environment: secrets are not copied',
  scopes: 'scopes',
  base_auth_url: 'issuer; it has to be exactly what the provider calls itself',
  metadata_url: 'issuer, which is the part before /.well-known/; metadata_url where it is elsewhere',
  tenant_id: 'in issuer',
  domain_name: 'in issuer',
}

const PRESET_KEPT: Readonly<Record<string, string>> = {
  realm: 'roles ask for the provider by its name',
  driver: 'preset',
  scopes: 'scopes: an address, and no groups',
}

function isKnown(key: string): boolean {
  return Object.hasOwn(SAID, key) || Object.hasOwn(KEPT, key)
}

function note({ notes }: Context, was: string, params: Table, kept: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(params)) {
    const shown = `${key} of identity provider ${was}`
    const said = SAID[key]
    const say = kept[key]
    if (said !== undefined) notes.add(said[0], shown, null, said[1])
    else if (say !== undefined) notes.add('kept', shown, null, say)
    else {
      const say = FILTERS[key] ?? 'not a parameter that is known here, so it may say who may come in'
      notes.add('closed', shown, null, `${say}: the routes of its portals let nobody in`)
    }
  }
}
