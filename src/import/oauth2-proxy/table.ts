import type { Outcome } from '../notes.ts'

/** One option, as a file, a variable or a flag states it. */
export interface Stated {
  /** As oauth2-proxy.cfg calls it. */
  readonly name: string
  readonly values: readonly string[]
  /** Whether each value is one entry; a single text is split at its commas where a list is expected. */
  readonly isList: boolean
  /** 1-based; null where it has none. */
  readonly line: number | null
  /** The file, as it was named; null for arguments of the command itself. */
  readonly file: string | null
}

/** A file that is named and missing here: its options may have kept users out. */
export interface Gap extends Omit<Stated, 'name' | 'values' | 'isList'> {
  readonly option: string
  readonly say: string
}

/** `on` and `off` are switches by their default; `field` is a name without letter case. */
type Kind = 'on' | 'off' | 'text' | 'list' | 'time' | 'field'

/** What is known of an option of oauth2-proxy 7.15.3. */
export interface Known {
  readonly kind: Kind
  /** What holds where it is not stated; '' for nothing. */
  readonly usual: string
  /** What may become of it, of which the first is meant unless code says another. */
  readonly says: readonly (readonly [outcome: Outcome, say: string])[]
}

const LOGS =
  'left the log is JSON, requests on standard output and the rest on standard error; [log] says it otherwise, access_log and log_level in [server] how much'
const OTHER = 'left it belongs to a provider that is no OpenID provider here; write the rule in [portals.home.roles]'
const NOT_OIDC = 'kept whatever it names comes from discovery; issuer (or metadata_url) is all that is needed'
const CLIENT_KEY =
  'decide write client_key with the file of that key in the provider’s table, in place of a secret; sallyport client-key prints its public half'
const OWN_CA =
  'decide start Sallyport with NODE_EXTRA_CA_CERTS=FILE, where another CA made the certificate: it is always checked'
const COOKIE =
  'left the cookie is __Host-, HttpOnly, SameSite=Lax and each host’s own; it holds no token, so that it never grows'
const OWN_KEY =
  'kept nothing to write: a key is made at the first start, and kept as sallyport.key beside the database; keep both'
const SIGN_IN = 'kept sign-ins under way are kept on the server, for any number of tabs'
const LOOK = 'people the pages are Sallyport’s own; title, logo and colour in [portals.home] make them yours'
const REDIS = 'left store = "rediss://…" is a single Redis or Valkey; for one machine SQLite, the default, is enough'
const NO_UPSTREAM = 'left no route has an upstream here'
/** What keeps people out by what no rule can say. */
export const NO_CLAIM =
  'no claim is certain to say this: write who may into the role, by groups, emails or claims, in place of the subject there'
const NOT_ASKED_AGAIN = 'left nobody is asked again without need; for a fresh sign-in write max_age in a rule'
const PKCE = 'kept PKCE with S256, always'
const AUD =
  'decide aud of an ID token has to be client_id, as OpenID Connect has it: no other claim stands for it. Where the provider says the client in azp alone, have it put the client into aud (at Keycloak, an audience mapper)'
const EMAIL = 'kept email in claims of the provider: rules and headers know it as email; people are known by sub'
const ADMIN = 'left admin is plain HTTP, for this machine or the network behind'
const NOT_HERE = 'left your proxy has the application: what it sends there is its own'

