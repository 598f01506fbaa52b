import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { passwordFaults } from '../../src/config/values/htpasswd.ts'
import { makeAuthority } from '../kit/certificates.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { needs } from '../kit/needs.ts'
import { FROM_SOURCE } from '../kit/programs/child.ts'
import { imported, section } from './imported.ts'

const CLIENT = `
client_id = "gate"
client_secret = "s3cret-client"
oidc_issuer_url = "https://id.example.com"
redirect_url = "https://app.example.com/oauth2/callback"
upstreams = "http://app:3000"
email_domains = "*"
`

/** One option beside a working file, and what it becomes. */
interface Case {
  readonly options: string
  /** Options of the working file that it takes the place of. */
  readonly without?: readonly string[]
  readonly at: string
  readonly has: readonly string[]
  readonly hasNot?: readonly string[]
  readonly note: string
}

const CASES: readonly Case[] = [
  {
    options: 'http_address = ":4180"',
    at: '[server]',
    has: ['listen = ["0.0.0.0:4180"]'],
    note: 'kept 8 http_address',
  },
  {
    options: 'http_address = "unix:///run/gate.sock"',
    at: '[server]',
    has: ['listen = ["unix:/run/gate.sock"]'],
    note: 'kept 8 http_address',
  },
  { options: '', at: '[server]', has: ['listen = ["127.0.0.1:4180"]'], note: 'kept 2 client_id' },
  {
    options: 'reverse_proxy = true',
    at: '[server]',
    has: [],
    hasNot: ['trusted_proxies'],
    note: 'decide 8 reverse_proxy: name your proxy in trusted_proxies',
  },
  {
    options: 'reverse_proxy = true\ntrusted_proxy_ips = ["10.0.0.2", "10.1.0.0/16"]',
    at: '[server]',
    has: ['trusted_proxies = ["10.0.0.2", "10.1.0.0/16"]'],
    note: 'kept 9 trusted_proxy_ips',
  },
  {
    options: 'reverse_proxy = true\ntrusted_proxy_ips = "10.0.0.2"\nreal_client_ip_header = "CF-Connecting-IP"',
    at: '[server]',
    has: ['trusted_proxies = ["10.0.0.2"]', 'client_address = "CF-Connecting-IP"'],
    note: 'kept 10 real_client_ip_header',
  },
  {
    options: 'reverse_proxy = true\ntrusted_proxy_ips = "10.0.0.2"',
    at: '[server]',
    has: ['trusted_proxies = ["10.0.0.2"]', 'client_address = "X-Real-IP"'],
    note: 'decide 9 trusted_proxy_ips: client_address = "X-Real-IP", as there',
  },
  {
    options:
      'reverse_proxy = true\ntrusted_proxy_ips = "10.0.0.2"\ntrusted_ips = "10.1.0.0/16"\nreal_client_ip_header = "X-Forwarded-For"',
    at: '[server]',
    has: ['client_address = "X-Forwarded-For"'],
    note: 'kept 11 real_client_ip_header',
  },
  {
    options:
      'reverse_proxy = true\ntrusted_proxy_ips = "10.0.0.2"\ntrusted_ips = "10.1.0.0/16"\nreal_client_ip_header = "X-Forwarded-For"',
    at: '[[routes]]',
    has: ['allow = ["user"]'],
    note: 'decide 10 trusted_ips: it opens nothing: there, the first address of X-Forwarded-For counted',
  },
  {
    options: 'trusted_ips = "10.1.0.0/16"\nreal_client_ip_header = "X-Forwarded-For"',
    at: '[[routes]]',
    has: ['allow = ["user", { networks = ["10.1.0.0/16"], anonymous = true }]'],
    note: 'kept 8 trusted_ips: networks in allow',
  },
  {
    options: 'api_routes = ["^/api/", "^/${x}"]',
    at: '[[routes]]',
    has: ['program_paths = ["^/api/", "^/$${x}"]'],
    note: 'kept 8 api_routes: program_paths of the routes',
  },
  {
    options: 'api_routes = ["^/(?=x)"]',
    at: '[[routes]]',
    has: [],
    hasNot: ['program_paths'],
    note: 'decide 8 api_routes: an expression is none',
  },
  {
    options: 'trusted_proxy_ips = "10.0.0.2"',
    at: '[server]',
    has: ['trusted_proxies = ["10.0.0.2"]'],
    hasNot: ['client_address'],
    note: 'kept 8 trusted_proxy_ips',
  },
  {
    options: 'reverse_proxy = true\nreal_client_ip_header = "CF-Connecting-IP"',
    at: '[server]',
    has: [],
    hasNot: ['client_address'],
    note: 'decide 9 real_client_ip_header: write the field into client_address',
  },
  {
    options: 'reverse_proxy = true\ntrusted_ips = ["10.0.0.0/8"]',
    at: '[server]',
    has: ['trusted_proxies = ["${PROXY_ADDRESS}"]', 'client_address = "X-Real-IP"'],
    note: 'decide 8 reverse_proxy',
  },
  {
    options: 'https_address = ":8443"\ntls_cert_file = "/nowhere/cert.pem"\ntls_key_file = "/nowhere/key.pem"',
    at: '[server]',
    has: [],
    note: 'decide 9 tls_cert_file: they cannot be read here',
  },
  {
    options: 'cookie_expire = "1h30m0s"\ncookie_refresh = "5m"',
    at: '[sessions]',
    has: ['lifetime = "1h30m"', 'idle = "1h30m"', 'refresh = "5m"'],
    note: 'kept 8 cookie_expire',
  },
  {
    options: 'cookie_expire = "0s"',
    at: '[sessions]',
    has: ['lifetime = "7d"'],
    note: 'decide 8 cookie_expire',
  },
  {
    options:
      'session_store_type = "redis"\nredis_connection_url = "rediss://me:s3cret-redis@valkey.example.com:6380/2"',
    at: '[sessions]',
    has: ['store = "rediss://me:${REDIS_PASSWORD}@valkey.example.com:6380/2"', 'key = "${SALLYPORT_KEY}"'],
    note: 'kept 9 redis_connection_url',
  },
  {
    options: `session_store_type = "redis"
redis_use_sentinel = true
redis_sentinel_master_name = "mymaster"
redis_sentinel_connection_urls = ["redis://s1:26379", "redis://s2.example.com:26379/0", "redis://[::1]"]
redis_sentinel_password = "s3cret-sentinel"
redis_username = "gate"
redis_password = "s3cret-redis"`,
    at: '[sessions]',
    has: [
      'store = "redis+sentinel://gate:${REDIS_PASSWORD}@s1:26379,s2.example.com:26379,[::1]:6379/mymaster?sentinel_password=${REDIS_SENTINEL_PASSWORD}"',
      'key = "${SALLYPORT_KEY}"',
    ],
    hasNot: ['store_tls'],
    note: 'kept 11 redis_sentinel_connection_urls',
  },
  {
    options: `session_store_type = "redis"
redis_use_sentinel = true
redis_sentinel_master_name = "mymaster"
redis_sentinel_connection_urls = "rediss://s1:26379,rediss://s2:26379"
redis_connection_url = "redis://other:6379"`,
    at: '[sessions]',
    has: ['store = "rediss+sentinel://s1:26379,s2:26379/mymaster"'],
    note: 'left 12 redis_connection_url: oauth2-proxy does not read it',
  },
  {
    options: `session_store_type = "redis"
redis_use_cluster = true
redis_cluster_connection_urls = ["rediss://me:s3cret-redis@n1:6380", "rediss://me:s3cret-redis@n2"]`,
    at: '[sessions]',
    has: ['store = "rediss+cluster://me:${REDIS_PASSWORD}@n1:6380,n2"', 'key = "${SALLYPORT_KEY}"'],
    note: 'kept 10 redis_cluster_connection_urls',
  },
  {
    options: `session_store_type = "redis"
redis_use_cluster = true
redis_cluster_connection_urls = ["redis://n1", "redis://n2"]
redis_insecure_skip_tls_verify = true`,
    at: '[sessions]',
    has: ['store = "rediss+cluster://n1,n2"'],
    note: 'decide 11 redis_insecure_skip_tls_verify: the certificate is always checked',
  },
  {
    options: `session_store_type = "redis"
redis_use_sentinel = true
redis_use_cluster = true
redis_sentinel_connection_urls = ["redis://s1:26379"]
redis_cluster_connection_urls = ["redis://n1"]`,
    at: '[sessions]',
    has: [],
    hasNot: ['store'],
    note: 'decide 9 redis_use_sentinel: oauth2-proxy takes sentinels or a cluster',
  },
  ...[
    '["redis://n1", "rediss://n2"]',
    '["redis://a@n1", "redis://b@n2"]',
    '["redis://n1?db=1"]',
    '["redis://n1/x"]',
    '["n1:6379"]',
  ].map(
    (urls): Case => ({
      options: `session_store_type = "redis"\nredis_use_cluster = true\nredis_cluster_connection_urls = ${urls}`,
      at: '[sessions]',
      has: [],
      hasNot: ['store', 'key'],
      note: 'decide 10 redis_cluster_connection_urls: it cannot be said as one address',
    }),
  ),
  {
    options: 'session_store_type = "redis"\nredis_connection_url = "redis://h"\nredis_ca_path = "/nowhere/ca.pem"',
    at: '[sessions]',
    has: ['store = "rediss://h"'],
    hasNot: ['store_tls'],
    note: 'decide 10 redis_ca_path: it cannot be read here',
  },
  {
    options: 'redis_connection_url = "redis://h"\nredis_use_sentinel = true\nredis_ca_path = "/nowhere/ca.pem"',
    at: '[sessions]',
    has: [],
    hasNot: ['store', 'store_tls'],
    note: 'left 9 redis_use_sentinel: sessions are kept in SQLite',
  },
  {
    options: 'client_secret_file = "/run/secrets/oidc"',
    at: '[providers.oidc]',
    has: ['client_secret = "${file:/run/secrets/oidc}"'],
    note: 'kept 8 client_secret_file',
  },
  {
    options: 'scope = "openid email"',
    at: '[providers.oidc]',
    has: ['scopes = ["openid", "email"]'],
    note: 'kept 8 scope',
  },
  {
    options: 'scope = "email profile email"',
    at: '[providers.oidc]',
    has: ['scopes = ["openid", "email", "profile"]'],
    note: 'changed 8 scope: scopes, with "openid"',
  },
  {
    options: 'skip_jwt_bearer_tokens = true\noidc_extra_audiences = ["https://api.example.com"]',
    at: '[[routes]]',
    has: ['tokens = true', 'pass_authorization = true'],
    note: 'decide 8 skip_jwt_bearer_tokens: bearer_id_tokens = true: ID tokens are accepted, as there',
  },
  {
    options: 'skip_jwt_bearer_tokens = true\noidc_extra_audiences = ["https://api.example.com"]',
    at: '[providers.oidc]',
    has: ['bearer_id_tokens = ["https://api.example.com"]'],
    hasNot: ['access_tokens'],
    note: 'kept 9 oidc_extra_audiences: bearer_id_tokens of the provider names these audiences',
  },
  {
    options: 'skip_jwt_bearer_tokens = true',
    at: '[providers.oidc]',
    has: ['bearer_id_tokens = true'],
    hasNot: ['access_tokens'],
    note: 'decide 8 skip_jwt_bearer_tokens',
  },
  {
    options: 'proxy_prefix = "/gate"',
    without: ['redirect_url'],
    at: '[portals.home]',
    has: ['callback_path = "/gate/callback"'],
    note: 'kept 7 proxy_prefix: in compat',
  },
  {
    options: 'proxy_prefix = "/gate"',
    at: '[portals.home]',
    has: ['compat = { program = "oauth2-proxy", prefix = "/gate" }'],
    note: 'changed - its own addresses: /gate/sign_out and the rest keep answering',
  },
  {
    options: 'proxy_prefix = "/"',
    at: '[portals.home]',
    has: ['compat = "oauth2-proxy"'],
    note: 'decide 8 proxy_prefix: no path of its own, so that it is /oauth2 in compat',
  },
  {
    options: '',
    at: '[portals.home]',
    has: ['compat = "oauth2-proxy"'],
    note: 'changed - its own addresses: /oauth2/sign_out and the rest keep answering',
  },
  {
    options: 'ping_path = "/healthz"\nready_path = "/ready"\nping_user_agent = "GoogleHC/1.0"',
    at: '[portals.home]',
    has: ['compat = { program = "oauth2-proxy", ping_path = "/healthz", ping_user_agent = "GoogleHC/1.0" }'],
    note: 'kept 8 ping_path: in compat',
  },
  {
    options: 'set_xauthrequest = true\nprefer_email_to_user = true',
    at: '[portals.home]',
    has: ['compat = { program = "oauth2-proxy", headers = "x-auth-request" }'],
    note: 'kept 8 set_xauthrequest: headers in compat of the portal',
  },
  {
    options: 'set_xauthrequest = true\noidc_groups_claim = "roles"',
    at: '[portals.home]',
    has: ['compat = { program = "oauth2-proxy", headers = "x-auth-request" }'],
    note: 'kept 8 set_xauthrequest',
  },
  {
    options: 'proxy_websockets = false',
    at: '[[routes]]',
    has: ['websockets = false'],
    note: 'kept 8 proxy_websockets',
  },
  {
    options: 'cookie_secure = false',
    at: '[portals.home]',
    has: ['insecure_cookies = true'],
    note: 'decide 8 cookie_secure',
  },
  {
    options: 'email_domains = ["example.com", ".example.org"]\nallowed_groups = ["staff", "ops"]',
    without: ['email_domains'],
    at: '[portals.home.roles]',
    has: [
      'user = [{ domains = ["example.com"], groups = ["staff", "ops"] }, { require_email = true, like = { email = ["*@*.example.org"] }, groups = ["staff", "ops"] }]',
    ],
    note: 'kept 7 email_domains: domains, and like for subdomains',
  },
  {
    options: 'email_domains = ["*.Example.org"]\noidc_email_claim = "upn"',
    without: ['email_domains'],
    at: '[portals.home.roles]',
    has: ['user = { require_email = true, like = { upn = ["*@*.example.org"] } }'],
    note: 'kept 7 email_domains: domains, and like for subdomains',
  },
  {
    options: 'email_domains = ["*.*"]',
    without: ['email_domains'],
    at: '[portals.home.roles]',
    has: ['user = { domains = ["${EMAIL_DOMAIN}"] }'],
    note: 'decide 7 email_domains: a star within a domain is no domain here',
  },
  {
    options: 'allowed_groups = ["staff"]\noidc_groups_claim = "teams"\nallowed_roles = ["admin"]',
    at: '[portals.home.roles]',
    has: ['user = { require_email = true, groups = ["staff"], claims = { roles = ["admin"] } }'],
    note: 'decide 10 allowed_roles',
  },
  {
    options: 'provider = "azure"\nazure_tenant = "t"',
    at: '[providers.oidc]',
    has: ['issuer = "https://id.example.com"'],
    note: 'kept 9 azure_tenant: issuer says it',
  },
  {
    options: 'provider = "keycloak-oidc"\nallowed_groups = ["/staff"]\nallowed_roles = ["admin"]',
    at: '[portals.home.roles]',
    has: ['user = { require_email = true, groups = ["/staff", "role:admin"] }'],
    note: 'kept 10 allowed_roles: groups of the role, as role:NAME',
  },
  {
    options: 'provider = "keycloak-oidc"\nallowed_groups = ["role:spb:editor", "role:admin"]',
    at: '[portals.home.roles]',
    has: ['user = { require_email = true, groups = ["role:spb:editor", "role:admin"] }'],
    note: 'kept 9 allowed_groups: groups of the role',
  },
  {
    options: 'provider = "keycloak-oidc"',
    at: '[providers.oidc]',
    has: ['role_groups = true'],
    note: 'kept 8 provider: any OpenID Connect provider; role_groups makes Keycloak',
  },
  {
    options: '',
    at: '[portals.home]',
    has: ['members = ["user"]'],
    note: 'kept 2 client_id',
  },
  {
    options: 'provider = "github"\ngithub_org = "example"',
    at: '[portals.home.roles]',
    has: ['user = { require_email = true, groups = ["example"] }'],
    note: 'decide 8 provider: preset = "github": at GitHub, register the callback',
  },
  {
    options: 'provider = "github"\ninsecure_oidc_allow_unverified_email = true\nskip_jwt_bearer_tokens = true',
    at: '[providers.oidc]',
    has: ['preset = "github"'],
    hasNot: ['issuer', 'emails', 'bearer_id_tokens'],
    note: 'left 9 insecure_oidc_allow_unverified_email: it is about OpenID Connect',
  },
  {
    options: 'provider = "github"',
    at: '[portals.home]',
    has: ['providers = ["oidc"]'],
    hasNot: ['callback_path'],
    note: 'people - user: people are their GitHub number',
  },
  {
    options: 'provider = "github"\ngithub_org = "acme"\ngithub_team = "ops,sre"',
    at: '[portals.home.roles]',
    has: ['user = { require_email = true, groups = ["acme/ops", "acme/sre"] }'],
    note: 'kept 10 github_team: groups of the role',
  },
  {
    options: 'provider = "github"\ngithub_team = "acme:ops"\ngithub_users = ["ada"]',
    at: '[portals.home.roles]',
    has: [
      'user = [{ require_email = true, groups = ["acme/ops"] }, { require_email = true, claims = { preferred_username = ["ada"] } }]',
    ],
    note: 'decide 10 github_users: preferred_username in the role',
  },
  {
    options: 'provider = "github"\nallowed_groups = ["acme:ops", "acme"]',
    at: '[portals.home.roles]',
    has: ['user = { require_email = true, groups = ["acme/ops", "acme"] }'],
    note: 'kept 9 allowed_groups',
  },
  {
    options: 'provider = "github"\ngithub_org = "acme"\ngithub_repo = "acme/site"\ngithub_token = "t"',
    at: '[portals.home.roles]',
    has: ['user = { require_email = true, subjects = ["${WHO_MAY}"] }'],
    note: 'decide 10 github_repo: GitHub does not state repositories: write a team that has the same users',
  },
  ...[
    'github_team = "ops"',
    'github_org = "acme"\ngithub_team = "other:ops"',
    'github_org = "acme, other"',
    'github_users = ["a*"]',
  ].map(options => ({
    options: `provider = "github"\n${options}`,
    at: '[portals.home.roles]',
    has: ['user = { require_email = true, subjects = ["${WHO_MAY}"] }'],
    note: `decide 9 ${options.split(' ')[0]}: no claim is certain to say this`,
  })),
  {
    options: 'provider = "github"\nallowed_groups = ["acme"]\ngithub_users = ["ada"]',
    at: '[portals.home.roles]',
    has: ['user = { require_email = true, groups = ["acme"], subjects = ["${WHO_MAY}"] }'],
    note: 'decide 10 github_users: no claim is certain to say this',
  },
  {
    options: 'provider = "github"\nlogin_url = "https://git.example.com/login/oauth/authorize"\ngithub_org = "acme"',
    at: '[portals.home.roles]',
    has: ['user = { require_email = true, subjects = ["${WHO_MAY}"] }'],
    note: 'decide 8 provider: github is no OpenID provider',
  },
  {
    options: 'authenticated_emails_file = "/nowhere/emails"',
    without: ['email_domains'],
    at: '[portals.home.roles]',
    has: ['user = { emails = ["${EMAIL_ADDRESS}"] }'],
    note: 'decide 7 authenticated_emails_file',
  },
  {
    options: 'allowed_groups = ["staff"]',
    without: ['email_domains'],
    at: '[portals.home.roles]',
    has: ['user = { domains = ["${EMAIL_DOMAIN}"], groups = ["staff"] }'],
    note: 'decide - email_domains: not in this file',
  },
  {
    options: 'htpasswd_file = "/etc/gate.htpasswd"',
    at: '[[routes]]',
    has: ['passwords = true', 'pass_authorization = true'],
    note: 'people 8 htpasswd_file',
  },
  {
    options: 'htpasswd_file = "/etc/gate.htpasswd"\nhtpasswd_user_groups = ["family"]',
    at: '[providers.users]',
    has: ['users = "/etc/gate.htpasswd"', 'groups = ["family"]'],
    note: 'kept 9 htpasswd_user_groups: groups of everyone in the file',
  },
  {
    options: 'htpasswd_file = "/etc/gate.htpasswd"\nallowed_groups = ["staff"]',
    at: '[portals.home.roles]',
    has: ['user = { provider = "oidc", require_email = true, groups = ["staff"] }'],
    note: 'people 8 htpasswd_file: the sign-in page has a form for them',
  },
  {
    options: 'htpasswd_file = "/etc/gate.htpasswd"',
    at: '[portals.home]',
    has: ['providers = ["oidc", "users"]', 'htpasswd = "/etc/gate.htpasswd"'],
    note: 'people 8 htpasswd_file',
  },
  {
    options: 'htpasswd_file = "/etc/gate.htpasswd"\ndisplay_htpasswd_form = false',
    at: '[portals.home]',
    has: ['providers = ["oidc"]', 'htpasswd = "/etc/gate.htpasswd"'],
    note: 'changed 8 htpasswd_file: htpasswd in the portal: HTTP Basic (Authorization) still works, and reaches the application',
  },
  { options: '', at: '[[routes]]', has: ['headers = "x-forwarded"'], note: 'kept 2 client_id' },
  {
    options: 'pass_user_headers = false\npass_basic_auth = false',
    at: '[[routes]]',
    has: [],
    hasNot: ['headers'],
    note: 'kept 8 pass_user_headers: no headers send the user',
  },
  {
    options: 'prefer_email_to_user = true',
    at: '[[routes]]',
    has: [
      'headers = { X-Forwarded-User = "email", X-Forwarded-Groups = "groups", X-Forwarded-Preferred-Username = "preferred_username" }',
    ],
    note: 'kept 8 prefer_email_to_user',
  },
  {
    options: 'pass_access_token = true',
    at: '[[routes]]',
    has: ['pass_token = { access = "X-Forwarded-Access-Token" }'],
    note: 'kept 8 pass_access_token',
  },
  {
    options: 'pass_authorization_header = true\nbasic_auth_password = "s3cret-basic"',
    at: '[[routes]]',
    has: ['pass_token = "id"', 'upstream = "http://app:3000"'],
    note: 'kept 8 pass_authorization_header',
  },
  {
    options: 'basic_auth_password = "s3cret-basic"',
    at: '[[routes]]',
    has: [
      'upstream = { to = "http://app:3000", basic_auth = { user = "{sub}", password = "${BASIC_AUTH_PASSWORD}" } }',
    ],
    note: 'kept 8 basic_auth_password',
  },
  {
    options: 'upstreams = ["http://me:s3cret-upstream@app:3000"]',
    without: ['upstreams'],
    at: '[[routes]]',
    has: ['upstream = { to = "http://app:3000", basic_auth = { user = "me", password = "${UPSTREAM_PASSWORD}" } }'],
    note: 'kept 7 upstreams',
  },
  {
    options: 'upstreams = ["https://app:8443"]\nssl_upstream_insecure_skip_verify = true\npass_host_header = false',
    without: ['upstreams'],
    at: '[[routes]]',
    has: ['upstream = { to = "https://app:8443", tls = { insecure_skip_verify = true } }', 'host_header = "upstream"'],
    note: 'decide 8 ssl_upstream_insecure_skip_verify',
  },
  {
    options: 'upstreams = ["unix:///run/app.sock"]\nskip_auth_preflight = true\nupstream_timeout = "5m"',
    without: ['upstreams'],
    at: '[[routes]]',
    has: ['upstream = "unix:/run/app.sock"', 'cors_preflight = true', 'timeout = "5m"'],
    note: 'kept 8 skip_auth_preflight',
  },
  {
    options: 'upstreams = ["file:///srv/www#/static/"]',
    without: ['upstreams'],
    at: '[[routes]]',
    has: [
      'path = "/static"',
      'files = { folder = "/srv/www", listing = true, any_method = true }',
      'strip_prefix = "/static"',
    ],
    note: 'kept 7 upstreams: files of a route',
  },
  {
    options: 'upstreams = ["static://202"]',
    without: ['upstreams'],
    at: '[[routes]]',
    has: ['host = "app.example.com"', 'verify = true'],
    hasNot: ['respond'],
    note: 'changed 7 upstreams: static://202 stays closed: a proxy in front asked /oauth2/auth',
  },
  {
    options: 'upstreams = ["file:///dev/null"]',
    without: ['upstreams'],
    at: '[[routes]]',
    has: ['host = "app.example.com"', 'verify = true'],
    hasNot: ['path', 'files'],
    note: 'changed 7 upstreams: file:///dev/null stays closed',
  },
  {
    options: 'upstreams = ["http://app:3000/", "file:///dev/null"]',
    without: ['upstreams'],
    at: '[[routes]]',
    has: ['upstream = "http://app:3000"'],
    hasNot: ['verify'],
    note: 'left 7 upstreams: file:///dev/null serves nothing',
  },
  {
    options: 'upstreams = ["http://app:3000/none/", "static://204/"]',
    without: ['upstreams'],
    at: '[[routes]]',
    has: ['respond = { status = 204 }'],
    note: 'decide 7 upstreams',
  },
  {
    options: 'cookie_domains = [".example.com"]',
    at: '[[routes]]',
    has: ['host = "*.example.com"', 'upstream = "http://app:3000"'],
    note: 'changed - its own addresses',
  },
  {
    options: 'http_address = "unix:///run/gate.sock"\ntrusted_ips = ["127.0.0.1"]',
    at: '[[routes]]',
    has: ['allow = ["user", { networks = ["127.0.0.1"], anonymous = true }]'],
    note: 'kept 9 trusted_ips: networks in allow',
  },
  {
    options: '',
    without: ['redirect_url'],
    at: '[[routes]]',
    has: ['host = "${APP_HOST}"'],
    note: 'changed - redirect_url: any host was served there',
  },
  {
    options: 'upstreams = ["static://404"]',
    without: ['upstreams'],
    at: '[[routes]]',
    has: ['respond = { status = 404, body = "Authenticated" }'],
    note: 'decide 7 upstreams',
  },
  {
    options:
      'redirect_url = "https://auth.example.com:8443/oauth2/callback"\nupstreams = ["static://200"]\nwhitelist_domains = ["app.example.com:8443", ".apps.example.com"]\ncookie_domains = [".apps.example.com"]',
    without: ['upstreams', 'redirect_url'],
    at: '[portals.home]',
    has: ['url = "https://auth.example.com:8443"', 'callback_path = "/oauth2/callback"'],
    note: 'changed 8 whitelist_domains: a route each for *.apps.example.com and app.example.com',
  },
  {
    options: 'set_xauthrequest = true\nset_authorization_header = true\nreverse_proxy = true',
    without: ['upstreams'],
    at: '[[routes]]',
    has: ['verify = true', 'headers = "x-auth-request"', 'pass_token = "id"'],
    note: 'decide - upstreams: not in this file',
  },
  {
    options: 'http_address = "0.0.0.0:4180"',
    without: ['upstreams'],
    at: '[server]',
    has: ['listen = ["0.0.0.0:4180"]', 'verify = "0.0.0.0:9080"'],
    note: 'kept 7 http_address: listen in [server]',
  },
  {
    options: 'trusted_ips = ["10.1.0.0/16"]',
    at: '[[routes]]',
    has: ['allow = ["user", { networks = ["10.1.0.0/16"], anonymous = true }]'],
    note: 'kept 8 trusted_ips',
  },
  {
    options: 'insecure_oidc_allow_unverified_email = true\nemail_domains = ["corp.example"]',
    without: ['email_domains'],
    at: '[providers.oidc]',
    has: ['emails = "trusted"'],
    note: 'decide 7 insecure_oidc_allow_unverified_email',
  },
  {
    options: '',
    at: '[portals.home.roles]',
    has: ['user = { require_email = true }'],
    note: 'changed 7 email_domains: every user with a verified e-mail address, as there',
  },
  {
    options: 'oidc_email_claim = "upn"\nemail_domains = ["corp.example"]',
    without: ['email_domains'],
    at: '[portals.home.roles]',
    has: ['user = { domains = ["corp.example"] }'],
    note: 'kept 7 oidc_email_claim: email in claims of the provider',
  },
  {
    options: 'oidc_email_claim = "upn"\noidc_groups_claim = "realm_access.roles"',
    at: '[providers.oidc]',
    has: ['claims = { email = "upn", groups = "realm_access.roles" }', 'emails = "trusted"'],
    note: 'decide 8 oidc_email_claim: emails = "trusted": remove it',
  },
  {
    options: 'oidc_enabled_signing_algs = ["RS256", "EdDSA"]\noidc_audience_claims = ["aud"]',
    at: '[providers.oidc]',
    has: ['id_token_alg = ["RS256", "EdDSA"]'],
    note: 'kept 8 oidc_enabled_signing_algs: id_token_alg of the provider',
  },
  {
    options: 'oidc_enabled_signing_algs = ["HS256"]\noidc_audience_claims = ["client_id"]',
    at: '[providers.oidc]',
    has: [],
    hasNot: ['id_token_alg'],
    note: 'decide 9 oidc_audience_claims: aud of an ID token has to be client_id',
  },
]

