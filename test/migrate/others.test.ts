import { describe, expect, test } from 'bun:test'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkConfig } from '../../src/config/check.ts'
import { runImport } from '../../src/migrate/import.ts'
import { seeOther } from '../../src/migrate/others.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { runIn } from '../kit/io.ts'

/** Files as people have them, with each row of the table: host, path, and what says it here. */
const FILES: readonly (readonly [program: string, name: string, text: string, rows: readonly string[]])[] = [
  [
    'Authelia',
    'configuration.yml',
    `server: { address: tcp://:9091/ }
definitions: { network: { home: [192.168.1.0/24] } }
access_control:
  default_policy: deny
  networks: [{ name: office, networks: [10.10.0.0/16] }]
  rules:
    - domain: public.example.com
      policy: bypass
    - domain: [app.example.com, wiki.example.com]
      resources: ['^/api([/?].*)?$']
      methods: [GET]
      policy: bypass
    - domain: '*.example.com'
      subject: ['group:admins', ['user:john', 'group:staff']]
      policy: two_factor
    - domain: app.example.com
      networks: [home, office, 172.16.0.0/12]
      policy: one_factor
    - domain_regex: '^user-(?P<User>\\w+)\\.example\\.com$'
      policy: one_factor
    - domain: odd.example.com
      query: [[{ key: a, value: b }]]
      policy: bypass
session: { secret: s3cret }
`,
    [
      'public.example.com||allow = "public"',
      'app.example.com|^/api([/?].*)?$|allow = [{ path_regexp = "^/api([/?].*)?$", methods = ["GET"], anonymous = true }]',
      'wiki.example.com|^/api([/?].*)?$|allow = [{ path_regexp = "^/api([/?].*)?$", methods = ["GET"], anonymous = true }]',
      '*.example.com||allow = [{ groups = ["admins"], amr = "mfa" }, { all = [{ groups = ["staff"] }, { claims = { preferred_username = ["john"] } }], amr = "mfa" }]',
      'app.example.com||allow = [{ networks = ["192.168.1.0/24", "10.10.0.0/16", "172.16.0.0/12"] }]',
      '~ ^user-(?P<User>\\w+)\\.example\\.com$||a route for each host: none has an expression',
      'odd.example.com||nothing: no rule says query as there',
      '(any other)||nothing: what no rule of allow says is refused',
    ],
  ],
  [
    'Pomerium',
    'config.yaml',
    `authenticate_service_url: https://auth.example.com
idp_client_secret: s3cret
routes:
  - from: https://verify.example.com
    to: http://verify:8000
    policy:
      - allow:
          or:
            - email: { is: ada@example.com }
            - domain: { is: example.org }
            - groups: { has: admins }
            - device: { is: x }
  - from: https://app.example.com
    prefix: /static
    to: http://app:80
    allow_public_unauthenticated_access: true
  - from: https://old.example.com
    to: [http://a:80, http://b:80]
    allowed_users: [ada@example.com]
    allowed_domains: [example.net]
  - from: https://open.example.com
    to: http://open:80
    policy: { allow: { and: [{ accept: true }] } }
`,
    [
      'verify.example.com||upstream = "http://verify:8000"; allow = [{ emails = ["ada@example.com"] }, { domains = ["example.org"] }, { groups = ["admins"] }, { subjects = ["write-who-may"] }]',
      'app.example.com|/static|upstream = "http://app:80"; allow = "public"',
      'old.example.com||upstream = ["http://a:80", "http://b:80"]; allow = [{ emails = ["ada@example.com"], domains = ["example.net"] }]',
      'open.example.com||upstream = "http://open:80"; allow = "public"',
    ],
  ],
  [
    'Tinyauth',
    'compose.yaml',
    `services:
  tinyauth:
    image: ghcr.io/steveiliop56/tinyauth:v4
    environment:
      - TINYAUTH_APPURL=https://auth.example.com
      - TINYAUTH_AUTH_USERS=ada:$$2a$$10$$s3cret
      - TINYAUTH_OAUTH_WHITELIST=ada@example.com,/.*@example.org/
  whoami:
    image: traefik/whoami
    labels:
      traefik.http.routers.whoami.rule: Host(\`whoami.example.com\`)
      traefik.http.routers.whoami.middlewares: tinyauth
  media:
    image: media
    labels:
      - traefik.http.routers.media.rule=Host(\`media.example.com\`)
      - tinyauth.apps.media.config.domain=media.example.com
      - tinyauth.apps.media.oauth.groups=family
      - tinyauth.apps.media.users.block=eve
      - tinyauth.apps.media.path.allow=^/share/
      - tinyauth.apps.media.ip.bypass=10.0.0.0/8
`,
    [
      'whoami.example.com||allow = [{ emails = ["ada@example.com"] }, { subjects = ["write-who-may"] }]',
      'media.example.com|^/share/|allow = [{ emails = ["ada@example.com"], groups = ["family"] }, { subjects = ["write-who-may"], groups = ["family"] }]; and in allow: { path_regexp = "^/share/", anonymous = true }; and in allow: { networks = ["10.0.0.0/8"], anonymous = true }; deny = [{ claims = { preferred_username = ["eve"] } }]',
      'auth.example.com||url = "https://auth.example.com" of [portals.home]',
    ],
  ],
  [
    'Tinyauth',
    '.env',
    'TINYAUTH_APPURL=https://auth.example.com\nTINYAUTH_AUTH_SECRET=s3cret\nTINYAUTH_APPS_WIKI_CONFIG_DOMAIN=wiki.example.com\nTINYAUTH_APPS_WIKI_OAUTH_WHITELIST=ada@example.com\n',
    [
      'wiki.example.com||allow = [{ emails = ["ada@example.com"] }]',
      'auth.example.com||url = "https://auth.example.com" of [portals.home]',
    ],
  ],
  [
    'traefik-forward-auth',
    'compose.yaml',
    `services:
  traefik-forward-auth:
    image: thomseddon/traefik-forward-auth:2
    command: --rule.1.action=allow --rule.1.rule="Host(\`app.example.com\`) && PathPrefix(\`/public\`)"
    environment:
      PROVIDERS_GOOGLE_CLIENT_SECRET: s3cret
      SECRET: s3cret
      AUTH_HOST: auth.example.com
      WHITELIST: ada@example.com,bob@example.com
  app:
    image: app
    labels:
      - traefik.http.routers.app.rule=Host(\`app.example.com\`)
      - traefik.http.routers.app.middlewares=traefik-forward-auth
  open:
    image: open
    labels: [traefik.http.routers.open.rule=Host(\`open.example.com\`)]
`,
    [
      'app.example.com|/public|allow = [{ paths = "/public*", anonymous = true }]',
      'app.example.com||allow = [{ emails = ["ada@example.com", "bob@example.com"] }]',
      'auth.example.com||url = "https://auth.example.com" of [portals.home]',
    ],
  ],
  [
    'traefik-forward-auth',
    'forward-auth.ini',
    'default-provider = oidc\nproviders.oidc.client-secret = s3cret\ndomain = example.org\nrule.api.action = allow\nrule.api.rule = Path(`/health`)\n',
    [
      '(each)|/health|allow = [{ paths = "/health", anonymous = true }]',
      '(any other)||allow = [{ domains = ["example.org"] }]',
    ],
  ],
  [
    'Authelia',
    'authelia.yml',
    `access_control:
  default_policy: 'one_factor'
  networks:
    - name: 'VPN'
      networks: '10.9.0.0/16'
  rules:
    - domain: 'mx2.mail.example.com'
      subject: 'group:admins'
      policy: 'deny'
    - domain: 'dev.example.com'
      resources:
        - '^/users/john/.*$'
        - '^/groups/dev/.*$'
      subject: 'user:john'
      networks: 'VPN'
      policy: 'two_factor'
    - domain: '{user}.example.com'
      subject: [['user:john', 'device:x']]
      policy: 'one_factor'
`,
    [
      'mx2.mail.example.com||deny = [{ groups = ["admins"] }]',
      'dev.example.com|^/users/john/.*$ ^/groups/dev/.*$|allow = [{ path_regexp = ["^/users/john/.*$", "^/groups/dev/.*$"], networks = ["10.9.0.0/16"], claims = { preferred_username = ["john"] }, amr = "mfa" }]',
      '{user}.example.com||a route for each person’s host',
      '(any other)||allow = "authenticated"',
    ],
  ],
  [
    'Pomerium',
    'policy.yaml',
    `- from: https://verify.example.com
  to: http://verify:8000
  allowed_domains: [example.org]
- from: https://ops.example.com
  to: http://ops:80
  allowed_users: [ada@example.com]
  allowed_groups: [admins]
- from: https://group.example.com
  to: http://group:80
  allowed_groups: [admins]
- from: tcp+https://redis.example.com:6379
  to: tcp://redis:6379
  policy: [{ allow: { or: [{ domain: { is: example.org } }] } }]
`,
    [
      'verify.example.com||upstream = "http://verify:8000"; allow = [{ domains = ["example.org"] }]',
      'ops.example.com||upstream = "http://ops:80"; allow = [{ emails = ["ada@example.com"] }, { groups = ["admins"] }]',
      'group.example.com||upstream = "http://group:80"; allow = [{ groups = ["admins"] }]',
      'redis.example.com:6379||nothing: HTTP alone is served here',
    ],
  ],
  [
    'Tinyauth',
    'stack.yaml',
    `services:
  tinyauth:
    image: ghcr.io/tinyauthapp/tinyauth:v5
    command: --appurl=https://auth.example.com
    environment:
      TINYAUTH_APPURL: https://auth.example.com
      TINYAUTH_OAUTH_WHITELIST: /^.*@example[.]org$/
      TINYAUTH_AUTH_IP_BLOCK: 203.0.113.0/24
      TINYAUTH_APPS_PHOTOS_OAUTH_GROUPS: family
      TINYAUTH_APPS_PHOTOS_LDAP_GROUPS: relatives
      TINYAUTH_APPS_PHOTOS_IP_ALLOW: 10.0.0.0/8
  wiki:
    image: wiki
    deploy:
      labels:
        - traefik.http.routers.wiki.rule=Host(\`wiki.example.com\`)
        - tinyauth.apps.wiki.oauth.whitelist=ada@example.org
        - tinyauth.apps.wiki.path.block=^/private
`,
    [
      'wiki.example.com||allow = [{ emails = ["ada@example.org"], any = [{ subjects = ["write-who-may"] }] }]; and in allow: { not = { path_regexp = "^/private" }, anonymous = true }; deny = [{ networks = ["203.0.113.0/24"] }]',
      'photos.…||allow = [{ subjects = ["write-who-may"], groups = ["family", "relatives"] }]; deny = [{ networks = ["203.0.113.0/24"] }, { not = { networks = ["10.0.0.0/8"] } }]',
      'auth.example.com||url = "https://auth.example.com" of [portals.home]',
    ],
  ],
  [
    'traefik-forward-auth',
    'rules.ini',
    `default-action = auth
whitelist = ada@example.com
whitelist = bob@example.com
domain = example.org
rule.public.action=allow
rule.public.rule=Host("stats.example.com") && PathPrefix("/api/public")
rule.api.action=allow
rule.api.rule=Host("api.example.com") && Headers("X-API-Authorization", "key")
rule.query.action=allow
rule.query.rule=Host("api.example.com") && Query("a=b")
rule.not.action=allow
rule.not.rule=Path(\`/a\`, \`/b\`)
rule.jane.action=auth
rule.jane.rule=Path(\`/jane\`)
rule.jane.whitelist=jane@example.com
`,
    [
      'stats.example.com|/api/public|allow = [{ paths = "/api/public*", anonymous = true }]',
      'api.example.com||nothing: write what Host("api.example.com") && Headers(…) means',
      'api.example.com||nothing: write what Host("api.example.com") && Query(…) means',
      '(each)|/a`, `/b|nothing: write what Path(`/a`, `/b`) means',
      '(each)|/jane|allow = [{ paths = "/jane", emails = ["jane@example.com"] }]',
      '(any other)||allow = [{ emails = ["ada@example.com", "bob@example.com"] }]',
    ],
  ],
  [
    'traefik-forward-auth',
    'swarm.yml',
    `services:
  whoami:
    image: whoami
    labels:
      - "traefik.frontend.rule=Host:whoami.example.com,who.example.com"
      - "traefik.frontend.auth.forward.address=http://traefik-forward-auth:4181"
  traefik-forward-auth:
    build: thomseddon/traefik-forward-auth:2
    environment: [SECRET=s3cret, DEFAULT_ACTION=allow, MATCH_WHITELIST_OR_DOMAIN=true, DOMAIN=example.org]
`,
    ['whoami.example.com||allow = "public"', 'who.example.com||allow = "public"'],
  ],
  [
    'traefik-forward-auth',
    'deployment.yaml',
    `kind: Deployment
spec:
  template:
    spec:
      containers:
        - image: thomseddon/traefik-forward-auth:2
          args: [--whitelist=ada@example.com, --match-whitelist-or-domain]
          env:
            - { name: DOMAIN, value: example.org }
            - { name: AUTH_HOST, value: auth.example.com }
            - { name: SECRET, valueFrom: { secretKeyRef: { name: s, key: k } } }
`,
    [
      '(any other)||allow = [{ emails = ["ada@example.com"], domains = ["example.org"] }]',
      'auth.example.com||url = "https://auth.example.com" of [portals.home]',
    ],
  ],
]

