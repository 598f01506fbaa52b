/**
 * Fields that no client may set, written down a second time, apart from the tables of the source: whoever takes one out of there,
 * or makes a prefix longer, has a failing test. Spelled as those who write them do.
 */
const fields = (text: string): readonly string[] => text.trim().split(/\s+/)

/** They say who someone is, or how they have proven it. */
export const SAYS_WHO: readonly string[] = fields(`
  Auth-User Auth-Mail Auth-Email Auth-Name Auth-Cn Auth-Groups Auth-Roles AUTH_TYPE AUTH_PASSWORD LOGON_USER
  PHP_AUTH_USER PHP_AUTH_PW PHP_AUTH_DIGEST
  eppn affiliation unscoped-affiliation primary-affiliation entitlement assurance targeted-id persistent-id
  subject-id pairwise-id uid upn cn sn surname givenName displayName nickname mail emailaddress telephoneNumber
  employeeNumber employeeType departmentNumber isMemberOf org-dn orgunit-dn primary-orgunit-dn
  eduPersonPrincipalName eduPersonScopedAffiliation schacHomeOrganization
  X-Anonymous-Consumer X-Endpoint-API-UserInfo X-Apigateway-Api-Userinfo X-Apigateway-Event X-Apigateway-Context
  x-amzn-request-context x-amzn-lambda-context X-RH-Identity X-Jwt-Payload X-Userinfo l5d-client-id
  Dapr-Caller-App-Id Dapr-Caller-Namespace SMUSER
  Client-Cert Client-Cert-Chain X-ARR-ClientCert X-Client-DN X-Client-Verify X-Forwarded-Client-Cert
  Proxy-Auth-Cert Proxy-Ssl-Id WL-Proxy-Client-Cert $WSAT $WSCC $WSRU X-Proxy-Remote-User
  X-Alfresco-Remote-User X-RStudio-Username RStudio-Connect-Credentials Shiny-Server-Credentials
  X-ProxiedEntitiesChain X-ProxiedEntityGroups X-HA-Ingress X-Forwarded-Access-Token
  x-astro-locals x-astro-middleware-secret
  X-Sallyport-Anything X-Token-User-Id Remote-User REMOTE_ADDR Remote-Groups X-Remote-User X-Remote-Extra-Scopes
  WEBAUTH_USER X-WEBAUTH-USER X-Authenticated-Groups X-Auth-Username X-Auth-Subject
  X-authentik-username X-authentik-entitlements X-Pomerium-Claim-Email Tailscale-User-Login
  Tailscale-App-Capabilities X-Vouch-Idp-Claims-Email Cf-Access-Authenticated-User-Email OIDC_CLAIM_sub
  X-OIDC-Claim-Sub CAS-User Shib-Identity-Provider Shib-Session-ID MELLON_NAME_ID SM_USER OAM_REMOTE_USER
  Osso-User-Dn iv-user iv-user-l iv-groups iv-creds iv-remote-address Lm-Remote-User YNH_USER
  X-Organizr-User X-Sandstorm-User-Id X-Sandstorm-Permissions kubeflow-userid kubeflow-groups
  Impersonate-User Impersonate-Group Impersonate-Extra-Scopes X-Hass-User-Id X-Hass-Is-Admin
  x-webobjects-remote-user x-proxy-user x-proxy-roles x-proxy-ext-tenant
  x-iisnode-auth_user x-iisnode-logon_user MS-ASPNETCORE-CLIENTCERT MS-ASPNETCORE-WINAUTHTOKEN
  X-Amzn-Oidc-Identity X-Amzn-Mtls-Clientcert-Subject X-Goog-Authenticated-User-Email X-Appengine-Cron
  X-Appengine-User-IP X-MS-CLIENT-PRINCIPAL X-MS-CLIENT-PRINCIPAL-NAME X-MS-TOKEN-AAD-ACCESS-TOKEN
  X-Consumer-Username X-Credential-Identifier X-Jwt-Claim-Sub x-middleware-subrequest x-middleware-rewrite
  SSL_CLIENT_CERT ssl-client-verify SSL_CIPHER SSL_SESSION_ID X-SSL-Cert X-SSL-Client-S-DN-CN X-SSL-Issuer
  X-TLS-Client-Subject X-Client-Cert X-Client-Cert-Sha256 X-Forwarded-Tls-Client-Cert-Info
  Cf-Client-Cert-Sha256 CERT_CHAIN_0 CERT_SUBJECT
`)

