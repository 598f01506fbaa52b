/** The keys of `[[routes]]`. */

import { good } from '../text/diagnostic.ts'
import { parseOrigin } from '../values/address.ts'
import { duration } from '../values/duration.ts'
import { HOST_WIDE, headerSpec, method } from '../values/headers.ts'
import { parseHostHeader, parseHostPattern } from '../values/host.ts'
import { parsePath, parsePlace } from '../values/path.ts'
import { pathExpression, starPattern } from '../values/pattern.ts'
import { buildPicture, ICON } from '../values/picture.ts'
import { sizeUpToOrOff } from '../values/size.ts'
import { boolean, choice, either, list, parsed, text } from '../values/value.ts'
import { allow, deny } from './allow.ts'
import { redirect, redirectStatus, respond, verify } from './answers.ts'
import { ROUTE_ASSERTION } from './assertion.ts'
import { requestRules, responseRules } from './field-rules.ts'
import { filesSpec } from './files.ts'
import { ROUTE_LIMITS } from './limits.ts'
import { ROUTE_PASS_TOKEN } from './pass-token.ts'
import { when } from './rules.ts'
import {
  ANSWERED,
  APPLICATION,
  defaulted,
  FORWARDED,
  FREE,
  type Keys,
  optional,
  required,
  type Table,
  table,
} from './table.ts'
import { upstreamSpec } from './upstreams.ts'

/** `[routes.app]`: how a route shows among people's applications. */
export const APP = {
  icon: optional(
    parsed({ label: 'file', expected: 'the name of an icon, or the path of an SVG, PNG, WebP or ICO file' }, good),
    'uptimekuma',
    'the first letter of the name',
    'A picture for it: the name of [an icon](pages.md#your-applications) that Sallyport has, such as `"grafana"`, or an SVG, PNG, WebP or ICO file of at most 256 kB, read again when it changes.',
    { build: (path, { files }) => buildPicture(path, ICON, files) },
  ),
  group: optional(
    text(),
    'Monitoring',
    'none',
    'The heading under which it is listed; groups keep the order of the file.',
  ),
  description: optional(text(), 'Is everything up?', 'its address', 'A line below the name.'),
  hidden: defaulted(boolean, false, true, 'Leaves it out of the list. Users who may open it still can.', {
    field: 'isHidden',
  }),
} as const satisfies Keys

/** The table of these keys. */
const app = table(APP, { title: '[routes.app]' })

const host = parsed(
  { label: 'host', expected: 'a host such as "app.example.com" or "*.example.com"' },
  parseHostPattern,
)
const place = parsed({ label: 'path', expected: 'a path such as "/app", or "=/app" for it alone' }, parsePlace)
const path = parsed({ label: 'path', expected: 'a path such as "/app"' }, parsePath)
const hostHeader = parsed(
  { label: '`"pass"`, `"upstream"` or host', expected: '"pass", "upstream" or a host such as "app.internal"' },
  parseHostHeader,
)
const origin = parsed({ label: 'origin', expected: 'an origin such as "https://app.example.com"' }, parseOrigin)

/** `tools` of a route. */
export const TOOLS = {
  allow: required(
    list(starPattern, { single: true, mayBeEmpty: true }),
    ['search', 'get-*'],
    'The names of tools that may be called, in this letter case; a star matches anything. An empty list allows none.',
  ),
} as const satisfies Keys

/** `rewrite` of a route. */
export const REWRITE = {
  from: required(
    pathExpression,
    '^/img/(thumb|full)/(.*)$',
    'A regular expression (RE2, as in Go); each part of the path that it matches is replaced. The path is read as it is forwarded, percent-encoded.',
  ),
  to: required(
    text('a path such as "/pictures/$1-$2"'),
    '/pictures/$1-$2',
    'The new text; `$1` is the first group in brackets.',
  ),
} as const satisfies Keys

