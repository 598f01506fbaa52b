/**
 * Fields that no client may set: an application takes them as statements of a proxy or of another gate. All are names
 * as `foldFieldName` writes them. `test/kit/stripped-fields.ts` has a separate list, in which each entry here needs
 * an example.
 */

import { foldFieldName } from './headers.ts'

export interface FieldTable {
  readonly names: ReadonlySet<string>
  /** A program that uses a prefix may write any name below it, so the whole prefix is listed. */
  readonly prefixes: readonly string[]
  /** What below one of the prefixes is a client's own to send. */
  readonly kept: ReadonlySet<string>
}

/** Whether a folded name is one of a table. */
export function isListed({ names, prefixes, kept }: FieldTable, folded: string): boolean {
  return names.has(folded) || (!kept.has(folded) && prefixes.some(prefix => folded.startsWith(prefix)))
}

/**
 * Fields that say who the user is, or how the user has proven it, for every preset of a route.
 *
 * Absent on purpose: names of signed statements (Cf-Access-Jwt-Assertion), which an application can check without a
 * proxy; Shibboleth's attributes with everyday names (`title`, `description`), in which ntfy and others take a
 * client's values.
 */
export const IDENTITY_FIELDS: FieldTable = {
  names: new Set([
    // LemonLDAP::NG and SSOwat; CGI and IIS, as far as `remote-` is not how it begins.
    'auth-user',
    'auth-mail',
    'auth-email',
    'auth-name',
    'auth-cn',
    'auth-groups',
    'auth-roles',
    'auth-type',
    'auth-password',
    'logon-user',
    'php-auth-user',
    'php-auth-pw',
    'php-auth-digest',
    // Shibboleth's attributes as its attribute-map.xml names them (ShibUseHeaders), and SAML's at Microsoft.
    'eppn',
    'affiliation',
    'unscoped-affiliation',
    'primary-affiliation',
    'entitlement',
    'assurance',
    'targeted-id',
    'persistent-id',
    'subject-id',
    'pairwise-id',
    'uid',
    'upn',
    'cn',
    'sn',
    'surname',
    'givenname',
    'displayname',
    'nickname',
    'mail',
    'emailaddress',
    'telephonenumber',
    'employeenumber',
    'employeetype',
    'departmentnumber',
    'ismemberof',
    'org-dn',
    'orgunit-dn',
    'primary-orgunit-dn',
    // Kong, the API gateways of Google, Amazon, Red Hat, Istio and APISIX; Linkerd and Dapr, of who calls.
    'x-anonymous-consumer',
    'x-endpoint-api-userinfo',
    'x-apigateway-api-userinfo',
    'x-apigateway-event',
    'x-apigateway-context',
    'x-amzn-request-context',
    'x-amzn-lambda-context',
    'x-rh-identity',
    'x-jwt-payload',
    'x-userinfo',
    'l5d-client-id',
    'dapr-caller-app-id',
    'dapr-caller-namespace',
    // SiteMinder, as far as it writes no underscore.
    'smuser',
    // Client certificates: RFC 9440, Envoy, IIS, and the usual configurations of nginx and HAProxy.
    'client-cert',
    'client-cert-chain',
    'x-arr-clientcert',
    'x-client-dn',
    'x-client-verify',
    'x-forwarded-client-cert',
    // Jetty, WebLogic, and the plug-ins of WebSphere: a certificate, a user, how they have proven themselves (`$WSRU`).
    'proxy-auth-cert',
    'proxy-ssl-id',
    'wl-proxy-client-cert',
    '-wsat',
    '-wscc',
    '-wsru',
    'x-proxy-remote-user',
    // Alfresco, and Posit's Workbench, Connect and Shiny.
    'x-alfresco-remote-user',
    'x-rstudio-username',
    'rstudio-connect-credentials',
    'shiny-server-credentials',
    // NiFi, which trusts every client with a certificate, and this gate may have one.
    'x-proxiedentitieschain',
    'x-proxiedentitygroups',
    // ESPHome, which takes it for the user that Home Assistant has signed in.
    'x-ha-ingress',
    // oauth2-proxy, beside its preset.
    'x-forwarded-access-token',
    // Astro, of what its middleware has found out.
    'x-astro-locals',
    'x-astro-middleware-secret',
  ]),
  prefixes: [
    // Ours.
    'x-sallyport-',
    // Caddy-security, and names that many gates send: Authelia, Grafana, Kubernetes, Apache.
    'x-token-user-',
    'remote-',
    'x-remote-',
    'webauth-',
    'x-webauth-',
    'x-authenticated-',
    'x-auth-',
    // authentik, Pomerium, Tailscale, Vouch, Cloudflare Access, mod_auth_openidc, mod_auth_cas, Shibboleth, Mellon.
    'x-authentik-',
    'x-pomerium-claim-',
    'tailscale-',
    'x-vouch-',
    'cf-access-authenticated-user-',
    'oidc-',
    'x-oidc-',
    'cas-',
    'shib-',
    'eduperson',
    'schac',
    'mellon-',
    'sm-',
    'oam-',
    'osso-user-',
    // WebSEAL, LemonLDAP::NG, YunoHost, Organizr, Sandstorm, Kubeflow.
    'iv-',
    'lm-remote-',
    'ynh-',
    'x-organizr-',
    'x-sandstorm-',
    'kubeflow-',
    // Kubernetes, for the user that a proxy with rights acts for; Home Assistant to its add-ons.
    'impersonate-',
    'x-hass-',
    // SOGo.
    'x-webobjects-',
    // OpenSearch.
    'x-proxy-user',
    'x-proxy-roles',
    'x-proxy-ext-',
    // IIS to Node and to ASP.NET Core.
    'x-iisnode-',
    'ms-aspnetcore-',
    // AWS, Google and Azure, Kong and Istio.
    'x-amzn-oidc-',
    'x-amzn-mtls-',
    'x-goog-authenticated-user-',
    'x-appengine-',
    'x-ms-client-principal',
    'x-ms-token-',
    'x-consumer-',
    'x-credential-',
    'x-jwt-claim-',
    // Makes Next.js believe that its middleware, which may check the user, has run already (CVE-2025-29927).
    'x-middleware-',
    // Client certificates: Tomcat, Keycloak and Undertow, HAProxy, Google, Cloudflare, IIS.
    'ssl-',
    'x-ssl',
    'x-tls-',
    'x-client-cert',
    'x-forwarded-tls-client-cert',
    'cf-client-cert-',
    'cert-',
  ],
  kept: new Set([
    // Credentials that an application asks for.
    'x-auth-token',
    'x-auth-key',
    'x-auth-email',
    'x-auth-client',
    'x-auth-date',
    'x-auth-nonce',
    'x-auth-signature',
    'x-auth-timestamp',
    // By which a browser's page asks Next.js for data beforehand.
    'x-middleware-prefetch',
  ]),
}

