import { describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runImport } from '../../src/migrate/import.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { runIn } from '../kit/io.ts'

type Files = Readonly<Record<string, string>>

/** What comes of files in a folder: the new file without its first lines, the notes, and what went wrong. */
async function made(files: Files, argv: readonly string[]) {
  using folder = temporaryFolder()
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder.path, name)), { recursive: true })
    writeFileSync(join(folder.path, name), text.replaceAll('{{here}}', folder.path))
  }
  const [flags, options] = [
    argv.indexOf('--') === -1 ? [] : argv.slice(argv.indexOf('--')),
    argv.filter((_, at, all) => all.indexOf('--') === -1 || at < all.indexOf('--')),
  ]
  const { code, out, err } = await runIn(folder.path, io => runImport([...options, '--json', ...flags], io))
  if (out === '') return { code, routes: '', notes: [], err }
  expect(out).not.toContain('s3cret')
  const read = JSON.parse(out)
  expect(read.mistakes).toEqual([])
  const notes: readonly string[] = read.notes.map(
    (note: { outcome: string; file: string | null; line: number | null; option: string; say: string }) =>
      `${note.outcome} ${note.file ?? ''}:${note.line ?? ''} ${note.option}: ${note.say}`,
  )
  return { code, routes: read.routes.slice(read.routes.indexOf('[server]')), notes, err }
}

const CFG = `provider = "oidc"
client_id = "gate"
client_secret = "s3cret"
oidc_issuer_url = "https://id.example.com"
redirect_url = "https://app.example.com/oauth2/callback"
cookie_secret = "s3cret-too"
http_address = "0.0.0.0:4180"
upstreams = ["http://app:3000/", "http://api:8080/api/"]
email_domains = ["example.com", "example.org"]
allowed_groups = ["staff"]
skip_auth_routes = ["GET=^/health$", "^/static/"]
reverse_proxy = true
trusted_proxy_ips = ["10.0.0.2"]
pass_access_token = true
skip_provider_button = true
`

const VARIABLES = `OAUTH2_PROXY_PROVIDER=oidc
# what the client is
export OAUTH2_PROXY_CLIENT_ID="gate"
OAUTH2_PROXY_CLIENT_SECRET='s3cret'
OAUTH2_PROXY_OIDC_ISSUER_URL=https://id.example.com
OAUTH2_PROXY_REDIRECT_URL=https://app.example.com/oauth2/callback   # registered
OAUTH2_PROXY_COOKIE_SECRET=s3cret-too
OAUTH2_PROXY_HTTP_ADDRESS=0.0.0.0:4180
OAUTH2_PROXY_UPSTREAMS=http://app:3000/,http://api:8080/api/
OAUTH2_PROXY_EMAIL_DOMAINS=example.com,example.org
OAUTH2_PROXY_ALLOWED_GROUPS=staff
OAUTH2_PROXY_SKIP_AUTH_ROUTES=GET=^/health$,^/static/
OAUTH2_PROXY_REVERSE_PROXY=true
OAUTH2_PROXY_TRUSTED_PROXY_IPS=10.0.0.2
OAUTH2_PROXY_PASS_ACCESS_TOKEN=true
OAUTH2_PROXY_SKIP_PROVIDER_BUTTON=true
OAUTH2_PROXY_ALLOWED_ROLES=
`

const FLAGS = [
  '--provider=oidc',
  '--client-id=gate',
  '--client-secret=s3cret',
  '--oidc-issuer-url=https://id.example.com',
  '--redirect-url=https://app.example.com/oauth2/callback',
  '--cookie-secret=s3cret-too',
  '--http-address=0.0.0.0:4180',
  '--upstream=http://app:3000/',
  '--upstream=http://api:8080/api/',
  '--email-domain=example.com,example.org',
  '--allowed-group=staff',
  '--skip-auth-route=GET=^/health$',
  '--skip-auth-route=^/static/',
  '--reverse-proxy',
  '--trusted-proxy-ip=10.0.0.2',
  '--pass-access-token=true',
  '--skip-provider-button',
]
const quoted = FLAGS.map(flag => `'${flag}'`)

