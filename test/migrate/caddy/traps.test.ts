import { describe, expect, test } from 'bun:test'
import { plant } from '../../kit/log/planted.ts'
import { type ImportedJson, imported, section } from '../imported.ts'
import { caddyJson } from './caddy-json.ts'

const EVERYONE = 'deny = [{ networks = ["0.0.0.0/0", "::/0"] }]'
const NO_EMAIL = 'deny = [{ not = { require_email = true } }]'
const GUARD = { handler: 'authentication', providers: { authorizer: { gatekeeper_name: 'users', route_matcher: '*' } } }
const PORTAL = { handler: 'authenticator', portal_name: 'home', route_matcher: '*' }

const app = (name: string) => ({ handler: 'reverse_proxy', upstreams: [{ dial: `${name}:1` }] })
const at = (path: string, ...handle: readonly unknown[]) => ({ match: [{ path: [path] }], handle })
const inside = (...routes: readonly unknown[]) => ({ handler: 'subroute', routes })
const site = (...routes: readonly unknown[]) => [
  { match: [{ host: ['a.example.com'] }], handle: [inside(...routes)], terminal: true },
]

/** Path, what answers and who may, of each route: one line each. */
function routesOf({ routes, mistakes }: ImportedJson): readonly string[] {
  expect(mistakes).toEqual([])
  const titles = routes.split('\n').filter(line => line === '[[routes]]')
  return titles.map((_, index) =>
    section(routes, '[[routes]]', index)
      .filter(line => line !== '' && !/^(?:host|portal|headers|ignore_case) = /.test(line))
      .map(line => line.replace(/ = "http:\/\/(\w+):1"/, ' $1').replace(/^path = /, ''))
      .join(' '),
  )
}

async function made(routes: readonly unknown[], more: Omit<Parameters<typeof caddyJson>[0], 'routes'> = {}) {
  const result = await imported(caddyJson({ routes, ...more }))
  return { ...result, routes: routesOf(result), text: result.routes }
}

const UNWRITTEN = '{ all = [{ not = { headers = { X-Key = ["s*"] } } }, { not = { query = { k = ["1"] } } }] }'

/** Routes, by what comes of them. */
type Case = readonly [about: string, routes: readonly unknown[], expected: readonly string[]]

