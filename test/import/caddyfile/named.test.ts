import { expect, test } from 'bun:test'
import { imported } from '../imported.ts'
import { security } from './security.ts'

const GUARDED = 'authorize with users\nreverse_proxy app:1'

/** What stands in a site, and the note by which the report names it. */
const NAMED: readonly (readonly [site: string, note: RegExp])[] = [
  ['header X-Frame-Options DENY', /^kept \d+ header X-Frame-Options: response_headers/],
  ['header -Server', /^kept \d+ header -Server: response_headers$/],
  ['header +Vary Cookie', /^kept \d+ header \+Vary: response_headers$/],
  ['header >X-A b', /^kept \d+ header >X-A: response_headers/],
  ['header ?X-A b', /^left \d+ header \?X-A: written where the application sends none/],
  ['header -X-*', /^left \d+ header -X-\*: several fields by one pattern/],
  ['header X-A b c', /^left \d+ header X-A: what is in a field is not replaced piece by piece/],
  ['header X-A {http.request.uuid}', /^left \d+ header X-A: write set in response_headers, with/],
  ['header X-A {"a":1}', /^left \d+ header X-A: write set/],
  ['header Set-Cookie a=b', /^left \d+ header Set-Cookie: Sallyport and the HTTP connection need/],
  ['header Remote-User ada', /^left \d+ header Remote-User: Sallyport/],
  ['header {\n X-A b\n -Server\n defer\n}', /^kept \d+ header X-A: response_headers/],
  ['header {\n match status 404\n X-A b\n}', /^left \d+ header match: /],
  ['header /static/* Cache-Control no-store', /^kept \d+ header Cache-Control: response_headers/],
  ['@get method GET\nheader @get X-A b', /^left \d+ header @get: for only some of the requests of a route/],
  ['@css path *.css\nheader @css X-A b', /^left \d+ header @css: for only some of the requests of a route/],
  ['request_header +X-A b', /^kept \d+ request_header: request_headers of a route$/],
  ['request_header -Remote-User', /^kept \d+ request_header: nothing to write: no client may send it/],
  ['request_header X-Forwarded-Proto https', /^kept \d+ request_header: nothing to write: Sallyport says it itself/],
  ['reverse_proxy a:1 {\n header_up +X-A b\n}', /^kept \d+ header_up \+X-A: request_headers$/],
  ['reverse_proxy a:1 {\n header_up Remote-User ada\n}', /^decide \d+ header_up Remote-User: name it in headers/],
  ['reverse_proxy a:1 {\n header_up -X-Auth-*\n}', /^closed \d+ reverse_proxy header_up: nobody gets this/],
  ['reverse_proxy a:1 {\n header_down -Server\n}', /^kept \d+ header_down -Server: response_headers$/],
  ['reverse_proxy a:1 {\n header_down X-A b c\n}', /^left \d+ header_down X-A: what is in a field/],
  ['encode gzip', /^left \d+ encode: /],
  ['redir /old /new', /^kept \d+ redir: redirect of a route$/],
  ['redir /old {http.request.header.X}', /^(?:decide|closed) \d+ redir: /],
  ['rewrite /a/* /b{uri}', /^kept \d+ rewrite: add_prefix/],
  [
    'root * /srv\nhandle /f/* {\ntry_files {path} /x.html\nfile_server\n}',
    /^changed \d+ try_files: try_files of the files/,
  ],
  ['root * /srv\nhandle /f/* {\ntry_files {path}.html {path}\nfile_server\n}', /^left \d+ try_files: write try_files/],
  ['rewrite * /b{path}', /^kept \d+ rewrite: add_prefix/],
  ['reverse_proxy a:1\nphp_fastcgi php:9000', /^left \d+ php_fastcgi: no request came to it/],
  ['file_server /f/*', /^left \d+ file_server \/f\/\*: no request came to it/],
  ['respond /up `{"up":true}`', /^kept \d+ respond: respond of a route$/],
  ['respond /up "{http.request.uuid}"', /^decide \d+ respond: write it as respond/],
  ['@m not {\nmethod POST\npath /a/*\n}\nrespond @m 403', /^kept \d+ respond: respond of a route$/],
  ['rewrite /a /b', /^closed \d+ rewrite: .*let nobody in/],
  ['handle /php/* {\nphp_fastcgi php:9000\n}', /^closed \d+ php_fastcgi: .*FastCGI is not spoken/],
  ['handle /f/* {\nroot * /srv\nfile_server\n}', /^kept \d+ file_server: files of a route/],
  ['handle_path /p/* {\nreverse_proxy app:2\n}', /^kept \d+ handle_path: strip_prefix/],
  [
    '@h header X-Key a\nhandle @h {\nabort\n}',
    /^changed \d+ handle @h: which requests this is for only Caddy can tell/,
  ],
  ['@q query a=b\nrespond @q 403', /^changed \d+ respond @q: which requests this is for only Caddy can tell/],
  ['@n not header X-Key a\nhandle @n {\nabort\n}', /^changed \d+ handle @n: which requests/],
  ['@r path_regexp ^/[a-z]+$\nrespond @r 403', /^changed \d+ respond @r: which requests/],
]

test('fields are changed on the routes that their matchers are for, and on no others', async () => {
  const lines = [
    'header X-Frame-Options DENY',
    'header /static/* Cache-Control no-store',
    'header /static/* -Server',
    'header X-A a',
    'header -X-A',
    'header +Vary Cookie',
    'reverse_proxy app:1 {\n header_down X-B down\n header_down X-Frame-Options down\n}',
  ]
  const { routes, mistakes } = await imported(`a.example.com {\n${lines.join('\n')}\n}\n`, ['--from', 'caddyfile'])
  expect(mistakes).toEqual([])
  const all = 'X-B = "down", X-Frame-Options = "DENY"'
  expect(routes.split('\n').filter(line => /^(?:path|response_headers) = /.test(line))).toEqual([
    `response_headers = { set = { ${all} }, append = { Vary = "Cookie" }, remove = ["X-A"] }`,
    'path = "/static"',
    `response_headers = { set = { ${all}, Cache-Control = "no-store" }, append = { Vary = "Cookie" }, remove = ["Server", "X-A"] }`,
    'path = "=/static"',
    `response_headers = { set = { ${all} }, append = { Vary = "Cookie" }, remove = ["X-A"] }`,
  ])
})

test.each(NAMED)('what is in a site is carried over, or named: %s', async (site, note) => {
  const made = await imported(`{\n${security()}\n}\na.example.com {\n${site}\n${GUARDED}\n}\n`, ['--from', 'caddyfile'])
  expect(made.mistakes).toEqual([])
  expect(made.notes).toContainEqual(expect.stringMatching(note))
})
