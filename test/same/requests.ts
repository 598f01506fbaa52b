/** What a program is asked by the wire: the file that it serves, and every request, in the order in which it is sent. */
import fc from 'fast-check'
import { oddTargets } from '../kit/wire/odd-targets.ts'
import { linesOfRule, SPLIT_HOST } from '../kit/wire/readings.ts'
import { askForWebSocket } from '../kit/wire/websocket.ts'

/** Where a request goes: the plain listener, the one for proxies in front, or the one for admins. */
export type Listener = 'plain' | 'verify' | 'admin'

export interface Asked {
  readonly name: string
  readonly listener: Listener
  /** As it is sent, where `{NAME}` stands for what was learned before: the cookie of somebody, a token, a link. */
  readonly text: string
}

const APP = 'app.test'
const AUTH = 'auth.test'

/** The ports of a run. */
export interface Ports {
  readonly plain: number
  readonly verify: number
  readonly admin: number
  readonly upstream: number
  readonly provider: number
}

/** The file that is served; people are in `users.htpasswd`, and at a provider. */
export function servedFile(ports: Ports): string {
  const route = (host: string, lines: string, leads = `upstream = "http://127.0.0.1:${ports.upstream}"`) =>
    `[[routes]]\nhost = "${host}"\n${leads}\n${lines}\n`
  return [
    `[server]
listen = "127.0.0.1:${ports.plain}"
verify = "127.0.0.1:${ports.verify}"
admin = "127.0.0.1:${ports.admin}"
trusted_proxies = ["127.0.0.1"]
log_level = "debug"
max_body = "64kB"

[sessions]
store = "sqlite:same.db"

[audit]

[providers.people]
users = "users.htpasswd"
label = "People"
groups = ["family"]

[providers.id]
issuer = "http://127.0.0.1:${ports.provider}"
client_id = "gate"
client_secret = "gate-secret"

[portals.home]
url = "http://${AUTH}"
insecure_cookies = true
providers = ["people", "id"]
admin_role = "root"
personal_tokens = true
requests = true
guest_links = { allow = ["user"], max_uses = 5 }
htpasswd = "users.htpasswd"
contact = "mailto:it@example.com"
[portals.home.roles]
user = { any = true }
root = { subjects = ["htpasswd:root"] }
admin = { groups = ["admins"], providers = ["id"] }

[portals.own]
insecure_cookies = true
providers = ["people"]
compat = "oauth2-proxy"
[portals.own.roles]
user = { any = true }
`,
    ...SPLIT_HOST.map(rule => route(APP, `headers = "x-token"\n${linesOfRule(rule)}`)),
    route(APP, 'path = "/fresh"\nportal = "home"\nallow = [{ roles = ["user"], max_age = "15m" }]'),
    route(APP, 'path = "/inner"\nportal = "home"\nallow = [{ networks = ["10.0.0.0/8"], anonymous = true }]'),
    route(APP, 'path = "/denied"\nportal = "home"\nallow = ["user"]\ndeny = [{ paths = ["/denied/x*"] }]'),
    route(APP, 'path = "/api"\nportal = "home"\nallow = ["user"]\ntokens = true\nheaders = "x-forwarded"'),
    route(APP, 'path = "/basic"\nportal = "home"\nallow = ["user"]\npasswords = true\nheaders = "remote"'),
    route(APP, 'path = "/board"\nportal = "home"\nname = "Board & more"\nallow = ["user", { guest_link = true }]'),
    route(APP, 'path = "/few"\nallow = "public"\nrate = { requests = 2, per = "1h" }'),
    route(APP, 'path = "/read"\nallow = "public"\nmethods = ["GET", "HEAD"]'),
    route(APP, 'path = "/small"\nallow = "public"\nmax_body = "16B"'),
    route(APP, 'path = "/cut"\nallow = "public"\nstrip_prefix = "/cut"\nadd_prefix = "/put"\ncookie_path = "prefix"'),
    route(
      APP,
      'path = "/cors"\nportal = "home"\nallow = ["user"]\ncors_preflight = true\nallowed_origins = ["http://friend.test"]',
    ),
    route(APP, 'path = "/plain"\nallow = "public"\nwebsockets = false'),
    route(APP, 'path = "/form"\nportal = "home"\nallow = ["user"]\nkeep_posts = "8kB"'),
    route(APP, 'path = "/slow"\nallow = "public"\ntimeout = "1s"'),
    route(
      APP,
      'path = "/fields"\nallow = "public"\nhost_header = "inner.test"\norigin = "upstream"\nrequest_headers = { set = { X-Method = "{method}", X-Path = "{path}" }, remove = "X-Drop" }\nresponse_headers = { set = { X-More = "{host}" }, remove = "Server" }',
    ),
    route(APP, 'path = "/dead"\nallow = "public"', 'upstream = "http://127.0.0.1:9"'),
    route(
      APP,
      'path = "/pair"\nallow = "public"',
      `upstream = ["http://127.0.0.1:9", "http://127.0.0.1:${ports.upstream}"]`,
    ),
    route('public.test', 'allow = "public"'),
    route('*.wild.test', 'allow = "public"\none_label = true'),
    route('own.test', 'portal = "own"\nallow = ["user"]\nheaders = "x-auth-request"'),
    route('own.test', 'path = "/me"\nportal = "own"\nallow = ["user"]\nassertion = { audience = "app" }'),
    route('files.test', 'allow = "public"', 'files = "www"'),
    route('said.test', 'allow = "public"', 'respond = { status = 503, body = "Back at noon." }'),
    route('moved.test', 'allow = "public"\nstatus = 308', 'redirect = "https://elsewhere.test{path}"'),
    route('asked.test', 'portal = "home"\nallow = ["user"]\nheaders = "x-token"', 'verify = true'),
    route('asked.test', 'path = "/open"\nallow = "public"', 'verify = true'),
    route('asked.test', 'path = "/admin"\nportal = "home"\nallow = ["admin"]', 'verify = true'),
    route('mcp.test', 'portal = "home"\nallow = ["user"]\ntokens = true\nmcp = true\ntools = { allow = ["read_*"] }'),
  ].join('\n')
}

