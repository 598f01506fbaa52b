/** The changes for an nginx that asked oauth2-proxy by `auth_request`. */

import type { BesideFile } from '../draft.ts'
import type { Places } from './routes.ts'
import { placesToListen } from './server.ts'
import type { Old } from './settings.ts'

/** Where nginx asks, apart from `/oauth2/auth`: that is a separate page, which pages and scripts open. */
const QUESTION = '/.sallyport/verify/nginx'

/** A client that names an unknown host would get the first block, and be judged by the name that it gave. */
const STRANGERS = `
+server {
+    listen 80 default_server;
+    server_name _;
+    return 444;
+}`

/**
 * The changes for nginx where it asked oauth2-proxy by `auth_request`: oauth2-proxy's documented configuration, and
 * its replacement. A line below stays, is removed (`-`), or is new (`+`).
 *
 * The locations, `X-Auth-Request-Redirect` and the names of variables are from that configuration. The additions are
 * those of `docs/recipes/nginx.conf`. No client's field states a request or an identity.
 */
export function nginxFront(old: Old, { hosts, portalUrl }: Places): BesideFile {
  const { listen, verify } = placesToListen(old)
  const addressFor = (place: string) => `http://${place.replace(/^0\.0\.0\.0:/, '127.0.0.1:')}`
  const [people, proxy] = [addressFor(listen), addressFor(verify)]
  const prefix = (old.text('proxy_prefix') ?? '/oauth2').replace(/\/$/, '')
  // What the client asked for: its host, with the port where people come by another one than the usual.
  const authority = `$host${/^https?:\/\/[^/]+(:\d+)$/.exec(portalUrl ?? '')?.[1] ?? ''}`
  /** Fields that state who made which request; a location that sets any field inherits none of the outer ones. */
  const stated = `
+        proxy_set_header X-Forwarded-Host ${authority};
+        proxy_set_header X-Forwarded-For $remote_addr;
+        proxy_set_header X-Forwarded-Proto $scheme;
+        proxy_set_header X-Forwarded-Port "";
+        proxy_set_header X-Forwarded-Prefix "";`
  const handsOn = `
+        proxy_pass ${people};
+        proxy_set_header Host ${authority};${stated}
+    }`
  const application = (host: string) => `
 server {
     listen 80;
     server_name ${host};
     location ${prefix}/ {
         proxy_pass ${people};
         proxy_set_header Host ${authority};
         proxy_set_header X-Real-IP $remote_addr;
         proxy_set_header X-Auth-Request-Redirect $request_uri;${stated}
     }
+    location /.sallyport/ {${handsOn}
+    location @sallyport {${handsOn}
-    location = ${prefix}/auth {
+    location = ${QUESTION} {
+        internal;
-        proxy_pass ${people};
+        proxy_pass ${proxy}${QUESTION};
         proxy_set_header Host $host;
         proxy_set_header X-Real-IP $remote_addr;
+        proxy_set_header X-Forwarded-For $remote_addr;
+        proxy_set_header X-Original-Method $request_method;
+        proxy_set_header X-Original-URL $scheme://${authority}$request_uri;
+        proxy_set_header X-Original-Body $content_length$http_transfer_encoding;
         proxy_set_header Content-Length "";
         proxy_pass_request_body off;
     }
     location / {
-        auth_request ${prefix}/auth;
+        auth_request ${QUESTION};
-        error_page 401 = ${prefix}/sign_in;
+        error_page 401 403 = @sallyport;${told(old)}
-        auth_request_set $auth_cookie $upstream_http_set_cookie;
-        add_header Set-Cookie $auth_cookie;
+        auth_request_set $sallyport_cookie $upstream_http_cookie;
+        auth_request_set $sallyport_authorization $upstream_http_authorization;
+        proxy_set_header Cookie $sallyport_cookie;
+        proxy_set_header Authorization $sallyport_authorization;
+        proxy_set_header X-Sallyport-Token "";
+        proxy_set_header X-Forwarded-Port "";
+        proxy_set_header X-Forwarded-Prefix "";
         proxy_pass http://app:3000;
     }
 }`
  const portalHost = portalUrl === null ? '' : new URL(portalUrl).hostname
  const isApart = portalUrl !== null && !hosts.includes(portalHost)
  const portal = `
 server {
     listen 80;
     server_name ${portalHost};
-    location ${prefix}/ {
+    location / {
         proxy_pass ${people};
         proxy_set_header Host ${authority};${stated}
     }
 }`
  const blocks = hosts.map(host => application(host.startsWith('${') ? 'app.example.com' : host))
  const linesOf = (shown: readonly string[]) =>
    [STRANGERS, ...shown, ...(isApart ? [portal] : [])].join('').slice(1).split('\n')
  const told0 = old.isOn('set_xauthrequest') ? 'x[-_.]auth[-_.]request[-_.].*|' : ''
  return {
    ending: 'nginx.conf',
    title: 'What changes in nginx, for each application, where its file is as oauth2-proxy’s documentation has it',
    // With what is around each change, as far as it says where that is.
    changes: linesOf(blocks.slice(0, 1))
      .filter(line => !line.startsWith(' ') || /[{}]/.test(line))
      .map(line => `${line.slice(0, 1)} ${line.slice(1)}`.trimEnd())
      .join('\n'),
    also: {
      title: 'What changes in Traefik instead, for each application (docs/recipes/traefik.yaml has it whole)',
      changes: [
        `- address: http://…:4180/            # or its ${prefix}/auth`,
        `+ address: ${proxy}/.sallyport/verify/traefik`,
        '- authResponseHeaders: [X-Auth-Request-User, …]',
        `+ authResponseHeadersRegex: (?i)^(${told0}x[-_.]sallyport[-_.]token|cookie|authorization)$`,
        '+ trustForwardHeader: true           # with the middleware from-nobody before it in each list',
        `+ rule: PathPrefix(\`/.sallyport/\`) || PathPrefix(\`${prefix}/\`)   # a router with priority 1000, to ${people}`,
        `- errors: { status: "401-403", query: "${prefix}/sign_in" }   # nothing in its place`,
      ].join('\n'),
    },
    text: [
      '# For the http block of nginx in front. Lines that are new have "# new" beside them; names, certificates and what else your',
      '# application needs are yours to keep.',
      ...linesOf(blocks).flatMap(line =>
        line.startsWith('-') ? [] : [line.slice(1) + (line.startsWith('+') ? '  # new' : '')],
      ),
      '',
    ].join('\n'),
  }
}

/** The identity fields for the application; they overwrite the client's fields of these names. */
function told(old: Old): string {
  if (!old.isOn('set_xauthrequest')) return ''
  const names = [
    'User',
    'Email',
    'Groups',
    'Preferred-Username',
    ...(old.isOn('pass_access_token') ? ['Access-Token'] : []),
  ]
  const lines = names.flatMap(name => {
    const word = name.toLowerCase().replaceAll('-', '_')
    const variable = word === 'access_token' ? 'token' : word
    const isUsual = ['User', 'Email', 'Access-Token'].includes(name)
    return [
      `${isUsual ? ' ' : '+'}        auth_request_set $${variable} $upstream_http_x_auth_request_${word};`,
      ...(isUsual ? [`         proxy_set_header X-${name} $${variable};`] : []),
      `+        proxy_set_header X-Auth-Request-${name} $${variable};`,
    ]
  })
  return lines.map(line => `\n${line}`).join('')
}
