import { describe, expect, test } from 'bun:test'
import { type ImportedJson, imported, section } from '../imported.ts'
import { security } from './security.ts'

const EVERYONE = 'deny = [{ networks = ["0.0.0.0/0", "::/0"] }]'

/** A route that is closed, whether it denies others as well or not. */
const CLOSED = /deny = \[ ?(?: {2})?\{ networks = \["0\.0\.0\.0\/0", "::\/0"\] \}/

function site(lines: string, options = '', policy = ''): Promise<ImportedJson> {
  return imported(`{\n ${options}\n ${security(policy)}\n}\na.example.com {\n${lines}\n}\n`, ['--from', 'caddyfile'])
}

/** Behind a portal, whoever has no e-mail address gets nothing. */
const NO_EMAIL = 'deny = [{ not = { require_email = true } }]'

const API = `[${['api', 'rpc'].flatMap(name => ['1', '1/', '2', '2/'].map(end => `"/${name}/v${end}"`)).join(', ')}]`

/** Host, path, what answers and who may, of each route: one line each. */
function routesOf({ routes }: ImportedJson): readonly string[] {
  const titles = routes.split('\n').filter(line => line === '[[routes]]')
  return titles.map((_, index) =>
    section(routes, '[[routes]]', index)
      .filter(line => line !== '' && !/^(?:portal|headers) = /.test(line))
      .map(line => line.replace('host = "a.example.com"', 'a').replace('path = ', '').replace('upstream = ', ''))
      .join(' '),
  )
}

describe('what guards in a Caddyfile and is not carried over closes its routes', () => {
  const everywhere: readonly string[] = [
    'basic_auth {\n bob $2a$14$Zkx19\n}',
    'basicauth {\n bob $2a$14$Zkx19\n}',
    'forward_auth auth:1 {\n uri /verify\n}',
    'tls {\n client_auth {\n mode require_and_verify\n}\n}',
    'import guards.conf',
    'crowdsec',
    'rate_limit 10',
    'intercept {\n @x status 401\n respond @x 200\n}',
    'templates',
    'method GET',
    'rewrite * /y',
    'uri replace /a /b',
    'request_header X-Key {args}',
    'invoke other',
    'map {path} {x} {\n default y\n}',
    'authorize with users\nbasic_auth {\n bob $2a$14$Zkx19\n}',
  ]
  for (const guard of everywhere) {
    test(guard.replaceAll('\n', ' '), async () => {
      const made = await site(`${guard}\nreverse_proxy app:1`)
      expect(made.mistakes).toEqual([])
      expect(made.code).toBe(1)
      expect(routesOf(made)).toEqual([expect.stringMatching(CLOSED)])
      expect(made.notes.filter(note => note.startsWith('closed '))).not.toEqual([])
      expect(made.everything).not.toContain('$2a$14$Zkx19')
    })
  }

  test('and no others', async () => {
    const made = await site('basic_auth /private/* {\n bob $2a$14$Zkx19\n}\nreverse_proxy app:1')
    expect(routesOf(made)).toEqual([
      'a "http://app:1" allow = "public"',
      `a "/private" "http://app:1" allow = "public" ${EVERYONE}`,
      'a "=/private" "http://app:1" allow = "public"',
    ])
    expect(made.routes).toContain(`${EVERYONE}  # everyone, until you decide: basic_auth in line 21`)
    expect(made.notes.join('\n')).toContain(
      'closed 21 basic_auth: the routes that it is for let nobody in: write its names and hashes',
    )
  })

  test('whoever takes the closing rule out keeps the file’s own denials', async () => {
    const made = await site('basic_auth {\n bob $2a$14$Zkx19\n}\nauthorize with users\nreverse_proxy app:1')
    expect(made.routes).toContain(`deny = [
  { networks = ["0.0.0.0/0", "::/0"] },  # everyone, until you decide: basic_auth in line 21
  { not = { require_email = true } },
]
`)
    const denied = await imported(
      `{
 ${security('deny email eve@x.test')}
}
a.example.com {
 authorize with users
 crowdsec
 reverse_proxy app:1
}
`,
      ['--from', 'caddyfile'],
    )
    const opened = denied.routes.replace(/^ {2}\{ networks = .*# everyone, until you decide: .*\n/m, '')
    expect(opened).not.toBe(denied.routes)
    expect(opened).toContain(`deny = [
  { emails = ["eve@x.test"] },
  { not = { require_email = true } },
]
`)
  })

  test('of a redirect by a query the report says what becomes of the requests', async () => {
    const say = async (lines: string) => {
      const { notes } = await site(`@old query id=5\nredir @old /about\n${lines}`)
      return notes.filter(note => note.includes('redir @old'))
    }
    const without =
      'changed 22 redir @old: not carried over, as no route asks for a query: such requests get what is there without it'
    const closed = expect.stringMatching(
      /^closed 22 redir @old: the routes of the application behind it let nobody in .* take it out, and import again$/,
    )
    expect(await say('root * /srv\nfile_server')).toEqual([without])
    expect(await say('respond "hello"')).toEqual([without])
    expect(await say('abort')).toEqual([without])
    expect(await say('reverse_proxy app:1')).toEqual([closed])
    expect(await say('handle /x/* {\n respond "hello"\n}\nreverse_proxy app:1')).toEqual([closed, without])
  })

  const certain: readonly (readonly [address: string, options: string, isClosed: boolean])[] = [
    ['b.example.com', '', false],
    ['b.example.com', 'http_port 8000', false],
    ['https://{$SITE}', '', false],
    ['{$SITE}', '', true],
    [':8000', '', true],
    ['b.example.com:{$PORT}', '', true],
    ['b.example.com', 'auto_https off', true],
    ['b.example.com', 'http_port 443', true],
  ]
  for (const [address, options, isClosed] of certain) {
    const about = isClosed ? 'may have let nobody past' : 'let those past who came by https'
    test(`a redirect of plain HTTP at ${address} ${options} ${about}`, async () => {
      const made = await imported(
        `{\n ${options}\n}\n${address} {\n @no not protocol https\n redir @no https://{host}{uri}\n reverse_proxy b:1\n}\n`,
        ['--from', 'caddyfile'],
      )
      expect(made.mistakes).toEqual([])
      expect(section(made.routes, '[[routes]]')).toContain('allow = "public"')
      expect(CLOSED.test(made.routes)).toBe(isClosed)
      expect(made.code).toBe(isClosed ? 1 : 0)
    })
  }

  const some: readonly (readonly [about: string, lines: string, routes: readonly string[]])[] = [
    [
      'abort and error leave those in whom they are not for',
      '@far not remote_ip 10.0.0.0/8\nabort @far\nreverse_proxy app:1',
      ['a "http://app:1" allow = [{ networks = ["10.0.0.0/8"], anonymous = true }]'],
    ],
    [
      'a refusal for some requests is one here too',
      '@write method POST PUT\nroute {\n respond @write "no" 405\n reverse_proxy app:1\n}',
      ['a "http://app:1" allow = [{ not = { methods = ["POST", "PUT"] }, anonymous = true }]'],
    ],
    [
      'and one for a path',
      'route {\n error /internal/* 403\n respond /closed/* 403\n reverse_proxy app:1\n}',
      [
        'a "http://app:1" allow = "public"',
        `a "/closed" respond = { status = 403 } allow = "public" ${EVERYONE}`,
        'a "=/closed" "http://app:1" allow = "public"',
        `a "/internal" respond = { status = 403 } allow = "public" ${EVERYONE}`,
        'a "=/internal" "http://app:1" allow = "public"',
      ],
    ],
    [
      'a matcher that only Caddy can judge closes what it parts',
      '@who header X-Key secret\nhandle @who {\n reverse_proxy app:1\n}\nhandle {\n respond 404\n}',
      [`a respond = { status = 404 } allow = "public" ${EVERYONE}`],
    ],
    [
      'where the strictest way is told, that is for all',
      '@who header X-Key secret\nhandle @who {\n reverse_proxy app:1\n}\nhandle {\n authorize with users\n reverse_proxy app:1\n}',
      [`a "http://app:1" allow = ["user"] ${NO_EMAIL}`],
    ],
    [
      'an expression that no pattern says closes no more than what it is within',
      '@edit path_regexp ^/users/[0-9]+/edit$\nrespond @edit 403\nreverse_proxy app:1',
      ['a "http://app:1" allow = [{ not = { paths = ["/users/*/edit"] }, anonymous = true }]'],
    ],
    [
      'one that patterns say is said by them, in the one way and in the other',
      '@api path_regexp ^/(api|rpc)/v[12]/?$\nhandle @api {\n authorize with users\n reverse_proxy app:1\n}\nhandle {\n reverse_proxy app:1\n}',
      [
        `a "http://app:1" allow = ["user", { not = { paths = ${API} }, anonymous = true }] deny = [{ all = [{ paths = ${API} }, { not = { require_email = true } }] }]`,
      ],
    ],
    [
      'a matcher that only Caddy can judge closes no other methods than its own',
      '@hook {\n method POST\n header X-Hook *\n}\nabort @hook\nreverse_proxy app:1',
      ['a "http://app:1" allow = [{ not = { methods = ["POST"] }, anonymous = true }]'],
    ],
    [
      'nor any other paths',
      '@dl {\n path *.zip\n query key=*\n}\nhandle @dl {\n reverse_proxy app:1\n}\nhandle {\n authorize with users\n reverse_proxy app:1\n}',
      [`a "http://app:1" allow = ["user"] ${NO_EMAIL}`],
    ],
    [
      'and what it does not hold for is not told either',
      'route {\n @old {\n path /a/*/b\n header X-Old *\n}\n authorize @old with users\n reverse_proxy app:1\n}',
      [
        'a "http://app:1" allow = "public"',
        `a "/a" "http://app:1" allow = ["user", { not = { paths = ["/a/*/b"] }, anonymous = true }] deny = [{ all = [{ paths = ["/a/*/b"] }, { not = { require_email = true } }] }]`,
        'a "=/a" "http://app:1" allow = "public"',
      ],
    ],
    [
      'what a portal answered is not open for what is let by beside it',
      '@css path *.css\nhandle @css {\n reverse_proxy app:1\n}\nroute /auth/* {\n authenticate with home\n}\nroute {\n authorize with users\n reverse_proxy app:1\n}',
      [
        `a "http://app:1" allow = [{ paths = ["*.css"], anonymous = true }, "user"] deny = [{ all = [{ not = { paths = ["*.css"] } }, { not = { require_email = true } }] }]`,
        'a "/auth" "http://app:1" allow = [{ paths = ["*.css"], anonymous = true }]',
        `a "=/auth" "http://app:1" allow = [{ paths = ["*.css"], anonymous = true }, "user"] deny = [{ all = [{ not = { paths = ["*.css"] } }, { not = { require_email = true } }] }]`,
      ],
    ],
    [
      'nor for what a bypass lets by around it',
      'authorize with users\nhandle_path /out/* {\n authenticate with home\n}\nreverse_proxy app:1',
      [
        `a "http://app:1" allow = [{ paths = ["/out/x*"], anonymous = true }, "user"] deny = [{ all = [{ not = { paths = ["/out/x*"] } }, { not = { require_email = true } }] }]`,
        `a "/out" respond = { status = 404 } allow = "public" ${EVERYONE}`,
        `a "=/out" "http://app:1" allow = ["user"] ${NO_EMAIL}`,
      ],
    ],
    [
      'nor where only Caddy can tell which of the two it is',
      '@key header X-Key *\nhandle @key {\n reverse_proxy app:1\n}\nroute /auth/* {\n authenticate with home\n}\nroute {\n reverse_proxy app:1\n}',
      [
        'a "http://app:1" allow = "public"',
        `a "/auth" respond = { status = 404 } allow = "public" ${EVERYONE}`,
        'a "=/auth" "http://app:1" allow = "public"',
      ],
    ],
    [
      'nor below a callback, of which the portal takes the path alone',
      '@cb path /oauth2/p/authorization-code-callback /oauth2/p/authorization-code-callback/*\nhandle @cb {\n authenticate with home\n}\nhandle /in/* {\n authorize with users\n reverse_proxy app:2\n}\nhandle {\n reverse_proxy app:1\n}',
      [
        'a "http://app:1" allow = "public"',
        `a "/in" "http://app:2" allow = ["user"] ${NO_EMAIL}`,
        'a "=/in" "http://app:1" allow = "public"',
        `a "/oauth2/p/authorization-code-callback" respond = { status = 404 } allow = "public" ${EVERYONE}`,
      ],
    ],
    [
      'nor where nothing there asks for a sign-in',
      'handle /oauth2/p/authorization-code-callback/* {\n authenticate with home\n}\nhandle {\n reverse_proxy app:1\n}',
      [
        'a "http://app:1" allow = "public"',
        `a "/oauth2/p/authorization-code-callback" respond = { status = 404 } allow = "public" ${EVERYONE}`,
        'a "=/oauth2/p/authorization-code-callback" "http://app:1" allow = "public"',
      ],
    ],
    [
      'nor at the same path on a host that is not the portal’s, while on its own it is no route’s',
      '@cb path /oauth2/p/authorization-code-callback\nhandle @cb {\n authenticate with home\n}\nhandle /in/* {\n authorize with users\n reverse_proxy app:2\n}\nhandle {\n reverse_proxy app:1\n}\n}\nb.example.com {\n handle /oauth2/p/authorization-code-callback {\n authenticate with home\n}\nhandle {\n reverse_proxy b:1\n}',
      [
        'a "http://app:1" allow = "public"',
        `a "/in" "http://app:2" allow = ["user"] ${NO_EMAIL}`,
        'a "=/in" "http://app:1" allow = "public"',
        'host = "b.example.com" "http://b:1" allow = "public"',
        `host = "b.example.com" "=/oauth2/p/authorization-code-callback" respond = { status = 404 } allow = "public" ${EVERYONE}`,
      ],
    ],
    [
      'a redirect to https is one of the proxy in front',
      '@http header X-Forwarded-Proto http\nredir @http https://{host}{uri} 308\n@no not protocol https\nredir @no https://a.example.com{uri}\nreverse_proxy app:1',
      ['a "http://app:1" allow = "public"'],
    ],
    [
      'one to somewhere else is none',
      '@http protocol http\nredir @http https://b.example.com/\nreverse_proxy app:1',
      [`a "http://app:1" allow = "public" ${EVERYONE}`],
    ],
    [
      'nor where nobody came by https, so that no request got past it',
      'reverse_proxy app:1\n}\nhttp://b.example.com, c.example.com:80, https://d.example.com {\n @http protocol http\n redir @http https://{host}{uri}\n reverse_proxy b:1',
      [
        'a "http://app:1" allow = "public"',
        ...['b', 'c'].map(name => `host = "${name}.example.com" "http://b:1" allow = "public" ${EVERYONE}`),
        'host = "d.example.com" "http://b:1" allow = "public"',
      ],
    ],
    [
      'behind a proxy that says how people came, it is by https that they got past it',
      'reverse_proxy app:1\n}\nhttp://b.example.com {\n @http header X-Forwarded-Proto http\n redir @http https://{host}{uri}\n reverse_proxy b:1',
      ['a "http://app:1" allow = "public"', 'host = "b.example.com" "http://b:1" allow = "public"'],
    ],
    [
      'a redirect by a query keeps nobody from files',
      '@old {\n path /p/*\n query id=5\n}\nredir @old /about\nroot * /srv\nfile_server',
      ['a files = "/srv" allow = "public"'],
    ],
    [
      'but requests from an application',
      '@old query id=5\nredir @old /about\nreverse_proxy app:1',
      [`a "http://app:1" allow = "public" ${EVERYONE}`],
    ],
    [
      'of those alone that the rest of it is about',
      '@old {\n method POST\n query id=5\n}\nredir @old /about\nreverse_proxy app:1',
      ['a "http://app:1" allow = [{ not = { methods = ["POST"] }, anonymous = true }]'],
    ],
    [
      'and without one that has to be there it guards',
      '@no not query key=secret\nredir @no /about\nroot * /srv\nfile_server',
      [`a files = "/srv" allow = "public" ${EVERYONE}`],
    ],
    [
      'as one beside a field does',
      '@no {\n query id=5\n header X-Key a\n}\nredir @no /about\nroot * /srv\nfile_server',
      [`a files = "/srv" allow = "public" ${EVERYONE}`],
    ],
    [
      'a prefix that ends within a segment guards all that it may be for',
      'handle /adm* {\n authorize with users\n reverse_proxy app:1\n}\nhandle {\n reverse_proxy app:1\n}',
      [
        'a "http://app:1" allow = ["user", { not = { paths = ["/adm*"] }, anonymous = true }] deny = [{ all = [{ paths = ["/adm*"] }, { not = { require_email = true } }] }]',
        'a "=/" "http://app:1" allow = "public"',
        `a "/adm" "http://app:1" allow = ["user"] ${NO_EMAIL}`,
      ],
    ],
    [
      'a refusal below another is none that another spelling gets past',
      'reverse_proxy app:1\nhandle_path /a/* {\n respond /b/* 401\n respond 403\n}',
      [
        'a "http://app:1" allow = "public"',
        'a "/a" respond = { status = 403 } allow = "public" deny = [{ networks = ["0.0.0.0/0", "::/0"] }]',
        'a "=/a" "http://app:1" allow = "public"',
        'a "/a/b" respond = { status = 401 } allow = "public" deny = [{ networks = ["0.0.0.0/0", "::/0"] }]',
        'a "=/a/b" respond = { status = 403 } allow = "public" deny = [{ networks = ["0.0.0.0/0", "::/0"] }]',
      ],
    ],
    [
      'what is public below a path alone is not public at the path',
      'handle /pub/* {\n reverse_proxy app:1\n}\nhandle {\n authorize with users\n reverse_proxy app:1\n}',
      [
        `a "http://app:1" allow = ["user"] ${NO_EMAIL}`,
        'a "/pub" "http://app:1" allow = "public"',
        `a "=/pub" "http://app:1" allow = ["user"] ${NO_EMAIL}`,
      ],
    ],
    [
      'a path in the address of a site is one',
      '}\na.example.com/pub/* {\n reverse_proxy pub:1\n}\nb.example.com {\n reverse_proxy b:1',
      [
        'a "/pub" "http://pub:1" allow = "public"',
        `a "=/pub" respond = { status = 404 } allow = "public" ${EVERYONE}`,
        'host = "b.example.com" "http://b:1" allow = "public"',
      ],
    ],
    [
      'a matcher of a block is not one of another block',
      '@x path /x/*\nhandle /a/* {\n @x path /a/x/*\n authorize @x with users\n reverse_proxy app:1\n}\nhandle @x {\n reverse_proxy app:2\n}',
      [
        'a "/x" "http://app:2" allow = "public"',
        `a "=/x" respond = { status = 404 } allow = "public" ${EVERYONE}`,
        'a "/a" "http://app:1" allow = "public"',
        `a "=/a" respond = { status = 404 } allow = "public" ${EVERYONE}`,
        `a "/a/x" "http://app:1" allow = ["user"] ${NO_EMAIL}`,
        'a "=/a/x" "http://app:1" allow = "public"',
      ],
    ],
    [
      'what a client could say in place of what was overwritten is taken out',
      'reverse_proxy app:1 {\n header_up X-Verified {http.request.tls.client.subject}\n}',
      ['a "http://app:1" request_headers = { remove = ["X-Verified"] } allow = "public"'],
    ],
    [
      'fields that are taken out or written before are here too',
      'request_header -X-Key\nrequest_header X-Site lab\nreverse_proxy app:1',
      ['a "http://app:1" request_headers = { set = { X-Site = "lab" }, remove = ["X-Key"] } allow = "public"'],
    ],
    [
      'a prefix that is put before the path is add_prefix',
      'handle /old/* {\n rewrite * /new{uri}\n reverse_proxy app:1\n}\nhandle /old {\n rewrite * /new{uri}\n reverse_proxy app:1\n}',
      ['a "/old" "http://app:1" add_prefix = "/new" allow = "public"'],
    ],
    [
      'PHP is not served as files',
      'root * /srv\nphp_fastcgi php:9000\nfile_server',
      [`a respond = { status = 403 } allow = "public" ${EVERYONE}`],
    ],
    [
      'a folder with something to hide is not served',
      'root * /srv\nfile_server {\n hide *.key\n}',
      [`a respond = { status = 403 } allow = "public" ${EVERYONE}`],
    ],
    [
      'an application that is asked first, as forward_auth does it, is no application of its own',
      'reverse_proxy auth:1 {\n rewrite /verify\n @ok status 2xx\n handle_response @ok {\n}\n}\nreverse_proxy app:1',
      [`a respond = { status = 403 } allow = "public" ${EVERYONE}`],
    ],
  ]
  for (const [about, lines, routes] of some) {
    test(about, async () => {
      const made = await site(lines, '', about.includes('bypass') ? 'bypass uri prefix /out/x' : '')
      expect(made.mistakes).toEqual([])
      expect(routesOf(made)).toEqual(routes)
      expect(made.code).toBe(made.notes.some(note => note.startsWith('closed ')) ? 1 : 0)
    })
  }

  test('what guards nothing closes nothing', async () => {
    const made = await site(
      'encode gzip\nlog {\n output stdout\n}\ntls internal\nheader X-Frame-Options DENY\nrequest_body {\n max_size 1MB\n}\nvars a b\nreverse_proxy app:1 {\n flush_interval -1\n header_down X-A b\n}',
    )
    const fields = 'response_headers = { set = { X-A = "b", X-Frame-Options = "DENY" } }'
    expect([made.code, routesOf(made)]).toEqual([0, [`a "http://app:1" ${fields} allow = "public"`]])
  })
})

describe('where sites are bound', () => {
  test('is where the new file listens', async () => {
    const { routes, code } = await site('bind 127.0.0.1 ::1\nreverse_proxy app:1')
    expect(section(routes, '[server]')).toContain('listen = ["127.0.0.1:8080", "[::1]:8080"]')
    expect(code).toBe(0)
    const other = await site('reverse_proxy app:1', 'default_bind 10.0.0.5')
    expect(section(other.routes, '[server]')).toContain('listen = ["10.0.0.5:8080"]')
  })

  test('a site at an address of its own is closed where others are reached at more', async () => {
    const made = await site('reverse_proxy app:1\n}\nb.example.com {\n bind 127.0.0.1\n reverse_proxy b:1')
    expect(routesOf(made)).toEqual([
      'a "http://app:1" allow = "public"',
      `host = "b.example.com" "http://b:1" allow = "public" ${EVERYONE}`,
    ])
    expect(made.notes.join('\n')).toContain('closed 24 bind: the routes of its site let nobody in')
  })
})