export const WEBSITE: Readonly<Record<string, string>> = {
  'index.html': '<!doctype html><title>Hello</title>',
  'style.css': 'p { color: red }\n'.repeat(200),
  'a b.txt': 'spaces',
  '.hidden': 'nobody sees it',
}

const PAGE = ['Accept: text/html', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document']
const JSON_FIELDS = ['Accept: application/json']
const FORM = [...PAGE, 'Sec-Fetch-Site: same-origin', 'Content-Type: application/x-www-form-urlencoded']
const SCRIPT = [...JSON_FIELDS, 'Sec-Fetch-Site: same-origin', 'Content-Type: application/x-www-form-urlencoded']

interface More {
  readonly method?: string
  readonly body?: string
  readonly listener?: Listener
}

function ask(
  host: string,
  path: string,
  lines: readonly string[] = [],
  { method = 'GET', body, listener = 'plain' }: More = {},
): Asked {
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body, 'latin1')}`]
  const head = [`${method} ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...lines, ...length]
  const name = [listener, method, host + path, ...lines, ...(body === undefined ? [] : [JSON.stringify(body)])].join(
    ' | ',
  )
  return { name, listener, text: `${head.join('\r\n')}\r\n\r\n${body ?? ''}` }
}

const raw = (name: string, text: string, listener: Listener = 'plain'): Asked => ({ name, listener, text })

const COOKIES = {
  ada: 'Cookie: {ada}',
  root: 'Cookie: {root}',
  portal: 'Cookie: {ada-portal}',
  admin: 'Cookie: {root-portal}',
}

/** Every request that is asked once people are signed in. */
export function askedRequests(): readonly Asked[] {
  return [
    ...oddPaths(),
    ...oddHosts(),
    ...methodsAndFields(),
    ...cookies(),
    ...portalPages(),
    ...credentials(),
    ...frontProxies(),
    ...webSockets(),
    ...outcomes(),
    ...adminPages(),
  ]
}

