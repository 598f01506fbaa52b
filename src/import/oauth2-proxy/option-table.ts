import type { Outcome } from '../notes.ts'

type OptionEntry = readonly [outcome: Outcome, say: string]

const NO_LOGS: OptionEntry = [
  'left',
  'the log is JSON, requests on standard output and the rest on standard error; [log] says it otherwise, access_log and log_level in [server] how much',
]
const OTHER_PROVIDER: OptionEntry = [
  'left',
  'it belongs to a provider that is no OpenID provider here; write the rule in [portals.home.roles]',
]
const NOT_OIDC: OptionEntry = [
  'kept',
  'whatever it names comes from discovery; issuer (or metadata_url) is all that is needed',
]
const NO_CLIENT_KEY: OptionEntry = [
  'decide',
  'write client_key with the file of that key in the provider’s table, in place of a secret; sallyport client-key prints its public half',
]
const OWN_CA: OptionEntry = [
  'decide',
  'start Sallyport with NODE_EXTRA_CA_CERTS=FILE, where another CA made the certificate: it is always checked',
]
const OWN_COOKIE: OptionEntry = [
  'left',
  'the cookie is __Host-, HttpOnly, SameSite=Lax and each host’s own; it holds no token, so that it never grows',
]
const OWN_KEY: OptionEntry = [
  'kept',
  'nothing to write: a key is made at the first start, and kept as sallyport.key beside the database; keep both',
]
const SIGN_IN_STATE: OptionEntry = ['kept', 'sign-ins under way are kept on the server, for any number of tabs']
const LOOK: OptionEntry = [
  'people',
  'the pages are Sallyport’s own; title, logo and colour in [portals.home] make them yours',
]
const NO_REDIS: OptionEntry = [
  'left',
  'store = "rediss://…" is a single Redis or Valkey; for one machine SQLite, the default, is enough',
]
const NO_UPSTREAM: OptionEntry = ['left', 'no route has an upstream here']
const NOBODY_TOLD: OptionEntry = ['left', 'no header says who is there']
const TLS_SETTINGS: OptionEntry = ['kept', 'TLS 1.2 and 1.3 with current ciphers, nothing to choose']

