/** Identity providers of caddy-security. */

import { type Entry, issuerOf, openidScopes, type Section } from '../draft.ts'
import { STAND_IN_HOST } from '../variables-to-set.ts'
import { type Context, type KeyRows, noteKeys, spell } from './context.ts'
import { type Table, tableOf, textOf, textsOf, valueAt } from './json.ts'

/** One of `identity_providers` that speaks OpenID Connect, or OAuth. */
export interface Provider {
  readonly name: string
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

/** What is said of parameters. Any other may say who comes in. */
const PARAMETERS: KeyRows = [
  ['kept', 'realm', 'in the callback address; roles ask for the provider by its name'],
  ['kept', 'driver', 'a preset, or any OpenID Connect provider: discovery finds the rest'],
  ['kept', 'client_id', 'client_id'],
  ['kept', 'client_secret', 'client_secret, from the environment: secrets are not copied'],
  ['kept', 'base_auth_url', 'issuer; it has to be exactly what the provider calls itself'],
  ['kept', 'metadata_url', 'issuer, which is the part before /.well-known/; metadata_url where it is elsewhere'],
  ['kept', 'tenant_id domain_name', 'in issuer'],
  [
    'kept',
    'authorization_url token_url jwks_keys delay_start retry_attempts retry_interval identity_token_field_name required_token_fields response_type',
    'nothing to write: discovery says it at each sign-in, until it answers; what comes back is a code, with PKCE, and then an ID token',
  ],
  ['kept', 'user_info_fields', 'nothing to write: rules and headers can use all of userinfo, as claims.NAME'],
  [
    'left',
    'accept_header_enabled identity_token_cookie_enabled identity_token_cookie_name',
    'no cookie holds a token of the provider; pass_token in a route hands one to the application',
  ],
  [
    'left',
    'email_claim_check_disabled key_verification_disabled metadata_discovery_disabled nonce_disabled pkce_disabled scope_disabled tls_insecure_skip_verify',
    'nothing that protects a sign-in can be switched off',
  ],
  ['left', 'js_callback_enabled', 'no script is needed for the way back'],
  ['left', 'login_icon', 'label is what the button says'],
  ['left', 'logout_enabled logout_url', 'provider_logout = true in the portal signs out at the provider too'],
  ['left', 'user_info_roles_field_name', 'claims in a role names the field'],
  ['closed', 'user_group_filters', 'name the groups that count in a role: the routes of its portals stay closed'],
  ['closed', 'user_org_filters', 'name the claims that count in a role: the routes of its portals stay closed'],
  [null, 'scopes', ''],
]

export function readProvider(context: Context, provider: Table): Provider {
  const was = textOf(provider.name) ?? 'oidc'
  const title = `identity provider ${was}`
  const params = tableOf(provider.params)
  const value = (name: string) => textOf(valueAt(params, name))
  const name = context.names.of('provider', was)
  const driver = value('driver') ?? was
  const preset = ELSEWHERE.some(key => Object.hasOwn(params, key)) ? undefined : PRESET_SCOPES[driver]
  const stated = openidScopes(textsOf(params.scopes))
  const say =
    preset === undefined
      ? 'emails = "trusted", as there: remove it if users can enter an address that is not theirs. A user without an address passes no rule, as there'
      : `preset = "${driver}": register the callback /.sallyport/callback/${name} of the portal there; users are known by their number, only verified addresses count, and groups are not asked for`
  context.notes.add('decide', title, null, say)
  if (preset === undefined && textsOf(params.scopes).length > 0)
    context.notes.add(stated.outcome, `scopes of ${title}`, null, stated.say)
  const client = [clientId(context, value('client_id'), was), ...secret(context, value('client_secret'), was)]
  const entries: readonly Entry[] =
    preset !== undefined
      ? [
          { key: 'preset', value: driver },
          ...client,
          { key: 'scopes', value: [...preset], comment: 'no groups: anybody may call one like a role' },
        ]
      : [
          { key: 'issuer', value: issuer(context, driver, value) },
          ...metadata(context, value('metadata_url')),
          ...client,
          {
            key: 'scopes',
            value: stated.list.length === 0 ? null : stated.list.map(scope => spell(context, scope)),
            comment: '"groups" lets roles ask for groups, "offline_access" lets them follow the provider',
          },
          {
            key: 'emails',
            value: 'trusted',
            comment: 'as caddy-security, which does not ask whether they are verified',
          },
        ]
  return {
    name,
    was,
    realm: value('realm') ?? was,
    isClosed: noteKeys(context, params, PARAMETERS, {
      of: title,
      others: 'not known here, so it may limit who comes in: the routes of its portals stay closed',
    }),
    isPreset: preset !== undefined,
    section: { title: `[providers.${name}]`, entries },
  }
}

function issuer(context: Context, driver: string, value: (name: string) => string | null): string {
  if (NOT_OPENID.includes(driver)) {
    const say = `${driver} is no OpenID provider: put one in front of it that can use it (Pocket ID, Keycloak, Dex), and name that`
    context.notes.add('decide', 'driver', null, say)
  }
  const url = value('metadata_url')
  const base = url?.endsWith(WELL_KNOWN) === true ? url.slice(0, -WELL_KNOWN.length) : value('base_auth_url')
  if (base !== null) return spell(context, base, `https://${STAND_IN_HOST}`)
  const tenant = value('tenant_id')
  if (driver === 'azure' && tenant !== null) return `https://login.microsoftonline.com/${spell(context, tenant)}/v2.0`
  const domain = value('domain_name')
  if (domain !== null) return `https://${spell(context, domain)}`
  return issuerOf(driver, context.blanks)
}

function metadata(context: Context, url: string | null): readonly Entry[] {
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