/**
 * Fields that only a proxy sends, and that change the judged path. gunicorn removes the value of SCRIPT_NAME from its
 * beginning, as do Calibre-Web and others for X-Script-Name. IIS, Azure, Pyramid, Astro, Next.js and Symfony replace
 * the path.
 */
export const PATH_FIELDS: FieldTable = {
  names: new Set([
    'script-name',
    'x-script-name',
    'script-url',
    'script-uri',
    'script-filename',
    'path-info',
    'x-path-info',
    'orig-path-info',
    'path-translated',
    'query-string',
    'request-uri',
    'request-url',
    'x-request-uri',
    'url',
    'document-uri',
    'document-root',
    'unencoded-url',
    'base-url',
    'x-override-url',
    'x-http-destinationurl',
    'x-ms-original-url',
    'x-ms-endpoint-absolute-path',
    'x-matched-path',
    'x-astro-path',
    // The path before a proxy in front replaced it: Traefik. The prefix that it removed: Home Assistant, NiFi, Posit's
    // Workbench.
    'x-replaced-path',
    'x-ingress-path',
    'x-proxycontextpath',
    'x-rstudio-root-path',
    'x-rstudio-request',
    // By which Rack has the proxy in front send another file (CVE-2025-61780).
    'x-sendfile-type',
    'x-accel-mapping',
  ]),
  prefixes: ['x-rewrite-', 'x-waws-', 'x-vhm-', 'x-invoke-'],
  kept: new Set(),
}