/** Options whose meaning does not depend on their value. What is not here and has no place in the code is unknown. */
export const OPTION_TABLE: Readonly<Record<string, OptionEntry>> = {
  acr_values: [
    'decide',
    'write acr = ["…"] into a rule of allow: there it was only asked for, here the answer is checked',
  ],
  additional_claims: ['kept', 'claims are named where they are passed on'],
  adfs_skip_scope: ['left', 'scopes are always asked for'],
  allow_query_semicolons: ['kept', 'queries are passed on as they are'],
  api_routes: ['kept', 'nothing to write: whatever is not a page load gets 401, on every path'],
  approval_prompt: ['left', 'nobody is asked again without need; for a fresh sign-in write max_age in a rule'],
  auth_logging: NO_LOGS,
  auth_logging_format: NO_LOGS,
  auth_request_response_mode: ['left', 'the provider’s answer comes in the address, as most send it; nothing to set'],
  azure_graph_group_field: [
    'decide',
    'groups are those that the token states, by their ids: look that the role names these, and that Entra puts groups into tokens',
  ],
  azure_tenant: OTHER_PROVIDER,
  backend_logout_url: [
    'decide',
    'write provider_logout = true into [portals.home], and register https://HOST/.sallyport/signed-out at the provider',
  ],
  banner: LOOK,
  basic_auth_password: NO_UPSTREAM,
  bearer_token_login_fallback: ['left', 'a token that is not good is 401, never a redirect'],
  code_challenge_method: ['kept', 'PKCE with S256, always'],
  cookie_csrf_expire: SIGN_IN_STATE,
  cookie_csrf_per_request: SIGN_IN_STATE,
  cookie_csrf_per_request_limit: SIGN_IN_STATE,
  cookie_csrf_samesite: SIGN_IN_STATE,
  cookie_httponly: OWN_COOKIE,
  cookie_name: OWN_COOKIE,
  cookie_path: OWN_COOKIE,
  cookie_samesite: OWN_COOKIE,
  cookie_secret: OWN_KEY,
  cookie_secret_file: OWN_KEY,
  custom_sign_in_logo: ['decide', 'write logo = "FILE" into [portals.home]: an SVG, PNG or WebP file'],
  custom_templates_dir: LOOK,
  disable_keep_alives: ['kept', 'connections to applications are kept; nothing to set'],
  encode_state: ['kept', 'the state of a sign-in is a reference, the rest is kept on the server'],
  entra_id_federated_token_auth: [
    'decide',
    'write client_assertion_file with the file in AZURE_FEDERATED_TOKEN_FILE into [providers.oidc], in place of a secret',
  ],
  errors_to_info_log: NO_LOGS,
  exclude_logging_paths: NO_LOGS,
  extra_jwt_issuers: [
    'decide',
    'tokens of these issuers are refused: a provider whose tokens count is one that people sign in at here. Have one that the portal names make these tokens too, or give programs tokens of this gate (sallyport tokens create)',
  ],
  flush_interval: ['kept', 'nothing to write: every answer is streamed as it comes'],
  footer: LOOK,
  force_code_challenge_method: ['kept', 'PKCE with S256, always'],
  force_https: ['decide', 'let the TLS proxy in front send plain HTTP to https, or write [tls], which does'],
  force_json_errors: ['kept', 'nothing to write: programs get problem details (JSON), page loads get pages'],
  gcp_healthchecks: [
    'left',
    'admin = "127.0.0.1:9464" in [server] answers /healthz and /readyz; no user agent gets past a rule',
  ],
  github_token: ['left', 'nobody is asked about repositories, which github_repo is about'],
  google_admin_api_user_scope: OTHER_PROVIDER,
  google_admin_email: OTHER_PROVIDER,
  google_groups: OTHER_PROVIDER,
  google_group: OTHER_PROVIDER,
  google_service_account_json: OTHER_PROVIDER,
  google_target_principal: OTHER_PROVIDER,
  google_use_application_default_credentials: OTHER_PROVIDER,
  google_use_organization_id: OTHER_PROVIDER,
  inject_response_headers: ['left', 'answers to people carry no other fields than X-Auth-Request-*'],
  insecure_oidc_skip_issuer_verification: [
    'left',
    'the issuer is always checked; write it exactly as the provider’s metadata does',
  ],
  insecure_oidc_skip_nonce: ['left', 'a nonce is always sent and checked'],
  jwt_key: NO_CLIENT_KEY,
  jwt_key_file: NO_CLIENT_KEY,
  logging_compress: NO_LOGS,
  logging_filename: NO_LOGS,
  logging_local_time: NO_LOGS,
  logging_max_age: NO_LOGS,
  logging_max_backups: NO_LOGS,
  logging_max_size: NO_LOGS,
  login_url: NOT_OIDC,
  metrics_secure_address: ['left', 'admin is plain HTTP, for this machine or the network behind'],
  metrics_tls_cert_file: ['left', 'admin is plain HTTP, for this machine or the network behind'],
  metrics_tls_key_file: ['left', 'admin is plain HTTP, for this machine or the network behind'],
  oidc_jwks_url: NOT_OIDC,
  oidc_public_key_files: NOT_OIDC,
  pass_authorization_header: ['left', 'your proxy has the application: set_authorization_header is what counts there'],
  pass_host_header: NO_UPSTREAM,
  prefer_email_to_user: NOBODY_TOLD,
  profile_url: NOT_OIDC,
  prompt: ['left', 'nobody is asked again without need; for a fresh sign-in write max_age in a rule'],
  provider_ca_files: [
    'decide',
    'write ca with that file in the provider’s table, where another CA made the certificate: it is always checked',
  ],
  pubjwk_url: NO_CLIENT_KEY,
  proxy_raw_path: ['kept', 'paths are passed on as they came, once they mean one thing'],
  proxy_websockets: NO_UPSTREAM,
  real_client_ip_header: [
    'decide',
    'write the field into client_address of [server], once trusted_proxies names the proxy that writes it anew',
  ],
  redeem_url: NOT_OIDC,
  redis_ca_path: OWN_CA,
  redis_cluster_connection_urls: NO_REDIS,
  redis_connection_idle_timeout: NO_REDIS,
  redis_insecure_skip_tls_verify: OWN_CA,
  redis_sentinel_connection_urls: NO_REDIS,
  redis_sentinel_master_name: NO_REDIS,
  redis_sentinel_password: NO_REDIS,
  redis_use_cluster: NO_REDIS,
  redis_use_sentinel: NO_REDIS,
  relative_redirect_url: ['kept', 'nothing to write: each host has its own callback, and only hosts of the file'],
  request_id_header: ['changed', 'X-Request-Id is made for every request, and is in the log'],
  request_logging_format: NO_LOGS,
  resource: ['left', 'it is not sent to the provider'],
  session_cookie_minimal: ['kept', 'nothing to write: the cookie holds a random id and nothing else'],
  show_debug_on_error: ['left', 'pages show a reference, and the log has the cause under it'],
  signature_key: [
    'decide',
    'write assertion = { audience = "…" } into a route: a signed JWT that applications can check in place of GAP-Signature',
  ],
  silence_ping_logging: NO_LOGS,
  skip_auth_preflight: NO_UPSTREAM,
  skip_claims_from_profile_url: ['left', 'userinfo is asked where the provider has it'],
  skip_oidc_discovery: NOT_OIDC,
  skip_provider_button: ['kept', 'nothing to write: a choice is shown only where a portal has several providers'],
  ssl_insecure_skip_verify: OWN_CA,
  ssl_upstream_insecure_skip_verify: NO_UPSTREAM,
  standard_logging: NO_LOGS,
  standard_logging_format: NO_LOGS,
  tls_cipher_suites: TLS_SETTINGS,
  tls_min_version: TLS_SETTINGS,
  upstream_timeout: NO_UPSTREAM,
  use_system_trust_store: ['kept', 'the system’s authorities are trusted'],
  validate_url: NOT_OIDC,
  whitelist_domains: ['changed', 'people return, and rd leads, to hosts of this file’s routes, and nowhere else'],
}

/** Options whose meaning depends on what they say: those that are most often misspelt. */
export const READ: readonly string[] = [
  'allowed_groups',
  'client_id',
  'client_secret',
  'cookie_expire',
  'email_domains',
  'htpasswd_file',
  'http_address',
  'oidc_issuer_url',
  'pass_access_token',
  'provider',
  'proxy_prefix',
  'redirect_url',
  'reverse_proxy',
  'scope',
  'set_xauthrequest',
  'skip_auth_routes',
  'upstreams',
]
