/** Checks `[providers.NAME]` as a whole: kind, issuer, how the client proves itself, SCIM. */

import { isLoopbackHost } from '../../base/net.ts'
import type { RootTable } from '../keys/keys.ts'
import { isOAuth2, OAUTH2, OF_OAUTH2 } from '../keys/oauth2.ts'
import { PROVIDER, type ProviderTable } from '../keys/providers.ts'
import { formatToml } from '../keys/table.ts'
import { type Path, quote, showRaw, showValue } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { fileHint, subjectOf } from '../text/substitute.ts'
import type { ConfigFiles } from '../values/files.ts'
import { HTPASSWD } from '../values/htpasswd.ts'
import { checkCertificates, checkPem, parseClientKey } from '../values/pem.ts'

/** What no single key of a provider can tell: that its credentials fit each other, and that someone uses it. */
export function checkProviders(root: RootTable, files: ConfigFiles, report: Report): void {
  checkIntrospection(root, report)
  checkIssuerAudiences(root, report)
  checkClientAudiences(root, report)
  checkPrefixes(root, report)
  const providers = new Set(root.values.providers?.keys())
  const portals = [...(root.values.portals?.values() ?? [])]
  const used = new Set(portals.flatMap(portal => portal.values.providers ?? []))
  // A misspelt name is reported where it is; that its provider is then unused would be the same mistake again.
  const isCertain = portals.every(({ raw, values: { providers: own } }) =>
    own === null ? raw.entries.has('htpasswd') : own?.every(name => providers.has(name)),
  )
  for (const [name, { at, raw, values }] of root.values.providers ?? []) {
    if (name === HTPASSWD) {
      const hint = 'rules mean the htpasswd file of a portal by it; choose another name'
      report.mistake(at, 'provider.reserved', `a provider cannot be called ${name}`, { hint, part: 'key' })
    }
    checkKind(name, { at, raw, values }, report)
    checkWay({ at, raw, values }, files, report)
    checkClientAuth({ at, raw, values }, files, report)
    checkScim({ at, values }, report)
    if (values.scopes && !values.scopes.includes('openid') && !isOAuth2(values)) {
      const hint = 'add "openid": without it the provider does not name the user'
      report.mistake([...at, 'scopes'], 'scopes.openid', 'scopes does not have "openid"', { hint })
    }
    checkReading({ at, raw, values }, report)
    if (values.emails === 'trusted') {
      const hint = 'use this only if users of the provider cannot enter an address that is not theirs'
      const message = 'e-mail addresses of this provider count without its saying that it verified them'
      report.warn([...at, 'emails'], 'provider.emails', message, { hint })
    }
    if (values.bearer_id_tokens !== undefined && values.bearer_id_tokens !== false) {
      const hint = 'access_tokens = { audience = "…" } takes tokens that are made for this'
      const message = 'each application that gets an ID token of this client can act for the user until it expires'
      report.warn([...at, 'bearer_id_tokens'], 'provider.id_tokens', message, { hint })
    }
    if (values.access_tokens?.values.client_audience === true) {
      const hint =
        'right only where the provider knows no other audience; audience = "…" takes tokens that are made for this'
      const message = 'each application that gets an access token of this client can act for the user until it expires'
      report.warn([...at, 'access_tokens', 'client_audience'], 'access_tokens.client_audience', message, { hint })
    }
    const ownEmail = values.claims?.values.email ?? 'email'
    const isAnswered = values.claims?.values.email_verified != null
    if (values.emails === 'verified' && ownEmail !== 'email' && !isAnswered) {
      const hint =
        'set emails = "trusted" if users of the provider cannot enter an address that is not theirs; otherwise remove it'
      const message = `no address in ${showRaw(values.claims?.raw.entries.get('email'))} counts: email_verified is about the claim email alone`
      report.warn([...at, 'claims', 'email'], 'provider.emails', message, { hint })
    }
    if (isCertain && !used.has(name)) {
      const hint = `name it in a portal: providers = ["${name}"]`
      report.warn(at, 'provider.unused', `no portal uses the provider ${name}`, { hint, part: 'key' })
    }
  }
}