/** What `oauth2-proxy` 7.15.3 does unless told otherwise, as people write it all the same. */
const DEFAULTS: readonly (readonly [name: string, value: string])[] = [
  ['cookie_expire', '"168h"'],
  ['cookie_refresh', '"0s"'],
  ['cookie_secure', '"true"'],
  ['real_client_ip_header', '"x-real-ip"'],
  ['oidc_audience_claims', '["aud"]'],
  ['oidc_email_claim', '"email"'],
  ['oidc_groups_claim', '"groups"'],
  ['user_id_claim', '"email"'],
  ['upstream_timeout', '"30s"'],
  ['approval_prompt', '"force"'],
  ['insecure_oidc_skip_nonce', 'true'],
  ['google_use_organization_id', 'false'],
  ['entra_id_federated_token_auth', '"false"'],
  ['adfs_skip_scope', 'false'],
  ['session_store_type', '"cookie"'],
  ['skip_auth_preflight', 'false'],
]

describe('an oauth2-proxy.cfg', () => {
  for (const { options, without = [], at, has, hasNot = [], note } of CASES) {
    const title = [...without.map(name => `without ${name}`), options.replaceAll('\n', ', ')].filter(Boolean).join(', ')
    test(`${title || 'with the least'} → ${at} ${has.join(', ') || `no ${hasNot.join()}`}`, async () => {
      const kept = CLIENT.split('\n').filter(line => !without.some(name => line.startsWith(`${name} `)))
      const result = await imported(`${kept.join('\n')}${options}\n`)
      const lines = section(result.routes, at)
      expect(lines).toEqual(expect.arrayContaining([...has]))
      for (const key of hasNot) expect(lines.filter(line => line.startsWith(`${key} `))).toEqual([])
      expect(result.notes.filter(line => line.startsWith(note))).not.toEqual([])
      expect(result.mistakes).toEqual([])
      expect(result.code).toBe(0)
      expect(result.everything).not.toContain('s3cret')
    })
  }

  test('leaves no option without a note', async () => {
    const names = ['banner', 'cookie_name', 'ping_path', 'logging_filename', 'made_up', 'redis_use_sentinel', 'scope']
    const result = await imported(`${CLIENT}${names.map(name => `${name} = ""`).join('\n')}`)
    for (const name of names) expect(result.notes.some(note => note.includes(` ${name}: `))).toBe(true)
  })

  test('opens what skip_auth_routes opened, by its expressions as they stand', async () => {
    const entries = ['POST=^/hook/', 'get=^/health$', '^/a\\.b/.+', '/any', 'POST!=^/x', '!=^/y', '=^/z', '^/q?a=b']
    const text = `${CLIENT}skip_auth_routes = ${JSON.stringify(entries)}\nskip_auth_regex = ["GET=^/older", "^/\${HOME}", "/any"]`
    const { routes, notes, code, unset } = await imported(text)
    expect(code).toBe(0)
    expect(unset.map(({ name }) => name)).toEqual(['OIDC_CLIENT_SECRET'])
    expect(section(routes, '[[routes]]').slice(2).filter(Boolean)).toEqual([
      'portal = "home"',
      'allow = [',
      '  "user",',
      '  { path_regexp = ["GET=^/older", "^/$${HOME}", "/any", "^/a\\\\.b/.+", "^/z"], anonymous = true },',
      '  { methods = ["POST"], path_regexp = "^/hook/", anonymous = true },',
      '  { methods = ["GET"], path_regexp = "^/health$", anonymous = true },',
      '  { methods = ["POST"], not = { path_regexp = "^/x" }, anonymous = true },',
      '  { not = { path_regexp = "^/y" }, anonymous = true },',
      ']',
      'headers = "x-forwarded"',
    ])
    expect(section(routes, '[[routes]]', 1)).toEqual([])
    expect(notes).toContain('decide 8 skip_auth_routes: ^/q?a=b: it opens nothing, as there: ^/Q?A is not a method')
  })

  test('opens nothing by an expression that is none', async () => {
    const { routes, notes, mistakes } = await imported(`${CLIENT}skip_auth_routes = ["^/(?=x)", "!=^/["]`)
    expect(mistakes).toEqual([])
    expect(section(routes, '[[routes]]')).toContain('allow = ["user"]')
    expect(notes.filter(note => note.startsWith('decide 8 skip_auth_routes: '))).toHaveLength(2)
  })

  test('opens for a proxy that asks what it opened there: by GET, and by the path that the proxy said', async () => {
    const asked = `${CLIENT.replace(/^upstreams.*$/m, 'upstreams = "static://202"')}trusted_proxy_ips = "10.0.0.2"\n`
    const open = 'skip_auth_routes = ["^/public/", "GET=^/health$", "POST=^/hook/"]\n'
    const made = await imported(`${asked}${open}reverse_proxy = true\n`)
    expect(section(made.routes, '[[routes]]')).toEqual(
      expect.arrayContaining([
        '  { path_regexp = "^/public/", anonymous = true },',
        '  { methods = ["GET"], path_regexp = "^/health$", anonymous = true },',
      ]),
    )
    expect(made.routes).not.toContain('/hook')
    expect(made.notes.join('\n')).toContain('decide 9 skip_auth_routes: POST=^/hook/: it opens nothing, as there')
    const unsaid = await imported(asked + open)
    expect(section(unsaid.routes, '[[routes]]')).toContain('allow = ["user"]')
    expect(unsaid.notes.filter(note => note.includes('without reverse_proxy = true'))).toHaveLength(3)
  })

  test('shows the lines of Traefik as well: where it asks, and which fields of a client it replaces', async () => {
    const asked = CLIENT.replace(/^upstreams.*$/m, 'upstreams = "static://202"\nreverse_proxy = true')
    const seen = async (more: string) => {
      const { everything } = await imported(asked + more)
      const address = /^ +\+ address: (\S+)$/m.exec(everything)?.[1] ?? ''
      const replaced = new RegExp(/^ +\+ authResponseHeadersRegex: \(\?i\)(\S+)$/m.exec(everything)?.[1] ?? '(', 'i')
      const fields = [
        'X-Auth-Request-User',
        'x_auth_request_email',
        'Cookie',
        'X-Sallyport-Token',
        'Set-Cookie',
        'Accept',
      ]
      return [address, ...fields.filter(field => replaced.test(field))]
    }
    const own = ['http://127.0.0.1:9080/.sallyport/verify/traefik', 'Cookie', 'X-Sallyport-Token']
    expect(await seen('')).toEqual(own)
    expect(await seen('set_xauthrequest = true\n')).toEqual(
      own.toSpliced(1, 0, 'X-Auth-Request-User', 'x_auth_request_email'),
    )
  })

  test('says nothing by what is as it is without being said', async () => {
    const more = DEFAULTS.map(([name, value]) => `${name} = ${value}`).join('\n')
    const bare = await imported(CLIENT)
    const said = await imported(`${CLIENT}${more}\n`)
    expect([said.code, said.routes, said.beside]).toEqual([0, bare.routes, bare.beside])
    const lines = said.notes.filter(note => !note.startsWith('kept '))
    expect(lines).toEqual(bare.notes.filter(note => !note.startsWith('kept ')))
    for (const [name] of DEFAULTS) expect(said.notes.some(note => note.includes(` ${name}: `)) || name).toBe(true)
  })

  test('leads from a path to the one with a slash, where nothing else serves it', async () => {
    const { routes, mistakes } = await imported(CLIENT.replace(/^upstreams.*$/m, 'upstreams = "http://app:3000/app/"'))
    expect(mistakes).toEqual([])
    expect(section(routes, '[[routes]]', 1).filter(Boolean)).toEqual([
      'host = "app.example.com"',
      'path = "=/app"',
      'redirect = "/app/{query}"',
      'status = 301',
      'portal = "home"',
      'allow = ["user"]',
    ])
  })

  test('takes the addresses of a list that can be read', async () => {
    const text = CLIENT.replace('email_domains = "*"', 'authenticated_emails_file = "emails"')
    const { routes } = await imported(text, [], { emails: 'ada@example.com\n# nobody\n\ngrace@example.org\n' })
    expect(section(routes, '[portals.home.roles]')).toEqual([
      'user = { emails = ["ada@example.com", "grace@example.org"] }',
    ])
  })

  needs('openssl').test('with a certificate at hand listens for HTTPS itself', async () => {
    const { cert, key } = makeAuthority().issue('DNS:app.example.com')
    const text = `${CLIENT}tls_cert_file = "cert.pem"\ntls_key_file = "key.pem"\nhttps_address = ":8443"\n`
    const { routes, mistakes } = await imported(text, [], { 'cert.pem': cert, 'key.pem': key })
    expect(mistakes).toEqual([])
    expect(section(routes, '[tls]')).toEqual([
      'listen = ["0.0.0.0:8443"]',
      'certificates = [{ cert = "cert.pem", key = "key.pem" }]',
      'redirect_http = false',
    ])
  })

  needs('openssl').test('with the authority of Redis at hand trusts that one alone', async () => {
    const text = `${CLIENT}session_store_type = "redis"\nredis_connection_url = "redis://h:6380"\nredis_ca_path = "ca.pem"\n`
    const { routes, notes, mistakes } = await imported(text, [], { 'ca.pem': makeAuthority().cert })
    expect(mistakes).toEqual([])
    expect(section(routes, '[sessions]')).toEqual(
      expect.arrayContaining(['store = "rediss://h:6380"', 'store_tls = { ca = "ca.pem" }']),
    )
    expect(notes).toContain(
      'changed 10 redis_ca_path: ca in store_tls: it alone counts, and not the system’s authorities',
    )
  })

  test('that served many hosts from one of its own becomes a portal with a url', async () => {
    const text = `${CLIENT.replace('app.example.com', 'auth.example.com').replace(/upstreams.*\n/, '')}
reverse_proxy = true
trusted_proxy_ips = "10.0.0.2"
cookie_domains = ".example.com"
`
    const { routes, code } = await imported(text)
    expect(code).toBe(0)
    expect(section(routes, '[portals.home]')).toContain('url = "https://auth.example.com"')
    expect(section(routes, '[[routes]]')).toContain('host = "*.example.com"')
  })

  test('says in the text what is meant to be filled in, and that becomes a variable', async () => {
    const text = CLIENT.replace('id.example.com', '<your-domain>').replace('app:3000', '<app>:<port>')
    const { routes, unset, code } = await imported(text)
    expect(code).toBe(0)
    expect(routes).toContain('"https://${YOUR_DOMAIN}"')
    expect(routes).toContain('"http://${APP}:${PORT}"')
    expect(unset.map(({ name }) => name)).toEqual(['YOUR_DOMAIN', 'OIDC_CLIENT_SECRET', 'APP', 'PORT'])
  })

  test('with a value that Sallyport refuses is written, with what is to be mended', async () => {
    const { code, mistakes, routes } = await imported(CLIENT.replace('https://id', 'http://id'))
    expect(code).toBe(1)
    expect(mistakes.map(({ message }) => message)).toEqual(['"http://id.example.com" is not https'])
    expect(routes).toContain('[[routes]]')
  })

  test('whose text looks like a reference of ours keeps it as text', async () => {
    const { routes, code } = await imported(`${CLIENT}provider_display_name = "\${HOME} # x"`)
    expect(code).toBe(0)
    expect(routes).toContain('label = "$${HOME} # x"')
  })
})

