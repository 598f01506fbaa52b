import { parsePathExpression } from '../../config/values/pattern.ts'
import { entriesAt, itemsAt, textAt, textsAt, type Yaml } from '../yaml.ts'
import type { Gap, Stated } from './table.ts'

/** What an alpha configuration says that no option of oauth2-proxy.cfg can. */
export interface Alpha {
  readonly upstreams: readonly AlphaUpstream[]
  /** Expressions of paths that lead where no route says: nobody passes where one matches. */
  readonly closed: readonly string[]
  /** Fields for the application that are not oauth2-proxy's usual ones; null where they are. */
  readonly fields: Fields | null
}

/** An entry of `upstreamConfig.upstreams`, in the words of `upstreams` of the file. */
export interface AlphaUpstream {
  /** `http://app:3000`, `file:///srv`, `static://200`; without a path. */
  readonly uri: string
  /** As `upstreams` has it: what ends in a slash is for what is below it. */
  readonly path: string
  /** What is taken off the path, and then put before it. */
  readonly rewrite: { readonly strip: string | null; readonly add: string | null }
  /** Options of its own. */
  readonly own: readonly Stated[]
  readonly line: number
  readonly file: string
}

/** A field of `injectRequestHeaders` or `injectResponseHeaders`, as far as one value makes it. */
interface Header {
  readonly name: string
  /** Null: it is the same for everyone. */
  readonly claim: string | null
  readonly prefix: string
  /** Whether HTTP Basic has the claim as its name. */
  readonly isBasic: boolean
  /** Where what is the same comes from: a variable, a file, or neither (it is written there, and not copied). */
  readonly variable: string | null
  readonly path: string | null
  readonly line: number
}

/** Fields that routes say themselves. */
export interface Fields {
  /** By name, as `headers` of a route has it; null for oauth2-proxy's usual ones. */
  readonly headers: Readonly<Record<string, string>> | null
  readonly fixed: readonly Header[]
  readonly file: string
}

/** Where its keys are in oauth2-proxy.cfg; they are compared without regard to case, as oauth2-proxy does. */
const SERVER_KEYS = pairs(`
  server.bindaddress http_address, server.securebindaddress https_address, server.tls.key.fromfile tls_key_file,
  server.tls.cert.fromfile tls_cert_file, server.tls.minversion tls_min_version, server.tls.ciphersuites tls_cipher_suites,
  metricsserver.bindaddress metrics_address, metricsserver.securebindaddress metrics_secure_address,
  metricsserver.tls.key.fromfile metrics_tls_key_file, metricsserver.tls.cert.fromfile metrics_tls_cert_file,
  upstreamconfig.proxyrawpath proxy_raw_path`)

/** The same below an entry of `providers`. */
const PROVIDER_KEYS = pairs(`
  provider provider, name provider_display_name, clientid client_id, clientsecret client_secret, scope scope,
  clientsecretfile client_secret_file, allowedgroups allowed_groups, loginurl login_url, redeemurl redeem_url,
  profileurl profile_url, validateurl validate_url, resource resource, backendlogouturl backend_logout_url,
  skipclaimsfromprofileurl skip_claims_from_profile_url, code_challenge_method code_challenge_method,
  codechallengemethod code_challenge_method, cafiles provider_ca_files, usesystemtruststore use_system_trust_store,
  additionalclaims additional_claims, oidcconfig.issuerurl oidc_issuer_url, oidcconfig.jwksurl oidc_jwks_url,
  oidcconfig.insecureallowunverifiedemail insecure_oidc_allow_unverified_email,
  oidcconfig.insecureskipissuerverification insecure_oidc_skip_issuer_verification,
  oidcconfig.insecureskipnonce insecure_oidc_skip_nonce, oidcconfig.skipdiscovery skip_oidc_discovery,
  oidcconfig.emailclaim oidc_email_claim, oidcconfig.groupsclaim oidc_groups_claim, oidcconfig.useridclaim user_id_claim,
  oidcconfig.audienceclaims oidc_audience_claims, oidcconfig.extraaudiences oidc_extra_audiences,
  oidcconfig.publickeyfiles oidc_public_key_files, oidcconfig.enabledsigningalgs oidc_enabled_signing_algs,
  keycloakconfig.groups keycloak_groups, keycloakconfig.roles allowed_roles, keycloakconfig.acrs acr_values,
  adfsconfig.skipscope adfs_skip_scope, azureconfig.tenant azure_tenant, githubconfig.token github_token,
  azureconfig.graphgroupfield azure_graph_group_field, githubconfig.org github_org, githubconfig.team github_team,
  microsoftentraidconfig.allowedtenants entra_id_allowed_tenants, githubconfig.repo github_repo,
  microsoftentraidconfig.federatedtokenauth entra_id_federated_token_auth, githubconfig.users github_users,
  gitlabconfig.group gitlab_groups, gitlabconfig.projects gitlab_projects, googleconfig.group google_groups,
  googleconfig.groups google_groups, googleconfig.adminemail google_admin_email,
  googleconfig.serviceaccountjson google_service_account_json, googleconfig.targetprincipal google_target_principal,
  googleconfig.useapplicationdefaultcredentials google_use_application_default_credentials,
  googleconfig.useorganizationid google_use_organization_id, bitbucketconfig.team bitbucket_team,
  googleconfig.adminapiuserscope google_admin_api_user_scope, bitbucketconfig.repository bitbucket_repository,
  logingovconfig.jwtkey jwt_key, logingovconfig.jwtkeyfile jwt_key_file, logingovconfig.pubjwkurl pubjwk_url`)

