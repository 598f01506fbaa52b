import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { imported } from './imported.ts'

/** Values of options that change what others come to. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  provider: ['"oidc"', '"google"', '"github"', '"entra-id"'],
  azure_tenant: ['"tenant"'],
  oidc_issuer_url: ['"https://id.example.com"'],
  client_id: ['"gate"'],
  client_secret: ['"s3cret"'],
  client_secret_file: ['"/nowhere/secret"'],
  scope: ['"openid email"', '"email"', '""'],
  cookie_expire: ['"1h"', '"0s"', '"9000h"', '"1s"'],
  cookie_refresh: ['"1h"', '"1s"', '"0"'],
  cookie_secure: ['false', '"true"'],
  cookie_domains: ['[".example.com"]'],
  upstreams: [
    '"http://a:1"',
    '["http://a:1/", "https://b/api/", "file:///srv#/s/"]',
    '["static://202"]',
    '["unix:///run/x.sock"]',
    '["http://a:1/one"]',
    '"http://me:s3cret@a:1"',
  ],
  email_domains: ['"*"', '["a.example"]', '[".a.example"]', '[]'],
  allowed_groups: ['["x", "y"]'],
  allowed_roles: ['["r"]'],
  oidc_groups_claim: ['"roles"'],
  oidc_email_claim: ['"upn"'],
  github_org: ['"o"'],
  github_team: ['"t"', '"o:t"'],
  github_users: ['["u"]'],
  skip_auth_routes: ['["^/a", "GET=^/b/", "POST=^/a/", "^/api/x/"]', '["^/", "GET=^/"]', '["^/s/", "^/one/"]'],
  skip_auth_regex: ['["^/a", "^/zz/"]'],
  trusted_ips: ['["10.0.0.0/8"]'],
  reverse_proxy: ['true', 'false'],
  trusted_proxy_ips: ['["10.0.0.2"]'],
  pass_access_token: ['true'],
  pass_authorization_header: ['true'],
  pass_basic_auth: ['false'],
  pass_user_headers: ['false'],
  basic_auth_password: ['"s3cret"'],
  set_xauthrequest: ['true'],
  set_authorization_header: ['true'],
  prefer_email_to_user: ['true'],
  skip_jwt_bearer_tokens: ['true'],
  htpasswd_file: ['"/nowhere/htpasswd"'],
  htpasswd_user_groups: ['["x"]'],
  session_store_type: ['"redis"', '"cookie"'],
  redis_connection_url: ['"redis://h:6379"', '"rediss://u:s3cret@h"'],
  redis_password: ['"s3cret"'],
  redis_use_sentinel: ['true'],
  redis_sentinel_connection_urls: ['["redis://h:26379"]', '["rediss://u:s3cret@h", "redis://i"]'],
  redis_sentinel_master_name: ['"main"'],
  redis_sentinel_password: ['"s3cret"'],
  redis_use_cluster: ['true'],
  redis_cluster_connection_urls: ['["rediss://u:s3cret@h", "rediss://u:s3cret@i:7000"]', '[]'],
  redis_ca_path: ['"/nowhere/ca.pem"'],
  redis_insecure_skip_tls_verify: ['true'],
  redirect_url: ['"https://app.example.com/oauth2/callback"', '"http://localhost:4180/oauth2/callback"'],
  proxy_prefix: ['"/o"'],
  http_address: ['":80"', '"unix:///run/l.sock"', '"fd:3"', '"http://0.0.0.0:80"'],
  https_address: ['":443"'],
  metrics_address: ['":9"'],
  skip_auth_preflight: ['true'],
  pass_host_header: ['false'],
  ssl_upstream_insecure_skip_verify: ['true'],
  upstream_timeout: ['"30s"'],
  authenticated_emails_file: ['"/nowhere/emails"'],
}

test('options of an oauth2-proxy.cfg make a good file in any combination, each with a note, and show no secret', async () => {
  const option = fc
    .constantFrom(...Object.keys(VALUES))
    .chain(name => fc.constantFrom(...(VALUES[name] ?? [])).map(value => ({ name, value })))
  const options = fc.uniqueArray(option, { selector: ({ name }) => name, maxLength: 14 })
  await fc.assert(
    fc.asyncProperty(options, async list => {
      const text = list.map(({ name, value }) => `${name} = ${value}\n`).join('')
      const { mistakes, notes, everything } = await imported(text, ['--from', 'oauth2-proxy'])
      expect(mistakes).toEqual([])
      expect(everything).not.toContain('s3cret')
      for (const { name } of list) expect(notes.some(note => note.includes(` ${name}: `)) || name).toBe(true)
      expect(notes.filter(note => note.includes('not known here, so the routes'))).toEqual([])
    }),
    { numRuns: 300 },
  )
})