test('an option that is not known closes the routes, as it may have kept people out', async () => {
  const { routes, notes, code } = await imported(`${CLIENT}skip_jwt_bearer_token = true\n`)
  expect(code).toBe(1)
  expect(section(routes, '[[routes]]')).toContain('deny = [{ networks = ["0.0.0.0/0", "::/0"] }]')
  expect(section(routes, '[[routes]]').join('\n')).not.toContain('tokens')
  expect(notes.join('\n')).toContain('closed 8 skip_jwt_bearer_token: not known here, so the routes stay closed')
})

const ELSEWHERE =
  'decide - flags and OAUTH2_PROXY_*: what they say is not carried over: import their file beside this one, or write them into it, or OAUTH2_PROXY_ALLOWED_GROUPS and the like are lost'

test('what flags and the environment may say is named once, whatever the file says', async () => {
  for (const options of ['', 'allowed_groups = ["staff"]\nprovider = "oidc"\n', 'made_up = 1\n']) {
    const { notes } = await imported(CLIENT + options)
    expect(notes.filter(note => note.includes('OAUTH2_PROXY_'))).toEqual([ELSEWHERE])
  }
})

test('a file that keeps nobody out has its restrictions elsewhere, so that its routes are closed', async () => {
  const bare = CLIENT.replace(/^email_domains .*\n/m, '')
  for (const options of ['', 'email_domains = []\nallowed_groups = ""\n']) {
    const { routes, notes, code, everything } = await imported(bare + options)
    expect(code).toBe(1)
    expect(section(routes, '[[routes]]')).toContain('deny = [{ networks = ["0.0.0.0/0", "::/0"] }]')
    expect(section(routes, '[portals.home.roles]')).toContain('user = { domains = ["${EMAIL_DOMAIN}"] }')
    const line = options === '' ? '-' : '7'
    expect(notes).toContain(
      `closed ${line} email_domains: nothing in this file says who may sign in, so flags or OAUTH2_PROXY_* do, and the routes stay closed: write who may into the role; { any = true } is everyone`,
    )
    expect(everything).toContain('Closed until you decide')
  }
  for (const options of ['email_domains = ["example.com"]\n', 'allowed_roles = ["admin"]\n', 'github_org = "x"\n']) {
    expect((await imported(bare + options)).code).toBe(0)
  }
})