const COMPOSE_LIST = `services:
  app:
    image: app:latest
  auth:
    image: quay.io/oauth2-proxy/oauth2-proxy:v7.6.0
    command:
${FLAGS.map(flag => `      - ${JSON.stringify(flag.replaceAll('$', '$$$$'))}`).join('\n')}
`

const MAP = VARIABLES.split('\n').flatMap(line => {
  const [, name, value = ''] = /^(?:export )?([A-Z0-9_]+)=(.*?)(?:\s+#.*)?$/.exec(line) ?? []
  return name === undefined ? [] : [[name, value.replace(/^["']|["']$/g, '')] as const]
})

const COMPOSE_MAP = `x-common: &common
  OAUTH2_PROXY_PROVIDER: oidc
  OAUTH2_PROXY_CLIENT_ID: \${CLIENT:-gate}
services:
  auth:
    image: \${REGISTRY}/oauth2-proxy:latest
    environment:
      <<: *common
${MAP.slice(2)
  .map(([name, value]) => `      ${name}: ${JSON.stringify(value.replaceAll('$', '$$$$'))}`)
  .join('\n')}
`

const MANIFEST = `apiVersion: v1
kind: ConfigMap
metadata: { name: gate }
data:
  oauth2_proxy.cfg: |
${CFG.split('\n')
  .map(line => `    ${line}`)
  .join('\n')}
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: oauth2-proxy }
spec:
  template:
    spec:
      containers:
        - name: oauth2-proxy
          image: quay.io/oauth2-proxy/oauth2-proxy:v7.6.0
          args: [--config=/etc/oauth2-proxy/oauth2_proxy.cfg]
          env:
            - name: OAUTH2_PROXY_CLIENT_SECRET
              valueFrom: { secretKeyRef: { name: secrets, key: client } }
          volumeMounts:
            - { name: conf, mountPath: /etc/oauth2-proxy }
      volumes:
        - { name: conf, configMap: { name: gate } }
`

const ARGS = `kind: List
items:
  - kind: Deployment
    spec:
      template:
        spec:
          containers:
            - name: other
              image: app
            - name: auth
              image: bitnami/oauth2-proxy
              args:
${FLAGS.map(flag => `                - ${JSON.stringify(flag)}`).join('\n')}
`

const UNIT = `[Unit]
Description=the gate

[Service]
Environment="OAUTH2_PROXY_CLIENT_SECRET=s3cret" OAUTH2_PROXY_COOKIE_SECRET=s3cret-too
ExecStart=/usr/local/bin/oauth2-proxy \\
    ${quoted.filter(flag => !/secret/.test(flag)).join(' \\\n    ')}
Restart=always
`

/** What an alpha configuration leaves to the file. */
const CORE = CFG.split('\n')
  .filter(line =>
    /^(?:redirect_url|cookie_secret|email_domains|skip_auth|reverse_proxy|trusted_proxy|skip_prov)/.test(line),
  )
  .join('\n')

const field = (name: string, claim: string) => `  - { name: ${name}, values: [{ claim: ${claim} }] }\n`

const ALPHA = `server:
  BindAddress: 0.0.0.0:4180
upstreamConfig:
  proxyRawPath: true
  upstreams:
    - id: app
      path: /
      uri: http://app:3000
    - id: api
      path: /api/
      uri: http://api:8080
      flushInterval: 1s
injectRequestHeaders:
${field('X-Forwarded-User', 'user')}${field('X-Forwarded-Email', 'email')}${field('X-Forwarded-Groups', 'groups')}${field('X-Forwarded-Preferred-Username', 'preferred_username')}${field('X-Forwarded-Access-Token', 'access_token')}providers:
  - id: id
    provider: oidc
    clientID: \${CLIENT:-gate}
    clientSecret: s3cret
    allowedGroups: [staff]
    oidcConfig:
      issuerURL: https://id.example.com
`

/** Every way to say the same, by the files and the arguments. */
const WAYS: Readonly<Record<string, readonly [files: Files, argv: readonly string[]]>> = {
  'an env file': [{ '.env': VARIABLES }, ['.env']],
  'an env file of another name': [{ 'proxy.conf': VARIABLES }, ['proxy.conf']],
  'flags of the command itself': [{}, ['--', ...FLAGS]],
  'flags whose values are words of their own': [
    {},
    ['--', ...FLAGS.flatMap(flag => flag.replace(/^(--[a-z-]+)=(?!true)/, '$1\n').split('\n'))],
  ],
  'a command line in a script': [
    { 'run.sh': `#!/bin/sh\n# starts it\nexec oauth2-proxy \\\n  ${quoted.join(' \\\n  ')}\n` },
    ['run.sh'],
  ],
  'docker run': [
    {
      'run.sh': `docker run -d --name oauth2-proxy -p 80:4180 -e OAUTH2_PROXY_CLIENT_SECRET=s3cret quay.io/oauth2-proxy/oauth2-proxy:latest ${quoted.join(' ')}\n`,
    },
    ['run.sh'],
  ],
  'a systemd unit': [{ 'oauth2-proxy.service': UNIT }, ['oauth2-proxy.service']],
  'a systemd unit with files': [
    {
      'gate.service':
        '[Service]\nEnvironmentFile={{here}}/gate.env\nExecStart=oauth2-proxy --config={{here}}/gate.cfg\n',
      'gate.env': 'OAUTH2_PROXY_ALLOWED_GROUPS=staff\n',
      'gate.cfg': CFG.replace('["staff"]', '["guests"]'),
    },
    ['gate.service'],
  ],
  'a compose file with a command': [{ 'compose.yaml': COMPOSE_LIST }, ['compose.yaml']],
  'a compose file with a table of variables': [{ 'compose.yaml': COMPOSE_MAP }, ['compose.yaml']],
  'a compose file with a list of variables, and one beside it': [
    {
      'docker-compose.yml': `services:\n  oauth2-proxy:\n    environment:\n${MAP.map(([name, value]) => `      - ${JSON.stringify(`${name}=${name.endsWith('CLIENT_ID') ? '${CLIENT}' : value.replaceAll('$', '$$$$')}`)}`).join('\n')}\n`,
      '.env': 'CLIENT=gate\n',
    },
    ['docker-compose.yml'],
  ],
  'a compose file with an env file': [
    {
      'compose.yaml': 'services:\n  a:\n    image: oauth2-proxy\n    env_file: [conf/gate.env]\n',
      'conf/gate.env': VARIABLES,
    },
    ['compose.yaml'],
  ],
  'a compose file with a configuration file beside it': [
    {
      'compose.yaml':
        'services:\n  a:\n    image: x/oauth2_proxy\n    command: oauth2-proxy --config /etc/gate.cfg\n    volumes:\n      - ./conf/gate.cfg:/etc/gate.cfg:ro\n',
      'conf/gate.cfg': CFG,
    },
    ['compose.yaml'],
  ],
  'a compose file and the configuration file that it names': [
    {
      'compose.yaml': 'services:\n  a:\n    image: oauth2-proxy\n    command: [--config, /etc/gate.cfg]\n',
      'gate.cfg': CFG,
    },
    ['compose.yaml', 'gate.cfg'],
  ],
  'manifests of Kubernetes with a ConfigMap': [{ 'deploy.yaml': MANIFEST }, ['deploy.yaml']],
  'manifests of Kubernetes with arguments': [{ 'deploy.yaml': ARGS }, ['deploy.yaml']],
  'an alpha configuration beside a file': [{ 'core.cfg': CORE, 'alpha.yaml': ALPHA }, ['core.cfg', 'alpha.yaml']],
  'a compose file that names both': [
    {
      'compose.yaml': `services:\n  a:\n    image: oauth2-proxy\n    command: [--alpha-config=/etc/gate/alpha.yaml, --config=/etc/gate/core.cfg]\n    environment: { CLIENT: gate }\n    volumes: [{ type: bind, source: ./gate, target: /etc/gate }]\n`,
      'gate/core.cfg': CORE,
      'gate/alpha.yaml': ALPHA.replace(':-gate', ''),
    },
    ['compose.yaml'],
  ],
  'a file, variables and flags, of which the flags count': [
    {
      'gate.cfg': CFG.replace('["staff"]', '["guests"]').replace('"gate"', '"other"'),
      '.env': 'OAUTH2_PROXY_ALLOWED_GROUPS=friends\nOAUTH2_PROXY_CLIENT_ID=gate\n',
    },
    ['gate.cfg', '.env', '--', '--allowed-group', 'staff'],
  ],
}

const whole = await made({ 'gate.cfg': CFG }, ['gate.cfg'])

describe('the same is made of', () => {
  for (const [title, [files, argv]] of Object.entries(WAYS)) {
    test(title, async () => {
      const { routes, code, err } = await made(files, argv)
      expect(err).toBe('')
      expect(routes).toBe(whole.routes)
      expect(code).toBe(0)
    })
  }
})

describe('what is not known closes, and is told with its line:', () => {
  const closed = async (files: Files, argv: readonly string[]) => {
    const { routes, code, notes } = await made(files, argv)
    expect([code, routes.match(/^deny = /gm)?.length]).toEqual([1, routes.match(/^\[\[routes/gm)?.length])
    return notes.filter(note => note.startsWith('closed'))
  }
  const image = 'services:\n  a:\n    image: oauth2-proxy\n'

  test('a variable, a flag, a word', async () => {
    const { '.env': env = '' } = WAYS['an env file']?.[0] ?? {}
    expect(await closed({ '.env': `${env}OAUTH2_PROXY_ALLOWED_GROUP=x\n` }, ['.env'])).toEqual([
      'closed :18 allowed_group: not known here, so the routes stay closed; is allowed_groups meant?',
    ])
    expect(await closed({}, ['--', ...FLAGS, '--allow-groups=x', 'stray'])).toEqual([
      'closed : command line: a word of it is no flag',
      expect.stringContaining('closed : allow_groups: not known here'),
    ])
  })

  test('a file of variables, or a configuration file, that is not there', async () => {
    const command = `    command: ${JSON.stringify(FLAGS.map(flag => flag.replaceAll('$', '$$$$')))}\n`
    expect(await closed({ 'compose.yaml': `${image}${command}    env_file: gone.env\n` }, ['compose.yaml'])).toEqual([
      'closed compose.yaml:5 env_file: gone.env cannot be read here, and may keep people out: put it where the compose file says',
    ])
    const named = JSON.stringify([...FLAGS.map(flag => flag.replaceAll('$', '$$$$')), '--config=/etc/gone.cfg'])
    expect(await closed({ 'compose.yaml': `${image}    command: ${named}\n` }, ['compose.yaml'])).toEqual([
      'closed compose.yaml:4 config: /etc/gone.cfg is missing, and may limit who comes in: import it beside compose.yaml',
    ])
  })

  test('a ConfigMap that is not among the documents', async () => {
    const manifest = ARGS.replace(
      '              args:',
      '              envFrom: [{ configMapRef: { name: gone } }]\n              args:',
    )
    expect(await closed({ 'deploy.yaml': manifest }, ['deploy.yaml'])).toEqual([
      'closed deploy.yaml:12 envFrom: the ConfigMap gone is not among these documents, and may keep people out: put it beside them',
    ])
  })
})

describe('an alpha configuration', () => {
  const of = (alpha: string) => made({ 'core.cfg': CORE, 'alpha.yaml': alpha }, ['core.cfg', 'alpha.yaml'])
  const routesOf = (routes: string) =>
    routes
      .split('\n\n')
      .flatMap(block => (block.startsWith('[[routes]]') ? [block.replace(/ +#.*$/gm, '').split('\n')] : []))

  test('has options for each upstream, and takes off and puts before paths as rewriteTarget says', async () => {
    const { routes, code } = await of(
      ALPHA.replace(
        /path: \/api\/\n/,
        'path: ^/api/(.*)$\n      rewriteTarget: /v2/$1\n      passHostHeader: false\n      proxyWebSockets: false\n      timeout: 5m\n',
      ),
    )
    expect(code).toBe(0)
    const [app, api] = routesOf(routes)
    expect(app?.filter(line => /host_header|websockets|timeout|prefix/.test(line))).toEqual([])
    for (const line of [
      'path = "/api"',
      'strip_prefix = "/api"',
      'add_prefix = "/v2"',
      'host_header = "upstream"',
      'websockets = false',
      'timeout = "5m"',
    ]) {
      expect(api).toContain(line)
    }
  })

  test('names fields of its own, with claims, prefixes and what is the same for everyone', async () => {
    const list = `injectRequestHeaders:\n${field('X-User', 'email')}${field('X-Department', 'department')}  - { name: X-Hello, values: [{ claim: user, prefix: "id " }] }
  - { name: X-Key, values: [{ fromEnv: APP_KEY }] }\n  - { name: X-File, values: [{ fromFile: /run/key }] }\n  - { name: X-Set, values: [{ value: czNjcmV0 }] }\n`
    const { routes, code } = await of(ALPHA.replace(/injectRequestHeaders:\n(?: {2}- .*\n)+/, list))
    expect(code).toBe(0)
    const [app] = routesOf(routes)
    expect(app).toContain('headers = { X-User = "email", X-Department = "claims.department", X-Hello = "id {sub}" }')
    expect(app).toContain(
      'request_headers = { set = { X-Key = "${APP_KEY}", X-File = "${file:/run/key}", X-Set = "${X_SET}" } }',
    )
    expect(app?.join('\n')).not.toContain('pass_token')
  })

  test('without fields tells the application nothing, and with the usual password tells that', async () => {
    const none = await of(ALPHA.replace(/injectRequestHeaders:\n(?: {2}- .*\n)+/, ''))
    expect([none.code, /^(?:headers|pass_token) = /m.test(none.routes)]).toEqual([0, false])
    const basic =
      '  - { name: Authorization, values: [{ claim: user, prefix: "Basic ", basicAuthPassword: { value: czNjcmV0 } }] }\n'
    const { routes, code } = await of(ALPHA.replace('injectRequestHeaders:\n', `injectRequestHeaders:\n${basic}`))
    expect(code).toBe(0)
    expect(routes).toContain('basic_auth = { user = "{sub}", password = "${BASIC_AUTH_PASSWORD}" }')
    expect(routes).toContain('headers = "x-forwarded"')
  })

  test('with static answers is asked by a proxy in front, and tells that who is there', async () => {
    const alpha = ALPHA.replace(
      / {4}- id: app[\s\S]*?(?=inject)/,
      '    - { id: static, path: /, static: true, staticCode: 202 }\n',
    )
    const usual = ['User', 'Email', 'Groups', 'Preferred-Username']
    const told = `injectResponseHeaders:\n${usual.map(name => field(`X-Auth-Request-${name}`, name.toLowerCase().replace('-', '_'))).join('')}`
    const { routes, code } = await of(alpha + told)
    expect(code).toBe(0)
    expect(routesOf(routes)[0]).toEqual(expect.arrayContaining(['verify = true', 'headers = "x-auth-request"']))
    expect(routes).toMatch(/^verify = "0\.0\.0\.0:9080"/m)
  })

  const api = (lines: string) => ALPHA.replace('path: /api/', () => lines)

  test('has expressions as `when` and `rewrite`, in the folder of all that they match', async () => {
    const folders = {
      '^/img/(thumb|full)/(.*)$': 'path = "/img"',
      '^/img/?(.*)$': 'host = "app.example.com"',
      '/img/(.*)': 'host = "app.example.com"',
      '^/a/(.*)|^/b/(.*)$': 'host = "app.example.com"',
      '^/(?:a|b)/(.*)$': 'host = "app.example.com"',
    }
    for (const [path, first] of Object.entries(folders)) {
      const { routes, code, notes } = await of(api(`path: '${path}'\n      rewriteTarget: /pictures/$1-$2`))
      const own = routesOf(routes).find(lines => lines.includes('upstream = "http://api:8080"')) ?? []
      expect([code, own[own.findIndex(line => line.startsWith('when')) - 1], own]).toEqual([
        0,
        first,
        expect.arrayContaining([
          `when = { path_regexp = "${path}" }`,
          // 7.15.3 makes /pictures/thumb-thumb of /img/thumb/a.png (recorded).
          `rewrite = { from = "${path}", to = "/pictures/$1-$1" }`,
        ]),
      ])
      expect(notes.join('\n')).toContain('/pictures/$1-$2 means the first group for every number there (7.15.3)')
    }
    const { notes } = await of(api('path: ^/img/([^/]*)\n      rewriteTarget: /$1'))
    expect(notes.filter(note => note.includes('for every number'))).toEqual([])
  })

  test('has expressions in their order: before plain paths, and the longest first', async () => {
    const more = (list: string) => api(`path: /x/\n      uri: http://plain:1\n${list}    - id: api\n      path: /api/`)
    const at = (path: string, to: string, port: number) =>
      `    - { id: i${port}, path: '${path}', rewriteTarget: ${to}, uri: 'http://i:${port}' }\n`
    const [short, long] = [at('^/x/(a)', '/$1', 1), at('^/x/(ab+)', '/$1', 2)]
    const { routes, code } = await of(more(short + long))
    const targets = routesOf(routes).flatMap(lines => lines.filter(line => /^(?:upstream|redirect) = /.test(line)))
    expect([code, targets.filter(line => line.includes('//i:'))]).toEqual([
      0,
      ['upstream = "http://i:2"', 'upstream = "http://i:1"'],
    ])
    // It takes what is below it, so the plain /x/ gets nothing.
    const above = await of(more(at('^/x/(.*)$', '/y/$1', 3)))
    expect([above.code, new Set(above.routes.match(/upstream = .*/g))]).toEqual([
      0,
      new Set(['upstream = "http://app:3000"', 'upstream = "http://api:8080"', 'upstream = "http://i:3"']),
    ])
    expect(above.notes.join('\n')).toContain('/x/: nothing comes to it, as there: ^/x/(.*)$ takes all of its paths')
    const mixed = await of(more(at('^/(x|z)/(.*)$', '/y/$1', 4)))
    expect([mixed.code, mixed.routes.match(/deny = .*\]/)?.[0], mixed.routes.includes('i:4')]).toEqual([
      1,
      'deny = [{ path_regexp = "^/(x|z)/(.*)$" }]',
      false,
    ])
    expect(mixed.notes.join('\n')).toContain('^/(x|z)/(.*)$: it comes before other upstreams in /,')
  })

  test('closes the paths that lead where no route says, and nothing else', async () => {
    for (const [path, target, uri] of [
      ['^/img/(.*)/x$', '/a$1x', 'http://api:8080'],
      ['^/img/.*/x$', '/$1', 'http://api:8080'],
      ['^/img/(.*)/x$', '/a?b=$1', 'http://api:8080'],
      ['^/img/(.*)/x$', '/$1', 'file:///srv'],
    ] as const) {
      const alpha = api(`path: '${path}'\n      rewriteTarget: ${target}`).replace('http://api:8080', uri)
      const { routes, code, notes } = await of(alpha)
      const denied = routesOf(routes).map(lines => lines.filter(line => line.startsWith('deny = ')))
      expect([path, code, denied]).toEqual([path, 1, [[`deny = [{ path_regexp = "${path}" }]`]]])
      expect(notes.join('\n')).toContain(`upstreams.path: ${path}: no route can say this with its rewriteTarget`)
    }
    const { routes, code } = await of(api('path: ^/(?=x)(.*)$\n      rewriteTarget: /$1'))
    expect([code, routes]).toEqual([1, expect.stringContaining('deny = [{ networks = ["0.0.0.0/0", "::/0"] }]')])
  })

  test.each([
    [
      'an upstream whose path no route says',
      api('path: ^/v[12]/(.*)$\n      rewriteTarget: /$1_x'),
      'alpha.yaml:10 upstreams.path',
    ],
    [
      'a key of an upstream',
      ALPHA.replace('path: /api/', 'path: /api/\n      allowFrom: [x]'),
      'alpha.yaml:11 upstreams.allowfrom',
    ],
    [
      'a key of the provider',
      ALPHA.replace('oidcConfig:', 'hostedDomain: x\n    oidcConfig:'),
      'providers.hosteddomain',
    ],
    [
      'a parameter of the sign-in',
      `${ALPHA}    loginURLParameters: [{ name: hd, default: [example.com] }]\n`,
      'providers.loginURLParameters',
    ],
    [
      'a second provider',
      `${ALPHA}  - { id: other, clientID: x }\n`,
      ' providers: only the first provider counted there',
    ],
    ['a value that no route says', ALPHA.replace('claim: user', 'claim: refresh_token'), 'injectrequestheaders'],
    ['a key of its own', `${ALPHA}rules: []\n`, ' rules'],
  ])('closes for what is not known: %s', async (_, alpha, option) => {
    const { code, routes, notes } = await of(alpha)
    expect(code).toBe(1)
    expect(routes.match(/^deny = /gm)?.length).toBe(routes.match(/^\[\[routes/gm)?.length)
    const closed = notes.filter(note => note.startsWith('closed'))
    expect([option, closed.length, closed[0]?.includes(option)]).toEqual([option, 1, true])
  })
})

test('a variable of somebody else’s becomes one of the new file', async () => {
  const compose = COMPOSE_MAP.replace('${CLIENT:-gate}', '${CLIENT}').replace('"staff"', '"${GROUP}"')
  const { routes, code } = await made({ 'compose.yaml': compose }, ['compose.yaml'])
  expect(code).toBe(0)
  expect(routes).toContain('client_id = "${CLIENT}"')
  expect(routes).toContain('groups = ["${GROUP}"]')
})

test.each([
  ['${DOMAINS-*}', 'DOMAINS=\n', 'domains = ["${EMAIL_DOMAIN}"]'],
  ['${DOMAINS:-*}', 'DOMAINS=\n', 'require_email = true'],
  ['${DOMAINS-*}', '', 'require_email = true'],
  ['${DOMAINS-*}', 'DOMAINS=example.org\n', 'domains = ["example.org"]'],
  ['${DOMAINS+*}', 'DOMAINS=\n', 'require_email = true'],
  ['${DOMAINS:+*}', 'DOMAINS=\n', 'domains = ["${EMAIL_DOMAIN}"]'],
])('an empty variable is one where docker takes it for one: %s beside %j', async (domains, env, rule) => {
  const compose = COMPOSE_MAP.replace('"example.com,example.org"', JSON.stringify(domains))
  const { routes } = await made({ 'compose.yaml': compose, '.env': env }, ['compose.yaml'])
  expect(routes).toContain(rule)
})

test('what is set elsewhere is asked for only where it may be', async () => {
  const way = (title: string) => WAYS[title] ?? ([{}, []] as const)
  const asks = async (title: string) =>
    (await made(...way(title))).notes
      .filter(note => /^decide : (?:flags|OAUTH2_PROXY_\*)/.test(note))
      .map(note => note.replace(/: what they say.*/, ''))
  expect(await asks('an env file')).toEqual(['decide : flags'])
  expect(await asks('flags of the command itself')).toEqual(['decide : OAUTH2_PROXY_*'])
  expect(await asks('a compose file with a command')).toEqual([])
  expect(await asks('manifests of Kubernetes with arguments')).toEqual([])
})

test('where nothing is found, the answer says what is there', async () => {
  const wrong: readonly (readonly [Files, readonly string[], string])[] = [
    [
      { 'c.yaml': 'services:\n  web: { image: nginx }\n  db: { image: postgres }\n' },
      ['c.yaml'],
      'c.yaml has the services web, db, of which none is oauth2-proxy: its image, command or entrypoint would say so',
    ],
    [
      { 'c.yaml': 'services:\n  a: { image: oauth2-proxy }\n  b: { image: oauth2-proxy }\n' },
      ['c.yaml'],
      'several oauth2-proxy services (a and b)',
    ],
    [
      {
        'k.yaml':
          'kind: Service\n---\nkind: Deployment\nspec: { template: { spec: { containers: [{ image: app }] } } }\n',
      },
      ['k.yaml'],
      'k.yaml has no container that is oauth2-proxy (it has: Service, Deployment)',
    ],
    [{ 'x.yaml': 'a: 1\n' }, ['x.yaml'], 'x.yaml is no compose file, no manifest of Kubernetes'],
    [
      { 'values.yaml': 'config:\n  clientID: x\nextraArgs:\n  provider: oidc\n' },
      ['values.yaml'],
      'helm template oauth2-proxy oauth2-proxy/oauth2-proxy -f values.yaml > values.made.yaml; sallyport import values.made.yaml',
    ],
    [{ 'x.yaml': 'a: 1\nb: "s3cret\n' }, ['x.yaml'], 'x.yaml:'],
    [{ Caddyfile: ':80 {\n}\n', 'a.cfg': CFG }, ['Caddyfile', 'a.cfg'], 'is imported by itself'],
  ]
  for (const [files, argv, sentence] of wrong) {
    const { code, err } = await made(files, argv)
    expect([code, err]).toEqual([1, expect.stringContaining(sentence)])
    expect(err).not.toContain('s3cret')
  }
})