const BEFORE = `[server]\nlisten = ["127.0.0.1:8080"]\n[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\n
[portals.home]\nproviders = ["id"]\n[[routes]]\nhost = "app.example.com"\nportal = "home"\n`

describe('a file of another gate', () => {
  for (const [program, name, text, rows] of FILES) {
    test(`of ${program} (${name}) is told as such, with its hosts and rules in our words, and nothing is written`, async () => {
      using folder = temporaryFolder()
      writeFileSync(join(folder.path, name), text)
      const { code, out, err } = await runIn(folder.path, io => runImport([name, '--out', 'routes.toml'], io))
      expect([code, out, existsSync(join(folder.path, 'routes.toml'))]).toEqual([2, '', false])
      expect(err).toStartWith(`${name} is a file of ${program}, which import does not read: nothing is written.`)
      expect(err).not.toContain('s3cret')
      const seen = await seeOther({ text, path: join(folder.path, name), shownAs: name })
      expect(seen?.rows.map(({ host, path, here }) => `${host}|${path}|${here}`)).toEqual([...rows])
      for (const row of seen?.rows ?? []) for (const cell of Object.values(row)) expect(err).toContain(cell)
    })

    test(`of ${program} (${name}) has rules in the table that a routes.toml takes`, async () => {
      const seen = await seeOther({ text, path: name, shownAs: name })
      for (const { here } of seen?.rows ?? []) {
        const parts = here.split('; ')
        const lines = parts.filter(part => /^(?:allow|deny) = /.test(part))
        const more = parts.flatMap(part =>
          part.startsWith('and in allow: ') ? [part.slice('and in allow: '.length)] : [],
        )
        if (lines.length === 0 || !lines.some(line => line.startsWith('allow'))) continue
        const own = lines.map(line =>
          line.startsWith('allow = [') ? line.replace(/\]$/, [', ', more.join(', '), ']'].join('')) : line,
        )
        const toml = `${BEFORE}upstream = "http://app:80"\n${(more.length > 0 ? own : lines).join('\n')}\n`
        const checked = checkConfig(toml, {
          file: '/x/routes.toml',
          shownAs: 'routes.toml',
          env: () => undefined,
          readText: () => '',
          readBytes: () => Buffer.alloc(0),
        })
        const mistakes = checked.ok ? [] : checked.diagnostics.filter(({ severity }) => severity === 'error')
        expect([here, mistakes.map(({ message }) => message)]).toEqual([here, []])
      }
    })
  }
})

