import { STAND_IN_HOST } from '../blanks.ts'
import type { Entry, Section } from '../draft.ts'
import { openidScopes } from '../scopes.ts'
import { type Context, spell } from './context.ts'
import type { Directive } from './parse.ts'

/** An `oauth identity provider`. */
export interface Provider {
  readonly name: string
  /** What it was called in the portal. */
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

/** A file of people with passwords, where no provider is named: it is to be made, and until then nobody comes in. */
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
 * What a preset asks for, but for groups: an organization or a server that anybody makes could be called like a role of the file, which
 * caddy-security told from it by `github.com/` before the name.
 */
const PRESET_SCOPES: Readonly<Record<string, readonly string[]>> = {
  github: ['user:email'],
  discord: ['identify', 'email'],
}

/** What says that a provider is somewhere else than its preset. */
const ELSEWHERE = ['base_auth_url', 'metadata_url', 'domain_name', 'authorization_url', 'token_url']

/** Directives that leave out what people would have a role by. */
const FILTERS: Readonly<Record<string, string>> = {
  user_group_filters: 'groups in a role names those that count',
  user_org_filters: 'claims in a role names those that count',
}

/** Directives whose meaning does not depend on their value. */
const SAID: Readonly<Record<string, readonly ['left' | 'kept', string]>> = {
  delay_start: [
    'kept',
    'nothing to write: it starts at once, and asks the provider when somebody signs in, again and again until it answers',
  ],
  retry_attempts: ['kept', 'nothing to write: a provider that does not answer is asked again for ever'],
  retry_interval: [
    'kept',
    'nothing to write: a provider that does not answer is asked again after 1 s, then ever more slowly',
  ],
  authorization_url: ['kept', 'nothing to write: discovery says it'],
  token_url: ['kept', 'nothing to write: discovery says it'],
  logout_url: ['left', 'discovery says it; provider_logout = true in the portal signs out there too'],
  disable: ['left', 'nothing that protects a sign-in can be switched off'],
  enable: ['left', 'no cookie holds a token of the provider; pass_token in a route hands one to the application'],
  extract: ['kept', 'nothing to write: all of userinfo is there for rules and headers, as claims.NAME'],
  icon: ['left', 'label is what the button says'],
  identity_token_field_name: ['kept', 'the ID token is in id_token'],
  jwks: ['kept', 'nothing to write: discovery says it'],
  required_token_fields: ['kept', 'the ID token is required, and nothing else'],
  response_type: ['kept', 'it is always code, with PKCE'],
  user_info_roles_field_name: ['left', 'claims in a role names the field'],
}

/** `oauth identity provider NAME { … }`. */
export function readProvider(context: Context, { args, line, block }: Directive): Provider {
  const [was = 'oidc', idWord, secretWord] = args
  const given = new Map((block ?? []).map(one => [one.name, one]))
  const value = (name: string) => given.get(name)?.args[0] ?? null
  const name = context.names.of('provider', was)
  const driver = value('driver') ?? was
  const scopes = given.get('scopes')
  const isClosed = (block ?? []).some(one => !isKnown(one))
  const asked = ELSEWHERE.some(key => given.has(key)) ? undefined : PRESET_SCOPES[driver]
  if (asked !== undefined) {
    const entries: readonly Entry[] = [
      { key: 'preset', value: driver },
      clientId(context, value('client_id') ?? idWord ?? null, was),
      ...secret(context, value('client_secret') ?? secretWord ?? null, was, given.get('client_secret')?.line ?? line),
      { key: 'scopes', value: [...asked], comment: 'no groups: anybody may call one like a role' },
    ]
    const say = `preset = "${driver}": register the callback /.sallyport/callback/${name} of the portal there, as each of these has one of its own; people are their number, verified addresses alone count, and groups are not asked for`
    context.notes.add('decide', `oauth identity provider ${was}`, line, say)
    note(context, block ?? [], { ...KEPT, ...PRESET_KEPT })
    const section = { title: `[providers.${name}]`, entries }
    return { name, was, realm: value('realm') ?? was, isClosed, isPreset: true, section }
  }
  const { list, outcome, say: sayOfScopes } = openidScopes(scopes?.args ?? [])
  const entries: readonly Entry[] = [
    { key: 'issuer', value: issuer(context, driver, value, line) },
    ...metadata(context, value),
    clientId(context, value('client_id') ?? idWord ?? null, was),
    ...secret(context, value('client_secret') ?? secretWord ?? null, was, given.get('client_secret')?.line ?? line),
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
  context.notes.add('decide', `oauth identity provider ${was}`, line, say)
  if (scopes !== undefined) context.notes.add(outcome, 'scopes', scopes.line, sayOfScopes)
  note(context, block?.filter(({ name }) => name !== 'scopes') ?? [], KEPT)
  const section = { title: `[providers.${name}]`, entries }
  return { name, was, realm: value('realm') ?? was, isClosed, isPreset: false, section }
}

function issuer(context: Context, driver: string, value: (name: string) => string | null, line: number): string {
  if (NOT_OPENID.includes(driver)) {
    context.notes.add(
      'decide',
      'driver',
      line,
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

function secret(context: Context, stated: string | null, was: string, line: number): readonly Entry[] {
  if (stated === null) return []
  const isReference = /^\{(?:\$[A-Za-z_]\w*|env\.\w+|file\.[^}]+)\}$/.test(stated)
  const value = isReference
    ? spell(context, stated, 'fill-in')
    : context.blanks.add(`${was}_CLIENT_SECRET`, `what client_secret says in line ${line}`, 'fill-in')
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

function isKnown({ name }: Directive): boolean {
  return Object.hasOwn(SAID, name) || Object.hasOwn(KEPT, name)
}

function note({ notes }: Context, block: readonly Directive[], kept: Readonly<Record<string, string>>): void {
  for (const directive of block) {
    const said = SAID[directive.name]
    const say = kept[directive.name]
    if (said !== undefined)
      notes.add(said[0], [directive.name, ...directive.args.slice(0, 1)].join(' '), directive.line, said[1])
    else if (say !== undefined) notes.add('kept', directive.name, directive.line, say)
    else {
      const say = FILTERS[directive.name] ?? 'not a directive that is known here, so it may say who may come in'
      notes.add('closed', directive.name, directive.line, `${say}: the routes of its portals let nobody in`)
    }
  }
}
