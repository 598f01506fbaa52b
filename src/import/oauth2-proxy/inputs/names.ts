/** Flags whose option is called otherwise in a file: those that may be given several times. */
const LISTS: Readonly<Record<string, string>> = {
  'allowed-group': 'allowed_groups',
  'allowed-role': 'allowed_roles',
  'api-route': 'api_routes',
  'cookie-domain': 'cookie_domains',
  'email-domain': 'email_domains',
  'entra-id-allowed-tenant': 'entra_id_allowed_tenants',
  'exclude-logging-path': 'exclude_logging_paths',
  'extra-jwt-issuers': 'extra_jwt_issuers',
  'github-user': 'github_users',
  'gitlab-group': 'gitlab_groups',
  'gitlab-project': 'gitlab_projects',
  'google-group': 'google_groups',
  'htpasswd-user-group': 'htpasswd_user_groups',
  'keycloak-group': 'keycloak_groups',
  'oidc-audience-claim': 'oidc_audience_claims',
  'oidc-extra-audience': 'oidc_extra_audiences',
  'oidc-public-key-file': 'oidc_public_key_files',
  'provider-ca-file': 'provider_ca_files',
  'redis-cluster-connection-urls': 'redis_cluster_connection_urls',
  'redis-sentinel-connection-urls': 'redis_sentinel_connection_urls',
  'skip-auth-regex': 'skip_auth_regex',
  'skip-auth-route': 'skip_auth_routes',
  'tls-cipher-suite': 'tls_cipher_suites',
  'trusted-ip': 'trusted_ips',
  'trusted-proxy-ip': 'trusted_proxy_ips',
  upstream: 'upstreams',
  'whitelist-domain': 'whitelist_domains',
}

/** Flags that are true by being there: the word after one of them is not its value. */
const SWITCHES: ReadonlySet<string> = new Set([
  'allow-query-semicolons',
  'auth-logging',
  'bearer-token-login-fallback',
  'cookie-csrf-per-request',
  'cookie-httponly',
  'cookie-secure',
  'disable-keep-alives',
  'display-htpasswd-form',
  'encode-state',
  'entra-id-federated-token-auth',
  'errors-to-info-log',
  'force-https',
  'force-json-errors',
  'gcp-healthchecks',
  'google-use-organization-id',
  'insecure-oidc-allow-unverified-email',
  'insecure-oidc-skip-issuer-verification',
  'insecure-oidc-skip-nonce',
  'logging-compress',
  'logging-local-time',
  'pass-access-token',
  'pass-authorization-header',
  'pass-basic-auth',
  'pass-host-header',
  'pass-user-headers',
  'prefer-email-to-user',
  'proxy-websockets',
  'redis-insecure-skip-tls-verify',
  'redis-use-cluster',
  'redis-use-sentinel',
  'relative-redirect-url',
  'request-logging',
  'reverse-proxy',
  'session-cookie-minimal',
  'set-authorization-header',
  'set-basic-auth',
  'set-xauthrequest',
  'show-debug-on-error',
  'silence-ping-logging',
  'skip-auth-preflight',
  'skip-auth-strip-headers',
  'skip-claims-from-profile-url',
  'skip-jwt-bearer-tokens',
  'skip-oidc-discovery',
  'skip-provider-button',
  'ssl-insecure-skip-verify',
  'ssl-upstream-insecure-skip-verify',
  'standard-logging',
  'use-system-trust-store',
])

/** How a flag is read. */
export interface FlagForm {
  /** As oauth2-proxy.cfg calls the option. */
  readonly name: string
  readonly isList: boolean
  readonly isSwitch: boolean
}

/** A flag by its name without dashes; one that is not known is an option of that name, of which nothing is known either. */
export function formOfFlag(flag: string): FlagForm {
  const list = Object.hasOwn(LISTS, flag) ? LISTS[flag] : undefined
  return { name: list ?? flag.replaceAll('-', '_'), isList: list !== undefined, isSwitch: SWITCHES.has(flag) }
}

const PREFIX = 'OAUTH2_PROXY_'

/** The option of a variable; null for one that is none of oauth2-proxy's. Variables are called as options of the file. */
export function optionOfVariable(name: string): string | null {
  return name.startsWith(PREFIX) && name.length > PREFIX.length ? name.slice(PREFIX.length).toLowerCase() : null
}
