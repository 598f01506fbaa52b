import type { BesideFile } from '../draft.ts'
import type { Context } from './context.ts'
import type { Places } from './places.ts'
import { placesToListen } from './server.ts'

/** A line of somebody's nginx.conf: as it is, to be taken out, or new. */
type Line = readonly [sign: ' ' | '-' | '+', text: string]

/** Where the proxy in front finds what. */
interface Addresses {
  /** As `proxy_pass` takes them. */
  readonly listen: string
  readonly verify: string
  /** What the client asked for: its host, with the port where people come by another one than the usual. */
  readonly authority: string
  /** `proxy_prefix`. */
  readonly prefix: string
}

/**
 * What changes for nginx where it asked oauth2-proxy by `auth_request`: its documented configuration, and what becomes of it.
 *
 * Taken from there: the locations, `X-Auth-Request-Redirect` and the names of variables. What is added is what `docs/recipes/nginx.conf`
 * does, and nothing that a client sends states a request or says who is there.
 */
export function nginxFront(context: Context, { hosts, portalUrl }: Places): BesideFile {
  const { listen, verify } = placesToListen(context)
  const port = /^https?:\/\/[^/]+(:\d+)$/.exec(portalUrl ?? '')?.[1] ?? ''
  const addresses = {
    listen: addressFor(listen),
    verify: addressFor(verify),
    authority: `$host${port}`,
    prefix: (context.options.text('proxy_prefix') ?? '/oauth2').replace(/\/$/, ''),
  }
  const portalHost = portalUrl === null ? null : new URL(portalUrl).hostname
  const blocks = hosts.map(host => application(context, host.startsWith('${') ? 'app.example.com' : host, addresses))
  const others = portalHost === null || hosts.includes(portalHost) ? [] : portal(portalHost, addresses)
  const lines = [...strangers(), ...blocks.flat(), ...others]
  return {
    ending: 'nginx.conf',
    title: 'What changes in nginx, for each application, where its file is as oauth2-proxy’s documentation has it',
    changes: changed([...strangers(), ...(blocks[0] ?? []), ...others]),
    also: {
      title: 'What changes in Traefik instead, for each application (docs/recipes/traefik.yaml has it whole)',
      changes: traefikChanges(context, addresses),
    },
    text: [
      '# For the http block of nginx in front. Lines that are new have "# new" beside them; names, certificates and what else your',
      '# application needs are yours to keep.',
      ...lines.filter(([sign]) => sign !== '-').map(([sign, text]) => (sign === '+' ? `${text}  # new` : text)),
      '',
    ].join('\n'),
  }
}

/** The lines with what is around each change, as far as it says where that is. */
function changed(lines: readonly Line[]): string {
  return lines
    .filter(([sign, text]) => sign !== ' ' || /[{}]/.test(text))
    .map(([sign, text]) => `${sign} ${text}`.trimEnd())
    .join('\n')
}

function addressFor(place: string): string {
  return `http://${place.replace(/^0\.0\.0\.0:/, '127.0.0.1:')}`
}

/** Where nginx asks, apart from `/oauth2/auth`: that is a page of its own, which pages and scripts open. */
const QUESTION = '/.sallyport/verify/nginx'

/** What changes in Traefik's dynamic configuration. What is around it is in docs/recipes/traefik.yaml. */
function traefikChanges({ options }: Context, { listen, verify, prefix }: Addresses): string {
  const told = options.flag('set_xauthrequest') === true ? 'x[-_.]auth[-_.]request[-_.].*|' : ''
  return [
    `- address: http://…:4180/            # or its ${prefix}/auth`,
    `+ address: ${verify}/.sallyport/verify/traefik`,
    '- authResponseHeaders: [X-Auth-Request-User, …]',
    `+ authResponseHeadersRegex: (?i)^(${told}x[-_.]sallyport[-_.]token|cookie|authorization)$`,
    '+ trustForwardHeader: true           # with the middleware from-nobody before it in each list',
    `+ rule: PathPrefix(\`/.sallyport/\`) || PathPrefix(\`${prefix}/\`)   # a router with priority 1000, to ${listen}`,
    `- errors: { status: "401-403", query: "${prefix}/sign_in" }   # nothing in its place`,
  ].join('\n')
}

/** Whoever names a host that no other block has would get the first one, and be judged by the name that they gave. */
function strangers(): readonly Line[] {
  return [
    ['+', 'server {'],
    ['+', '    listen 80 default_server;'],
    ['+', '    server_name _;'],
    ['+', '    return 444;'],
    ['+', '}'],
  ]
}

/** Fields that say to Sallyport who asked it for what; a location that sets one of its own has none of those around it. */
function stated({ authority }: Addresses, indent: string): readonly string[] {
  return [
    `${indent}proxy_set_header X-Forwarded-Host ${authority};`,
    `${indent}proxy_set_header X-Forwarded-For $remote_addr;`,
    `${indent}proxy_set_header X-Forwarded-Proto $scheme;`,
    ...unstated(indent),
  ]
}