/** They make another path of the one that was judged. */
export const SAYS_WHERE: readonly string[] = fields(`
  SCRIPT_NAME X-Script-Name SCRIPT_URL SCRIPT_URI SCRIPT_FILENAME PATH_INFO X-Path-Info ORIG_PATH_INFO
  PATH_TRANSLATED QUERY_STRING REQUEST_URI Request-Url X-Request-Uri Url DOCUMENT_URI DOCUMENT_ROOT UNENCODED_URL
  Base-Url X-Override-URL X-HTTP-DestinationURL X-MS-Original-URL X-MS-Endpoint-Absolute-Path X-Matched-Path
  x-astro-path X-Replaced-Path X-Ingress-Path X-ProxyContextPath X-RStudio-Root-Path X-RStudio-Request
  X-Sendfile-Type X-Accel-Mapping X-Rewrite-URL X-Rewrite-Path X-Waws-Unencoded-Url X-Vhm-Root X-Vhm-Host
  x-invoke-path x-invoke-status
`)

/** They say from where, by which host, scheme or method a request came. */
export const SAYS_HOW: readonly string[] = fields(`
  Forwarded Via X-Forwarded X-Forward-For X-Forwarder-For Forwarded-For Real-Ip X-Real-IP X-Real-Client-IP
  X-Client-IP X-Client-Real-IP X-Cluster-Client-Ip True-Client-IP X-True-Client-Ip X-True-Ip Ali-Cdn-Real-Ip
  Ali-Cdn-Real-Port Cdn-Src-Ip Cdn-Src-Port Cdn-Real-Ip X-Cdn-Src-Ip Incap-Client-IP X-Sucuri-ClientIP
  Oxygen-Buyer-Ip X-Pounded-For X-BB-IP CF-Connecting-IP Client-IP Proxy-Client-IP l5d-remote-ip
  CF-Connecting-IPv6 CF-Pseudo-IPv4 CF-Visitor DO-Connecting-IP Fastly-Client Fastly-Client-IP Fastly-SSL Fastly-FF
  Fly-Client-IP X-NF-Client-Connection-IP X-Originating-IP X-Originally-Forwarded-For X-Custom-IP-Authorization
  X-MS-Forwarded-Client-IP X-MS-Proxy X-ProxyUser-Ip X-Scheme X-Url-Scheme wsgi.url_scheme UWSGI_SCHEME
  REQUEST_SCHEME HTTPS X-Https Front-End-Https X-Proxied-Https X-ARR-SSL X-AppService-Proto X-Host
  X-HTTP-Host-Override DISGUISED-HOST WAS-DEFAULT-HOSTNAME SERVER_NAME SERVER_PORT SERVER_ADDR X-ProxyScheme
  X-ProxyHost X-ProxyPort X-Proxy-Url Proxy-Host Proxy-Url X-Artifactory-Override-Base-Url
  X-JFrog-Override-Base-Url X-Request-Id Proxy X-Auth-Request-Redirect Surrogate-Capability
  X-Forwarded-Server X-Forwarded-Roles X-Forwarded-Login X-Original-URL X-Original-Method X-Original-Host
  X-Envoy-Original-Path X-Envoy-External-Address WL-Proxy-Client-IP $WSRA $WSSC CF-IPCountry
  CloudFront-Viewer-Address CloudFront-Forwarded-Proto Fly-Forwarded-Proto X-Azure-ClientIP X-Azure-SocketIP
  X-Azure-FDID X-Vercel-Forwarded-For X-Vercel-Proxied-For X-Vercel-IP-Country X-Amzn-Tls-Version
`)

/** What looks alike, and is a client's own to send. */
export const CLIENTS_OWN: readonly string[] = fields(`
  X-Auth-Token X-Auth-Key X-Auth-Email X-Auth-Client X-Auth-Date X-Auth-Nonce X-Auth-Signature X-Auth-Timestamp
  X-Original-Filename X-Original-File-Name x-middleware-prefetch x-nextjs-data HTTP-Referer Title Description Email
  X-Email X-User-Id X-Mail Http-Accept Redirect-To Authorization Client Authorized Certificate Casual
  Cf-Access-Jwt-Assertion Cf-Access-Client-Id X-Vercel-Protection-Bypass Remote Iv Shibboleth Impersonate
`)
