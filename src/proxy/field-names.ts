import type { HeaderPreset } from '../config/types.ts'

/**
 * Names as a backend may fold them: `X_Token.Subject` and `x-token-subject` are one field to many. CGI makes `_` of a dash, and some
 * that speak it (lighttpd 1.4, PHP) make it of everything else that is no letter and no digit.
 */
export function foldName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-')
}

/** The identity fields of each preset, as `name: template`. Names as the peers use them. */
export const PRESETS: Readonly<Record<HeaderPreset, readonly { readonly name: string; readonly template: string }[]>> =
  {
    none: [],
    'x-token': [
      { name: 'x-token-subject', template: '{sub}' },
      { name: 'x-token-user-name', template: '{name}' },
      { name: 'x-token-user-email', template: '{email}' },
      { name: 'x-token-user-roles', template: '{roles}' },
    ],
    'x-forwarded': [
      { name: 'x-forwarded-user', template: '{sub}' },
      { name: 'x-forwarded-email', template: '{email}' },
      { name: 'x-forwarded-groups', template: '{groups}' },
      { name: 'x-forwarded-preferred-username', template: '{preferred_username}' },
    ],
    'x-auth-request': [
      { name: 'x-auth-request-user', template: '{sub}' },
      { name: 'x-auth-request-email', template: '{email}' },
      { name: 'x-auth-request-groups', template: '{groups}' },
      { name: 'x-auth-request-preferred-username', template: '{preferred_username}' },
    ],
    remote: [
      { name: 'remote-user', template: '{preferred_username}' },
      { name: 'remote-name', template: '{name}' },
      { name: 'remote-email', template: '{email}' },
      { name: 'remote-groups', template: '{groups}' },
    ],
  }

/** The field of each preset that says which provider vouched, for portals that have several. */
export const PROVIDER_FIELDS: Readonly<Record<HeaderPreset, string | null>> = {
  none: null,
  'x-token': 'x-token-provider',
  'x-forwarded': 'x-forwarded-provider',
  'x-auth-request': 'x-auth-request-provider',
  remote: 'remote-provider',
}

/**
 * Identity fields that other gates write without a signature, and that an application may still believe: never taken from a client,
 * whatever preset a route has. Absent on purpose: signed ones, which an application can check by itself.
 */
const OTHER_IDENTITY = [
  'x-auth-request-access-token',
  'x-forwarded-access-token',
  'x-token-user-id',
  'x-sallyport-token',
  'x-sallyport-assertion',
  // Grafana, Kubernetes, Apache and many an application.
  'x-remote-user',
  'x-remote-group',
  'x-remote-groups',
  'x-remote-name',
  'x-remote-email',
  'x-webauth-user',
  'x-webauth-name',
  'x-webauth-email',
  'x-webauth-groups',
  'x-webauth-role',
  'x-authenticated-user',
  'x-auth-user',
  'auth-user',
  // authentik, Vouch, Pomerium, Tailscale, Cloudflare Access, Google, Azure.
  'x-authentik-username',
  'x-authentik-groups',
  'x-authentik-email',
  'x-authentik-name',
  'x-authentik-uid',
  'x-vouch-user',
  'x-pomerium-claim-email',
  'x-pomerium-claim-groups',
  'tailscale-user-login',
  'tailscale-user-name',
  'cf-access-authenticated-user-email',
  'x-goog-authenticated-user-email',
  'x-goog-authenticated-user-id',
  'x-ms-client-principal',
  'x-ms-client-principal-id',
  'x-ms-client-principal-name',
  // Client certificates, as nginx, Traefik and Envoy tell of them.
  'ssl-client-verify',
  'ssl-client-cert',
  'ssl-client-s-dn',
  'x-ssl-client-verify',
  'x-ssl-client-cert',
  'x-ssl-client-s-dn',
  'x-client-cert',
  'x-client-verify',
  'x-forwarded-tls-client-cert',
  'x-forwarded-tls-client-cert-info',
  'x-forwarded-client-cert',
]

/** Fields that end at this hop (RFC 9110 §7.6.1, RFC 9112 §9.6 and §7.1.2). */
const HOP_BY_HOP: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]

/** What proxies tell about the client: ours alone to say. */
const FORWARDING = [
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-forwarded-scheme',
  'x-forwarded-ssl',
  'x-forwarded-server',
  'x-forwarded-prefix',
  'x-forwarded-uri',
  'x-forwarded-method',
  'x-forwarded-by',
  'x-forwarded',
  'forwarded-for',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
  'client-ip',
  'proxy-client-ip',
  'wl-proxy-client-ip',
  'x-original-forwarded-for',
  'x-azure-clientip',
  'x-envoy-external-address',
  'x-envoy-original-path',
  'x-forwarded-path',
  'x-forwarded-protocol',
  'x-forwarded-client-ip',
  'x-url-scheme',
  'x-host',
  'x-http-host-override',
  'x-original-url',
  'x-original-uri',
  'x-original-host',
  'x-original-method',
  'x-rewrite-url',
  'x-request-id',
  'front-end-https',
]

/** Fields that make some backends act on another method than the one that was checked, as `foldName` writes them. */
export const METHOD_OVERRIDES: readonly string[] = ['x-http-method', 'x-http-method-override', 'x-method-override']

/** Fields that every request goes on with as this hop writes them, whatever the client sent: nothing of theirs is left. */
const REWRITTEN = [
  'host',
  'cookie',
  'via',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
]

/** Framing belongs to the HTTP client that sends the request; only its exact spelling may pass. */
const FRAMING = ['content-length', 'transfer-encoding', 'host', 'connection', 'cookie', 'upgrade', 'te', 'content-type']

/** What becomes of a request field on its way upstream; `rewrite` is for what is written anew in every case. */
export type FieldFate = 'keep' | 'drop' | 'rewrite' | 'method-override'

const MOST_KNOWN = 2048
const LONGEST_KNOWN = 64

/**
 * The fate of each request field, for a file whose own identity tables use `ownNames`.
 *
 * Every identity field of every preset is dropped on every route, in any spelling that a backend might fold into it.
 */
export function compileFieldFates(ownNames: Iterable<string>): (name: string) => FieldFate {
  const dropped = new Set<string>([...HOP_BY_HOP, ...FORWARDING, ...OTHER_IDENTITY, ...REWRITTEN].map(foldName))
  for (const fields of Object.values(PRESETS)) for (const field of fields) dropped.add(foldName(field.name))
  for (const name of Object.values(PROVIDER_FIELDS)) if (name !== null) dropped.add(foldName(name))
  for (const name of ownNames) dropped.add(foldName(name))
  const rewritten = new Set(REWRITTEN)
  const overrides = new Set(METHOD_OVERRIDES)
  const framing = new Set(FRAMING)

  function decide(name: string): FieldFate {
    if (rewritten.has(name)) return 'rewrite'
    const folded = foldName(name)
    if (dropped.has(folded)) return 'drop'
    if (folded !== name && framing.has(folded)) return 'drop'
    return overrides.has(folded) ? 'method-override' : 'keep'
  }

  // Clients use a few dozen names: nearly every look-up is one map read. Bounded against made-up names, of which one may be as
  // long as a whole head.
  const known = new Map<string, FieldFate>()
  return name => {
    const before = known.get(name)
    if (before !== undefined) return before
    const fate = decide(name)
    if (known.size < MOST_KNOWN && name.length <= LONGEST_KNOWN) known.set(name, fate)
    return fate
  }
}