// Behind @ are its other names: in older files, and where an alpha configuration has it, in lower case as oauth2-proxy compares.
// biome-ignore format: one row for each option, or for several of which the same holds
const ROWS: Readonly<Record<string, readonly [kind: Kind, usual: string, ...says: readonly string[]]>> = {
  // Who may come in.
  'email_domains': ['list', '', 'kept domains'],
  'authenticated_emails_file': ['text', '', 'kept emails of the role, which are the list from now on', 'left email_domains lets everyone in', 'decide it cannot be read from here: write its addresses into the role, as emails = ["…"]'],
  'allowed_groups@providers.allowedgroups': ['list', '', 'kept groups of the role'],
  'allowed_roles@providers.keycloakconfig.roles': ['list', '', 'decide the role asks for them in the claim "roles": have the provider put them there', 'kept groups of the role, as role:NAME'],
  'htpasswd_file': ['text', '', 'kept htpasswd of the portal'],
  'htpasswd_user_groups@htpasswd_user_group': ['list', '', 'kept groups of everyone in the file, by the form and by HTTP Basic', 'changed there is no provider with users whose groups they could be: { provider = "htpasswd" } in a role names them'],
  'display_htpasswd_form': ['on', '', 'kept there is no form for passwords'],
  'trusted_ips': ['list', '', 'kept networks in allow, where nobody has to sign in'],
  'skip_auth_routes skip_auth_regex': ['list', '', 'kept path_regexp in allow, where nobody has to sign in'],
  'api_routes': ['list', '', 'kept program_paths of the routes: 401 there, and never a page'],
  'entra_id_allowed_tenants@providers.microsoftentraidconfig.allowedtenants gitlab_groups@providers.gitlabconfig.group@gitlab_group gitlab_projects@providers.gitlabconfig.projects google_groups@providers.googleconfig.group@providers.googleconfig.groups@google_group keycloak_groups@providers.keycloakconfig.groups@keycloak_group': ['list', '', `decide ${NO_CLAIM}`],
  'bitbucket_repository@providers.bitbucketconfig.repository bitbucket_team@providers.bitbucketconfig.team': ['text', '', `decide ${NO_CLAIM}`],
  'github_org@providers.githubconfig.org github_team@providers.githubconfig.team': ['text', '', 'kept groups of the role: acme for an organization, acme/ops for a team', `decide ${NO_CLAIM}`],
  'github_users@providers.githubconfig.users': ['list', '', 'decide preferred_username in the role, as there; a name can be given to somebody else, so write numbers in its place: subjects = ["583231"]'],
  'github_repo@providers.githubconfig.repo': ['text', '', 'decide GitHub says of nobody which repositories are theirs: write a team that has the same people into the role (groups = ["acme/ops"]), or their numbers (subjects = ["583231"], the "id" of api.github.com/users/NAME), in place of the subject there'],
  'github_token@providers.githubconfig.token': ['text', '', 'left nobody is asked about repositories, which github_repo is about'],
  // The provider.
  'provider@providers.provider': ['text', 'google', 'kept whatever speaks OpenID Connect; discovery tells the rest'],
  'provider_display_name@providers.name': ['text', '', 'kept label'],
  'client_id@providers.clientid': ['text', '', 'kept client_id in [providers.oidc]'],
  'client_secret@providers.clientsecret': ['text', '', 'kept client_secret, from the environment: secrets are not copied', 'left client_secret_file has it'],
  'client_secret_file@providers.clientsecretfile': ['text', '', 'kept client_secret, read from the same file'],
  'oidc_issuer_url@providers.oidcconfig.issuerurl': ['text', '', 'kept issuer; it has to be exactly what the provider calls itself'],
  'scope@providers.scope': ['text', '', 'kept scopes'],
  'azure_tenant@providers.azureconfig.tenant': ['text', 'common', OTHER],
  'oidc_groups_claim@providers.oidcconfig.groupsclaim': ['text', 'groups', 'kept groups in claims of the provider: rules and headers know it as groups'],
  'oidc_email_claim@providers.oidcconfig.emailclaim user_id_claim@providers.oidcconfig.useridclaim': ['text', 'email', EMAIL],
  'oidc_audience_claims@providers.oidcconfig.audienceclaims@oidc_audience_claim': ['list', 'aud', AUD],
  'oidc_extra_audiences@providers.oidcconfig.extraaudiences': ['list', '', 'left aud of an ID token has to be client_id', 'kept bearer_id_tokens of the provider names these audiences beside the client'],
  'oidc_enabled_signing_algs@providers.oidcconfig.enabledsigningalgs': ['list', '', 'kept id_token_alg of the provider', 'decide id_token_alg of the provider takes algorithms alone whose key nobody else has: have the provider sign with one of these, the others are left out'],
  'insecure_oidc_allow_unverified_email@providers.oidcconfig.insecureallowunverifiedemail': ['off', '', 'decide emails = "trusted": take it out, unless nobody can enter an address there that is not theirs'],
  'insecure_oidc_skip_issuer_verification@providers.oidcconfig.insecureskipissuerverification': ['off', '', 'left the issuer is always checked; write it exactly as the provider’s metadata does'],
  'insecure_oidc_skip_nonce@providers.oidcconfig.insecureskipnonce': ['on', '', 'left a nonce is always sent and checked'],
  'login_url@providers.loginurl redeem_url@providers.redeemurl profile_url@providers.profileurl validate_url@providers.validateurl oidc_jwks_url@providers.oidcconfig.jwksurl': ['text', '', NOT_OIDC],
  'oidc_public_key_files@providers.oidcconfig.publickeyfiles': ['list', '', NOT_OIDC],
  'skip_oidc_discovery@providers.oidcconfig.skipdiscovery': ['off', '', NOT_OIDC],
  'skip_claims_from_profile_url@providers.skipclaimsfromprofileurl': ['off', '', 'left userinfo is asked where the provider has it'],
  'additional_claims@providers.additionalclaims': ['list', '', 'kept claims are named where they are passed on'],
  'acr_values@providers.keycloakconfig.acrs@providers.loginurlparameters.acr_values': ['text', '', 'decide write acr = ["…"] into a rule of allow: there it was only asked for, here the answer is checked'],
  'approval_prompt@providers.loginurlparameters.approval_prompt': ['text', 'force', NOT_ASKED_AGAIN],
  'prompt@providers.loginurlparameters.prompt': ['text', '', NOT_ASKED_AGAIN],
  'auth_request_response_mode': ['text', '', 'left the provider’s answer comes in the address, as most send it; nothing to set'],
  'code_challenge_method@providers.code_challenge_method@providers.codechallengemethod force_code_challenge_method': ['text', '', PKCE],
  'resource@providers.resource': ['text', '', 'left it is not sent to the provider'],
  'backend_logout_url@providers.backendlogouturl': ['text', '', 'decide write provider_logout = true into [portals.home], and register https://HOST/.sallyport/signed-out at the provider'],
  'jwt_key@providers.logingovconfig.jwtkey jwt_key_file@providers.logingovconfig.jwtkeyfile pubjwk_url@providers.logingovconfig.pubjwkurl': ['text', '', CLIENT_KEY],
  'entra_id_federated_token_auth@providers.microsoftentraidconfig.federatedtokenauth': ['off', '', 'decide write client_assertion_file with the file in AZURE_FEDERATED_TOKEN_FILE into [providers.oidc], in place of a secret'],
  'azure_graph_group_field@providers.azureconfig.graphgroupfield': ['text', 'id', 'decide groups are those that the token states, by their ids: look that the role names these, and that Entra puts groups into tokens'],
  'adfs_skip_scope@providers.adfsconfig.skipscope': ['off', '', 'left scopes are always asked for'],
  'google_admin_api_user_scope@providers.googleconfig.adminapiuserscope google_admin_email@providers.googleconfig.adminemail google_service_account_json@providers.googleconfig.serviceaccountjson google_target_principal@providers.googleconfig.targetprincipal': ['text', '', OTHER],
  'google_use_application_default_credentials@providers.googleconfig.useapplicationdefaultcredentials google_use_organization_id@providers.googleconfig.useorganizationid': ['off', '', OTHER],
  'provider_ca_files@providers.cafiles': ['list', '', 'decide write ca with that file in the provider’s table, where another CA made the certificate: it is always checked'],
  'use_system_trust_store@providers.usesystemtruststore': ['off', '', 'kept the system’s authorities are trusted'],
  'ssl_insecure_skip_verify': ['off', '', OWN_CA],
  // Programs.
  'skip_jwt_bearer_tokens': ['off', '', 'decide bearer_id_tokens = true: ID tokens are taken, as there, and reach the application; whoever is given one can act for that person, so take it out once programs come with access tokens; none is taken as the name of HTTP Basic'],
  'extra_jwt_issuers': ['list', '', 'decide tokens of these issuers are refused: a provider whose tokens count is one that people sign in at here. Have one that the portal names make these tokens too, or give programs tokens of this gate (sallyport tokens create)'],
  'bearer_token_login_fallback': ['on', '', 'left a token that is not good is 401, never a redirect'],
  'force_json_errors': ['off', '', 'kept nothing to write: programs get problem details (JSON), page loads get pages'],
  // Where it listens, and who stands in front.
  'http_address@server.bindaddress': ['text', '127.0.0.1:4180', 'kept listen in [server]', 'decide a socket cannot be handed over; choose an address for listen'],
  'https_address@server.securebindaddress': ['text', ':443', 'kept listen and certificates in [tls]', 'left HTTPS takes a certificate and a key: see docs/https.md'],
  'tls_cert_file@server.tls.cert.fromfile tls_key_file@server.tls.key.fromfile': ['text', '', 'kept listen and certificates in [tls]', 'left HTTPS takes a certificate and a key: see docs/https.md'],
  'tls_min_version@server.tls.minversion': ['text', '', 'kept TLS 1.2 and 1.3 with current ciphers, nothing to choose'],
  'tls_cipher_suites@server.tls.ciphersuites': ['list', '', 'kept TLS 1.2 and 1.3 with current ciphers, nothing to choose'],
  'force_https': ['off', '', 'decide let the TLS proxy in front send plain HTTP to https, or write [tls], which does', 'kept redirect_http in [tls], which is usual'],
  'reverse_proxy': ['off', '', 'decide name your proxy in trusted_proxies of [server]: until then nobody’s X-Forwarded-* count, where anyone’s did', 'kept X-Forwarded-* count from trusted_proxies alone'],
  'trusted_proxy_ips': ['list', '', 'kept trusted_proxies in [server]', 'decide client_address = "X-Real-IP", as there: where your proxy writes X-Forwarded-For alone (Caddy), take that line out, or no client’s address is known'],
  'real_client_ip_header': ['field', 'X-Real-IP', 'decide write the field into client_address of [server], once trusted_proxies names the proxy that writes it anew', 'kept client_address in [server]; two addresses in one are refused'],
  'metrics_address@metricsserver.bindaddress': ['text', '', 'kept admin in [server], which answers /healthz and /readyz too'],
  'metrics_secure_address@metricsserver.securebindaddress metrics_tls_cert_file@metricsserver.tls.cert.fromfile metrics_tls_key_file@metricsserver.tls.key.fromfile': ['text', '', ADMIN],
  'gcp_healthchecks': ['off', '', 'left admin = "127.0.0.1:9464" in [server] answers /healthz and /readyz; no user agent gets past a rule'],
  'request_logging': ['on', '', 'kept access_log in [server]'],
  'auth_logging standard_logging logging_local_time': ['on', '', LOGS],
  'errors_to_info_log silence_ping_logging logging_compress': ['off', '', LOGS],
  'auth_logging_format request_logging_format standard_logging_format logging_filename': ['text', '', LOGS],
  'exclude_logging_paths': ['list', '', LOGS],
  'logging_max_age': ['text', '7', LOGS],
  'logging_max_backups': ['text', '0', LOGS],
  'logging_max_size': ['text', '100', LOGS],
  'request_id_header': ['text', '', 'changed X-Request-Id is made for every request, and is in the log'],
  // Sessions and pages.
  'cookie_expire': ['time', '168h', 'kept lifetime in [sessions]'],
  'cookie_refresh': ['time', '0', 'kept refresh in [sessions]', 'changed the provider is asked again every 15 minutes; refresh = "off" in [sessions] stops that'],
  'cookie_secret cookie_secret_file': ['text', '', OWN_KEY],
  'cookie_httponly': ['on', '', COOKIE],
  'cookie_name': ['text', '_oauth2_proxy', COOKIE],
  'cookie_path': ['text', '/', COOKIE],
  'cookie_samesite': ['text', '', COOKIE],
  'cookie_secure': ['on', '', 'decide insecure_cookies = true, for people who come by plain HTTP: take it out as soon as they come by https'],
  'cookie_domains@cookie_domain': ['list', '', 'people no cookie is shared: each host has its own; with url in [portals.home] one sign-in serves all hosts'],
  'cookie_csrf_expire': ['time', '15m', SIGN_IN],
  'cookie_csrf_per_request': ['off', '', SIGN_IN],
  'cookie_csrf_per_request_limit': ['text', '0', SIGN_IN],
  'cookie_csrf_samesite': ['text', '', SIGN_IN],
  'encode_state': ['off', '', 'kept the state of a sign-in is a reference, the rest is kept on the server'],
  'session_cookie_minimal': ['off', '', 'kept nothing to write: the cookie holds a random id and nothing else'],
  'session_store_type': ['text', 'cookie', 'kept store in [sessions]: SQLite beside the file, or the Redis that is named'],
  'redis_connection_url': ['text', '', 'kept store in [sessions]; the sessions themselves are not carried over: everyone signs in once more', 'left sessions are kept in SQLite; store in [sessions] names a Redis'],
  'redis_password redis_username': ['text', '', 'kept in store', 'left sessions are kept in SQLite; store in [sessions] names a Redis'],
  'redis_cluster_connection_urls redis_sentinel_connection_urls': ['list', '', REDIS],
  'redis_sentinel_master_name redis_sentinel_password': ['text', '', REDIS],
  'redis_use_cluster redis_use_sentinel': ['off', '', REDIS],
  'redis_connection_idle_timeout': ['time', '0', REDIS],
  'redis_ca_path': ['text', '', OWN_CA],
  'redis_insecure_skip_tls_verify': ['off', '', OWN_CA],
  'redirect_url': ['text', '', 'kept the host of the routes, and callback_path', 'decide insecure_cookies = true, for people who come by plain HTTP: take it out as soon as they come by https'],
  'relative_redirect_url': ['off', '', 'kept nothing to write: each host has its own callback, and only hosts of the file'],
  'whitelist_domains': ['list', '', 'changed people return, and rd leads, to hosts of this file’s routes, and nowhere else'],
  'proxy_prefix': ['text', '/oauth2', 'kept in compat of the portal'],
  'ping_path': ['text', '/ping', 'kept in compat of the portal'],
  'ready_path': ['text', '/ready', 'kept in compat of the portal'],
  'ping_user_agent': ['text', '', 'changed ping_user_agent in compat: at / alone, where an application is; no user agent gets past a rule'],
  'banner custom_templates_dir footer': ['text', '', LOOK],
  'custom_sign_in_logo': ['text', '', 'decide write logo = "FILE" into [portals.home]: an SVG, PNG or WebP file'],
  'show_debug_on_error': ['off', '', 'left pages show a reference, and the log has the cause under it'],
  'skip_provider_button': ['off', '', 'kept nothing to write: a choice is shown only where a portal has several providers'],
  // What the application gets.
  'upstreams': ['list', '', 'kept upstream of the routes, by path'],
  'pass_host_header@upstreams.passhostheader': ['on', '', NO_UPSTREAM, 'kept host_header = "upstream"'],
  'proxy_websockets@upstreams.proxywebsockets': ['on', '', NO_UPSTREAM, 'kept websockets = false in the routes'],
  'skip_auth_preflight': ['off', '', NO_UPSTREAM, 'kept cors_preflight: nothing but preflights passes'],
  'ssl_upstream_insecure_skip_verify@upstreams.insecureskiptlsverify': ['off', '', NO_UPSTREAM, 'decide tls = { insecure_skip_verify = true } on https upstreams: name their CA instead, tls = { ca = "FILE" }'],
  'upstream_timeout@upstreams.timeout': ['time', '30s', NO_UPSTREAM, 'kept timeout of the routes'],
  'basic_auth_password': ['text', '', NO_UPSTREAM, 'kept basic_auth of the upstream, from the environment, unless an ID token goes there'],
  'flush_interval@upstreams.flushinterval': ['time', '1s', 'kept nothing to write: every answer is streamed as it comes'],
  'disable_keep_alives@upstreams.disablekeepalives': ['off', '', 'kept connections to applications are kept; nothing to set'],
  'proxy_raw_path@upstreamconfig.proxyrawpath': ['off', '', 'kept paths are passed on as they came, once they mean one thing'],
  'allow_query_semicolons': ['off', '', 'kept queries are passed on as they are'],
  'pass_user_headers pass_basic_auth': ['on', '', 'kept headers of the routes', NOT_HERE],
  'skip_auth_strip_headers': ['on', '', 'kept nothing to write: what a client sends in these fields is removed on every route', NOT_HERE],
  'prefer_email_to_user': ['off', '', 'left no header says who is there'],
  'pass_access_token': ['off', '', 'kept pass_token of the routes'],
  'pass_authorization_header': ['off', '', 'left your proxy has the application: set_authorization_header is what counts there', 'kept pass_token: the ID token, as Bearer'],
  'set_authorization_header': ['off', '', 'left answers to people carry no credentials', 'kept pass_token: the ID token, as Bearer'],
  'set_basic_auth': ['off', '', 'left answers carry no Basic credentials'],
  'set_xauthrequest': ['off', '', 'kept headers in compat of the portal: answers carry X-Auth-Request-*'],
  'inject_response_headers': ['text', '', 'left answers to people carry no other fields than X-Auth-Request-*'],
  'signature_key': ['text', '', 'decide write assertion = { audience = "…" } into a route: a signed JWT that applications can check in place of GAP-Signature'],
}

const NAMES = new Map<string, string>()

/** Every option that is known, by its name in oauth2-proxy.cfg. */
export const OPTIONS: ReadonlyMap<string, Known> = new Map(
  Object.entries(ROWS).flatMap(([names, [kind, usual, ...says]]) => {
    const read = says.map(said => /^(\S+) (.*)$/s.exec(said)?.slice(1) as [Outcome, string])
    return names.split(' ').map(all => {
      const [name = '', ...others] = all.split('@')
      for (const other of others) NAMES.set(other, name)
      return [name, { kind, usual, says: read }] as const
    })
  }),
)

/** An option by any of its names; what is not known keeps its own. */
export function optionNamed(name: string): string {
  return NAMES.get(name) ?? name
}

/** The option of a flag without its dashes: one that may be given several times is called in the singular. */
export function optionOfFlag(flag: string): string {
  const name = flag.replaceAll('-', '_')
  return OPTIONS.get(`${name}s`)?.kind === 'list' ? `${name}s` : optionNamed(name)
}
