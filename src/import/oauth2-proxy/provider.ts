import { ALGORITHMS } from '../../config/keys/providers.ts'
import { STAND_IN_HOST } from '../blanks.ts'
import type { Entry, Section } from '../draft.ts'
import { openidScopes, type Scopes } from '../scopes.ts'
import { claimEntries } from './claims.ts'
import { type Context, note } from './context.ts'
import { isGithub } from './github.ts'

/** Issuers of providers that are meant by their name alone. */
const ISSUERS: Readonly<Record<string, string>> = {
  google: 'https://accounts.google.com',
  gitlab: 'https://gitlab.com',
}

/** Kinds that speak OAuth 2 in ways of their own, without ID tokens. */
const NOT_OPENID = new Set([
  'github',
  'bitbucket',
  'facebook',
  'linkedin',
  'digitalocean',
  'nextcloud',
  'srht',
  'keycloak',
])

/** The provider's name in the new file. */
export const PROVIDER = 'oidc'

/** `[providers.oidc]`: the issuer, or that it is GitHub, and the client that is registered there already. */
export function providerSection(context: Context): Section {
  const { options, blanks } = context
  const id = options.text('client_id')
  const entries: Entry[] = [
    ...label(context),
    isGithub(context) ? github(context) : { key: 'issuer', value: issuer(context) },
    {
      key: 'client_id',
      value:
        id === null
          ? blanks.add('OIDC_CLIENT_ID', 'the client, as registered at the provider', 'client')
          : blanks.literal(id),
    },
    ...secret(context),
  ]
  note(context, 'kept', 'client_id', `client_id in [providers.${PROVIDER}]`)
  const stated = (options.text('scope') ?? '').split(/[\s,]+/).filter(scope => scope !== '')
  const { list, outcome, say }: Scopes = isGithub(context)
    ? { list: stated, outcome: 'kept', say: 'scopes' }
    : openidScopes(stated)
  if (list.length > 0) {
    entries.push({
      key: 'scopes',
      value: list.map(blanks.literal),
      comment: 'scope; "offline_access" lets groups follow the provider',
    })
    note(context, outcome, 'scope', `${say}; with "offline_access" among them, groups that change there change here`)
  }
  if (!isGithub(context)) {
    entries.push(...claimEntries(context), ...algorithmEntries(context), ...bearerEntries(context))
  }
  return { title: `[providers.${PROVIDER}]`, entries }
}

function label(context: Context): readonly Entry[] {
  const name = context.options.text('provider_display_name')
  if (name === null) return []
  note(context, 'kept', 'provider_display_name', 'label')
  return [{ key: 'label', value: context.blanks.literal(name) }]
}

/** Options that oauth2-proxy does not look at where the provider is GitHub. */
const OF_OPENID = [
  'oidc_issuer_url',
  'oidc_groups_claim',
  'oidc_email_claim',
  'user_id_claim',
  'oidc_audience_claim',
  'oidc_audience_claims',
  'oidc_extra_audiences',
  'oidc_enabled_signing_algs',
  'insecure_oidc_allow_unverified_email',
  'skip_jwt_bearer_tokens',
]

/** GitHub has a callback of its own in every file, and people have numbers there. */
function github(context: Context): Entry {
  note(context, 'left', OF_OPENID, 'it is about OpenID Connect, and GitHub has none')
  note(
    context,
    'decide',
    'provider',
    `preset = "github": at GitHub, register the callback /.sallyport/callback/${PROVIDER} of that host in place of the one before`,
  )
  context.notes.add(
    'people',
    'user',
    null,
    'people are their GitHub number, which stays; oauth2-proxy told applications the login, which is preferred_username in headers',
  )
  return { key: 'preset', value: 'github' }
}