/**
 * Which providers see tokens that only their provider can read. Sallyport asks a provider about every such token. So
 * the first of several in one portal would see the tokens of all the others: a prefix has to distinguish them.
 */
function checkIntrospection(root: RootTable, report: Report): void {
  const asking = new Map([...(root.values.providers ?? [])].filter(([, one]) => introspects(one)))
  const clashing = new Map<string, string>()
  for (const { values } of root.values.portals?.values() ?? []) {
    const own = (values.providers ?? []).filter(name => asking.has(name))
    own.forEach((name, index) => {
      const before = own.slice(0, index)
      const other = before.find(one => beginsAlike(prefixOf(asking.get(one)), prefixOf(asking.get(name))))
      if (other !== undefined) clashing.set(name, other)
    })
  }
  const taken = new Set(
    root.values.routes?.flatMap(({ values: { tokens, mcp, portal } }) =>
      tokens === true || mcp === 'provider'
        ? [...(root.values.portals?.get(portal ?? '')?.values.providers ?? [])]
        : [],
    ),
  )
  for (const [name, one] of asking) {
    const at = [...one.at, 'access_tokens', 'introspect']
    const other = clashing.get(name)
    if (other !== undefined) {
      const message = `${quote(name)} and ${quote(other)} would see each other’s tokens: both introspect in one portal`
      const hint =
        'give each an introspect_prefix with which its tokens begin, let one of them introspect, or use two portals'
      report.mistake(at, 'access_tokens.introspect', message, { hint, part: 'key' })
    } else if (clashing.size === 0 && taken.has(name) && prefixOf(one) === '') {
      const message = `${quote(name)} is shown every bearer token that is no JWT on routes with tokens, an application's own keys too`
      const hint = 'introspect_prefix = "…" has it asked only about tokens that begin so'
      report.warn(at, 'access_tokens.introspect', message, { hint, part: 'key' })
    }
  }
}

/** No name of one provider may be a name of another: with `a` and `ab`, the one's `bc` would be the other's `c`. */
function checkPrefixes(root: RootTable, report: Report): void {
  const told = new Set<string>()
  for (const { values } of root.values.portals?.values() ?? []) {
    const own = (values.providers ?? []).flatMap(name => {
      const provider = root.values.providers?.get(name)
      return provider?.values.prefix ? [{ name, provider, prefix: provider.values.prefix }] : []
    })
    own.forEach(({ name, provider, prefix }, index) => {
      const other = own
        .slice(0, index)
        .find(one => beginsAlike(one.prefix, prefix) && !isSameIssuer(one.provider, provider))
      if (other === undefined || told.has(name)) return
      told.add(name)
      const message = `the prefixes of ${quote(other.name)} and ${quote(name)} begin alike: a name could be of either`
      const hint = 'end each with the same mark, as in "partner-"'
      report.mistake([...provider.at, 'prefix'], 'provider.prefix', message, { hint })
    })
  }
}

function introspects({ values }: ProviderTable): boolean {
  return values.access_tokens?.values.introspect === true
}

function prefixOf(provider: ProviderTable | undefined): string {
  return provider?.values.access_tokens?.values.introspect_prefix ?? ''
}

function isSameIssuer(one: ProviderTable, other: ProviderTable): boolean {
  return one.values.issuer != null && one.values.issuer === other.values.issuer
}

function beginsAlike(one: string, other: string): boolean {
  return one.startsWith(other) || other.startsWith(one)
}

const PEM_CODES = { file: 'provider.file', pem: 'provider.pem' } as const

/** How a provider is reached: a readable part on the way needs a warning. */
function checkWay({ at, raw, values }: ProviderTable, files: ConfigFiles, report: Report): void {
  const ca = raw.entries.get('ca')
  checkPem(ca, values.ca, checkCertificates, PEM_CODES, files, report)
  const url = values.internal_url ? new URL(values.internal_url) : null
  if (url?.protocol !== 'http:') return
  if (ca !== undefined) {
    const hint = 'remove ca, or let the provider speak https there'
    report.mistake(ca.at, 'provider.internal_url', 'ca is set, and internal_url is plain http', { hint, part: 'key' })
  }
  if (isLoopbackHost(url.hostname)) return
  const message = `client secret, tokens and keys go to ${showValue(url.origin, raw.entries.get('internal_url'))} over plain HTTP: an attacker on the way can sign in as any user`
  const hint =
    'use this only in a network that is shared with no other program, such as a compose network for these two'
  report.warn([...at, 'internal_url'], 'provider.internal_url', message, { hint })
}

