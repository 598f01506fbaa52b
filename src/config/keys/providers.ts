/** The keys of `[providers.NAME]`. */

import { resolve } from 'node:path'
import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { type Path, quote } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { suggest } from '../text/suggest.ts'
import { parseInternalUrl, parseIssuer, parseMetadataUrl, parseOrigin } from '../values/address.ts'
import { boolean, choice, either, list, parsed, text } from '../values/value.ts'
import { READING } from './claims.ts'
import { OAUTH2 } from './oauth2.ts'
import { ownName, secret } from './secret.ts'
import { defaulted, FREE, type Keys, named, optional, required, type Table, table } from './table.ts'
import { pemFile } from './upstreams.ts'

/** What a group may be called at a provider: any text of some length. */
const GROUP_NAME = { form: /^[^\p{Cc}]{1,200}$/u, hint: 'as the provider shows it' }

/** `scim` of a provider. */
export const SCIM = {
  token: required(
    secret,
    '${SCIM_TOKEN}',
    'The bearer token that the provider sends, of 20 characters or more, from the environment or a file.',
  ),
  groups: optional(
    named(text(), 'group', () => {}, GROUP_NAME),
    { 'Family and friends': 'family' },
    'groups are what the provider says at sign-in',
    'Pushed users are in the pushed groups only, at once and in all sessions: on the left the group’s name at the provider, on the right the name in rules. Groups that are not named here do not count.',
  ),
} as const satisfies Keys

/** What a sign-in itself needs or means, with what says it here, if anything does. */
const OWN: Readonly<Record<string, string>> = {
  response_type: '',
  response_mode: '',
  client_id: 'client_id',
  redirect_uri: 'callback_path of the portal',
  scope: 'scopes',
  state: '',
  nonce: '',
  code_challenge: '',
  code_challenge_method: '',
  max_age: 'max_age in a rule',
  request: '',
  request_uri: '',
  registration: '',
  id_token_hint: '',
  client_secret: 'client_secret',
  client_assertion: '',
  client_assertion_type: '',
  code: '',
  code_verifier: '',
  grant_type: '',
  dpop_jkt: '',
  iss: '',
  error: '',
}

/** As a server may take a name that knows no case, or no signs between: `redirect.uri` is `redirect_uri` to PHP. */
function fold(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '')
}

const FOLDED = new Map(Object.entries(OWN).map(([name, key]) => [fold(name), key]))

/** `authorize_params` of a provider: texts by the name of a parameter. */
const authorizeParams = named(text(), 'parameter', refuseOwn, {
  form: /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/,
  hint: 'letters, digits, _, . and - only, with a letter first',
})

function refuseOwn(name: string, at: Path, report: Report): void {
  const key = FOLDED.get(fold(name))
  if (key === undefined) return
  const hint = key === '' ? 'remove it: the sign-in sets it' : `remove it: ${key} says it`
  report.mistake(at, 'authorize_params.reserved', `${name} belongs to the sign-in itself`, { hint, part: 'key' })
}

/** Algorithms whose key cannot be made by anyone but the provider (RFC 7518 §3.1, RFC 8037, RFC 9864). */
export const ALGORITHMS: readonly string[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]

function parseAlgorithm(name: string): Parsed<string> {
  if (ALGORITHMS.includes(name)) return good(name)
  if (name.toLowerCase() === 'none') {
    return bad(
      'id_token_alg.refused',
      'an unsigned ID token proves nothing',
      'leave id_token_alg out, and let the provider sign',
    )
  }
  if (/^HS\d/i.test(name)) {
    const hint = 'set the provider to RS256, ES256 or EdDSA'
    return bad(
      'id_token_alg.refused',
      `${quote(name)} would let anyone who knows the client secret sign in as anyone`,
      hint,
    )
  }
  const meant = suggest(name, ALGORITHMS)
  const hint = meant === null ? `known are ${ALGORITHMS.join(', ')}` : `did you mean "${meant}"?`
  return bad('choice.unknown', `${quote(name)} is not a signature algorithm`, hint)
}

const issuer = parsed(
  { label: 'https address', expected: 'an https address such as "https://id.example.com"' },
  parseIssuer,
)
const metadataUrl = parsed({ label: 'https address', expected: 'an https address' }, parseMetadataUrl)
const internalUrl = parsed(
  { label: 'address', expected: 'an address such as "http://pocket-id:1411"' },
  parseInternalUrl,
)
const backChannelOrigin = parsed(
  { label: 'origin', expected: 'an origin such as "https://keys.internal.example.com"' },
  parseOrigin,
)
const algorithm = parsed(
  { label: ALGORITHMS.map(name => `"${name}"`).join(', '), expected: 'a signature algorithm such as "RS256"' },
  parseAlgorithm,
)

