import type { TestProvider } from './provider/provider.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers } from './toml.ts'

/** The site that `oneHost` protects, on this port. */
export function siteAt(port: number): URL {
  return new URL(`http://app.localhost:${port}/`)
}

/**
 * A routes.toml, but for the listeners: one protected site whose portal is mounted on its own host. `ofProvider` are lines of the
 * provider's table. Registers the callback.
 */
export function oneHost(
  provider: TestProvider,
  port: number,
  upstream: { readonly port?: number | undefined },
  sessions = '',
  ofProvider = '',
): string {
  provider.allowRedirect(`${siteAt(port)}.sallyport/callback`)
  return `
[sessions]
${sessions}

${providerTable(provider, ofProvider)}${portalTable(EVERYONE)}${routeForUsers(upstream, 'app.localhost')}`
}