/** Targets as attackers write them: the same ones at each run. */
function oddPaths(): readonly Asked[] {
  const paths = SPLIT_HOST.map(({ path }) => path)
  const made = (seed: number, count: number) => fc.sample(oddTargets(paths), { numRuns: count, seed })
  return [
    ...made(1, 110).map(target => ask(APP, target, [COOKIES.ada])),
    ...made(2, 40).map(target => ask(APP, target, PAGE)),
    ...made(3, 20).map(target => ask('own.test', target)),
    ...[
      '*',
      '',
      '//',
      'http://app.test',
      'http://public.test/x',
      '/%',
      '/\\',
      '/%00',
      '/x\x7f',
      `/${'a'.repeat(9000)}`,
    ].map(target => ask(APP, target)),
  ]
}

function oddHosts(): readonly Asked[] {
  const hosts = [
    'nobody.test',
    'APP.test',
    'app.test.',
    'app.test:80',
    'app.test:99999',
    'app.test:',
    'a.wild.test',
    'a.b.wild.test',
    '.wild.test',
    'wild.test',
    'app.test,public.test',
    'app.test public.test',
    'user@app.test',
    '[::1]',
    '127.0.0.1',
    'app%2etest',
    'app_.test',
    '\xe4pp.test',
    'xn--pp-uia.test',
    '',
    ' app.test ',
    'app.test\t',
    'auth.test',
    'app.test/x',
    'app.test#',
    '*.wild.test',
  ]
  return [
    ...hosts.map(host => ask(host, '/app', PAGE)),
    raw('no host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'),
    raw('two hosts', `GET / HTTP/1.1\r\nHost: ${APP}\r\nHost: public.test\r\nConnection: close\r\n\r\n`),
    raw('HTTP/1.0', `GET / HTTP/1.0\r\nHost: ${APP}\r\n\r\n`),
  ]
}

