import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The oauth2-proxy.cfg that people in front of Pocket ID have: its documentation recommends these options. */
export const POCKET_ID_CFG = `# what the provider gave us
client_id="client-id-from-pocket-id"
client_secret="client-secret-from-pocket-id"
oidc_issuer_url="ISSUER"

# as random as can be
cookie_secret="random-string"

# the application
upstreams="http://<service-to-be-proxied>:<port>"

# how people sign in
provider="oidc"
scope = "openid email profile groups"

# a proxy stands in front
reverse_proxy = true

# whoever has an account
email_domains = ["*"]

# by https alone
cookie_secure="true"

# from anywhere
http_address="127.0.0.1:<listen-port>"
`

/** What Caddy with caddy-security makes of the Caddyfile of the same documentation, for `app.example.com`. */
export const POCKET_ID_CADDY = readFileSync(
  join(import.meta.dir, '../recorded/caddy-security/seed.adapted.json'),
  'utf8',
)
  .replaceAll('http://localhost', 'ISSUER')
  .replaceAll('status.example.com', 'app.example.com')