test('a path that is open is open below another upstream’s path too, and each path is served as it was', async () => {
  const upstreams = ['http://a:1/', 'http://b:1/app/private/', 'http://c:1/app/one']
  const options = `upstreams = ${JSON.stringify(upstreams)}\nskip_auth_routes = ["^/app/"]\n`
  const { routes } = await imported(CLIENT.replace(/^upstreams.*$/m, options))
  const seen = Array.from({ length: 5 }, (_, index) =>
    section(routes, '[[routes]]', index)
      .filter(line => /^(?:path|upstream|allow) /.test(line))
      .map(line => line.replace(/^(?:path|upstream|allow) = /, ''))
      .join(' '),
  )
  const open = '["user", { path_regexp = "^/app/", anonymous = true }]'
  expect(seen).toEqual([
    `"http://a:1" ${open}`,
    `"=/app/one" "http://c:1" ${open}`,
    `"/app/private" "http://b:1" ${open}`,
    `"=/app/private" "http://a:1" ${open}`,
    '',
  ])
})

test('options of newer versions are known, and close nothing', async () => {
  const names = ['auth_request_response_mode', 'azure_graph_group_field', 'entra_id_federated_token_auth']
  const more = ['force_code_challenge_method', 'github_token', 'google_admin_api_user_scope']
  const said = [...names, ...more].map(name => `${name} = "x"`).join('\n')
  const { code, notes } = await imported(`${CLIENT}${said}\n`)
  expect([code, notes.filter(note => note.startsWith('closed'))]).toEqual([0, []])
})