const CASES: readonly Case[] = [
  [
    'networks of what a proxy in front says, which are not those that the proxy itself is in',
    site(
      { match: [{ remote_ip: { ranges: ['10.0.0.0/8'], forwarded: true } }], handle: [app('one')], terminal: true },
      { handle: [GUARD, app('one')] },
    ),
    [`upstream one allow = ["user"] ${NO_EMAIL}`],
  ],
  [
    'an authorizer before an application',
    site({ handle: [GUARD, app('one')] }),
    [`upstream one allow = ["user"] ${NO_EMAIL}`],
  ],
  [
    'an authorizer beside another provider in one handler, any of which lets in',
    site({
      handle: [
        { handler: 'authentication', providers: { ...GUARD.providers, http_basic: { accounts: [] } } },
        app('one'),
      ],
    }),
    [`upstream one allow = "public" ${EVERYONE}`],
  ],
  [
    'an authorizer with a matcher of its own',
    site({
      handle: [
        { handler: 'authentication', providers: { authorizer: { gatekeeper_name: 'users', route_matcher: '/x' } } },
        app('one'),
      ],
    }),
    [`upstream one allow = "public" ${EVERYONE}`],
  ],
  [
    'forward_auth, which is a reverse_proxy, guards what comes after it and is no application',
    site({
      handle: [
        { ...app('verifier'), rewrite: { method: 'GET' }, handle_response: [{ match: { status_code: [2] } }] },
        app('one'),
      ],
    }),
    [`upstream one allow = "public" ${EVERYONE}`],
  ],
  [
    'two subroutes in one route: the second is for whom the first does not answer',
    site({ match: [{ path: ['/x/*'] }], handle: [inside({ handle: [GUARD] }), inside({ handle: [app('one')] })] }),
    [`"/x" upstream one allow = ["user"] ${NO_EMAIL}`, `"=/x" respond = { status = 404 } allow = "public" ${EVERYONE}`],
  ],
  [
    'a handler that is not known closes what comes after it, and not what comes before',
    site(at('/x/*', app('one')), { handle: [{ handler: 'key_auth' }] }, { handle: [app('two')] }),
    [
      `upstream two allow = "public" ${EVERYONE}`,
      '"/x" upstream one allow = "public"',
      `"=/x" upstream two allow = "public" ${EVERYONE}`,
    ],
  ],
  [
    'a matcher that is not known may hold or not',
    site({ match: [{ geo: ['XX'] }], handle: [GUARD] }, { handle: [app('one')] }),
    [`upstream one allow = ["user"] ${NO_EMAIL}`],
  ],
  [
    'of a group one route is met',
    site({ group: 'g', ...at('/x/*', app('one')) }, { group: 'g', handle: [GUARD] }, { handle: [app('two')] }),
    [
      `upstream two allow = ["user"] ${NO_EMAIL}`,
      '"/x" upstream one allow = "public"',
      `"=/x" upstream two allow = ["user"] ${NO_EMAIL}`,
    ],
  ],
  [
    'two applications at one place are told apart by when, in the order of the file',
    site(
      { group: 'g', match: [{ path: ['/edit*'], method: ['POST'] }], handle: [GUARD, app('one')] },
      { group: 'g', match: [{ path: ['/c*d'] }], handle: [app('two')] },
      { group: 'g', handle: [app('three')] },
    ),
    [
      `when = { methods = ["POST"], paths = ["/edit*"], ignore_case = true } upstream one allow = ["user"] ${NO_EMAIL}`,
      'when = { path_regexp = ["^/c[^/]*d$"], ignore_case = true } upstream two allow = "public"',
      'upstream three allow = "public"',
    ],
  ],
  [
    'two applications that a field tells apart are one, and the other is refused',
    site(
      { group: 'g', match: [{ header: { 'X-Key': ['s'] } }], handle: [app('one')] },
      { group: 'g', handle: [GUARD, app('two')] },
    ),
    ['upstream two allow = ["user"] deny = [{ headers = { X-Key = ["s"] } }, { not = { require_email = true } }]'],
  ],
  [
    'an expression that calls matchers is those matchers',
    site(at('/x/*', inside({ match: [{ expression: "path('/x/a/*') && !method('GET')" }], handle: [GUARD] })), {
      handle: [app('one')],
    }),
    [
      'upstream one allow = "public"',
      '"/x/a" upstream one allow = [{ methods = ["GET"], anonymous = true }, "user"] deny = [{ all = [{ not = { methods = ["GET"] } }, { not = { require_email = true } }] }]',
      '"=/x/a" upstream one allow = "public"',
    ],
  ],
  [
    'any other expression may hold or not',
    site(
      { match: [{ expression: { expr: "path('/y/*') && {query}.size() > 3" } }], handle: [GUARD] },
      {
        handle: [app('one')],
      },
    ),
    [`upstream one allow = ["user"] ${NO_EMAIL}`],
  ],
  [
    'a name that the file gives by the path is those paths, and one that was not given may be anything',
    site(
      {
        handle: [
          {
            handler: 'map',
            source: '{http.request.uri.path}',
            destinations: ['{tier}'],
            mappings: [{ input_regexp: '^/gold', outputs: ['high'] }],
            defaults: ['low'],
          },
        ],
      },
      { match: [{ expression: '{tier} == "high"' }], handle: [GUARD] },
      { match: [{ vars: { '{other}': ['x'] } }], handle: [{ handler: 'error' }] },
      { handle: [app('one')] },
    ),
    [
      'upstream one allow = ["user"] deny = [   { networks = ["0.0.0.0/0", "::/0"] },   { not = { require_email = true } }, ]',
      `"=/" upstream one allow = "public" ${EVERYONE}`,
    ],
  ],
  [
    'a variable that is set on some paths is asked for where it was set',
    site(
      at('/v/*', { handler: 'vars', area: 'in' }),
      { match: [{ vars: { area: ['in'] } }], handle: [GUARD] },
      {
        handle: [app('one')],
      },
    ),
    [
      'upstream one allow = "public"',
      `"/v" upstream one allow = ["user"] ${NO_EMAIL}`,
      '"=/v" upstream one allow = "public"',
    ],
  ],
  [
    'files before an application, and what is hidden of them',
    site(
      { handle: [{ handler: 'vars', root: '/srv/www' }] },
      {
        match: [{ file: { try_files: ['{http.request.uri.path}', '{http.request.uri.path}.html'] } }],
        handle: [
          { handler: 'rewrite', uri: '{http.matchers.file.relative}' },
          { handler: 'file_server', hide: ['Caddyfile', '/elsewhere/secret'] },
        ],
      },
      { handle: [app('one')] },
    ),
    [
      'upstream one files = { folder = "/srv/www", endings = [".html"] } allow = "public" deny = [{ path_regexp = ["(?:^|/)Caddyfile(?:/|$)"], ignore_case = true }]',
    ],
  ],
  ...['Authorization', 'CF-Connecting-IP', 'CF-IPCountry', 'X-Webauth-User'].map(
    (name): Case => [
      `what a matcher asks of ${name}, which no rule looks at`,
      site({ match: [{ header: { [name]: ['a*'] } }], handle: [app('one')] }, { handle: [GUARD, app('one')] }),
      [`upstream one allow = ["user"] ${NO_EMAIL}`],
    ],
  ),
  [
    'files before an application that is guarded in another way',
    site(
      { handle: [{ handler: 'vars', root: '/srv/www' }] },
      {
        match: [{ file: { try_files: ['{http.request.uri.path}'] } }],
        handle: [{ handler: 'file_server', hide: ['Caddyfile'] }],
      },
      { handle: [GUARD, app('one')] },
    ),
    [
      'respond = { status = 403 } allow = ["user"] deny = [   { networks = ["0.0.0.0/0", "::/0"] },   { not = { require_email = true } }, ]',
    ],
  ],
  [
    'networks are read as Go does, in which what is beyond a prefix does not count',
    site(
      { match: [{ not: [{ remote_ip: { ranges: ['192.168.0.0/16', '127.0.0.1/8', '::1'] } }] }], handle: [GUARD] },
      {
        handle: [app('one')],
      },
    ),
    [
      'upstream one allow = [{ networks = ["192.168.0.0/16", "127.0.0.0/8", "::1/128"], anonymous = true }, "user"] deny = [{ all = [{ not = { networks = ["192.168.0.0/16", "127.0.0.0/8", "::1/128"] } }, { not = { require_email = true } }] }]',
    ],
  ],
  [
    'a folder that gets another name is rewritten in its letter case, also where it is the first',
    site(
      { handle: [{ handler: 'rewrite', uri_substring: [{ find: '/old/', replace: '/new/' }] }] },
      at('/new/*', GUARD),
      { handle: [app('one')] },
    ),
    [
      'when = { paths = ["*/old/*"] } upstream one rewrite = { from = "/old/", to = "/new/" } allow = "public"',
      'upstream one allow = "public"',
      `"/new" when = { paths = ["*/old/*"] } upstream one rewrite = { from = "/old/", to = "/new/" } allow = ["user"] ${NO_EMAIL}`,
      `"/new" upstream one allow = ["user"] ${NO_EMAIL}`,
      '"=/new" upstream one allow = "public"',
      `"/old" when = { paths = ["/old/*"] } upstream one rewrite = { from = "/old/", to = "/new/" } allow = ["user"] ${NO_EMAIL}`,
      '"/old" when = { paths = ["*/old/*"] } upstream one rewrite = { from = "/old/", to = "/new/" } allow = "public"',
      '"/old" upstream one allow = "public"',
    ],
  ],
  [
    'methods heed case: get is nobody’s',
    site({ match: [{ method: ['get'] }], handle: [app('one')] }, { handle: [GUARD, app('two')] }),
    [`upstream two allow = ["user"] ${NO_EMAIL}`],
  ],
  [
    'a star in the middle ends at a slash, and letters have no case',
    site(at('/A*/b', { handler: 'static_response', status_code: 403 }), { handle: [app('one')] }),
    ['upstream one allow = "public" deny = [{ path_regexp = ["^/a[^/]*/b$"], ignore_case = true }]'],
  ],
  [
    'an expression goes over word for word',
    site(
      {
        match: [{ path_regexp: { pattern: '^/v[0-9]+/(a|b)' } }],
        handle: [{ handler: 'static_response', status_code: 403 }],
      },
      { handle: [app('one')] },
    ),
    ['upstream one allow = "public" deny = [{ path_regexp = ["^/v[0-9]+/(a|b)"] }]'],
  ],
  [
    'fields and queries of a request let nobody in who has not signed in',
    site(
      { match: [{ header: { 'X-Key': ['s*'] } }, { query: { k: ['1'] } }], handle: [app('one')] },
      { handle: [GUARD, app('one')] },
    ),
    [
      `upstream one allow = [{ all = [${UNWRITTEN}, { roles = ["user"] }] }] deny = [{ all = [${UNWRITTEN}, { not = { require_email = true } }] }]`,
    ],
  ],
  [
    'a field that keeps out',
    site(
      { match: [{ header: { 'User-Agent': ['*bot*'] } }], handle: [{ handler: 'static_response', abort: true }] },
      { handle: [app('one')] },
    ),
    ['upstream one allow = "public" deny = [{ headers = { User-Agent = ["*bot*"] } }]'],
  ],
  [
    'a cookie that is taken off before it is asked for',
    site({ handle: [{ handler: 'headers', request: { delete: ['Cookie'] } }, GUARD, app('one')] }),
    [`upstream one allow = "public" ${EVERYONE}`],
  ],
  [
    'a prefix of some paths',
    site({ handle: [{ handler: 'rewrite', strip_path_prefix: '/api' }, app('one')] }),
    [
      'upstream one allow = "public" deny = [{ paths = ["/api*"], ignore_case = true }]',
      '"/api" upstream one strip_prefix = "/api" allow = "public"',
    ],
  ],
  [
    'a beginning of some names, with another one before what is left',
    site(
      {
        group: 'g',
        match: [{ path: ['/api*'] }],
        handle: [
          { handler: 'rewrite', strip_path_prefix: '/api' },
          GUARD,
          { handler: 'rewrite', uri: '/v2{http.request.uri}' },
          app('one'),
        ],
      },
      { group: 'g', handle: [app('two')] },
    ),
    [
      `when = { paths = ["/api*"], ignore_case = true } upstream one rewrite = { from = "^(?i:/api)", to = "/v2" } allow = ["user"] ${NO_EMAIL}`,
      'upstream two allow = "public"',
      `"/api" upstream one strip_prefix = "/api" add_prefix = "/v2" allow = ["user"] ${NO_EMAIL}`,
    ],
  ],
  [
    'the last of two roots, and the first of a group',
    site(
      { group: 'g', match: [{ path: ['/sub/*'] }], handle: [{ handler: 'vars', root: '/r3' }] },
      {
        group: 'g',
        handle: [
          { handler: 'vars', root: '/r1' },
          { handler: 'vars', root: '/r2' },
        ],
      },
      { handle: [{ handler: 'file_server' }] },
    ),
    [
      'files = "/r2" allow = "public"',
      '"/sub" files = "/r3" allow = "public"',
      '"=/sub" files = "/r2" allow = "public"',
    ],
  ],
  [
    'an application that a request names is to be filled in',
    site({ handle: [GUARD, { handler: 'reverse_proxy', upstreams: [{ dial: '{http.request.header.X-To}:80' }] }] }),
    [`upstream = "\${UPSTREAM}" allow = ["user"] ${NO_EMAIL}`],
  ],
  [
    'another file system than the disk',
    site({ handle: [{ handler: 'vars', root: '/srv' }, { handler: 'vars', fs: 'other' }, { handler: 'file_server' }] }),
    [`files = "/srv" allow = "public" ${EVERYONE}`],
  ],
  [
    'what nobody answers is empty, and is nobody’s',
    site({ group: 'g', ...at('/x', inside()) }, { group: 'g', handle: [app('one')] }),
    ['upstream one allow = "public"', `"=/x" respond = { status = 404 } allow = "public" ${EVERYONE}`],
  ],
  [
    'addresses of a portal within an application are refused',
    site(at('/login', PORTAL), { handle: [GUARD, app('one')] }),
    [`upstream one allow = ["user"] ${NO_EMAIL}`, `"=/login" respond = { status = 404 } allow = "public" ${EVERYONE}`],
  ],
]