test('a compose file that has an oauth2-proxy is imported, whatever else stands in it', async () => {
  const text = 'services:\n  gate: { image: "quay.io/oauth2-proxy/oauth2-proxy:v7" }\n  t: { image: "tinyauth" }\n'
  expect(await seeOther({ text, path: 'compose.yaml', shownAs: 'compose.yaml' })).toBeNull()
})

test('what another gate closes to people whom no rule names is closed, and no word opens what was open to nobody', async () => {
  const text = `routes:
  - from: https://a.example.com
    to: http://a:1
    policy: [{ deny: { or: [{ device: { is: x } }] } }]
  - from: https://b.example.com
    to: http://b:1
    policy: [{ allow: { nor: [{ accept: true }] } }]
  - from: https://c.example.com
    to: http://c:1
    policy: [{ allow: { not: [{ device: { is: x } }] } }]
  - from: https://d.example.com
    to: http://d:1
    policy: [{ deny: { nor: [{ email: { is: ada@example.com } }, { groups: { has: staff } }] } }]
`
  const rows = (await seeOther({ text, path: 'pomerium.yaml', shownAs: 'pomerium.yaml' }))?.rows ?? []
  expect(rows.map(({ here }) => here.replace(/^upstream = \S+; /, ''))).toEqual([
    'deny = [{ networks = ["0.0.0.0/0", "::/0"] }]',
    'allow = [{ subjects = ["write-who-may"] }]',
    'allow = [{ subjects = ["write-who-may"] }]',
    'deny = [{ not = { all = [{ emails = ["ada@example.com"] }, { groups = ["staff"] }] } }]',
  ])
  const env = `PROVIDERS_GOOGLE_CLIENT_ID=x
RULE_1_ACTION=allow
RULE_1_RULE=Path(\`/a\`) && PathPrefix(\`/b\`)
RULE_2_ACTION=allow
RULE_2_RULE=Path(\`/a*\`)
`
  const forward = (await seeOther({ text: env, path: '.env', shownAs: '.env' }))?.rows ?? []
  expect(forward.slice(0, 2).map(({ here }) => here)).toEqual([
    'nothing: write what Path(`/a`) && PathPrefix(`/b`) means',
    'nothing: write what Path(`/a*`) means',
  ])
})

test('the table of another gate shows no secret', async () => {
  using folder = temporaryFolder()
  const files = {
    'pomerium.yaml': 'routes: [{ from: "https://a.example.com", to: "http://me:s3cret-up@a:1", prefix: /x }]\n',
    '.env':
      'PROVIDERS_GOOGLE_CLIENT_ID=x\nRULE_1_ACTION=allow\nRULE_1_RULE=Headers(`X-Key`, `s3cret-field`) && Query(`k=s3cret-(query)`)\n',
  }
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder.path, name), text)
    const { out, err } = await runIn(folder.path, io => runImport([name], io))
    expect(out + err).toContain('in the words of routes.toml')
    expect(out + err).not.toMatch(/s3cret/)
  }
})
