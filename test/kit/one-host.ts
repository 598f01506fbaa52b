import type { TestProvider } from './provider/provider.ts'

/** The site that `oneHost` protects, on this port. */
export function siteAt(port: number): URL {
  return new URL(`http://app.localhost:${port}/`)
}

/** A routes.toml, but for the listeners: one protected site whose portal is mounted on its own host. Registers the callback. */
export function oneHost(
  provider: TestProvider,
  port: number,
  upstream: { readonly port?: number | undefined },
  sessions = '',
): string {
  provider.allowRedirect(`${siteAt(port)}.sallyport/callback`)
  return `
[sessions]
${sessions}

[providers.id]
issuer = "${provider.issuer}"
client_id = "gate"
client_secret = "gate-secret"

[portals.home]
providers = ["id"]
insecure_cookies = true

[portals.home.roles]
user = { any = true }

[[routes]]
host = "app.localhost"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "home"
allow = ["user"]
`
}