function methodsAndFields(): readonly Asked[] {
  const methods = [
    'HEAD',
    'POST',
    'PUT',
    'PATCH',
    'DELETE',
    'OPTIONS',
    'TRACE',
    'CONNECT',
    'PROPFIND',
    'get',
    'BREW',
    'TRACK',
  ]
  const fields = [
    ['X-Forwarded-For: 10.0.0.1'],
    ['X-Forwarded-For: junk'],
    ['X-Forwarded-For: 10.0.0.1, 198.51.100.7'],
    ['X-Forwarded-Proto: https'],
    ['X-Forwarded-Proto: ftp'],
    ['X-Forwarded-Host: public.test'],
    ['Forwarded: for=10.0.0.1;proto=https'],
    ['X-Token-Subject: root'],
    ['X-Token-User-Roles: admin'],
    ['X_Token_Subject: root'],
    ['Remote-User: root'],
    ['Connection: X-Token-Subject'],
    ['Te: trailers'],
    ['Range: bytes=0-3'],
    ['If-None-Match: *'],
    ['Expect: 100-continue'],
    ['Expect: 200-ok'],
    ['Origin: http://evil.test'],
    ['Origin: null'],
    ['Referer: http://app.test/x'],
    ['X-Http-Method-Override: DELETE'],
    ['X-Original-URL: /admin'],
    ['X-Rewrite-URL: /admin'],
    ['Destination: http://app.test/admin'],
    ['Service-Worker: script'],
    ['Purpose: prefetch'],
    ['Sec-Purpose: prefetch'],
    ['X-Drop: 1', 'X-Keep: 1'],
    ['Cookie: a=1; a=2; sallyport=x; b'],
    ['Upgrade: h2c', 'Http2-Settings: AAAA'],
    ['Trailer: X-After'],
    ['Accept-Encoding: gzip, br'],
    ['X: \xff\xfe'],
    ['X : space'],
    [`X-Long: ${'y'.repeat(20_000)}`],
    ['traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ]
  return [
    ...methods.flatMap(method => [ask(APP, '/app', [COOKIES.ada], { method }), ask(APP, '/', [], { method })]),
    ...['GET', 'HEAD', 'POST', 'OPTIONS'].map(method => ask(APP, '/read', [], { method })),
    ...fields.flatMap(lines => [ask(APP, '/app', [COOKIES.ada, ...lines]), ask(APP, '/fields/x?y=1', lines)]),
    ...[
      ['Content-Length: 3', 'Content-Length: 4'],
      ['Content-Length: -1'],
      ['Content-Length: 3, 3'],
      ['Transfer-Encoding: chunked', 'Content-Length: 3'],
      ['Transfer-Encoding: xchunked'],
      ['Transfer-Encoding: gzip, chunked'],
    ].map(lines =>
      raw(
        `framing | ${lines.join(' | ')}`,
        [`POST /open HTTP/1.1`, `Host: ${APP}`, 'Connection: close', ...lines, '', 'abc'].join('\r\n'),
      ),
    ),
    raw(
      'chunks',
      `POST /x HTTP/1.1\r\nHost: ${APP}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    ),
    raw(
      'bad chunks',
      `POST /x HTTP/1.1\r\nHost: ${APP}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n`,
    ),
    raw('no request', 'hello\r\n\r\n'),
    ask(APP, '/small', [], { method: 'POST', body: 'x'.repeat(17) }),
    ask(APP, '/small', [], { method: 'POST', body: 'x'.repeat(16) }),
    ask(APP, '/x', [], { method: 'POST', body: 'x'.repeat(70_000) }),
    ask(APP, '/cors/x', ['Origin: http://friend.test', 'Access-Control-Request-Method: PUT'], { method: 'OPTIONS' }),
    ask(APP, '/cors/x', ['Origin: http://evil.test', COOKIES.ada, 'Sec-Fetch-Site: cross-site']),
    ask(APP, '/cors/x', ['Origin: http://friend.test', COOKIES.ada]),
  ]
}

function cookies(): readonly Asked[] {
  const values = [
    'sallyport=',
    'sallyport=short',
    `sallyport=${'A'.repeat(43)}`,
    'sallyport={ada-token}x',
    'sallyport="{ada-token}"',
    '{ada}; {root}',
    '{root}; {ada}',
    '{ada-portal}',
    'Sallyport={ada-token}',
    '__Host-sallyport={ada-token}',
    'sallyport-guest-x=1',
    '{ada}; x=y',
    'a=b, {ada}',
    ` ${'x=y; '.repeat(300)}{ada}`,
    'sallyport-owner=x',
    'sallyport-login=x',
  ]
  return values.flatMap(value => [
    ask(APP, '/app', [...PAGE, `Cookie: ${value}`]),
    ask(APP, '/app/x', [...JSON_FIELDS, `Cookie: ${value}`]),
  ])
}

const PAGES = [
  '',
  'login',
  'callback',
  'enter',
  'logout',
  'provider-logout',
  'signed-out',
  'backchannel-logout',
  'frontchannel-logout',
  'again',
  'ask',
  'sessions',
  'tokens',
  'admin',
  'audit',
  'file',
  'edit',
  'jwks.json',
  'client-jwks.json',
  'guests',
  'guest',
  'kept',
  'authorize',
  'token',
  'register',
  'me',
  'address',
  'nothing',
  'favicon.svg',
  'style.css',
]

function portalPages(): readonly Asked[] {
  const own = (page: string) => `/.sallyport/${page}`
  return [
    ...PAGES.flatMap(page => [
      ask(AUTH, own(page), PAGE),
      ask(AUTH, own(page), [...PAGE, COOKIES.portal]),
      ask(AUTH, own(page), [...PAGE, COOKIES.admin, 'Accept-Language: de']),
      ask(AUTH, own(page), [...JSON_FIELDS, COOKIES.admin]),
      ask(APP, own(page), [...PAGE, COOKIES.ada, 'Accept-Language: fr']),
      ask(AUTH, own(page), [...FORM, COOKIES.portal], { method: 'POST', body: 'act=nothing&name=x' }),
      ask(AUTH, own(page), ['Content-Type: text/plain', 'Sec-Fetch-Site: cross-site', COOKIES.portal], {
        method: 'POST',
        body: 'x=y',
      }),
    ]),
    ...PAGES.slice(0, 10).map(page =>
      ask(AUTH, own(page), COOKIES.portal === '' ? [] : [COOKIES.portal], { method: 'HEAD' }),
    ),
    ...[
      '/',
      '/.well-known/oauth-protected-resource',
      '/.well-known/oauth-authorization-server',
      '/favicon.ico',
      '/robots.txt',
    ].flatMap(path => [AUTH, APP, 'mcp.test'].map(host => ask(host, path, PAGE))),
    ...['sign_in', 'sign_out', 'start', 'userinfo', 'auth', 'callback', 'static/x'].flatMap(page => [
      ask('own.test', `/oauth2/${page}`, PAGE),
      ask('own.test', `/oauth2/${page}?rd=https://evil.test/`, JSON_FIELDS),
    ]),
    ...['/ping', '/ready', '/robots.txt'].map(path => ask('own.test', path)),
    ...['http://app.test/app', '//evil.test', '/app', 'http://evil.test/', 'javascript:alert(1)', '/\\evil.test'].map(
      address => ask(AUTH, `/.sallyport/login?return=${encodeURIComponent(address)}`, PAGE),
    ),
    ask(AUTH, '/.sallyport/callback?state=x&code=y', PAGE),
    ask(AUTH, '/.sallyport/callback?state=x&error=access_denied', PAGE),
    ask(APP, '/.sallyport/enter?ticket=x', PAGE),
    ask(APP, '/app/form', [...FORM, 'Origin: http://app.test'], { method: 'POST', body: 'kept=1' }),
    ask(APP, '/form', [...FORM, 'Origin: http://app.test'], { method: 'POST', body: 'kept=1' }),
    ask(APP, '/admin', [...PAGE, COOKIES.ada, 'Accept-Language: es']),
    ask(APP, '/admin', [...JSON_FIELDS, COOKIES.ada]),
    ask(AUTH, '/.sallyport/login?provider=people', [...FORM, 'Origin: http://auth.test'], {
      method: 'POST',
      body: 'provider=people&name=ada&password=wrong',
    }),
    ask(AUTH, '/.sallyport/sessions', [...SCRIPT, COOKIES.portal], { method: 'POST', body: 'act=end&id=nothing' }),
  ]
}

function credentials(): readonly Asked[] {
  const basic = (pair: string) => `Authorization: Basic ${Buffer.from(pair).toString('base64')}`
  const fields = [
    'Authorization: Bearer {token}',
    'Authorization: bearer {token}',
    'Authorization: Bearer {token}x',
    'Authorization: Bearer x.y.z',
    'Authorization: Bearer',
    'Authorization: Basic',
    basic('ada:secret'),
    basic('ada:wrong'),
    basic('nobody:secret'),
    basic('{token}:'),
    'X-Api-Key: {token}',
    COOKIES.ada,
  ]
  return [
    ...['/api', '/basic', '/app'].flatMap(path => fields.map(field => ask(APP, path, [field]))),
    ask('mcp.test', '/'),
    ask('mcp.test', '/', ['Authorization: Bearer {token}', 'Content-Type: application/json'], {
      method: 'POST',
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"write_x"}}',
    }),
    ask('mcp.test', '/', ['Authorization: Bearer {token}', 'Content-Type: application/json'], {
      method: 'POST',
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_x"}}',
    }),
    ask(AUTH, '/.sallyport/guest?link={link}', PAGE),
    ask(APP, '/.sallyport/guest?link={link}', PAGE),
    ask(APP, '/.sallyport/guest?link=wrong', PAGE),
    ask(APP, '/.sallyport/guest', FORM, { method: 'POST', body: 'link={link}' }),
    ask(APP, '/board', [...PAGE, 'Cookie: sallyport-guest-0=x']),
    ask(AUTH, '/.sallyport/tokens', [...SCRIPT, COOKIES.portal], { method: 'POST', body: 'act=revoke&id=nothing' }),
  ]
}