/** The same below an entry of `upstreams`: what its route says, whatever other routes say. */
const UPSTREAM_KEYS = pairs(`
  passhostheader pass_host_header, proxywebsockets proxy_websockets, timeout upstream_timeout,
  insecureskiptlsverify ssl_upstream_insecure_skip_verify, flushinterval flush_interval, disablekeepalives disable_keep_alives`)

function pairs(text: string): ReadonlyMap<string, string> {
  return new Map(text.split(',').map(pair => pair.trim().split(' ') as [string, string]))
}

/** Parameters of the sign-in that are options of the file; any other may keep people out at the provider. */
const LOGIN_PARAMETERS = ['acr_values', 'approval_prompt', 'prompt']

const UNKNOWN = 'nothing is known of it, so that the routes let nobody in'

/**
 * The file of `--alpha-config` as options, and the rest of it. Of several providers the first one counts, as in oauth2-proxy. `fill` puts
 * in what the environment says; what is not carried over is put to the gaps.
 */
export function readAlpha(
  document: Yaml,
  file: string,
  fill: (text: string) => string,
  gaps: Gap[],
): { readonly alpha: Alpha; readonly stated: readonly Stated[] } {
  const tree = lowered(document, fill)
  const stated: Stated[] = []
  const closed: string[] = []
  const refuse = (option: string, line: number, say = UNKNOWN) => void gaps.push({ option, line, file, say })
  const state = (name: string, node: Yaml) =>
    stated.push({ name, values: textsAt(node), isList: node.kind === 'list', line: node.line, file })
  const switchOn = (name: string, line: number | null, value = 'true') =>
    stated.push({ name, values: [value], isList: false, line, file })

  for (const [path, node] of leavesOf(tree, [
    'providers',
    'injectrequestheaders',
    'injectresponseheaders',
    'upstreamconfig.upstreams',
  ])) {
    const name = SERVER_KEYS.get(path)
    if (name === undefined) refuse(path, node.line)
    else state(name, node)
  }
  const [provider = null, ...others] = itemsAt(tree, 'providers')
  for (const other of others) {
    const way =
      'take the others out, and import again; where people shall have several, name them in providers of the portal afterwards'
    refuse('providers', other.line, `only the first provider counted there, and is in the new file: ${way}`)
  }
  for (const [path, node] of provider === null ? [] : leavesOf(provider, ['loginurlparameters'])) {
    const name = PROVIDER_KEYS.get(path)
    if (name !== undefined) state(name, node)
    else if (path !== 'id') refuse(`providers.${path}`, node.line)
  }
  for (const parameter of itemsAt(provider, 'loginurlparameters')) {
    const name = textAt(parameter, 'name') ?? ''
    if (LOGIN_PARAMETERS.includes(name)) switchOn(name, parameter.line, textAt(parameter, 'default') || 'set')
    else refuse('providers.loginURLParameters', parameter.line)
  }
  const upstreams = itemsAt(tree, 'upstreamconfig', 'upstreams').flatMap(entry =>
    readUpstream(entry, file, refuse, closed),
  )
  const request = itemsAt(tree, 'injectrequestheaders').flatMap(one => readHeader(one, 'injectrequestheaders', refuse))
  const response = itemsAt(tree, 'injectresponseheaders').flatMap(one =>
    readHeader(one, 'injectresponseheaders', refuse),
  )
  const isAsked = isAskedAbout(upstreams)
  const all = isAsked ? response : request
  for (const header of all) {
    if (header.isBasic) switchOn('basic_auth_password', header.line, 'set')
    if (isAccessToken(header)) switchOn('pass_access_token', header.line)
    if (isIdToken(header)) switchOn(isAsked ? 'set_authorization_header' : 'pass_authorization_header', header.line)
  }
  const told = response.find(header => isUsual(header, 'x-auth-request-'))
  const odd = response.find(header => !isUsual(header, 'x-auth-request-') && !isIdToken(header))
  if (told !== undefined && !isAsked) switchOn('set_xauthrequest', told.line)
  if (odd !== undefined && !isAsked) switchOn('inject_response_headers', odd.line)

  const people = all.filter(({ claim, isBasic }) => claim !== null && !isBasic && !TOKENS.test(claim))
  const fixed = all.filter(({ claim }) => claim === null)
  const isPreset =
    people.length === 4 && people.every(one => isUsual(one, isAsked ? 'x-auth-request-' : 'x-forwarded-'))
  if (isAsked && isPreset) switchOn('set_xauthrequest', people[0]?.line ?? null)
  if (isPreset && fixed.length === 0) return { alpha: { upstreams, closed, fields: null }, stated }
  if (!isAsked) {
    const basic = all.find(({ isBasic }) => isBasic)
    switchOn('pass_user_headers', people[0]?.line ?? null, String(isPreset))
    switchOn('pass_basic_auth', basic?.line ?? null, String(basic !== undefined))
  }
  const headers = isPreset
    ? null
    : Object.fromEntries(people.map(({ name, claim, prefix }) => [name, template(claim ?? '', prefix)]))
  return { alpha: { upstreams, closed, fields: { headers, fixed, file } }, stated }
}