test('a file of passwords that cannot be taken lets nobody in by one', async () => {
  const { routes, notes, mistakes } = await imported(`${CLIENT}htpasswd_file = "people"\n`, [], {
    people: 'ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=',
  })
  expect(mistakes).toEqual([])
  expect(routes).not.toMatch(/htpasswd|passwords/)
  expect(notes.join('\n')).toContain(
    'decide 8 htpasswd_file: not carried over, so passwords do not work: SHA-1 is no protection for the password in line 1; a hash cannot be converted, so give each of them a new password (sallyport user passwd people NAME, or htpasswd -B people NAME), and import again',
  )
})

test('whoever has a password passes where the groups of the file pass, of whatever option these are', async () => {
  const passes = async (provider: string, options: string) => {
    const stated = `${CLIENT}provider = "${provider}"\nhtpasswd_file = "/etc/gate.htpasswd"\n${options}\n`
    const { routes, mistakes } = await imported(stated)
    expect(mistakes).toEqual([])
    return section(routes, '[portals.home.roles]').join('\n').includes('{ providers = ["htpasswd", "users"] }')
  }
  const asked: readonly (readonly [provider: string, option: string, group: string])[] = [
    ['oidc', 'allowed_groups = ["a", "staff"]', 'staff'],
    ['keycloak-oidc', 'allowed_roles = ["staff"]', 'role:staff'],
    ['keycloak', 'keycloak_groups = ["/staff"]', '/staff'],
    ['keycloak', 'keycloak_group = "/staff"', '/staff'],
    ['gitlab', 'gitlab_groups = ["staff"]', 'staff'],
    ['gitlab', 'gitlab_group = "staff"', 'staff'],
    ['gitlab', 'gitlab_projects = ["a/staff=30"]', 'project:a/staff'],
    ['google', 'google_groups = ["staff@example.com"]', 'staff@example.com'],
    ['google', 'google_group = "staff@example.com"', 'staff@example.com'],
  ]
  for (const [provider, option, group] of asked) {
    const seen = [
      await passes(provider, option),
      await passes(provider, `${option}\nhtpasswd_user_groups = ["others"]`),
      await passes(provider, `${option}\nhtpasswd_user_groups = ["others", "${group}"]`),
    ]
    expect([option, ...seen]).toEqual([option, false, false, true])
  }
  // These take the place of allowed_groups there.
  expect(await passes('google', 'allowed_groups = ["a"]\ngoogle_groups = ["b"]\nhtpasswd_user_groups = ["a"]')).toBe(
    false,
  )
  // Either is enough there.
  expect(
    await passes('keycloak-oidc', 'allowed_groups = ["a"]\nallowed_roles = ["b"]\nhtpasswd_user_groups = ["a"]'),
  ).toBe(true)
  // These are asked of the provider when somebody signs in there, and of nobody with a password.
  expect(await passes('bitbucket', 'bitbucket_team = "staff"')).toBe(true)
})

