/**
 * Identity fields that other gates write, and that an application may still believe: never taken from a client, whatever preset a
 * route has. All are names as `foldName` writes them. A gate that uses a prefix writes whatever it likes below it, so the whole
 * prefix is its own.
 *
 * Absent on purpose: names of signed statements that stand alone (Cf-Access-Jwt-Assertion), which an application can check by itself.
 */
const NAMES: ReadonlySet<string> = new Set([
  'auth-user',
  // Kong, the API gateways of Google, Istio and APISIX.
  'x-anonymous-consumer',
  'x-endpoint-api-userinfo',
  'x-apigateway-api-userinfo',
  'x-jwt-payload',
  'x-userinfo',
  // WebSEAL and SiteMinder, as far as it writes no underscore.
  'iv-user',
  'iv-user-l',
  'iv-groups',
  'iv-creds',
  'smuser',
  // Client certificates: RFC 9440, Envoy, IIS, and what nginx and HAProxy are told to write.
  'client-cert',
  'client-cert-chain',
  'x-arr-clientcert',
  'x-client-dn',
  'x-client-verify',
  'x-ssl-cert',
  'x-forwarded-client-cert',
  // Jetty, WebLogic, and the plug-ins of WebSphere: a certificate, a user, how they have proven themselves (`$WSRU`).
  'proxy-auth-cert',
  'proxy-ssl-id',
  'wl-proxy-client-cert',
  '-wsat',
  '-wscc',
  '-wsru',
  'x-proxy-remote-user',
  // Alfresco, and Posit's Workbench.
  'x-alfresco-remote-user',
  'x-rstudio-username',
  // NiFi, which takes the word of whoever has a certificate, as this gate may.
  'x-proxiedentitieschain',
  'x-proxiedentitygroups',
  // ESPHome, to whom it stands for whoever Home Assistant has let in.
  'x-ha-ingress',
  // oauth2-proxy, beside its preset.
  'x-forwarded-access-token',
])

const PREFIXES: readonly string[] = [
  // Ours.
  'x-sallyport-',
  // Caddy-security, and what applications are told by many: Authelia, Grafana, Kubernetes, Apache.
  'x-token-user-',
  'remote-',
  'x-remote-',
  'x-webauth-',
  'x-authenticated-',
  'x-auth-',
  // authentik, Pomerium, Tailscale, Vouch, Cloudflare Access, mod_auth_openidc, Shibboleth, Mellon.
  'x-authentik-',
  'x-pomerium-claim-',
  'tailscale-',
  'x-vouch-',
  'cf-access-authenticated-user-',
  'oidc-',
  'x-oidc-',
  'shib-',
  'mellon-',
  'sm-',
  'oam-',
  'osso-user-',
  // SOGo.
  'x-webobjects-',
  // OpenSearch.
  'x-proxy-user',
  'x-proxy-roles',
  'x-proxy-ext-',
  // AWS, Google and Azure, Kong and Istio.
  'x-amzn-oidc-',
  'x-amzn-mtls-',
  'x-goog-authenticated-user-',
  'x-ms-client-principal',
  'x-ms-token-',
  'x-consumer-',
  'x-credential-',
  'x-jwt-claim-',
  // Client certificates.
  'ssl-client-',
  'x-ssl-client-',
  'x-tls-client-',
  'x-client-cert',
  'x-forwarded-tls-client-cert',
]

/** What below a prefix is a client's own to send: credentials that an application asks for. */
const CREDENTIALS: ReadonlySet<string> = new Set([
  'x-auth-token',
  'x-auth-key',
  'x-auth-email',
  'x-auth-client',
  'x-auth-date',
  'x-auth-nonce',
  'x-auth-signature',
  'x-auth-timestamp',
])

/** Whether some gate says by a field of this folded name who its client is. */
export function saysWho(folded: string): boolean {
  if (NAMES.has(folded)) return true
  return !CREDENTIALS.has(folded) && PREFIXES.some(prefix => folded.startsWith(prefix))
}