/** Further parameters for a provider, and how its groups are read. */
function checkReading({ raw, values }: ProviderTable, report: Report): void {
  const subject = values.claims?.raw.entries.get('sub')
  if (subject !== undefined && !isOAuth2(values)) {
    const hint = 'remove it: in OpenID Connect only sub identifies a user'
    report.mistake(subject.at, 'provider.kind', 'claims.sub belongs to a provider by OAuth 2.0', { hint, part: 'key' })
  }
  const parameters = raw.entries.get('authorize_params')
  const prompt = parameters?.kind === 'table' ? parameters.entries.get('prompt') : undefined
  if (prompt !== undefined && values.authorize_params?.get('prompt')?.split(' ').includes('none')) {
    const hint = 'remove it: users who are not signed in at the provider could never sign in here'
    report.mistake(prompt.at, 'authorize_params.reserved', 'prompt = "none" never shows a sign-in page', { hint })
  }
  const separator = raw.entries.get('groups_separator')
  if (separator !== undefined && values.groups_keys === true) {
    const hint = 'groups are one text, or the names in a table: keep one'
    report.mistake(separator.at, 'key.twice', 'groups_separator and groups_keys are both set', { hint, part: 'key' })
  }
}

/** Keys of every kind of provider. */
const OF_ANY = new Set(['label', 'users'])

/** Where a provider by OAuth 2.0 is; one of OpenID Connect says that itself. */
const ENDPOINTS: ReadonlySet<string> = new Set(Object.keys(OAUTH2).filter(key => key.endsWith('_endpoint')))

/** Keys only for a file of users. */
const OF_FILE = new Set(['groups', 'passwords', 'totp'])

/** What takes the place of such a key elsewhere. */
const OTHERWISE: Readonly<Record<string, string>> = {
  groups: 'rules name groups: { groups = ["admins"] }',
  passwords: 'how people sign in there is the provider’s own; a route has passwords = true for HTTP Basic',
  totp: 'second factors are the provider’s own',
}

/** A provider is asked by OpenID Connect, or it is a file of users. */
function checkKind(name: string, { at, raw, values }: ProviderTable, report: Report): void {
  const isFile = raw.entries.has('users')
  if (!isFile && (isOAuth2(values) || raw.entries.has('preset'))) {
    checkOAuth2(name, { at, raw, values }, report)
    return
  }
  for (const [key, entry] of raw.entries) {
    if (!Object.hasOwn(PROVIDER, key) || OF_ANY.has(key)) continue
    if (!isFile && ENDPOINTS.has(key)) {
      const hint = 'discovery finds this endpoint: remove it, or write type = "oauth2"'
      report.mistake(entry.at, 'provider.kind', `${key} belongs to a provider by OAuth 2.0`, { hint, part: 'key' })
      continue
    }
    if (OF_FILE.has(key) === isFile) continue
    const [message, hint] = isFile
      ? [`${key} says nothing of a provider that is a file of users`, 'remove it, or remove users']
      : [`${key} belongs to a provider with users`, OTHERWISE[key] ?? 'remove it']
    report.mistake(entry.at, 'provider.kind', message, { hint, part: 'key' })
  }
  // A misspelt key is one mistake, not also a missing one.
  if (isFile || [...raw.entries.keys()].some(key => !Object.hasOwn(PROVIDER, key))) return
  for (const key of ['issuer', 'client_id'] as const) {
    if (raw.entries.has(key)) continue
    const hint = `add it, for example: ${key} = ${formatToml(PROVIDER[key].example)}`
    report.mistake(at, 'key.missing', `[providers.${name}] needs the key ${key}`, { hint, part: 'key' })
  }
}