function frontProxies(): readonly Asked[] {
  const at = (page: string, lines: readonly string[], host = 'asked.test') =>
    ask(host, `/.sallyport/verify${page}`, lines, { listener: 'verify' })
  const stated = (path: string, method = 'GET') => [
    `X-Forwarded-Method: ${method}`,
    `X-Forwarded-Uri: ${path}`,
    'X-Forwarded-Host: asked.test',
    'X-Forwarded-Proto: http',
    'X-Forwarded-For: 198.51.100.7',
  ]
  const original = (path: string) => ['X-Original-Method: GET', `X-Original-URL: http://asked.test${path}`]
  const paths = ['/', '/open', '/admin', '/open/../admin', '/nowhere%2f']
  return [
    ...paths.flatMap(path => [
      at('', stated(path)),
      at('/traefik', [...stated(path), COOKIES.ada]),
      at(`/envoy${path}`, stated(path)),
      at('/nginx', original(path)),
      at('/ingress-nginx', original(path)),
    ]),
    at('', []),
    at('', [...stated('/'), ...PAGE]),
    at('', stated('/', 'POST')),
    at('', stated('/', 'odd method')),
    at('/nothing', stated('/')),
    at('', ['X-Forwarded-Prefix: /x', ...stated('/')]),
    ask('asked.test', '/', [], { listener: 'plain' }),
    ask('asked.test', '/', [], { listener: 'verify' }),
  ]
}