/** `access_tokens` of a provider. */
export const ACCESS_TOKENS = {
  audience: optional(
    list(text(), { single: true }),
    'https://api.example.com',
    'what each route says',
    'The `aud` of such a token, if a route does not name an `audience`: the name of this gate as an API at the provider, or one of several.',
    { field: 'audiences', build: audiences => audiences ?? [] },
  ),
  introspect: defaulted(
    boolean,
    false,
    true,
    'Tokens that are no JWT are taken as well, by the word of the provider (RFC 7662), which is asked again after a minute at the latest.',
    { field: 'introspects' },
  ),
  introspect_prefix: optional(
    text(),
    'zt_',
    'none: about every token that is no JWT',
    'With `introspect`: the provider is asked only about tokens that begin so; others go to the application. If several providers of a portal introspect, each needs one, or the first would see the tokens of all.',
    { build: prefix => prefix ?? '' },
  ),
  client_audience: defaulted(
    boolean,
    false,
    true,
    'Access tokens whose `aud` is the client itself are taken as well, as some providers give them to people: any application that is given one can then act for that person.',
    { field: 'takesClientAudience' },
  ),
} as const satisfies Keys

/** `[providers.NAME]`: one OpenID provider, and this proxy as its client; or a file of users. */
export const PROVIDER = {
  label: optional(text(), 'Pocket ID', "the table's name", 'What people see on the button, where there is a choice.', {
    ...FREE,
    field: null,
  }),
  users: optional(
    parsed({ label: 'file', expected: 'the path of a file' }, good),
    'users.toml',
    'none',
    'The provider is a file of users: they sign in by a form on the sign-in page. `sallyport user add` writes it (bcrypt, Argon2 and, with a warning, `$apr1$`). A file that ends in `.toml` has a table for each user, with an id, groups, an e-mail address and a second factor ([the format](signing-in.md#the-file-of-users)); any other has lines of `NAME:HASH`. Read again when it changes: whoever left it, or has another password, is signed out. Their subject is `htpasswd:NAME`.',
    { field: null },
  ),
  totp: optional(
    parsed({ label: 'file', expected: 'the path of a file' }, good),
    'users.totp',
    'none',
    'Of a provider whose `users` is a file of `NAME:HASH` lines: a file of second factors, which `sallyport user totp` writes. Who has a line there signs in with a code of their authenticator app besides (RFC 6238), and with the password alone in no way: HTTP Basic is refused to them. A `users.toml` holds second factors itself.',
    { field: null },
  ),
  groups: optional(
    list(text()),
    ['family'],
    'none',
    'Of a provider with `users`: the groups that all of its people are in, beside those that a `users.toml` gives one of them.',
    { ...FREE, field: null },
  ),
  passwords: defaulted(
    boolean,
    true,
    false,
    'Of a provider with `users`: with `false` its people sign in by [passkey](passkeys.md) alone. Their form for a password, HTTP Basic with this file, codes and recovery codes are closed. Who has no passkey yet gets an invitation (`sallyport user invite`). The key of that name of a route is another thing: it opens the route to HTTP Basic.',
    { ...FREE, field: 'takesPasswords' },
  ),
  ...OAUTH2,
  issuer: optional(
    issuer,
    'https://id.example.com',
    '**required**, unless there is `users`, `preset` or `type = "oauth2"`',
    'The provider, exactly as it names itself in its metadata; a trailing slash counts.',
    { field: null },
  ),
  metadata_url: optional(
    metadataUrl,
    'https://id.internal.example.com/.well-known/openid-configuration',
    'issuer + `/.well-known/openid-configuration`',
    "Where the provider's metadata is, if it is not below the issuer.",
  ),
  internal_url: optional(
    internalUrl,
    'http://pocket-id:1411',
    'none: it is asked where people go',
    "Where the provider is in your own network: discovery, tokens, userinfo and keys are asked for there, in plain HTTP if the address says so (told at every start). People still go to the issuer's address, and the issuer stays what it is.",
  ),
  back_channel_origins: defaulted(
    list(backChannelOrigin, { single: true, mayBeEmpty: true }),
    [],
    ['https://keys.internal.example.com'],
    'Origins in a private network that the metadata of a provider on the internet may name, such as for its keys. Others have to be public, or the issuer’s own; if the issuer itself is in a private network, all are allowed. With `internal_url` everything is asked for there.',
  ),
  ca: optional(
    pemFile,
    'internal-ca.pem',
    "the system's",
    'The only authorities whose certificates are trusted for this provider: a PEM file, read again when it changes.',
  ),
  client_id: optional(
    ownName,
    '3f0c5a1e-8a53-4c6e-9d1b-2f7a64b0c1de',
    '**required**, unless there is `users`',
    'The client, as registered at the provider.',
    { build: id => id ?? '' },
  ),
  client_secret: optional(
    secret,
    '${POCKET_ID_SECRET}',
    'a public client with PKCE',
    "The client's secret, from the environment or a file rather than in this one.",
    FREE,
  ),
  client_key: optional(
    pemFile,
    'client-key.pem',
    'none',
    'Instead of a secret: a private key of your own (RSA, EC or Ed25519; PEM, or one JWK), with which the client signs who it is (`private_key_jwt`). Read again when it changes; `sallyport client-key` prints what the provider has to know of it, and the portal has that at `/.sallyport/client-jwks.json`.',
  ),
  client_assertion_file: optional(
    parsed({ label: 'file', expected: 'the path of a file' }, good),
    '/var/run/secrets/tokens/pocket-id',
    'none',
    'Instead of a secret: a file where another program always puts a fresh assertion (a JWT), such as the token of a Kubernetes service account whose issuer the provider trusts. It is read for each use.',
    { field: 'assertionFile', build: (path, { directory }) => (path === null ? null : resolve(directory, path)) },
  ),
  client_assertion_audience: optional(
    text(),
    'https://id.example.com/token',
    'the issuer',
    'Whom assertions made with `client_key` are for, where the provider does not take its own issuer.',
    { field: 'assertionAudience' },
  ),
  client_auth: optional(
    choice(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none']),
    'client_secret_post',
    'what the provider prefers',
    'How the client proves itself at the token endpoint.',
  ),
  par: defaulted(
    choice(['required', 'always']),
    'required',
    'always',
    'Whether what a sign-in asks is handed to the provider itself (pushed authorization requests, RFC 9126), so that the address that a browser opens names it and no more: where the provider says that it requires it, or always.',
  ),
  scopes: optional(
    list(text()),
    ['openid', 'profile', 'email', 'groups'],
    '`openid`, `profile`, `email`, and `groups` where the provider lists it',
    'What to ask the provider for; `openid` is always among it.',
    { ...FREE, field: null },
  ),
  authorize_params: optional(
    authorizeParams,
    { prompt: 'consent', access_type: 'offline', hd: 'example.com' },
    'none',
    'More parameters of each sign-in, by name: `prompt`, `login_hint`, `domain_hint`, `acr_values`, `resource` and the provider’s own. Not those that the sign-in itself sets.',
    { ...FREE, build: (params): ReadonlyMap<string, string> => params ?? new Map() },
  ),
  emails: defaulted(
    choice(['verified', 'trusted']),
    'verified',
    'trusted',
    'Which e-mail addresses count in rules and go to applications: those with `email_verified`, or all. `"trusted"` is right if users cannot enter an address that is not theirs.',
    { ...FREE, field: 'trustsEmails', build: emails => emails === 'trusted' },
  ),
  ...READING,
  role_groups: defaulted(
    boolean,
    false,
    true,
    'Keycloak: its roles are groups too, `role:NAME` of the realm and `role:CLIENT:NAME` of a client, as its access tokens have them. A user without such a token cannot sign in; a group that is itself called `role:…` does not count.',
    { ...FREE, field: 'hasRoleGroups' },
  ),
  id_token_alg: optional(
    list(algorithm, { single: true }),
    'RS256',
    'what the provider lists, without `none` and HMAC',
    'The only signature algorithms that an ID token, or an access token, may have.',
    { ...FREE, field: 'idTokenAlgs' },
  ),
  access_tokens: optional(
    table(ACCESS_TOKENS, { title: '[providers.NAME.access_tokens]' }),
    { audience: 'https://api.example.com' },
    'none are taken',
    'Programs may come with a JWT access token of this provider, on routes with `tokens = true`; its keys are below.',
    FREE,
  ),
  bearer_id_tokens: defaulted(
    either(raw => raw.kind === 'boolean', boolean, list(text(), { single: true })),
    false,
    true,
    'Programs may come with an ID token of this client as well, on routes with `tokens = true`: any application that is given one can then act for that person. A list such as `["other-client"]` names other clients of the provider, whose tokens (ID tokens, access tokens) are taken too.',
    { ...FREE, field: null },
  ),
  scim: optional(
    table(SCIM, { title: '[providers.NAME.scim]' }),
    { token: '${SCIM_TOKEN}' },
    'nothing is taken',
    'The provider may push its people by SCIM 2.0 to `/.sallyport/scim/v2/NAME` of the portal: a user who is deactivated or deleted there is signed out within a second, and cannot sign in; its keys are below.',
    FREE,
  ),
} as const satisfies Keys

export type ProviderTable = Table<typeof PROVIDER>

/** Keys that people look for here. */
export const PROVIDER_REFUSED = new Map([
  [
    'client_secret_file',
    {
      message: 'a secret in a file has no separate key',
      hint: 'write client_secret = "${file:PATH}": the file is read again when it changes',
    },
  ],
])
