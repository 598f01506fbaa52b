import { expect, test } from 'bun:test'
import { imported } from '../imported.ts'
import { security } from './security.ts'

const GUARDED = 'authorize with users\nreverse_proxy app:1'

/** What stands in a site, and the note by which the report names it. */
const NAMED: readonly (readonly [site: string, note: RegExp])[] = [
  ['header X-Frame-Options DENY', /^left \d+ header: write response_headers/],
  ['encode gzip', /^left \d+ encode: /],
  ['redir /old /new', /^kept \d+ redir: redirect of a route$/],
  ['redir /old {http.request.header.X}', /^(?:decide|closed) \d+ redir: /],
  ['rewrite /a/* /b{uri}', /^kept \d+ rewrite: add_prefix/],
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

test.each(NAMED)('what is in a site is carried over, or named: %s', async (site, note) => {
  const made = await imported(`{\n${security()}\n}\na.example.com {\n${site}\n${GUARDED}\n}\n`, ['--from', 'caddyfile'])
  expect(made.mistakes).toEqual([])
  expect(made.notes).toContainEqual(expect.stringMatching(note))
})