function issuer(context: Context): string {
  const { options, blanks } = context
  const kind = options.text('provider') ?? 'google'
  const stated = options.text('oidc_issuer_url')
  if (NOT_OPENID.has(kind)) {
    note(
      context,
      'decide',
      'provider',
      `${kind} is no OpenID provider: put one that lets people in from there (Pocket ID, Keycloak, Dex) in front of it, and name that`,
    )
  } else note(context, 'kept', 'provider', 'whatever speaks OpenID Connect; discovery tells the rest')
  note(context, 'kept', 'oidc_issuer_url', 'issuer; it has to be exactly what the provider calls itself')
  const tenant = kind === 'azure' || kind === 'entra-id' ? options.text('azure_tenant') : null
  if (stated !== null) {
    if (tenant !== null) note(context, 'kept', 'azure_tenant', 'issuer says it')
    return blanks.literal(stated)
  }
  if (tenant !== null) {
    note(context, 'kept', 'azure_tenant', 'in issuer')
    return `https://login.microsoftonline.com/${blanks.literal(tenant)}/v2.0`
  }
  return (
    ISSUERS[kind] ??
    blanks.add('OIDC_ISSUER', 'the provider’s address, as its metadata has it in "issuer"', `https://${STAND_IN_HOST}`)
  )
}

function secret(context: Context): readonly Entry[] {
  const { options, blanks } = context
  const file = options.text('client_secret_file')
  if (file !== null) {
    note(context, 'kept', 'client_secret_file', 'client_secret, read from the same file')
    note(context, 'left', 'client_secret', 'client_secret_file has it')
    return [{ key: 'client_secret', value: `\${file:${file}}`, comment: 'client_secret_file' }]
  }
  if (!options.has('client_secret')) return []
  note(context, 'kept', 'client_secret', 'client_secret, from the environment: secrets are not copied')
  return [
    {
      key: 'client_secret',
      value: blanks.add(
        'OIDC_CLIENT_SECRET',
        `what client_secret says in ${options.where('client_secret')}`,
        'fill-in',
      ),
    },
  ]
}

/** What programs could come with: ID tokens of the client, and what was made for further audiences. */
function bearerEntries(context: Context): readonly Entry[] {
  const { options, blanks } = context
  const option = 'skip_jwt_bearer_tokens'
  const more = 'oidc_extra_audiences'
  if (options.flag(option) !== true) {
    note(context, 'kept', option, 'no bearer tokens are taken')
    note(context, 'left', more, 'aud of an ID token has to be client_id')
    return []
  }
  const audiences = options.list(more).filter(name => name !== options.text('client_id'))
  const say =
    'bearer_id_tokens = true: ID tokens are taken, as there; whoever is given one can act for that person, so take it out once programs come with access tokens. Authorization does not reach the application, which pass_token gives a token; none is taken as the name of HTTP Basic'
  note(context, 'decide', option, say)
  note(
    context,
    'decide',
    more,
    'access_tokens of the provider: JWT access tokens (RFC 9068) for these audiences; ID tokens of other clients are 401',
  )
  const [audience, ...others] = audiences.map(name => blanks.literal(name))
  return [
    { key: 'bearer_id_tokens', value: true, comment: option },
    ...(audience === undefined
      ? []
      : [{ key: 'access_tokens', value: { audience: others.length === 0 ? audience : [audience, ...others] } }]),
  ]
}

/** The algorithms of ID tokens that were taken; those whose key the client has too are no proof of who signed. */
function algorithmEntries(context: Context): readonly Entry[] {
  const stated = context.options.list('oidc_enabled_signing_algs')
  const usable = stated.filter(name => ALGORITHMS.includes(name))
  const say =
    usable.length === stated.length
      ? 'id_token_alg of the provider'
      : 'id_token_alg of the provider takes algorithms alone whose key nobody else has: the others are left out'
  note(context, usable.length === stated.length ? 'kept' : 'decide', 'oidc_enabled_signing_algs', say)
  return usable.length === 0 ? [] : [{ key: 'id_token_alg', value: usable, comment: 'oidc_enabled_signing_algs' }]
}