function webSockets(): readonly Asked[] {
  const socket = (host: string, path: string, lines: readonly string[] = []) =>
    raw(`WebSocket | ${host}${path} | ${lines.join(' | ')}`, askForWebSocket(host, path, lines))
  return [
    socket('public.test', '/socket'),
    socket('public.test', '/socket', ['Origin: http://public.test']),
    socket('public.test', '/socket', ['Origin: http://evil.test']),
    socket('public.test', '/refuse'),
    socket(APP, '/app/socket'),
    socket(APP, '/app/socket', ['Cookie: {ada}', 'Origin: http://app.test']),
    socket(APP, '/app/socket', ['Cookie: {ada}', 'Origin: http://evil.test']),
    socket(APP, '/admin/socket', ['Cookie: {ada}']),
    socket(APP, '/plain/x', ['Connection: close']),
    socket(APP, '/dead'),
    socket('nobody.test', '/'),
    socket('public.test', '/socket', ['Sec-WebSocket-Protocol: chat, other']),
    raw('WebSocket | old version', askForWebSocket('public.test', '/socket').replace('Version: 13', 'Version: 8')),
    raw('WebSocket | bad key', askForWebSocket('public.test', '/socket').replace(/Key: .*/, 'Key: x')),
    raw('WebSocket | by POST', askForWebSocket('public.test', '/socket').replace('GET', 'POST')),
  ]
}

function outcomes(): readonly Asked[] {
  const answers = [
    'cookies',
    'location',
    'other-location',
    'hop',
    'bad-head',
    'nothing',
    'early',
    '304',
    '204',
    '500',
    'alt-svc',
    'long-field',
    'csp',
    'cached',
  ]
  return [
    ...answers.map(kind => ask('public.test', `/answer/${kind}`)),
    ...['cookies', 'location', '304', '500'].map(kind => ask(APP, `/cut/answer/${kind}`, [], { method: 'HEAD' })),
    ask(APP, '/slow/answer/silent', PAGE),
    ask(APP, '/slow/answer/silent', JSON_FIELDS),
    ask(APP, '/dead', PAGE),
    ask(APP, '/dead', JSON_FIELDS),
    ask(APP, '/dead', [...PAGE, 'Accept-Language: de']),
    ask(APP, '/pair/x'),
    ask(APP, '/few'),
    ask(APP, '/few'),
    ask(APP, '/few', PAGE),
    ask(APP, '/few', JSON_FIELDS),
    ...[
      '/',
      '/style.css',
      '/a%20b.txt',
      '/.hidden',
      '/nothing',
      '/../users.htpasswd',
      '/%2e%2e/users.htpasswd',
      '/index.html?x',
    ].map(path => ask('files.test', path, PAGE)),
    ask('files.test', '/style.css', ['Accept-Encoding: gzip']),
    ask('files.test', '/style.css', ['Range: bytes=0-9']),
    ask('files.test', '/style.css', [], { method: 'POST' }),
    ask('said.test', '/'),
    ask('said.test', '/', [], { method: 'POST', body: 'x' }),
    ask('moved.test', '/x?y=%2f'),
    ask('moved.test', '//evil.test/'),
    ask(APP, '/inner', ['X-Forwarded-For: 10.1.2.3']),
    ask(APP, '/inner', PAGE),
    ask(APP, '/denied/xyz', [COOKIES.ada]),
    ask(APP, '/denied/a', [COOKIES.ada]),
  ]
}

function adminPages(): readonly Asked[] {
  const page = (path: string, host = 'localhost', method = 'GET') => ask(host, path, [], { listener: 'admin', method })
  return [
    page('/healthz'),
    page('/readyz'),
    page('/config'),
    page('/nothing'),
    page('/healthz', 'localhost', 'POST'),
    page('/metrics', 'evil.test'),
    page('/healthz', ''),
  ]
}