describe('routes, as Caddy meets them', () => {
  test.each(CASES)('%s', async (_, routes, expected) => {
    const { routes: found } = await made(routes)
    expect(found).toEqual([...expected])
  })

  describe('a secret that a matcher asks for is in neither the new file nor the report, but comes from the environment', () => {
    const SECRETS = [
      '9f8b7c6d5e4f',
      'hunter2',
      'correct horse battery',
      'opensesame',
      'gandalf',
      '483920',
      'Up-8f3kQ',
    ] as const
    for (const one of SECRETS) plant(one, 'a secret of a matcher')
    const [drawn, short, phrase, word, house, pin, monitor] = SECRETS
    const of = async (...routes: readonly unknown[]) => {
      const { routes: found, everything, unset } = await made(site(...routes))
      for (const one of SECRETS) expect(everything).not.toContain(one)
      return [found, unset.filter(({ name }) => name.startsWith('MATCH_')).map(({ name, meaning }) => [name, meaning])]
    }
    const where = 'what a matcher for a.example.com/ asks of'

    test.each([
      [{ header: { 'X-Shared': [drawn] } }, 'headers = { X-Shared = ["${MATCH_X_SHARED}"] }', 'X-Shared'],
      [{ header: { 'X-Key': [`${word}*`] } }, 'headers = { X-Key = ["${MATCH_X_KEY}"] }', 'X-Key'],
      [{ query: { k: [short] } }, 'query = { k = ["${MATCH_K}"] }', 'k'],
      [{ expression: `header({'X-Api': '${phrase}'})` }, 'headers = { X-Api = ["${MATCH_X_API}"] }', 'X-Api'],
      [{ header: { 'X-Door': [house] } }, 'headers = { X-Door = ["${MATCH_X_DOOR}"] }', 'X-Door'],
      [{ header: { 'X-Pin': [pin] } }, 'headers = { X-Pin = ["${MATCH_X_PIN}"] }', 'X-Pin'],
      [{ header: { 'User-Agent': [monitor] } }, 'headers = { User-Agent = ["${MATCH_USER_AGENT}"] }', 'User-Agent'],
      [
        { header: { 'User-Agent': [`*${house}*`] } },
        'headers = { User-Agent = ["${MATCH_USER_AGENT}"] }',
        'User-Agent',
      ],
      [{ header: { Origin: [`https://${word}`] } }, 'headers = { Origin = ["${MATCH_ORIGIN}"] }', 'Origin'],
      [{ header: { Accept: [house] } }, 'headers = { Accept = ["${MATCH_ACCEPT}"] }', 'Accept'],
      [
        { header: { 'X-Requested-With': [house] } },
        'headers = { X-Requested-With = ["${MATCH_X_REQUESTED_WITH}"] }',
        'X-Requested-With',
      ],
    ])('%j', async (match, rule, name) => {
      const variable = /\{(MATCH_\w+)\}/.exec(rule)?.[1] ?? ''
      expect(await of({ match: [match], handle: [app('one')] })).toEqual([
        [`upstream one allow = "public" deny = [{ not = { ${rule} } }]`],
        [[variable, `${where} ${name}`]],
      ])
    })

    test('several values of one field are several variables, and the same one is the same', async () => {
      const asked = (...values: readonly string[]) => ({ header: { 'X-Shared': values } })
      const refusing = { handler: 'static_response', abort: true }
      const rule = 'deny = [{ headers = { X-Shared = ["${MATCH_X_SHARED}", "${MATCH_X_SHARED_2}"] } }'
      const [routes, unset] = await of(
        { match: [asked(drawn, word)], handle: [refusing] },
        { match: [{ path: ['/b/*'], ...asked(drawn) }], handle: [refusing] },
        { handle: [app('one')] },
      )
      expect(routes?.[0]).toStartWith(`upstream one allow = "public" ${rule}`)
      expect(unset).toEqual([
        ['MATCH_X_SHARED', `${where} X-Shared`],
        ['MATCH_X_SHARED_2', `${where} X-Shared (value 2 of it)`],
      ])
    })

    test('is not in a note of what is closed', async () => {
      const open = { match: [{ header: { 'X-Shared': [drawn] } }], handle: [app('one')] }
      expect(await of(open, { handle: [GUARD, app('one')] })).toEqual([
        expect.any(Array),
        [['MATCH_X_SHARED', `${where} X-Shared`]],
      ])
    })

    test.each([
      { header: { Accept: ['application/vnd.github.v3+json'] } },
      { header: { Accept: ['*text/html*'], 'Cache-Control': ['no-cache'] } },
      { header: { 'User-Agent': ['*Mozilla/5.0*', 'curl/*'], 'X-Requested-With': ['XMLHttpRequest'] } },
      { header: { 'X-Debug': ['true'], 'X-Shared': ['*'] } },
      { query: { page: ['1'], token: ['*'] } },
    ])('what is known to be none is copied: %j', async match => {
      const [routes, unset] = await of({ match: [match], handle: [app('one')] })
      for (const [kept] of JSON.stringify(match).matchAll(/\["[^"]+"\]/g)) expect(routes?.join()).toContain(kept)
      expect(unset).toEqual([])
    })
  })

  describe('a long part of a path, as in an address that lets in whoever knows it, comes from the environment', () => {
    const LONG = ['9f8b7c6d5e4f3a2b1c0d9e8f', 'hK3-pQ_9xVb2mT7wZ0aL', '123e4567-e89b-42d3-a456-426614174000'] as const
    for (const one of LONG) plant(one, 'a part of a path')
    const [drawn, mixed, uuid] = LONG
    const of = async (...routes: readonly unknown[]) => {
      const { routes: found, everything, unset } = await made(site(...routes))
      for (const one of LONG) expect(everything.toLowerCase()).not.toContain(one.toLowerCase())
      return [found, unset.filter(({ name }) => name.startsWith('PATH_')).map(({ name, meaning }) => [name, meaning])]
    }
    const first = ['PATH_PART', 'the long part after /hook/ in the old file']

    test.each(LONG)('%s', async part => {
      const [routes, unset] = await of(at(`/hook/${part}/*`, app('one')))
      expect(routes?.[0]).toStartWith('"/hook/${PATH_PART}" upstream one')
      expect(unset).toEqual([first])
    })

    test('several are several variables, and none is in a note or the name of another variable', async () => {
      const asks = { header: { 'X-Shared': ['gandalf'] } }
      const [, unset] = await of(
        { match: [{ path: [`/hook/${drawn}`], ...asks }], handle: [app('one')] },
        { match: [{ path: [`/hook/${uuid}`] }], handle: [{ handler: 'not_known' }] },
        { handle: [GUARD, app('two')] },
      )
      expect(unset).toEqual([first, ['PATH_PART_2', `${first[1]} (long part 2 of that file)`]])
    })

    test('of an address that is redirected to, too', async () => {
      const headers = { Location: [`https://b.example.com/in/${mixed}?a=1`] }
      const [routes, unset] = await of(at('/go', { handler: 'static_response', status_code: 302, headers }))
      expect(routes?.join()).toContain('redirect = "https://b.example.com/in/${PATH_PART}?a=1"')
      expect(unset).toEqual([['PATH_PART', 'the long part after https://b.example.com/in/ in the old file']])
    })

    test('the name of a host and what answers say are none', async () => {
      const name = 'nextcloud-production-app-1'
      const hash = `script-src https://cdn.example.com 'sha256-${'a1'.repeat(22)}='`
      const says = { handler: 'headers', response: { set: { 'Content-Security-Policy': [hash] } } }
      const { text, unset } = await made(site({ handle: [says, app(name)] }))
      expect(text).toContain(`upstream = "http://${name}:1"`)
      expect(text).toContain(hash)
      expect(unset.filter(({ name: variable }) => variable.startsWith('PATH_'))).toEqual([])
    })

    test.each(['/a-path-of-many-words-in-a-row', '/api/v2/users/2026', '/.well-known/openid-configuration'])(
      'what is none stays: %s',
      async path => {
        const [routes, unset] = await of(at(path, app('one')))
        expect(routes?.join()).toContain(path)
        expect(unset).toEqual([])
      },
    )
  })

  test('a route that is jumped to may hold the only guard', async () => {
    const routes = site({ handle: [{ handler: 'invoke', name: 'g' }] }, { handle: [app('one')] })
    const { routes: found } = await made(routes, { server: { named_routes: { g: { handle: [GUARD] } } } })
    expect(found).toEqual([`upstream one allow = ["user"] ${NO_EMAIL}`])
    expect((await made(routes)).routes).toEqual([`upstream one allow = "public" ${EVERYONE}`])
  })

  test('a bypass behind a prefix that is taken off is for what is below it', async () => {
    const handle = [
      inside({ handle: [{ handler: 'rewrite', strip_path_prefix: '/s' }] }, { handle: [GUARD, app('one')] }),
    ]
    const routes = site({ match: [{ path: ['/s/*'] }], handle })
    const bypassed = async (...all: readonly (readonly [match_type: string, uri: string])[]) => {
      const bypass_configs = all.map(([match_type, uri]) => ({ match_type, uri }))
      const { routes: found, notes } = await made(routes, { policy: { bypass_configs } })
      const isTold = notes.some(note => note.includes('its bypass holds for nothing here'))
      return [/allow = (.*) deny = /.exec(found[0] ?? '')?.[1], isTold]
    }
    const open = (...expressions: readonly string[]) => {
      const listed = expressions.map(expression => JSON.stringify(`^(?i:/s)${expression}`)).join(', ')
      return [`[{ path_regexp = [${listed}], anonymous = true }, "user"]`, false]
    }
    expect(await bypassed(['exact', '/a.b'], ['prefix', '/p'])).toEqual(open('/a\\.b$', '/p'))
    expect(await bypassed(['suffix', '.css'], ['partial', '/f/'])).toEqual(open('(?s:.*)\\.css$', '(?s:.*)/f/'))
    expect(await bypassed(['regex', '^/r[^0-9]+$'], ['regex', 'x'])).toEqual(open('/r[^0-9]+$', '(?s:.*)x'))
    // What asks for the beginning would see the prefix there.
    for (const odd of ['^/a|^/b', 'a|^/b', '\\bopen', '(?m)^/x'])
      expect(await bypassed(['regex', odd])).toEqual(['["user"]', true])
  })

  test('a path that a pattern for all below it does not hold for is guarded by itself, where the paths below are not', async () => {
    const strip = { handle: [{ handler: 'rewrite', strip_path_prefix: '/b' }] }
    const basic = { handler: 'authentication', providers: { http_basic: { accounts: [] } } }
    const { routes } = await made(
      site(
        {
          match: [{ not: [{ path: ['*/c', '/b/*'] }] }],
          handle: [
            inside({ handle: [inside(at('/b*c', inside(strip, { handle: [app('two')] })))] }, { handle: [basic] }),
          ],
        },
        { handle: [app('one')] },
      ),
    )
    expect(routes.filter(line => /^"=?\/b"/.test(line))).toEqual([
      '"/b" upstream one allow = "public"',
      `"=/b" upstream one allow = "public" ${EVERYONE}`,
    ])
  })

  test('error routes run after a refusal, and are not carried over', async () => {
    const errors = { routes: [{ handle: [app('two')] }] }
    const { routes, notes } = await made(site({ handle: [GUARD, app('one')] }), { server: { errors } })
    expect(routes).toEqual([`upstream one allow = ["user"] ${NO_EMAIL}`])
    expect(notes).toContain('left - errors of the server srv0: pages for errors are Sallyport’s own')
  })

  test('the report names host, path and handler', async () => {
    const { notes } = await made(site(at('/x/*', { handler: 'key_auth' }, app('one'))))
    expect(notes).toContainEqual(expect.stringMatching(/^closed - key_auth at a\.example\.com \/x\/\*: /))
  })
})

describe('a server closes all of its routes', () => {
  const cases: readonly (readonly [about: string, more: Omit<Parameters<typeof caddyJson>[0], 'routes'>])[] = [
    ['by a key that is not known', { server: { made_up: true } }],
    ['by what changes whose address it sees', { server: { listener_wrappers: [{ wrapper: 'proxy_protocol' }] } }],
    [
      'by certificates that it asks for',
      {
        server: {
          tls_connection_policies: [
            { match: { sni: ['*.example.com'] }, client_authentication: { mode: 'require_and_verify' } },
            {},
          ],
        },
      },
    ],
    ['by an app that is not known', { top: {} }],
  ]
  test.each(cases)('%s', async (about, more) => {
    const text = caddyJson({ routes: site({ handle: [app('one')] }), ...more })
    const json = JSON.parse(text)
    if (about.includes('an app')) json.apps.layer4 = {}
    const result = await imported(JSON.stringify(json))
    expect([result.code, routesOf(result)]).toEqual([1, [`upstream one allow = "public" ${EVERYONE}`]])
  })
})

describe('whose sessions a policy takes', () => {
  const key = (secret: string) => [`crypto key ${secret === '' ? '' : 'x '}sign-verify ${secret}`]
  const guarded = site({ handle: [GUARD, app('one')] })
  const OPEN = `upstream one allow = ["user"] ${NO_EMAIL}`
  const cases: readonly (readonly [about: string, policy: object, portal: object, isOpen: boolean])[] = [
    [
      'those of a key of the same secret, whatever it is called',
      { raw_crypto_key_store_config: key('s1') },
      { raw_crypto_key_store_config: ['crypto key other sign-verify s1'] },
      true,
    ],
    [
      'none by another secret',
      { raw_crypto_key_store_config: key('s1') },
      { raw_crypto_key_store_config: key('s2') },
      false,
    ],
    ['all, where neither has a key', { raw_crypto_key_store_config: [] }, { raw_crypto_key_store_config: [] }, true],
    [
      'none, where the policy alone has one',
      { raw_crypto_key_store_config: key('s1') },
      { raw_crypto_key_store_config: [] },
      false,
    ],
    [
      'none, where the portal alone has one',
      { raw_crypto_key_store_config: [] },
      { raw_crypto_key_store_config: key('s1') },
      false,
    ],
    ['none from another cookie', {}, { cookie_config: { access_token_cookie_name: 'HOME_ACCESS_TOKEN' } }, false],
    [
      'those from a cookie that it names',
      { access_token_cookie_names: ['X', 'HOME_ACCESS_TOKEN'] },
      { cookie_config: { access_token_cookie_name: 'HOME_ACCESS_TOKEN' } },
      true,
    ],
    ['none, where it looks into no cookie', { allowed_token_sources: ['header', 'query'] }, {}, false],
  ]
  test.each(cases)('%s', async (_, policy, portal, isOpen) => {
    const { code, routes, notes } = await made(guarded, { policy: { ...policy }, portal: { ...portal } })
    expect(routes).toEqual([isOpen ? OPEN : `upstream one allow = [{ subjects = ["\${WHO_MAY}"] }]`])
    expect([code, notes.some(note => note.startsWith('closed '))]).toEqual(isOpen ? [0, false] : [1, true])
  })
})

describe('what access lists and transforms ask for', () => {
  const allowedBy = async (
    rules: readonly (readonly [conditions: readonly string[], action: string])[],
    portal = {},
  ) => {
    const access_list_rules = rules.map(([conditions, action]) => ({ conditions, action }))
    const { text, routes, notes } = await made(site({ handle: [GUARD, app('one')] }), {
      policy: { access_list_rules },
      portal,
    })
    return { text, notes, allow: /allow = (.*) deny = /.exec(`${routes[0]} deny = `)?.[1]?.replace(/ deny = .*/, '') }
  }

  test('tokens have no realm: a rule that asks for it holds for nobody', async () => {
    expect((await allowedBy([[['match realm p'], 'allow stop']])).allow).toBe('[{ subjects = ["${WHO_MAY}"] }]')
    const denied = await allowedBy([
      [['match realm p'], 'deny'],
      [['match roles user'], 'allow'],
    ])
    expect(denied.allow).toBe('["user"]')
  })

  test('a tag that is called stop stops nothing', async () => {
    const rules = (action: string) =>
      [
        [['match roles user'], action],
        [['match roles bad'], 'deny'],
      ] as const
    expect((await allowedBy(rules('allow tag stop'))).text).toContain('deny = [{ roles = ["bad"] }')
    expect((await allowedBy(rules('allow stop'))).text).toContain('deny = [{ all = [{ roles = ["bad"] }, { not = ')
  })

  test('two conditions about one field both have to hold', async () => {
    const both = ['prefix match sub a', 'suffix match sub z']
    const asked = '{ all = [{ like = { sub = ["a*"] } }, { like = { sub = ["*z"] } }] }'
    expect((await allowedBy([[both, 'allow stop']])).allow).toBe(`[${asked}]`)
    const user_transformer_configs = [{ matchers: both, actions: ['action add role boss'] }]
    const { text, notes } = await allowedBy([[['match roles boss'], 'allow']], { user_transformer_configs })
    expect(text).not.toContain('like = ')
    expect(notes).toContainEqual(expect.stringContaining('no rule says when this is added (boss)'))
  })

  test('words in quotes are one', async () => {
    const { text } = await allowedBy([[['exact match sub "a b" c'], 'allow log debug']])
    expect(text).toContain('subjects = ["a b", "c"]')
  })

  test('roles of a provider are looked for wherever they were', async () => {
    const user_transformer_configs = [{ matchers: ['match role admins'], actions: ['action add role boss'] }]
    const { text } = await allowedBy([[['match roles boss'], 'allow']], { user_transformer_configs })
    expect(text).toMatch(/^boss = .*"realm_access\.roles" = \["admins"\]/m)
  })

  test('an origin is the realm of a provider that has one name for both', async () => {
    const user_transformer_configs = [{ matchers: ['match origin p'], actions: ['action add role boss'] }]
    const { text } = await allowedBy([[['match roles boss'], 'allow']], { user_transformer_configs })
    expect(text).toMatch(/^boss = \{ any = true \}/m)
  })
})

test('the address of a portal has the port that people come by', async () => {
  const portal = { match: [{ host: ['auth.example.com'] }], handle: [PORTAL] }
  const routes = [portal, ...site({ handle: [GUARD, app('one')] })]
  const policy = { auth_url_path: 'https://auth.example.com:8443/oauth2/p' }
  expect((await made(routes, { policy })).text).toContain('url = "https://auth.example.com:8443"')
  expect((await made(routes)).text).toContain('url = "https://auth.example.com"')
})

test('policies without a portal let nobody in, in a file that check takes', async () => {
  const json = JSON.parse(caddyJson({ routes: site({ handle: [GUARD, app('one')] }) }))
  json.apps.security.config.authentication_portals = []
  const result = await imported(JSON.stringify(json))
  expect([result.code, routesOf(result)]).toEqual([1, [`upstream one allow = "public" ${EVERYONE}`]])
})

describe('a policy whose routes let nobody in', () => {
  const rules = (...list: readonly (readonly [condition: string, action: string])[]) => ({
    access_list_rules: list.map(([condition, action]) => ({ conditions: [condition], action })),
  })
  const byUsers = (policy: Readonly<Record<string, unknown>>) => ({ policy })
  const deep = rules(['no match roles x', 'allow stop'], ['no match roles y', 'deny'], ['match roles user', 'allow'])
  const cases: readonly (readonly [
    about: string,
    routes: readonly unknown[],
    more: Omit<Parameters<typeof caddyJson>[0], 'routes'>,
    note: string,
  ])[] = [
    [
      'that is not there',
      site({ handle: [{ ...GUARD, providers: { authorizer: { gatekeeper_name: 'gone' } } }, app('one')] }),
      {},
      'closed - authentication at a.example.com: there is no policy gone',
    ],
    [
      'that denies a role of people whom no rule names',
      site({ handle: [GUARD, app('one')] }),
      {
        ...byUsers(rules(['match roles bad', 'deny'], ['match roles user', 'allow'])),
        portal: {
          user_transformer_configs: [
            { matchers: ['exact match realm p'], actions: ['action add role user'] },
            { matchers: ['regex match sub (a|b)'], actions: ['action add role bad'] },
          ],
        },
      },
      'closed - authorization policy users: it shuts out the role bad, and who has that role is not clear',
    ],
    [
      'that asks for names which GitHub has otherwise here',
      site({ handle: [GUARD, app('one')] }),
      {
        ...byUsers(rules(['match sub ada', 'allow'])),
        provider: { driver: 'github', base_auth_url: undefined },
      },
      'closed - authorization policy users: it or its portal asks for user names of GitHub or Discord',
    ],
    [
      'whose rules see another path than the one that was asked for',
      site(
        at(
          '/x/*',
          inside({ handle: [{ handler: 'rewrite', strip_path_prefix: '/x' }] }, { handle: [GUARD, app('one')] }),
        ),
      ),
      byUsers({
        validate_method_path: true,
        access_list_rules: [{ conditions: ['match roles user', 'prefix match path /y'], action: 'allow' }],
      }),
      'closed - authorization policy users: its rules ask for paths after a rewrite',
    ],
    [
      'whose rules stand in each other more often than those of a file may',
      site({ match: [{ header: { 'X-A': ['1'] } }], handle: [GUARD] }, { handle: [GUARD, app('one')] }),
      byUsers(deep),
      'closed - authorization policy users: its rules are nested too deep',
    ],
  ]
  test('but those of one portal, where requests of one route had several', async () => {
    const crypto = { raw_crypto_key_store_config: ['crypto key sign-verify 5d1f6f0e-9c66-4a4e-9d1b-5c9f5d7f9a11'] }
    const allowed = { access_list_rules: [{ conditions: ['match roles admin'], action: 'allow' }] }
    const other = { providers: { authorizer: { gatekeeper_name: 'admins' } }, handler: 'authentication' }
    const result = await made(
      site({ match: [{ method: ['GET'] }], handle: [GUARD, app('one')] }, { handle: [other, app('one')] }),
      {
        second: [
          { name: 'work', ui: {}, identity_providers: ['p'], ...crypto },
          { name: 'admins', auth_url_path: '/admin', ...allowed, ...crypto },
        ],
      },
    )
    expect([result.code, result.routes]).toEqual([
      1,
      [
        expect.stringMatching(
          /^upstream one allow = \[\{ all = \[\{ methods = \["GET"\] \}, \{ roles = \["user"\] \}\] \}\] deny/,
        ),
      ],
    ])
    expect(result.notes).toContain(
      'closed - authentication at a.example.com: a route has one portal: some requests are refused',
    )
  })

  test.each(cases)('%s', async (_, routes, more, note) => {
    const result = await made(routes, more)
    expect(result.code).toBe(1)
    expect(result.notes).toContainEqual(expect.stringContaining(note))
    const open = result.routes.filter(
      line => !line.includes(EVERYONE) && !line.includes('allow = [{ subjects = ["${WHO_MAY}"] }]'),
    )
    expect(open).toEqual([])
  })
})

describe('the proxies that Caddy believed', () => {
  const STATIC = { source: 'static', ranges: ['10.0.0.0/8'] }
  const serverOf = async (server: Readonly<Record<string, unknown>>, match: readonly unknown[] = []) => {
    const routes = site({ match, handle: [GUARD, app('one')] })
    const { text, notes } = await made(routes, { server })
    const said = notes.flatMap(note => /^decide - (\w+):/.exec(note)?.[1] ?? [])
    return [section(text, '[server]').filter(line => !/^(?:listen|#|\[)/.test(line) && line !== ''), said]
  }

  test('are believed here, whether or not a rule asks where clients come from', async () => {
    const [lines] = await serverOf({
      trusted_proxies: { ...STATIC, ranges: ['10.0.0.0/8', '127.0.0.1/8', '10.0.0.0/8'] },
    })
    expect(lines).toEqual(['trusted_proxies = ["10.0.0.0/8", "127.0.0.0/8"]'])
  })

  test('say it in the same field', async () => {
    const server = { trusted_proxies: STATIC, client_ip_headers: ['Cf-Connecting-Ip'] }
    const [lines] = await serverOf(server, [{ client_ip: { ranges: ['192.0.2.0/24'] } }])
    expect(lines).toEqual(['trusted_proxies = ["10.0.0.0/8"]', 'client_address = "Cf-Connecting-Ip"'])
  })

  test('are to be named where nobody lists them, or where they say it in several fields', async () => {
    expect((await serverOf({ trusted_proxies: { source: 'cloudflare' } }))[1]).toContain('trusted_proxies')
    const server = { trusted_proxies: STATIC, client_ip_headers: ['X-Real-Ip', 'X-Forwarded-For'] }
    expect((await serverOf(server))[1]).toContain('client_ip_headers')
  })
})
