import type { RootTable } from '../keys/keys.ts'
import { quote, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { HTPASSWD } from '../values/htpasswd.ts'

/** What no single key of a provider can tell: that its credentials fit each other, and that someone uses it. */
export function checkProviders(root: RootTable, report: Report): void {
  const providers = new Set(root.values.providers?.keys())
  const portals = [...(root.values.portals?.values() ?? [])]
  const used = new Set(portals.flatMap(portal => portal.values.providers ?? []))
  // A misspelt name is reported where it is; that its provider is then unused would be the same mistake again.
  const isCertain = portals.every(({ raw, values: { providers: own } }) =>
    own === null ? raw.entries.has('htpasswd') : own?.every(name => providers.has(name)),
  )
  for (const [name, { at, raw, values }] of root.values.providers ?? []) {
    if (name === HTPASSWD) {
      const hint = 'rules mean the htpasswd file of a portal by it; choose another name'
      report.mistake(at, 'provider.reserved', `a provider cannot be called ${name}`, { hint, part: 'key' })
    }
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
    const audience = values.access_tokens?.values.audience
    if (audience !== undefined && audience === values.client_id) {
      const hint =
        'give this gate a name of its own as an API (a resource) at the provider; bearer_id_tokens = true takes ID tokens'
      const message = 'the audience of access tokens is the client_id, which is the audience of ID tokens'
      report.mistake([...at, 'access_tokens', 'audience'], 'access_tokens.audience', message, { hint })
    }
    if (values.scopes && !values.scopes.includes('openid')) {
      const hint = 'add "openid": without it the provider does not say who someone is'
      report.mistake([...at, 'scopes'], 'scopes.openid', 'scopes does not have "openid"', { hint })
    }
    if (values.emails === 'trusted') {
      const hint = 'right only where nobody can enter an address there that is not theirs'
      const message = 'e-mail addresses of this provider count without its saying that it verified them'
      report.warn([...at, 'emails'], 'provider.emails', message, { hint })
    }
    if (values.bearer_id_tokens === true) {
      const hint = 'access_tokens = { audience = "…" } takes tokens that are made for this'
      const message = 'whoever is given an ID token of this client can act for that person until it expires'
      report.warn([...at, 'bearer_id_tokens'], 'provider.id_tokens', message, { hint })
    }
    const ownEmail = values.claims?.values.email ?? 'email'
    if (values.emails === 'verified' && ownEmail !== 'email') {
      const hint = 'emails = "trusted" where nobody can enter an address there that is not theirs; else leave it out'
      const message = `no address in ${quote(ownEmail)} counts: email_verified is about the claim email alone`
      report.warn([...at, 'claims', 'email'], 'provider.emails', message, { hint })
    }
    if (isCertain && !used.has(name)) {
      const hint = `name it in a portal: providers = ["${name}"]`
      report.warn(at, 'provider.unused', `no portal uses the provider ${name}`, { hint, part: 'key' })
    }
  }
}