type Refuse = (option: string, line: number, say?: string) => void

/** Whether all upstreams only stand for what a proxy in front has. */
export function isAskedAbout(upstreams: readonly AlphaUpstream[]): boolean {
  return upstreams.every(({ uri }) => /^static:\/\/2\d\d$/.test(uri) || uri === 'file:///dev/null')
}

/** One whose path or target no route can say is put to what is closed, since another upstream would answer there. */
function readUpstream(entry: Yaml, file: string, refuse: Refuse, closed: string[]): readonly AlphaUpstream[] {
  const own: Stated[] = []
  for (const [path, node] of leavesOf(entry, [])) {
    const name = UPSTREAM_KEYS.get(path)
    if (name !== undefined) own.push({ name, values: textsAt(node), isList: false, line: node.line, file })
    else if (!['id', 'path', 'uri', 'rewritetarget', 'static', 'staticcode'].includes(path))
      refuse(`upstreams.${path}`, node.line)
  }
  const [path, target] = [textAt(entry, 'path') || '/', textAt(entry, 'rewritetarget') || null]
  const isStatic = textAt(entry, 'static') === 'true'
  const uri = isStatic ? `static://${textAt(entry, 'staticcode') || '200'}` : (textAt(entry, 'uri') ?? '')
  const made = { uri, own, line: entry.line, file, rewrite: { strip: null, add: null } }
  if (target === null && path.startsWith('/')) return [{ ...made, path }]
  // `^/api/(.*)$` with what becomes of it: `/$1`, `/v2/$1`, `/api/$1`.
  const [, base] = /^\^(\/(?:[A-Za-z0-9_~/-]*\/)?)\(\.[*]\)\$?$/.exec(path) ?? []
  const [, before] = /^(\/(?:[A-Za-z0-9_~./-]*\/)?)\$(?:1|\{1\})$/.exec(target ?? '') ?? []
  if (base !== undefined && before !== undefined) {
    const bare = (text: string) => (text === '/' ? null : text.replace(/\/$/, ''))
    const rewrite = base === before ? made.rewrite : { strip: bare(base), add: bare(before) }
    return [{ ...made, path: base, rewrite }]
  }
  const line = entriesAt(entry).find(([key]) => key === 'path')?.[1].line ?? entry.line
  const write = 'write a route with path, strip_prefix and add_prefix'
  if (target !== null && parsePathExpression(path).ok) {
    closed.push(path)
    refuse(
      'upstreams.path',
      line,
      `${path}: no route says this with its rewriteTarget, so that nobody passes there: ${write}`,
    )
  } else refuse('upstreams.path', line, `no route says this path with this rewriteTarget: ${write}`)
  return []
}