/**
 * Fields in which proxies describe the client and its request; only Sallyport may set them. They could name another
 * address, host, scheme or method than the judged one.
 */
export const FORWARDING_FIELDS: FieldTable = {
  names: new Set([
    'forwarded',
    'via',
    'x-forwarded',
    'x-forward-for',
    'x-forwarder-for',
    'forwarded-for',
    'real-ip',
    'x-real-ip',
    'x-real-client-ip',
    'x-client-ip',
    'x-client-real-ip',
    'x-cluster-client-ip',
    'true-client-ip',
    'x-true-client-ip',
    'x-true-ip',
    'ali-cdn-real-ip',
    'ali-cdn-real-port',
    'cdn-src-ip',
    'cdn-src-port',
    'cdn-real-ip',
    'x-cdn-src-ip',
    'incap-client-ip',
    'x-sucuri-clientip',
    'oxygen-buyer-ip',
    'x-pounded-for',
    'x-bb-ip',
    'cf-connecting-ip',
    'client-ip',
    'proxy-client-ip',
    'l5d-remote-ip',
    'cf-connecting-ipv6',
    'cf-pseudo-ipv4',
    'cf-visitor',
    'do-connecting-ip',
    'fastly-client',
    'fastly-client-ip',
    'fastly-ssl',
    'fastly-ff',
    'fly-client-ip',
    'x-nf-client-connection-ip',
    'x-originating-ip',
    'x-originally-forwarded-for',
    'x-custom-ip-authorization',
    'x-ms-forwarded-client-ip',
    'x-ms-proxy',
    'x-proxyuser-ip',
    'x-scheme',
    'x-url-scheme',
    'wsgi-url-scheme',
    'uwsgi-scheme',
    'request-scheme',
    'https',
    'x-https',
    'front-end-https',
    'x-proxied-https',
    'x-arr-ssl',
    'x-appservice-proto',
    'x-host',
    'x-http-host-override',
    'disguised-host',
    'was-default-hostname',
    'server-name',
    'server-port',
    'server-addr',
    'x-proxyscheme',
    'x-proxyhost',
    'x-proxyport',
    'x-proxy-url',
    'proxy-host',
    'proxy-url',
    'x-artifactory-override-base-url',
    'x-jfrog-override-base-url',
    'x-request-id',
    // CGI has it for the proxy that its programs are to use (CVE-2016-5385).
    'proxy',
    // Where the nginx ingress of Kubernetes says what was asked for.
    'x-auth-request-redirect',
    // A proxy that puts pages together says so, and gets them with the marks in them.
    'surrogate-capability',
  ]),
  prefixes: [
    'x-forwarded-',
    'x-original-',
    'x-envoy-',
    'wl-proxy-',
    '-ws',
    'cf-ip',
    'cloudfront-',
    'fly-forwarded-',
    'x-azure-',
    'x-vercel-forwarded-',
    'x-vercel-proxied-',
    'x-vercel-ip-',
    'x-amzn-tls-',
  ],
  // An application's own scripts say them: the name that an upload had.
  kept: new Set(['x-original-filename', 'x-original-file-name']),
}

/**
 * How CGI's variables begin that stand for fields (RFC 3875 §4.1.18), and how Apache hands them on once more: much code asks for
 * `HTTP_CLIENT_IP` or `HTTP_X_FORWARDED_FOR` by that name where only fields are, and finds what a client calls so.
 */
export const CGI_VARIABLE = /^(?:http-|redirect-)+/

/** Whether no client may set a field, in any file: also by a name that some backend reads as that. */
export function isStripped(name: string): boolean {
  const folded = foldFieldName(name)
  return [folded, folded.replace(CGI_VARIABLE, '')].some(one =>
    [IDENTITY_FIELDS, PATH_FIELDS, FORWARDING_FIELDS].some(table => isListed(table, one)),
  )
}
