import type { RootTable } from './keys.ts'
import { itemsOf, showRaw } from './raw.ts'
import type { Report } from './report.ts'

/** What no single key of a provider can tell: that its credentials fit each other, and that someone uses it. */
export function checkProviders(root: RootTable, report: Report): void {
  const used = new Set([...(root.values.portals?.values() ?? [])].flatMap(portal => portal.values.providers ?? []))
  const hasBrokenPortal = [...(root.values.portals?.values() ?? [])].some(
    portal => portal.values.providers === undefined && portal.raw.entries.has('providers'),
  )
  for (const [name, { at, raw, values }] of root.values.providers ?? []) {
    const auth = values.client_auth
    const hasSecret = raw.entries.has('client_secret')
    if (auth === 'none' && hasSecret) {
      const hint = 'remove client_secret for a public client, or remove client_auth'
      report.mistake(
        [...at, 'client_auth'],
        'client_auth.secret',
        'client_auth is "none", and there is a client_secret',
        { hint },
      )
    }
    if (auth !== undefined && auth !== null && auth !== 'none' && !hasSecret) {
      const hint = 'add client_secret, or set client_auth = "none" for a public client'
      report.mistake(
        [...at, 'client_auth'],
        'client_auth.secret',
        `client_auth = ${showRaw(raw.entries.get('client_auth'))} needs a client_secret`,
        {
          hint,
        },
      )
    }
    if (values.scopes && !values.scopes.includes('openid')) {
      const hint = 'add "openid": without it the provider does not say who someone is'
      report.mistake([...at, 'scopes'], 'scopes.openid', 'scopes does not have "openid"', { hint })
    }
    if (!used.has(name) && !hasBrokenPortal) {
      const hint = `name it in a portal: providers = ["${name}"]`
      report.warn(at, 'provider.unused', `no portal uses the provider ${name}`, { hint, part: 'key' })
    }
  }
}

/** What `[sessions]` and `[server]` can only tell together. */
export function checkServer(root: RootTable, report: Report): void {
  const { server, sessions } = root.values
  if (sessions !== undefined) {
    const { idle, lifetime } = sessions.values
    if (idle !== undefined && lifetime !== undefined && idle > lifetime) {
      const at = [...sessions.at, sessions.raw.entries.has('idle') ? 'idle' : 'lifetime']
      report.warn(at, 'sessions.idle', 'idle is longer than lifetime, and so never ends a session', {
        hint: 'make idle shorter, or leave it',
      })
    }
  }
  if (server === undefined) return
  const { listen, admin, workers } = server.values
  const places = new Map<string, readonly (string | number)[]>()
  const addresses = [
    ...itemsOf(server.raw.entries.get('listen')).map((raw, index) => ({ raw, address: listen?.[index] })),
    ...itemsOf(server.raw.entries.get('admin')).map(raw => ({ raw, address: admin })),
  ]
  for (const { raw, address } of addresses) {
    if (!address || (address.kind === 'tcp' && address.port === 0)) continue
    const key = address.kind === 'unix' ? `unix:${address.path}` : `${address.host} ${address.port}`
    const first = places.get(key)
    if (first === undefined) places.set(key, raw.at)
    else
      report.mistake(raw.at, 'listen.repeated', `${showRaw(raw)} is listened on twice`, { hint: 'remove one', first })
  }
  for (const [index, raw] of itemsOf(server.raw.entries.get('trusted_proxies')).entries()) {
    if (server.values.trusted_proxies?.[index]?.endsWith('/0')) {
      const hint = 'anyone can then name any client address; name the proxy in front'
      report.warn(raw.at, 'network.everyone', `${showRaw(raw)} trusts everyone`, { hint })
    }
  }
  const store = sessions?.values.store
  if (store !== undefined && store('/') === ':memory:' && workers !== undefined && workers !== 1) {
    const hint = 'each worker would know only its own sign-ins; give the store a file'
    report.mistake([...server.at, 'workers'], 'store.memory', 'several workers cannot share sessions in memory', {
      hint,
    })
  }
}