/** What a client says of its way, and nginx itself says nothing of. */
function unstated(indent: string): readonly string[] {
  return ['Port', 'Prefix'].map(name => `${indent}proxy_set_header X-Forwarded-${name} "";`)
}

function application(context: Context, host: string, addresses: Addresses): readonly Line[] {
  const { listen, verify, authority, prefix } = addresses
  const handsOn: readonly string[] = [
    `        proxy_pass ${listen};`,
    `        proxy_set_header Host ${authority};`,
    ...stated(addresses, '        '),
  ]
  return [
    [' ', 'server {'],
    [' ', '    listen 80;'],
    [' ', `    server_name ${host};`],
    [' ', `    location ${prefix}/ {`],
    [' ', `        proxy_pass ${listen};`],
    [' ', `        proxy_set_header Host ${authority};`],
    [' ', '        proxy_set_header X-Real-IP $remote_addr;'],
    [' ', '        proxy_set_header X-Auth-Request-Redirect $request_uri;'],
    ...stated(addresses, '        ').map((text): Line => ['+', text]),
    [' ', '    }'],
    ...['    location /.sallyport/ {', ...handsOn, '    }'].map((text): Line => ['+', text]),
    ...['    location @sallyport {', ...handsOn, '    }'].map((text): Line => ['+', text]),
    ['-', `    location = ${prefix}/auth {`],
    ['+', `    location = ${QUESTION} {`],
    ['+', '        internal;'],
    ['-', `        proxy_pass ${listen};`],
    ['+', `        proxy_pass ${verify}${QUESTION};`],
    [' ', '        proxy_set_header Host $host;'],
    [' ', '        proxy_set_header X-Real-IP $remote_addr;'],
    ['+', '        proxy_set_header X-Forwarded-For $remote_addr;'],
    ['+', '        proxy_set_header X-Original-Method $request_method;'],
    ['+', `        proxy_set_header X-Original-URL $scheme://${authority}$request_uri;`],
    ['+', '        proxy_set_header X-Original-Body $content_length$http_transfer_encoding;'],
    [' ', '        proxy_set_header Content-Length "";'],
    [' ', '        proxy_pass_request_body off;'],
    [' ', '    }'],
    [' ', '    location / {'],
    ['-', `        auth_request ${prefix}/auth;`],
    ['+', `        auth_request ${QUESTION};`],
    ['-', `        error_page 401 = ${prefix}/sign_in;`],
    ['+', '        error_page 401 403 = @sallyport;'],
    ...told(context),
    ['-', '        auth_request_set $auth_cookie $upstream_http_set_cookie;'],
    ['-', '        add_header Set-Cookie $auth_cookie;'],
    ['+', '        auth_request_set $sallyport_cookie $upstream_http_cookie;'],
    ['+', '        auth_request_set $sallyport_authorization $upstream_http_authorization;'],
    ['+', '        proxy_set_header Cookie $sallyport_cookie;'],
    ['+', '        proxy_set_header Authorization $sallyport_authorization;'],
    ['+', '        proxy_set_header X-Sallyport-Token "";'],
    ...unstated('        ').map((text): Line => ['+', text]),
    [' ', '        proxy_pass http://app:3000;'],
    [' ', '    }'],
    [' ', '}'],
  ]
}

/** Who is there, for the application; its client's own fields of these names are written over. */
function told({ options }: Context): readonly Line[] {
  if (options.flag('set_xauthrequest') !== true) return []
  const names = ['User', 'Email', 'Groups', 'Preferred-Username']
  const withToken = options.flag('pass_access_token') === true ? [...names, 'Access-Token'] : names
  return withToken.flatMap((name): readonly Line[] => {
    const word = name.toLowerCase().replaceAll('-', '_')
    const variable = word === 'access_token' ? 'token' : word
    const isUsual = ['User', 'Email', 'Access-Token'].includes(name)
    return [
      [isUsual ? ' ' : '+', `        auth_request_set $${variable} $upstream_http_x_auth_request_${word};`],
      ...(isUsual ? [[' ', `        proxy_set_header X-${name} $${variable};`] as const] : []),
      ['+', `        proxy_set_header X-Auth-Request-${name} $${variable};`],
    ]
  })
}

function portal(host: string, addresses: Addresses): readonly Line[] {
  return [
    [' ', 'server {'],
    [' ', '    listen 80;'],
    [' ', `    server_name ${host};`],
    ['-', `    location ${addresses.prefix}/ {`],
    ['+', '    location / {'],
    [' ', `        proxy_pass ${addresses.listen};`],
    [' ', `        proxy_set_header Host ${addresses.authority};`],
    ...stated(addresses, '        ').map((text): Line => ['+', text]),
    [' ', '    }'],
    [' ', '}'],
  ]
}