test('and its lines become good ones by the command that the report names', async () => {
  using folder = temporaryFolder()
  const file = join(folder.path, 'people')
  writeFileSync(file, 'ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n')
  expect(passwordFaults(readFileSync(file, 'utf8'))).not.toEqual([])
  const child = Bun.spawn([...FROM_SOURCE, 'user', 'passwd', 'people', 'ann'], {
    cwd: folder.path,
    stdin: new Blob(['a-new-password-of-ann\n']),
    stdout: 'ignore',
    stderr: 'pipe',
  })
  const said = await new Response(child.stderr).text()
  expect([await child.exited, said.includes('{SHA}')]).toEqual([0, false])
  expect(passwordFaults(readFileSync(file, 'utf8'))).toEqual([])
})

describe('what oauth2-proxy took by the letter', () => {
  const role = async (options: string) =>
    section((await imported(CLIENT.replace('email_domains = "*"', '') + options)).routes, '[portals.home.roles]')

  test('is taken so: a domain with a space before it is no other domain', async () => {
    for (const stated of ['["example.com", " example.org"]', '"example.com, example.org"']) {
      const made = await imported(CLIENT.replace('"*"', stated))
      expect(made.code).toBe(1)
      expect(made.mistakes.map(({ message }) => message).join()).toContain(' example.org')
    }
  })

  test('a space before an expression is part of it, and so is what looks like a method in the older option', async () => {
    for (const [open, kept] of [
      ['skip_auth_routes = [" ^/open"]', ' ^/open'],
      ['skip_auth_regex = ["GET=^/open"]', 'GET=^/open'],
    ] as const) {
      const { routes } = await imported(CLIENT + open)
      expect(section(routes, '[[routes]]')).toContain(`allow = ["user", { path_regexp = "${kept}", anonymous = true }]`)
    }
  })

  test('addresses are those of the claim that it looked at, by any of its names', async () => {
    for (const option of ['oidc_email_claim', 'user_id_claim']) {
      for (const domains of ['["*"]', '["example.com"]']) {
        const made = await role(`${option} = "upn"\nemail_domains = ${domains}\n`)
        const rule = domains === '["*"]' ? 'require_email = true' : 'domains = ["example.com"]'
        expect([option, domains, made]).toEqual([option, domains, [`user = { ${rule} }`]])
      }
    }
    expect(await role('user_id_claim = "email"\nemail_domains = ["example.com"]')).toContain(
      'user = { domains = ["example.com"] }',
    )
  })

  test('and the older name for it counts where the newer one says what is usual', async () => {
    for (const [stated, claim] of [
      ['oidc_email_claim = "email"\nuser_id_claim = "upn"', 'upn'],
      ['oidc_email_claim = "mail"\nuser_id_claim = "upn"', 'mail'],
      ['oidc_email_claim = "mail"\nuser_id_claim = "email"', 'mail'],
    ] as const) {
      const { routes } = await imported(`${CLIENT}${stated}\n`)
      expect([stated, section(routes, '[providers.oidc]')]).toEqual([
        stated,
        expect.arrayContaining([`claims = { email = "${claim}" }`, 'emails = "trusted"']),
      ])
    }
  })
})