/** A field; one that no route can say is refused, where its application would get it from its client instead. */
function readHeader(entry: Yaml, list: string, refuse: Refuse): readonly Header[] {
  const name = textAt(entry, 'name') || null
  const [value, ...others] = itemsAt(entry, 'values')
  const odd = entriesAt(entry).find(
    ([key]) => !/^(?:name|values|preserverequestvalue|insecureskipheadernormalization)$/.test(key),
  )
  if (odd !== undefined) refuse(list, odd[1].line, `nothing is known of ${odd[0]}`)
  if (textAt(entry, 'preserverequestvalue') === 'true') {
    refuse(
      list,
      entry.line,
      `${name}: what a client sends there is removed, on every route; take preserveRequestValue out`,
    )
  }
  if (name === null || value === undefined || others.length > 0) {
    refuse(list, entry.line, `${name}: a field has one value here`)
    return []
  }
  const [source = value] = ['claimsource', 'secretsource'].flatMap(key => itemsAt(value, key))
  const keys = leavesOf(source, []).map(([path]) => path)
  const [claim, prefix] = [textAt(source, 'claim') || null, textAt(source, 'prefix') ?? '']
  const isBasic = keys.some(key => key.startsWith('basicauthpassword'))
  const made = {
    name,
    claim,
    prefix,
    isBasic,
    variable: textAt(source, 'fromenv'),
    path: textAt(source, 'fromfile'),
    line: entry.line,
  }
  const isFixed = keys.length === 1 && ['value', 'fromenv', 'fromfile'].includes(keys[0] ?? '')
  const isPlain = keys.every(key => key === 'claim' || key === 'prefix') && !/[{}]/.test(prefix)
  const isClaim = claim !== null && /^[A-Za-z0-9_.:/-]+$/.test(claim) && isPlain
  const isSayable = isBasic
    ? claim === 'user' && /^authorization$/i.test(name)
    : claim === null
      ? isFixed
      : isClaim && (!TOKENS.test(claim) || isAccessToken(made) || isIdToken(made))
  if (isSayable) return [made]
  refuse(list, value.line, `${name}: no route says this value`)
  return []
}

/** Values of a session that no field of a route can say, but for the usual ones of tokens. */
const TOKENS = /^(?:access_token|id_token|refresh_token|created_at|expires_on)$/

function isAccessToken({ name, claim, prefix }: Header): boolean {
  return /^x-(?:forwarded|auth-request)-access-token$/i.test(name) && claim === 'access_token' && prefix === ''
}

function isIdToken({ name, claim, prefix }: Header): boolean {
  return /^authorization$/i.test(name) && claim === 'id_token' && prefix === 'Bearer '
}

/** Whether it is one that oauth2-proxy has by itself: `X-Forwarded-Email` with the claim `email`. */
function isUsual({ name, claim, prefix, isBasic }: Header, begin: string): boolean {
  const isNamed = ['user', 'email', 'groups', 'preferred_username'].includes(claim ?? '') && prefix === '' && !isBasic
  return isNamed && name.toLowerCase() === begin + claim?.replace('_', '-')
}

/** A claim of oauth2-proxy's session in the words of routes.toml. */
function template(claim: string, prefix: string): string {
  const known =
    claim === 'user' ? 'sub' : /^(?:email|groups|preferred_username)$/.test(claim) ? claim : `claims.${claim}`
  return prefix === '' ? known : `${prefix}{${known}}`
}

/** The same document with lower-case keys, and with what the environment says filled in. */
function lowered(node: Yaml, fill: (text: string) => string): Yaml {
  if (node.kind === 'text') return { ...node, text: fill(node.text) }
  if (node.kind === 'list') return { ...node, items: node.items.map(item => lowered(item, fill)) }
  return {
    ...node,
    entries: new Map([...node.entries].map(([key, value]) => [key.toLowerCase(), lowered(value, fill)])),
  }
}

/** Every value below a node by its path (`a.b`); lists are values, and those among `apart` are left out. */
function leavesOf(node: Yaml, apart: readonly string[], above = ''): readonly (readonly [path: string, node: Yaml])[] {
  if (node.kind !== 'map') return [[above, node]]
  return [...node.entries].flatMap(([key, value]) => {
    const path = above === '' ? key : `${above}.${key}`
    return apart.includes(path) ? [] : leavesOf(value, apart, path)
  })
}
