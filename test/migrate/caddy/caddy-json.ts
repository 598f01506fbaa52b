/** What of Caddy's JSON a test says itself. */
interface Stated {
  /** `routes` of the one server. */
  readonly routes: readonly unknown[]
  /** More of the server. */
  readonly server?: Readonly<Record<string, unknown>>
  /** More of `apps.http`. */
  readonly http?: Readonly<Record<string, unknown>>
  /** More of the one policy, `users`. */
  readonly policy?: Readonly<Record<string, unknown>>
  /** More of the one portal, `home`. */
  readonly portal?: Readonly<Record<string, unknown>>
  /** More of the parameters of the one provider, `p`. */
  readonly provider?: Readonly<Record<string, unknown>>
  /** A second portal, and a second policy. */
  readonly second?: readonly Readonly<Record<string, unknown>>[]
  /** More of the whole. */
  readonly top?: Readonly<Record<string, unknown>>
}

const KEY = 'crypto key sign-verify 01ee2688-36e4-47f9-8c06-d18483702520'

/** What Caddy makes of a file with one server, a portal `home` of one provider, and a policy `users` for the role `user`. */
export function caddyJson({ routes, server, http, policy, portal, provider, second = [], top }: Stated): string {
  const config = {
    authentication_portals: [
      {
        name: 'home',
        ui: {},
        identity_providers: ['p'],
        user_transformer_configs: [{ matchers: ['exact match realm p'], actions: ['action add role user'] }],
        cookie_config: { access_token_cookie_name: 'AUTHP_ACCESS_TOKEN' },
        raw_crypto_key_store_config: [KEY],
        ...portal,
      },
      ...second.slice(0, 1),
    ],
    authorization_policies: [
      {
        name: 'users',
        auth_url_path: '/auth',
        access_list_rules: [{ conditions: ['match roles user'], action: 'allow log debug' }],
        raw_crypto_key_store_config: [KEY],
        ...policy,
      },
      ...second.slice(1),
    ],
    identity_providers: [
      {
        name: 'p',
        kind: 'oauth',
        params: {
          driver: 'generic',
          realm: 'p',
          client_id: 'gate',
          client_secret: '{env.SECRET}',
          base_auth_url: 'https://id.example.com',
          ...provider,
        },
      },
    ],
  }
  return JSON.stringify({
    apps: {
      http: { servers: { srv0: { listen: [':443'], routes, ...server } }, ...http },
      security: { config },
    },
    ...top,
  })
}
