import { describe, expect, test } from 'bun:test'
import { imported, section } from '../imported.ts'
import { security } from './security.ts'

/** What is in a policy may be added to; `users` is who has the role `user`. */
function options(policy = '', general = ''): string {
  return `{\n ${general}\n ${security(policy)}\n}\n`
}

/** What answers a host without a sign-in; none: nothing does. */
async function openAt(host: string, text: string): Promise<readonly string[]> {
  const { routes, mistakes } = await imported(text, ['--from', 'caddyfile'])
  expect(mistakes).toEqual([])
  const titles = routes.split('\n').filter(line => line === '[[routes]]')
  const all = titles.map((_, index) => section(routes, '[[routes]]', index))
  const own = all.filter(lines => lines.includes(`host = "${host}"`))
  return (own.length > 0 ? own : all.filter(lines => lines.includes(`host = "*.${host.replace(/^[^.]+\./, '')}"`)))
    .filter(lines => lines.includes('allow = "public"'))
    .filter(lines => !lines.some(line => line.startsWith('deny = ')))
    .map(lines => lines.find(line => /^(?:upstream|files|redirect) = /.test(line)) ?? '')
    .filter(line => line !== '')
}

const GUARDED = 'authorize with users\n reverse_proxy app:1'

describe('what only looks as if it guarded less', () => {
  const cases: readonly (readonly [about: string, host: string, text: string])[] = [
    [
      'a host that a matcher leaves out is one of its own',
      'admin.example.com',
      `*.example.com {\n @x not host admin.example.com\n handle @x {\n reverse_proxy app:1\n}\nhandle {\n ${GUARDED}\n}\n}`,
    ],
    [
      'so it is in a block',
      'admin.example.com',
      `*.example.com {\n @x {\n not host admin.example.com\n}\n handle @x {\n reverse_proxy app:1\n}\nhandle {\n ${GUARDED}\n}\n}`,
    ],
    [
      'a host that a variable names may be any',
      '${DOMAIN}',
      `{$DOMAIN} {\n @d host {$DOMAIN}\n authorize @d with users\n reverse_proxy app:1\n}`,
    ],
    [
      'and so below a wildcard',
      '*.example.com',
      `*.example.com {\n @d host {$ADMIN}\n authorize @d with users\n reverse_proxy app:1\n}`,
    ],
    [
      'a star in a host may be any label',
      'a.example.com',
      'a.example.com {\n @d host a.*.com\n authorize @d with users\n reverse_proxy app:1\n}',
    ],
    [
      'in a route, a request may meet several handles',
      'a.example.com',
      'a.example.com {\n route {\n handle /pub/* {\n request_header X-A b\n}\n handle {\n authorize with users\n}\n reverse_proxy app:1\n}\n}',
    ],
    [
      'a variable before a block may be a matcher',
      'a.example.com',
      `a.example.com {\n handle {$PUB} {\n reverse_proxy app:1\n}\nhandle {\n ${GUARDED}\n}\n}`,
    ],
    [
      'a variable of a file server may be a matcher',
      'a.example.com',
      'a.example.com {\n root * /srv\n file_server {$PUB}\n}',
    ],
    [
      'of two expressions any may be the one',
      'a.example.com',
      'a.example.com {\n @d {\n path_regexp ^/a/\n path_regexp ^/b/\n}\n authorize @d with users\n reverse_proxy app:1\n}',
    ],
    ['the Caddyfile is in no folder that is served', 'a.example.com', 'a.example.com {\n root * .\n file_server\n}'],
    [
      'a port of its own is no place for everybody',
      'b.example.com',
      `a.example.com {\n ${GUARDED}\n}\nb.example.com:9000 {\n reverse_proxy b:1\n}`,
    ],
  ]
  for (const [about, host, text] of cases) {
    test(about, async () => expect(await openAt(host, options() + text)).toEqual([]))
  }

  test('an option that nobody knows may guard everything, and those of Caddy do not', async () => {
    const site = 'a.example.com {\n reverse_proxy app:1\n}'
    expect(await openAt('a.example.com', options('', 'guard_all yes') + site)).toEqual([])
    expect(await openAt('a.example.com', options('', 'servers {\n listener_wrappers {\n guard\n}\n}') + site)).toEqual(
      [],
    )
    const usual = 'servers {\n protocols h1 h2\n}\n grace_period 5s\n local_certs\n debug'
    expect(await openAt('a.example.com', options('', usual) + site)).toEqual(['upstream = "http://app:1"'])
  })
})

describe('what shuts people out', () => {
  const site = 'a.example.com {\n authorize with users\n reverse_proxy app:1\n}'

  test('is lost in a variable, which may hold several values', async () => {
    const made = await imported(options('deny sub {$BAD}') + site, ['--from', 'caddyfile'])
    expect(made.code).toBe(1)
    expect(section(made.routes, '[[routes]]')).toContain('allow = [{ subjects = ["${WHO_MAY}"] }]')
  })

  test('goes on in the next line after a backslash, wherever that is in a comment', async () => {
    for (const end of ['\\', '# \\', '# in C:\\caddy', ' \\ ']) {
      const made = await imported(
        options().replace('allow roles user', `deny roles bob ${end}\n allow roles user`) + site,
        ['--from', 'caddyfile'],
      )
      expect([end, made.code]).toEqual([end, 1])
    }
  })

  test('a brace in quotes, which closes a block for Caddy, is refused', async () => {
    await expect(imported(`${options()}a.example.com {\n respond "}" 200\n}`, ['--from', 'caddyfile'])).rejects.toThrow(
      'a brace in quotes',
    )
  })
})
