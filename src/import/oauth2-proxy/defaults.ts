import type { Stated } from './inputs/stated.ts'
import { durationMsOf, flagOf, listOf } from './values.ts'

/** Switches that are on by themselves. */
const ON: readonly string[] = [
  'auth_logging',
  'bearer_token_login_fallback',
  'cookie_httponly',
  'cookie_secure',
  'display_htpasswd_form',
  'insecure_oidc_skip_nonce',
  'logging_local_time',
  'pass_basic_auth',
  'pass_host_header',
  'pass_user_headers',
  'proxy_websockets',
  'request_logging',
  'skip_auth_strip_headers',
  'standard_logging',
]

/** Switches that are off by themselves. */
const OFF: readonly string[] = [
  'adfs_skip_scope',
  'allow_query_semicolons',
  'cookie_csrf_per_request',
  'disable_keep_alives',
  'encode_state',
  'entra_id_federated_token_auth',
  'errors_to_info_log',
  'force_https',
  'force_json_errors',
  'gcp_healthchecks',
  'google_use_application_default_credentials',
  'google_use_organization_id',
  'insecure_oidc_allow_unverified_email',
  'insecure_oidc_skip_issuer_verification',
  'logging_compress',
  'pass_access_token',
  'pass_authorization_header',
  'prefer_email_to_user',
  'proxy_raw_path',
  'redis_insecure_skip_tls_verify',
  'redis_use_cluster',
  'redis_use_sentinel',
  'relative_redirect_url',
  'reverse_proxy',
  'session_cookie_minimal',
  'set_authorization_header',
  'set_basic_auth',
  'set_xauthrequest',
  'show_debug_on_error',
  'silence_ping_logging',
  'skip_auth_preflight',
  'skip_claims_from_profile_url',
  'skip_jwt_bearer_tokens',
  'skip_oidc_discovery',
  'skip_provider_button',
  'ssl_insecure_skip_verify',
  'ssl_upstream_insecure_skip_verify',
  'use_system_trust_store',
]

const DURATIONS: Readonly<Record<string, string>> = {
  cookie_csrf_expire: '15m',
  cookie_expire: '168h',
  cookie_refresh: '0',
  flush_interval: '1s',
  redis_connection_idle_timeout: '0',
  upstream_timeout: '30s',
}

const TEXTS: Readonly<Record<string, string>> = {
  approval_prompt: 'force',
  azure_graph_group_field: 'id',
  azure_tenant: 'common',
  cookie_csrf_per_request_limit: '0',
  cookie_name: '_oauth2_proxy',
  cookie_path: '/',
  http_address: '127.0.0.1:4180',
  https_address: ':443',
  logging_max_age: '7',
  logging_max_backups: '0',
  logging_max_size: '100',
  oidc_audience_claims: 'aud',
  oidc_email_claim: 'email',
  oidc_groups_claim: 'groups',
  ping_path: '/ping',
  provider: 'google',
  proxy_prefix: '/oauth2',
  ready_path: '/ready',
  real_client_ip_header: 'X-Real-IP',
  session_store_type: 'cookie',
  user_id_claim: 'email',
}

/** Names of fields, which have no letter case. */
const FIELDS = ['real_client_ip_header']

/** Whether an option says what holds without it, in oauth2-proxy 7.15.3: a file that it writes itself is full of them. */
export function isDefault(stated: Stated): boolean {
  const { name, values } = stated
  const [first = ''] = values
  if (ON.includes(name)) return flagOf(first) === true
  if (OFF.includes(name)) return flagOf(first) === false
  const durationMs = Object.hasOwn(DURATIONS, name) ? durationMsOf(DURATIONS[name] ?? '') : null
  if (durationMs !== null) return durationMsOf(first) === durationMs
  const text = Object.hasOwn(TEXTS, name) ? TEXTS[name] : undefined
  if (text === undefined) return false
  const entries = listOf(stated)
  const isAlike = (entry = '') => (FIELDS.includes(name) ? entry.toLowerCase() === text.toLowerCase() : entry === text)
  return entries.length === 1 && isAlike(entries[0])
}