/** A provider by OAuth 2.0: where it is, unless a preset says so, and nothing that only OpenID Connect has. */
function checkOAuth2(name: string, { at, raw, values }: ProviderTable, report: Report): void {
  if (values.preset != null && values.type === 'openid') {
    const hint = 'remove type: GitHub and Discord have no OpenID Connect for people'
    report.mistake([...at, 'type'], 'provider.kind', `type is "openid", and there is a preset`, { hint })
  }
  for (const [key, entry] of raw.entries) {
    if (!Object.hasOwn(PROVIDER, key) || OF_OAUTH2.has(key)) continue
    const other = raw.entries.has('preset') ? 'preset' : 'type = "oauth2"'
    const hint = `remove ${key}: a provider by OAuth 2.0 has none; or remove ${other}, if this one speaks OpenID Connect or is a file of users`
    report.mistake(entry.at, 'provider.kind', `${key} is set beside ${other}`, { hint, part: 'key' })
  }
  if ([...raw.entries.keys()].some(key => !Object.hasOwn(PROVIDER, key))) return
  const endpoints = raw.entries.has('preset')
    ? []
    : (['authorization_endpoint', 'token_endpoint', 'user_endpoint'] as const)
  for (const key of ['client_id', ...endpoints] as const) {
    if (raw.entries.has(key)) continue
    const hint = `add it, for example: ${key} = ${formatToml(PROVIDER[key].example)}`
    report.mistake(at, 'key.missing', `[providers.${name}] needs the key ${key}`, { hint, part: 'key' })
  }
}

/** The issuer is no name of an API of anybody's: with it, tokens of every client may come that are for its own endpoints (userinfo). */
function checkIssuerAudiences(root: RootTable, report: Report): void {
  const issuers = [...(root.values.providers?.values() ?? [])].flatMap(({ values }) => values.issuer ?? [])
  const bare = (address: string) => address.replace(/\/+$/, '')
  const isIssuer = (audience: string) => issuers.some(issuer => bare(issuer) === bare(audience))
  const stated = [
    ...[...(root.values.providers?.values() ?? [])].map(({ at, values }) => ({
      at: [...at, 'access_tokens', 'audience'],
      audiences: values.access_tokens?.values.audience,
    })),
    ...(root.values.routes ?? []).map(({ at, values }) => ({ at: [...at, 'audience'], audiences: values.audience })),
  ]
  for (const { at, audiences } of stated) {
    if (audiences?.some(isIssuer) !== true) continue
    const hint =
      'name this gate as an API (a resource) at the provider; client_audience = true takes tokens of this client alone'
    const message = 'the audience of access tokens is the issuer: those of every client there may have that'
    report.warn(at, 'access_tokens.audience', message, { hint })
  }
}

/** Nor is a client of the same issuer: its ID tokens have that, and those of a refresh differ from access tokens by nothing that is certain. */
function checkClientAudiences({ values: { providers, portals, routes = [] } }: RootTable, report: Report): void {
  function check(at: Path, audiences: readonly string[] | null | undefined, names: readonly string[]): void {
    const taking = names.flatMap(name => providers?.get(name) ?? []).filter(({ values }) => values.access_tokens)
    const issuers = new Set(taking.map(({ values }) => values.issuer))
    const clients = [...(providers?.values() ?? [])].flatMap(({ values }) =>
      issuers.has(values.issuer) ? (values.client_id ?? []) : [],
    )
    if (audiences?.some(one => clients.includes(one)) !== true) return
    const hint =
      'register this gate as an API (a resource) at the provider, and name it here. If the provider has no APIs, client_audience = true accepts access tokens for the client, and bearer_id_tokens = true accepts ID tokens'
    const message = 'the audience of access tokens is the client_id, which is the audience of ID tokens'
    report.mistake(at, 'access_tokens.audience', message, { hint })
  }
  for (const [name, { at, values }] of providers ?? []) {
    check([...at, 'access_tokens', 'audience'], values.access_tokens?.values.audience, [name])
  }
  for (const { at, values } of routes) {
    check([...at, 'audience'], values.audience, portals?.get(values.portal ?? '')?.values.providers ?? [])
  }
}

/** What a client can prove itself by, each with the methods that use it. */
const PROOFS = {
  client_secret: ['client_secret_basic', 'client_secret_post'],
  client_key: ['private_key_jwt'],
  client_assertion_file: ['private_key_jwt'],
} as const