/** `[[routes]]`: hosts and paths, where they lead, and who may pass. */
export const ROUTE = {
  host: required(
    list(host, { single: true }),
    'app.example.com',
    'The host, exact or `*.example.com`; an exact one comes first, then the longest wildcard. A list is as many routes that are the same but for this.',
    { field: null },
  ),
  path: defaulted(
    list(place, { single: true }),
    '/',
    ['/status', '=/sw.js'],
    'The path and everything below it, at segment boundaries; with `=` before it the path alone, without a slash at its end. The longest path of a host wins, each of a list for itself.',
    { field: null },
  ),
  one_label: defaulted(
    boolean,
    false,
    true,
    'Whether a wildcard host stands for one label: `a.example.com`, and not `a.b.example.com`, which is 404 then.',
    { field: 'isOneLabel' },
  ),
  exact: defaulted(boolean, false, true, 'Whether each `path` of this route is meant alone, as with `=` before it.', {
    field: null,
  }),
  ignore_case: defaulted(
    boolean,
    false,
    true,
    'Whether `path` and `strip_prefix` of this route are meant in any letter case (ASCII), as for an application that heeds none.',
    { field: 'ignoresCase' },
  ),
  when: optional(
    when,
    { methods: ['POST', 'PUT'] },
    'every request',
    'Which requests the route is for: all that this says has to hold, and for any other it is as if the route were not there. Of several with one host and path the first that holds takes a request, and one without `when` the rest. Where a path can be read in several ways and not all of them hold, whoever asks needs both routes. Its keys are below.',
    { field: null },
  ),
  upstream: optional(
    upstreamSpec,
    'http://app:3000',
    '**required**, or one of `redirect`, `respond`, `files` and `verify`',
    'Where the application answers: `http://`, `https://` or `unix:/path`. A list shares the load. `"@NAME"` is the table `[upstreams.NAME]`, and a table in its place has the same keys.',
    { field: null },
  ),
  redirect: optional(
    redirect,
    'https://new.example.com{path}{query}',
    'none',
    'Send people elsewhere, instead of `upstream`: an address or a path, with `{host}`, `{path}` (after `strip_prefix` and `add_prefix`) and `{query}`.',
    { field: null },
  ),
  status: optional(redirectStatus, 308, '302', 'The status of `redirect`: 301, 302, 303, 307 or 308.', { field: null }),
  respond: optional(
    respond,
    { status: 503, body: 'Back at noon.' },
    'none',
    'Always the same answer, instead of `upstream`; its keys are below.',
    { field: null },
  ),
  files: optional(
    filesSpec,
    '/srv/www',
    'none',
    "A folder of files to serve, instead of `upstream`, or before it: then what is a file there is served, and everything else comes from the upstream. A relative path starts at the config file's folder. A table in its place has more to say; its keys are below. `index.html` is served for a folder; there are no listings unless that table says so, no names that begin with a dot, and no links that lead outside. A file that is closed to a user at its own address is shown to them at no other.",
    { field: null },
  ),
  verify: optional(
    verify,
    true,
    'none',
    'Instead of `upstream`: a proxy in front (nginx, Caddy, Traefik, HAProxy, Envoy) has the application, and asks whether a request may pass. `[server]` says where it asks (`verify`), and that it may (`trusted_proxies`).',
    { field: null },
  ),
  portal: optional(
    text(),
    'home',
    'none',
    'The portal where users sign in for this route; needed if `allow` or `deny` has rules about users.',
    FREE,
  ),
  allow: required(
    allow,
    ['user'],
    "Who may pass: any one of these of the portal's roles, or of these rules, is enough. The keys of a rule are below.",
    FREE,
  ),
  deny: optional(
    deny,
    [{ networks: ['203.0.113.0/24'] }],
    'nobody',
    'Who is refused, also if `allow` matches: the same roles and rules. What cannot be judged counts as denied.',
    { ...FREE, build: rules => rules ?? [] },
  ),
  methods: optional(
    list(method, { single: true }),
    ['GET', 'HEAD'],
    'all',
    'Methods that are served; others are answered with 405.',
    FREE,
  ),
  tokens: defaulted(
    boolean,
    false,
    true,
    'Scripts and apps may come with a token (`sallyport tokens create`) instead of signing in. Needs a portal.',
    FREE,
  ),
  tools: optional(
    table(TOOLS, { title: '[routes.tools]' }),
    { allow: ['search', 'get-*'] },
    'all that the application has',
    'Which tools of an MCP server may be called; its keys are below. Bodies are read for that, up to 1 MiB; an ambiguous body is refused.',
    { ...FREE, targets: FORWARDED, build: tools => tools?.allow ?? null },
  ),
  audience: optional(
    list(text(), { single: true }),
    'https://api.example.com',
    'what `access_tokens` of the provider says',
    "What the `aud` of a provider's access token has to hold here: any one of these, in place of what the provider's table says for all routes.",
    FREE,
  ),
  mcp: defaulted(
    either(raw => raw.kind === 'text', choice(['provider']), boolean),
    false,
    true,
    'The application is an MCP server (or another API) whose clients find their way to a sign-in by themselves: metadata (RFC 9728) says where, preflights of browser clients are answered, tokens are taken as with `tokens`, and are for this address alone (RFC 8707). The portal gives them, each after its person has agreed; `"provider"`: the provider does, whose `access_tokens` are then taken.',
    { ...FREE, targets: FORWARDED, build: mcp => (mcp === true ? 'portal' : mcp === false ? null : mcp) },
  ),
  passwords: defaulted(
    boolean,
    false,
    true,
    "People and programs may come with a name and a password (HTTP Basic) of the portal's `htpasswd` instead of signing in. Any other Basic credentials are then refused. The key of that name of a provider is another thing: whether its people have passwords at all.",
    FREE,
  ),
  pass_authorization: defaulted(
    boolean,
    false,
    true,
    "Whether the application gets the `Authorization` by which somebody was found here: a provider's token, or a name and a password, as they came. Otherwise it goes no further. Whoever has it can act for that person; tokens of `sallyport tokens create` never go on.",
    FREE,
  ),
  program_paths: optional(
    list(pathExpression, { single: true }),
    '^/api/',
    'none',
    'Paths where every client counts as a program: a request without a session gets 401, and is never redirected to a page. One of these regular expressions (as in `path_regexp` of a rule) matches somewhere in the path.',
    { ...FREE, build: paths => paths ?? [] },
  ),
  strip_prefix: optional(path, '/api', 'nothing', 'A part of `path` that the application does not see.', {
    targets: ANSWERED,
  }),
  add_prefix: optional(
    path,
    '/app',
    'nothing',
    'Put before the path that the application sees, after `strip_prefix` was taken off.',
    { targets: ANSWERED, build: path => (path === '/' ? null : path) },
  ),
  rewrite: optional(
    table(REWRITE, { title: '[routes.rewrite]' }),
    { from: '/legacy/', to: '/modern/' },
    'nothing',
    'Another path for the application, after `strip_prefix` and `add_prefix`; its keys are below. Addresses in answers are not written back.',
    { targets: ANSWERED },
  ),
  host_header: defaulted(
    hostHeader,
    'pass',
    'upstream',
    'The Host that the application sees: what the client asked for, `"upstream"` for the address it has here, or a name. `X-Forwarded-Host` is always what the client asked for.',
    { targets: FORWARDED },
  ),
  origin: defaulted(
    choice(['pass', 'upstream']),
    'pass',
    'upstream',
    'What `Origin` and `Referer` say where they name the host that was asked for: that, or `"upstream"` for the address that `host_header` gives the application, which may refuse any other. Other origins stay as they are.',
    { targets: FORWARDED, field: 'hasOwnOrigin', build: origin => origin === 'upstream' },
  ),
  rewrite_location: defaulted(
    boolean,
    true,
    false,
    "Whether `Location`, `Content-Location` and `Refresh` are written as browsers can follow them where they name the application's own address, the host with the wrong scheme or port, or a path inside `strip_prefix` and `add_prefix`. Anything else is never touched.",
    { ...FREE, targets: FORWARDED, field: 'rewritesLocation' },
  ),
  cookie_path: defaulted(
    choice(['pass', 'prefix']),
    'pass',
    'prefix',
    'The `Path` of the cookies that the application sets: as it says, or `"prefix"`: as browsers know it, with `strip_prefix` and without `add_prefix`.',
    { ...FREE, targets: FORWARDED },
  ),
  end_user_sessions: optional(
    boolean,
    false,
    '`true` where `headers` is set, else `false`',
    'Whether the application\'s own session ends when another user comes by the same browser: their first request reaches it without its cookies, and the answer removes these and what its pages have stored (`Clear-Site-Data: "storage"`). For applications that learn who is there and keep a session of their own.',
    { ...FREE, targets: FORWARDED, field: 'endsUserSessions' },
  ),
  headers: defaulted(
    headerSpec,
    'none',
    'x-token',
    'How the application gets the user: a preset, or a table such as `{ X-User = "{name} <{email}>" }`. What a client sends in these fields is removed.',
    { ...FREE, targets: APPLICATION },
  ),
  ...ROUTE_ASSERTION,
  ...ROUTE_PASS_TOKEN,
  request_headers: optional(
    requestRules,
    { set: { 'X-Site': '{host}' }, remove: ['Accept-Language'] },
    'nothing',
    'What else changes in the fields of a request, after forged ones were removed; its keys are below.',
    { targets: FORWARDED, field: 'requestRules' },
  ),
  response_headers: optional(
    responseRules,
    { set: { 'X-Frame-Options': 'DENY' }, remove: ['Server'] },
    'nothing',
    "What changes in the fields of this route's answers; the same keys. Our own pages and errors have theirs.",
    { ...FREE, targets: ANSWERED, field: 'responseRules' },
  ),
  pass_fields: optional(
    list(choice(HOST_WIDE), { single: true }),
    ['Clear-Site-Data'],
    'none',
    'Fields of answers that act on the whole host, and so do not pass unless they are named: `Clear-Site-Data`, `Alt-Svc`, `NEL`, `Report-To`, `Reporting-Endpoints`, `Secure-Session-Registration`, `Secure-Session-Challenge`, and `Service-Worker-Allowed` beyond this route.',
    { ...FREE, build: names => (names ?? []).map(name => name.toLowerCase()) },
  ),
  shared_caches: defaulted(
    boolean,
    false,
    true,
    'Whether shared caches (a proxy or CDN in front) may keep answers of this route although not everyone may pass: they hand them to others without asking Sallyport, after a sign-out too. Otherwise `Cache-Control` says `private` here. Routes that are public to everyone need no such key.',
    { ...FREE, targets: ANSWERED },
  ),
  timeout: defaulted(
    duration('1ms', '24h'),
    '60s',
    '5m',
    'How long the application may take to begin its answer, from the end of the request.',
    { ...FREE, targets: FORWARDED },
  ),
  keep_length: defaulted(
    sizeUpToOrOff('16MiB'),
    'off',
    '4MiB',
    'Answers up to this size keep their `Content-Length`, for clients that cannot do without, such as firmware updaters and some players. Each is read whole before it goes on, for up to 5 seconds, and 64 MiB of them are held at a time; the others are sent in chunks. Up to 512 KiB the length stays anyway, where an application sends an answer in one go.',
    { ...FREE, targets: FORWARDED },
  ),
  allowed_origins: defaulted(
    list(origin, { single: true, mayBeEmpty: true }),
    [],
    ['https://app.example.com'],
    "Origins besides the route's own whose pages may open WebSockets here, and whose scripts may read our own refusals (401, 403, 429, 5xx); hosts of the same portal may read those anyway. A WebSocket needs a session of this host: it is 401 until the user has opened this host once. Where the page is on another host, give the WebSocket a path of the page's host instead.",
    { ...FREE, targets: APPLICATION },
  ),
  websockets: defaulted(
    boolean,
    true,
    false,
    'Whether WebSockets pass. Where they do not, a handshake reaches the application as the plain request that it is without `Upgrade`; with `verify` it is refused.',
    FREE,
  ),
  websocket_compression: defaulted(
    boolean,
    false,
    true,
    'Lets browser and application agree to compress WebSocket messages (permessage-deflate). What the application sends compressed goes on compressed, up to 1 MiB a message; towards the application nothing is. Costs processor time: about 30 ms a MiB.',
    FREE,
  ),
  cors_preflight: defaulted(
    boolean,
    false,
    true,
    'Lets CORS preflights (OPTIONS with `Origin` and `Access-Control-Request-Method`, without a body) through where signing in is all that is missing; browsers send them without cookies.',
    { ...FREE, targets: APPLICATION },
  ),
  keep_fragment: defaulted(
    boolean,
    false,
    true,
    "Keeps what stands behind `#` in an address while people sign in, as applications need whose pages are told apart by it: in the window, for scripts of this host. Two pages of the gate's own do it, each with a script.",
    FREE,
  ),
  service_workers: defaulted(
    boolean,
    true,
    false,
    'Whether browsers may fetch the script of a service worker from here (`Service-Worker: script`). A service worker sees what its browser brings to the host, sign-ins among it; one that is there already stays until the browser forgets it.',
    FREE,
  ),
  ...ROUTE_LIMITS,
  name: optional(text(), 'Uptime Kuma', 'host and path', 'What people see in the list of their applications.', FREE),
  app: optional(
    app,
    { icon: 'icons/kuma.svg', group: 'Monitoring' },
    'name and letter',
    'How it shows in that list; its keys are below. A route below another one of its host shows only with this or with a `name`.',
    FREE,
  ),
} as const satisfies Keys

export type RouteTable = Table<typeof ROUTE>
