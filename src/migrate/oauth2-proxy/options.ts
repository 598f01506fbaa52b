/** Every option of oauth2-proxy that is known, with its other names and what becomes of it. */

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
  /** The expression of the only paths that it closes; absent where it closes all. */
  readonly path?: string
}

/** What is known of an option of oauth2-proxy 7.15.3. */
export interface Known {
  /** `on` and `off` are switches by their default; `field` is a name without letter case. */
  readonly kind: string
  /** What holds where it is not stated; '' for nothing. */
  readonly usual: string
  /** What may become of it, of which the first is meant unless code says another. */
  readonly says: readonly (readonly [outcome: Outcome, say: string])[]
}

/** What keeps people out by what no rule can say. */
export const NO_CLAIM =
  'no claim is certain to say this: write who may into the role, by groups, emails or claims, in place of the subject there'

/**
 * Options with one fate, and what may become of them. An option is `name:kind=usual@other`, a text unless it says its kind. The other
 * names are those of older files, and those in an alpha configuration, in lower case as oauth2-proxy compares.
 */
// biome-ignore format: one row for each fate
const ROWS: readonly (readonly [options: string, ...says: readonly string[]])[] = [
  // Who may come in.
  ['email_domains:list', 'kept domains'],
  ['authenticated_emails_file', 'kept emails of the role, which are the list from now on', 'left email_domains lets everyone in', 'decide it cannot be read from here: write its addresses into the role, as emails = ["…"]'],
  ['allowed_groups:list@providers.allowedgroups', 'kept groups of the role'],
  ['allowed_roles:list@providers.keycloakconfig.roles', 'decide the role asks for them in the claim "roles": have the provider put them there', 'kept groups of the role, as role:NAME'],
  ['htpasswd_file', 'kept htpasswd of the portal'],
  ['htpasswd_user_groups:list@htpasswd_user_group', 'kept groups of everyone in the file, by the form and by HTTP Basic', 'changed there is no provider with users whose groups they could be: { provider = "htpasswd" } in a role names them'],
  ['display_htpasswd_form:on', 'kept there is no form for passwords'],
  ['trusted_ips:list', 'kept networks in allow, without a sign-in'],
  ['skip_auth_routes:list skip_auth_regex:list', 'kept path_regexp in allow, without a sign-in'],
  ['api_routes:list', 'kept program_paths of the routes: 401 there, and never a page'],
  ['entra_id_allowed_tenants:list@providers.microsoftentraidconfig.allowedtenants gitlab_groups:list@providers.gitlabconfig.group@gitlab_group gitlab_projects:list@providers.gitlabconfig.projects google_groups:list@providers.googleconfig.group@providers.googleconfig.groups@google_group keycloak_groups:list@providers.keycloakconfig.groups@keycloak_group bitbucket_repository@providers.bitbucketconfig.repository bitbucket_team@providers.bitbucketconfig.team', `decide ${NO_CLAIM}`],
  ['github_org@providers.githubconfig.org github_team@providers.githubconfig.team', 'kept groups of the role: acme for an organization, acme/ops for a team', `decide ${NO_CLAIM}`],
  ['github_users:list@providers.githubconfig.users', 'decide preferred_username in the role, as there; another user can get this name, so write numbers in its place: subjects = ["583231"]'],
  ['github_repo@providers.githubconfig.repo', 'decide GitHub does not state repositories: write a team that has the same users into the role (groups = ["acme/ops"]), or their numbers (subjects = ["583231"], the "id" of api.github.com/users/NAME), in place of the subject there'],
  ['github_token@providers.githubconfig.token', 'left repositories are not asked for'],
  // The provider.
  ['provider=google@providers.provider', 'kept any OpenID Connect provider; discovery finds the rest'],
  ['provider_display_name@providers.name', 'kept label'],
  ['client_id@providers.clientid', 'kept client_id in [providers.oidc]'],
  ['client_secret@providers.clientsecret', 'kept client_secret, from the environment: secrets are not copied', 'left client_secret_file has it'],
  ['client_secret_file@providers.clientsecretfile', 'kept client_secret, read from the same file'],
  ['oidc_issuer_url@providers.oidcconfig.issuerurl', 'kept issuer; it has to be exactly what the provider calls itself'],
  ['scope@providers.scope', 'kept scopes'],
  ['azure_tenant=common@providers.azureconfig.tenant google_admin_api_user_scope@providers.googleconfig.adminapiuserscope google_admin_email@providers.googleconfig.adminemail google_service_account_json@providers.googleconfig.serviceaccountjson google_target_principal@providers.googleconfig.targetprincipal google_use_application_default_credentials:off@providers.googleconfig.useapplicationdefaultcredentials google_use_organization_id:off@providers.googleconfig.useorganizationid', 'left it belongs to a provider that is no OpenID provider here; write the rule in [portals.home.roles]'],
  ['oidc_groups_claim=groups@providers.oidcconfig.groupsclaim', 'kept groups in claims of the provider: rules and headers know it as groups'],
  ['oidc_email_claim=email@providers.oidcconfig.emailclaim user_id_claim=email@providers.oidcconfig.useridclaim', 'kept email in claims of the provider: rules and headers know it as email; people are known by sub'],
  ['oidc_audience_claims:list=aud@providers.oidcconfig.audienceclaims@oidc_audience_claim', 'decide aud of an ID token has to be client_id, as OpenID Connect has it: no other claim replaces it. If the provider names the client only in azp, let it put the client into aud (at Keycloak, an audience mapper)'],
  ['oidc_extra_audiences:list@providers.oidcconfig.extraaudiences', 'left aud of an ID token has to be client_id', 'kept bearer_id_tokens of the provider names these audiences beside the client'],
  ['oidc_enabled_signing_algs:list@providers.oidcconfig.enabledsigningalgs', 'kept id_token_alg of the provider', 'decide id_token_alg takes only algorithms with a private key: let the provider sign with one of these; the others are left out'],
  ['insecure_oidc_allow_unverified_email:off@providers.oidcconfig.insecureallowunverifiedemail', 'decide emails = "trusted": remove it, if users can enter an address that is not theirs'],
  ['insecure_oidc_skip_issuer_verification:off@providers.oidcconfig.insecureskipissuerverification', 'left the issuer is always checked; write it exactly as the provider’s metadata does'],
  ['insecure_oidc_skip_nonce:on@providers.oidcconfig.insecureskipnonce', 'left a nonce is always sent and checked'],
  ['login_url@providers.loginurl redeem_url@providers.redeemurl profile_url@providers.profileurl validate_url@providers.validateurl oidc_jwks_url@providers.oidcconfig.jwksurl oidc_public_key_files:list@providers.oidcconfig.publickeyfiles skip_oidc_discovery:off@providers.oidcconfig.skipdiscovery', 'kept discovery finds these; issuer (or metadata_url) is enough'],
  ['skip_claims_from_profile_url:off@providers.skipclaimsfromprofileurl', 'left userinfo is asked where the provider has it'],
  ['additional_claims:list@providers.additionalclaims', 'kept claims are named where they are passed on'],
  ['acr_values@providers.keycloakconfig.acrs@providers.loginurlparameters.acr_values', 'decide write acr = ["…"] into a rule of allow: there it was only asked for, here the answer is checked'],
  ['approval_prompt=force@providers.loginurlparameters.approval_prompt prompt@providers.loginurlparameters.prompt', 'left no user is asked again without need; for a fresh sign-in write max_age in a rule'],
  ['auth_request_response_mode', 'left the provider’s answer comes in the address, as most send it; nothing to set'],
  ['code_challenge_method@providers.code_challenge_method@providers.codechallengemethod force_code_challenge_method', 'kept PKCE with S256, always'],
  ['resource@providers.resource', 'left it is not sent to the provider'],
  ['backend_logout_url@providers.backendlogouturl', 'decide write provider_logout = true into [portals.home], and register https://HOST/.sallyport/signed-out at the provider'],
  ['jwt_key@providers.logingovconfig.jwtkey jwt_key_file@providers.logingovconfig.jwtkeyfile pubjwk_url@providers.logingovconfig.pubjwkurl', 'decide write client_key with the file of that key in the provider’s table, in place of a secret; sallyport client-key prints its public half'],
  ['entra_id_federated_token_auth:off@providers.microsoftentraidconfig.federatedtokenauth', 'decide write client_assertion_file with the file in AZURE_FEDERATED_TOKEN_FILE into [providers.oidc], in place of a secret'],
  ['azure_graph_group_field=id@providers.azureconfig.graphgroupfield', 'decide groups are those that the token states, by their ids: look that the role names these, and that Entra puts groups into tokens'],
  ['adfs_skip_scope:off@providers.adfsconfig.skipscope', 'left scopes are always asked for'],
  ['provider_ca_files:list@providers.cafiles', 'decide write ca with that file in the provider’s table, where another CA made the certificate: it is always checked'],
  ['use_system_trust_store:off@providers.usesystemtruststore', 'kept the system’s authorities are trusted'],
  ['ssl_insecure_skip_verify:off', 'decide write ca with that CA’s file in the provider’s table, where another CA made the certificate: it is always checked'],
  // Programs.
  ['skip_jwt_bearer_tokens:off', 'decide bearer_id_tokens = true: ID tokens are accepted, as there, and reach the application. An application that gets one can act for the user, so remove this once programs use access tokens. The name of HTTP Basic cannot be a token'],
  ['extra_jwt_issuers:list', 'decide tokens of these issuers are refused: only tokens of the portal’s providers count. Let one of these make the tokens, or give programs tokens of this gate (sallyport tokens create)'],
  ['bearer_token_login_fallback:on', 'left a token that is not good is 401, never a redirect'],
  ['force_json_errors:off', 'kept nothing to write: programs get problem details (JSON), page loads get pages'],
  // Where it listens, and who stands in front.
  ['http_address=127.0.0.1:4180@server.bindaddress', 'kept listen in [server]', 'decide a socket cannot be handed over; choose an address for listen'],
  ['https_address=:443@server.securebindaddress tls_cert_file@server.tls.cert.fromfile tls_key_file@server.tls.key.fromfile', 'kept listen and certificates in [tls]', 'left HTTPS takes a certificate and a key: see docs/https.md'],
  ['tls_min_version@server.tls.minversion tls_cipher_suites:list@server.tls.ciphersuites', 'kept TLS 1.2 and 1.3 with current ciphers, nothing to choose'],
  ['force_https:off', 'decide let the TLS proxy in front send plain HTTP to https, or write [tls], which does', 'kept redirect_http in [tls], which is usual'],
  ['reverse_proxy:off', 'decide name your proxy in trusted_proxies of [server]: until then no X-Forwarded-* counts; there, every client’s did', 'kept X-Forwarded-* count from trusted_proxies alone'],
  ['trusted_proxy_ips:list', 'kept trusted_proxies in [server]', 'decide client_address = "X-Real-IP", as there: where your proxy writes X-Forwarded-For alone (Caddy), take that line out, or no client’s address is known'],
  ['real_client_ip_header:field=X-Real-IP', 'decide write the field into client_address of [server], once trusted_proxies names the proxy that overwrites it', 'kept client_address in [server]; two addresses in one are refused'],
  ['metrics_address@metricsserver.bindaddress', 'kept admin in [server], which answers /healthz and /readyz too'],
  ['metrics_secure_address@metricsserver.securebindaddress metrics_tls_cert_file@metricsserver.tls.cert.fromfile metrics_tls_key_file@metricsserver.tls.key.fromfile', 'left admin is plain HTTP, for this machine or the network behind'],
  ['gcp_healthchecks:off', 'left admin = "127.0.0.1:9464" in [server] answers /healthz and /readyz; no user agent gets past a rule'],
  ['request_logging:on', 'kept access_log in [server]'],
  ['auth_logging:on standard_logging:on logging_local_time:on errors_to_info_log:off silence_ping_logging:off logging_compress:off auth_logging_format request_logging_format standard_logging_format logging_filename exclude_logging_paths:list logging_max_age=7 logging_max_backups=0 logging_max_size=100', 'left the log is JSON, requests on standard output and the rest on standard error; [log] says it otherwise, access_log and log_level in [server] how much'],
  ['request_id_header', 'changed X-Request-Id is made for every request, and is in the log'],
  // Sessions and pages.
  ['cookie_expire:time=168h', 'kept lifetime in [sessions]'],
  ['cookie_refresh:time=0', 'kept refresh in [sessions]', 'changed the provider is asked again every 15 minutes; refresh = "off" in [sessions] stops that'],
  ['cookie_secret cookie_secret_file', 'kept nothing to write: a key is made at the first start, and kept as sallyport.key beside the database; keep both'],
  ['cookie_httponly:on cookie_name=_oauth2_proxy cookie_path=/ cookie_samesite', 'left the cookie is __Host-, HttpOnly, SameSite=Lax and each host’s own; it holds no token, so that it never grows'],
  ['cookie_secure:on', 'decide insecure_cookies = true, for people who come by plain HTTP: take it out as soon as they come by https'],
  ['cookie_domains:list@cookie_domain', 'people no cookie is shared: each host has its own; with url in [portals.home] one sign-in serves all hosts'],
  ['cookie_csrf_expire:time=15m cookie_csrf_per_request:off cookie_csrf_per_request_limit=0 cookie_csrf_samesite', 'kept sign-ins under way are kept on the server, for any number of tabs'],
  ['encode_state:off', 'kept the state of a sign-in is a reference, the rest is kept on the server'],
  ['session_cookie_minimal:off', 'kept nothing to write: the cookie holds a random id and nothing else'],
  ['session_store_type=cookie', 'kept store in [sessions]: SQLite beside the file, or the Redis that is named'],
  ['redis_connection_url', 'kept store in [sessions]; the sessions themselves are not carried over: everyone signs in once more', 'left sessions are kept in SQLite; store in [sessions] names a Redis'],
  ['redis_use_sentinel:off redis_sentinel_connection_urls:list redis_sentinel_master_name redis_use_cluster:off redis_cluster_connection_urls:list redis_password redis_username redis_sentinel_password', 'kept in store', 'left sessions are kept in SQLite; store in [sessions] names a Redis'],
  ['redis_ca_path', 'changed ca in store_tls: it alone counts, and not the system’s authorities', 'left sessions are kept in SQLite, and need no certificate'],
  ['redis_insecure_skip_tls_verify:off', 'decide the certificate is always checked: where another CA made it, write store_tls = { ca = "FILE" } in [sessions]'],
  ['redis_connection_idle_timeout:time=0', 'left connections to Redis stay open'],
  ['redirect_url', 'kept the host of the routes, and callback_path', 'decide insecure_cookies = true, for people who come by plain HTTP: take it out as soon as they come by https'],
  ['relative_redirect_url:off', 'kept nothing to write: each host has its own callback, and only hosts of the file'],
  ['whitelist_domains:list', 'changed users return, and rd leads, only to hosts of this file’s routes'],
  ['proxy_prefix=/oauth2 ping_path=/ping ready_path=/ready', 'kept in compat of the portal'],
  ['ping_user_agent', 'changed ping_user_agent in compat: at / alone, where an application is; no user agent gets past a rule'],
  ['banner custom_templates_dir footer', 'people the pages are Sallyport’s own; title, logo and colour in [portals.home] make them yours'],
  ['custom_sign_in_logo', 'decide write logo = "FILE" into [portals.home]: an SVG, PNG or WebP file'],
  ['show_debug_on_error:off', 'left pages show a reference, and the log has the cause under it'],
  ['skip_provider_button:off', 'kept nothing to write: a choice is shown only where a portal has several providers'],
  // What the application gets.
  ['upstreams:list', 'kept upstream of the routes, by path'],
  ['pass_host_header:on@upstreams.passhostheader', 'left no route has an upstream here', 'kept host_header = "upstream"'],
  ['proxy_websockets:on@upstreams.proxywebsockets', 'left no route has an upstream here', 'kept websockets = false in the routes'],
  ['skip_auth_preflight:off', 'left no route has an upstream here', 'kept cors_preflight: nothing but preflights passes'],
  ['ssl_upstream_insecure_skip_verify:off@upstreams.insecureskiptlsverify', 'left no route has an upstream here', 'decide tls = { insecure_skip_verify = true } on https upstreams: name their CA instead, tls = { ca = "FILE" }'],
  ['upstream_timeout:time=30s@upstreams.timeout', 'left no route has an upstream here', 'kept timeout of the routes'],
  ['basic_auth_password', 'left no route has an upstream here', 'kept basic_auth of the upstream, from the environment, unless an ID token goes there'],
  ['flush_interval:time=1s@upstreams.flushinterval', 'kept nothing to write: every answer is streamed as it comes'],
  ['disable_keep_alives:off@upstreams.disablekeepalives', 'kept connections to applications are kept; nothing to set'],
  ['proxy_raw_path:off@upstreamconfig.proxyrawpath', 'kept paths are passed on as they came, once they mean one thing'],
  ['allow_query_semicolons:off', 'kept queries are passed on as they are'],
  ['pass_user_headers:on pass_basic_auth:on', 'kept headers of the routes', 'left your proxy has the application, and sends its own fields'],
  ['skip_auth_strip_headers:on', 'kept nothing to write: what a client sends in these fields is removed on every route', 'left your proxy has the application, and sends its own fields'],
  ['prefer_email_to_user:off', 'left no header sends the user'],
  ['pass_access_token:off', 'kept pass_token of the routes'],
  ['pass_authorization_header:off', 'left your proxy has the application: set_authorization_header is what counts there', 'kept pass_token: the ID token, as Bearer'],
  ['set_authorization_header:off', 'left answers to people carry no credentials', 'kept pass_token: the ID token, as Bearer'],
  ['set_basic_auth:off', 'left answers carry no Basic credentials'],
  ['set_xauthrequest:off', 'kept headers in compat of the portal: answers carry X-Auth-Request-*'],
  ['inject_response_headers', 'left answers to people carry no other fields than X-Auth-Request-*'],
  ['signature_key', 'decide write assertion = { audience = "…" } into a route: a signed JWT that applications can check in place of GAP-Signature'],
]

const NAMES = new Map<string, string>()

/** Every option that is known, by its name in oauth2-proxy.cfg. */
export const OPTIONS: ReadonlyMap<string, Known> = new Map(
  ROWS.flatMap(([options, ...said]) => {
    const says = said.map(one => /^(\S+) (.*)$/s.exec(one)?.slice(1) as [Outcome, string])
    return options.split(' ').map(option => {
      const [own = '', ...others] = option.split('@')
      const [, name = '', kind = 'text', usual = ''] = /^(\w+)(?::(\w+))?(?:=(.*))?$/.exec(own) ?? []
      for (const other of others) NAMES.set(other, name)
      return [name, { kind, usual, says }] as const
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