const NAMES = Object.keys(PROOFS) as (keyof typeof PROOFS)[]

/** How a client authenticates: by one credential, which exists, and by a method that fits it. */
function checkClientAuth({ at, raw, values }: ProviderTable, files: ConfigFiles, report: Report): void {
  const [own, second] = NAMES.filter(name => raw.entries.has(name))
  const entry = second === undefined ? undefined : raw.entries.get(second)
  if (entry !== undefined) {
    const hint = 'a client proves itself in one way: remove what the provider does not expect'
    report.mistake(entry.at, 'client_auth.several', `${second} is set, and so is ${own}`, {
      hint,
      part: 'key',
      first: [...at, String(own)],
    })
  }
  const { client_auth: auth } = values
  if (auth === 'none' && own !== undefined) {
    const hint = `remove ${own} for a public client, or remove client_auth`
    const message = `client_auth is "none", and there is a ${own}`
    report.mistake([...at, 'client_auth'], 'client_auth.secret', message, { hint })
  }
  if (auth && auth !== 'none' && second === undefined) {
    const wanted = NAMES.filter(name => PROOFS[name].some(method => method === auth))
    if (own === undefined || !wanted.includes(own)) {
      const hint = `add ${wanted.join(' or ')}, or set client_auth = "none" for a public client`
      const message = `client_auth = ${showRaw(raw.entries.get('client_auth'))} needs a ${wanted.join(' or ')}`
      report.mistake([...at, 'client_auth'], 'client_auth.secret', message, { hint })
    }
  }
  checkKey({ at, raw, values }, files, report)
  checkAssertion({ at, raw, values }, files, report)
}

function checkKey({ raw, values }: ProviderTable, files: ConfigFiles, report: Report): void {
  const entry = raw.entries.get('client_key')
  if (entry === undefined || !values.client_key) return
  const file = files.read(values.client_key)
  if (!file.ok) {
    report.mistake(entry.at, 'provider.file', `${subjectOf(showRaw(entry), file.why)} ${file.why}`, {
      hint: fileHint(file),
    })
    return
  }
  const parsed = parseClientKey(file.text)
  if (typeof parsed !== 'string') return
  const hint = 'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out client-key.pem makes one'
  report.mistake(entry.at, 'provider.pem', `the file ${showRaw(entry)} ${parsed}`, { hint })
}

/** The file may appear after Sallyport starts, and changes without it: a missing file is a warning, not a mistake. */
function checkAssertion({ raw, values }: ProviderTable, files: ConfigFiles, report: Report): void {
  const entry = raw.entries.get('client_assertion_file')
  const path = values.client_assertion_file
  const why = entry === undefined || !path ? null : files.whyNoText(path)
  if (entry !== undefined && why !== null) {
    const near = files.near(path ?? '')
    const hint = `${near === null ? '' : `did you mean ${quote(near)}? `}no user can sign in until the file exists; it is read for each request to the token endpoint`
    report.warn(entry.at, 'provider.file', `${subjectOf(showRaw(entry), why)} ${why}`, { hint })
  }
  const audience = raw.entries.get('client_assertion_audience')
  if (audience === undefined || raw.entries.has('client_key')) return
  const hint = 'remove it: the program that writes client_assertion_file sets the audience'
  const message = 'client_assertion_audience is for assertions that are made with a client_key'
  report.mistake(audience.at, 'client_auth.secret', message, { hint, part: 'key' })
}

/** In characters: a random token of this length cannot be guessed. */
const SHORTEST_TOKEN = 20

/** What a provider that pushes its people proves itself by has to be beyond guessing. */
function checkScim({ at, values }: Pick<ProviderTable, 'at' | 'values'>, report: Report): void {
  const token = values.scim?.values.token
  if (token === undefined || token.length >= SHORTEST_TOKEN) return
  const hint = `make one of ${SHORTEST_TOKEN} characters or more, for example with: openssl rand -hex 32`
  const message = 'the token of scim is short enough to guess, and with it an attacker can sign out any user'
  report.mistake([...at, 'scim', 'token'], 'scim.token', message, { hint })
}
