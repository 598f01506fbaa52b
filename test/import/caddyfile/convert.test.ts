import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type ImportedJson, imported, section } from '../imported.ts'

const PROVIDER = `
    oauth identity provider pocket {
      realm home
      driver generic
      client_id gate
      client_secret s3cret-client
      base_auth_url https://id.example.com
      metadata_url https://id.example.com/.well-known/openid-configuration
    }`

interface Parts {
  /** In place of the provider. */
  readonly provider?: string
  readonly portal?: string
  readonly policy?: string
  /** Sites; by default one that is protected and is its portal. */
  readonly sites?: string
  /** More global options. */
  readonly options?: string
}

const SITES = `
app.example.com {
  route /auth/* {
    authenticate with home
  }
  route {
    authorize with users
    reverse_proxy app:3000
  }
}`

const TRANSFORM = 'transform user {\n match realm home\n action add role user\n }'

/** A whole Caddyfile, so that a case says only what it is about. */
function caddyfile({
  provider = PROVIDER,
  portal = TRANSFORM,
  policy = 'allow roles user',
  sites = SITES,
  options = '',
}: Parts): string {
  return `{
  ${options}
  security {${provider}
    authentication portal home {
      enable identity provider pocket
      ${portal}
    }
    authorization policy users {
      set auth url /auth/oauth2/home
      ${policy}
    }
  }
}
${sites}
`
}

async function made(parts: Parts): Promise<ImportedJson> {
  return imported(caddyfile(parts), ['--from', 'caddyfile'])
}

const PRIVATE = '"192.168.0.0/16", "172.16.0.0/12", "10.0.0.0/8", "127.0.0.0/8", "fd00::/8", "::1/128"'
/** Whoever has a role by what the provider says. */
function stated(role: string): string {
  const claims = ['roles', 'role', 'group', '"realm_access.roles"', '"app_metadata.authorization.roles"']
  return `[{ groups = ["${role}"] }, ${claims.map(claim => `{ claims = { ${claim} = ["${role}"] } }`).join(', ')}]`
}

const EVERYONE = '{ networks = ["0.0.0.0/0", "::/0"] }'

interface Case {
  readonly about: string
  readonly parts: Parts
  /** Title and position of a table → lines that it has. */
  readonly has: Readonly<Record<string, readonly string[]>>
  readonly note?: string
}

const GITHUB = `
    oauth identity provider pocket {
      realm home
      driver github
      client_id gate
      client_secret s3cret-client
      scopes read:user read:org
    }`

const CASES: readonly Case[] = [
  {
    about: 'GitHub is a preset, whose groups are no roles, with a callback of its own',
    parts: { provider: GITHUB },
    has: {
      '[providers.pocket]': [
        'preset = "github"',
        'client_secret = "${POCKET_CLIENT_SECRET}"',
        'client_auth = "client_secret_post"',
        'scopes = ["user:email"]',
      ],
      '[portals.home.roles]': ['user = { any = true }'],
      '[[routes]]': ['allow = ["user"]'],
    },
    note: 'decide 4 oauth identity provider pocket: preset = "github": register the callback /.sallyport/callback/pocket',
  },
  {
    about: 'Discord is a preset',
    parts: { provider: GITHUB.replace('driver github', 'driver discord') },
    has: { '[providers.pocket]': ['preset = "discord"', 'scopes = ["identify", "email"]'] },
  },
  {
    about: 'a provider is asked who somebody is, whatever scopes are named',
    parts: { provider: GITHUB.replace('driver github', 'driver generic').replace(/scopes .*/, 'scopes email profile') },
    has: { '[providers.pocket]': ['scopes = ["openid", "email", "profile"]'] },
    note: 'changed 9 scopes: scopes, with "openid" as well',
  },
  {
    about: 'a GitHub elsewhere is none',
    parts: { provider: GITHUB.replace(/scopes .*/, 'base_auth_url https://git.example.com') },
    has: { '[providers.pocket]': ['issuer = "https://git.example.com"'] },
    note: 'decide 4 driver: github is no OpenID provider',
  },
  ...[
    { portal: 'transform user {\n match sub github.com/ada\n action add role user\n}' },
    { portal: 'transform user {\n match email ada@x.test\n action add role user\n}' },
    { portal: `${TRANSFORM}\ntransform user {\n match sub github.com/mallory\n block\n}` },
    { policy: 'acl rule {\n match sub github.com/mallory\n deny stop\n}\nallow roles user' },
    { policy: 'acl rule {\n match email mallory@x.test\n deny stop\n}\nallow roles user' },
  ].map((parts, index) => ({
    about: `a rule about what people of GitHub are called lets nobody in (${index + 1})`,
    parts: { provider: GITHUB, ...parts },
    has: { '[[routes]]': ['allow = [{ subjects = ["${WHO_MAY}"] }]'] },
    note: 'users: it or its portal asks for what people of GitHub or Discord are called',
  })),
  {
    about: 'the portal’s own addresses, where all that is below a path was its own',
    parts: {},
    has: { '[portals.home]': ['compat = "caddy-security"'] },
    note: 'changed - its own addresses: /auth/logout, login, portal and whoami keep answering where people sign in',
  },
  {
    about: 'the same below another path',
    parts: { sites: SITES.replace('/auth/*', '/gate*') },
    has: { '[portals.home]': ['compat = { program = "caddy-security", prefix = "/gate" }'] },
  },
  {
    about: 'the same on a host of its own',
    parts: {
      sites:
        'auth.example.com {\n authenticate with home\n}\napp.example.com {\n authorize with users\n reverse_proxy app:1\n}',
    },
    has: {
      '[portals.home]': ['url = "https://auth.example.com"', 'compat = { program = "caddy-security", prefix = "/" }'],
    },
  },
  {
    about: 'a portal on the application’s own host keeps its callback',
    parts: {},
    has: {
      '[providers.pocket]': [
        'issuer = "https://id.example.com"',
        'client_secret = "${POCKET_CLIENT_SECRET}"',
        'client_auth = "client_secret_post"',
      ],
      '[portals.home]': ['providers = ["pocket"]', 'callback_path = "/auth/oauth2/home/authorization-code-callback"'],
      '[portals.home.roles]': ['user = { any = true }'],
      '[[routes]]': ['host = "app.example.com"', 'upstream = "http://app:3000"', 'portal = "home"', 'allow = ["user"]'],
    },
  },
  {
    about: 'a portal that serves other hosts gets a url',
    parts: {
      policy: 'set auth url https://auth.example.com/\nallow roles user',
      sites: `auth.example.com {\n authenticate with home\n}\na.example.com, b.example.com {\n authorize with users\n reverse_proxy :3000\n}`,
    },
    has: {
      '[portals.home]': [
        'url = "https://auth.example.com"',
        'callback_path = "/oauth2/home/authorization-code-callback"',
      ],
      '[[routes]]': ['host = "a.example.com"', 'upstream = "http://127.0.0.1:3000"'],
      '[[routes]] 1': ['host = "b.example.com"'],
    },
  },
  {
    about: 'variables stay variables, and files files',
    parts: {
      provider: PROVIDER.replace('s3cret-client', '{file./run/secrets/oidc}').replace('gate', '{env.CLIENT}'),
      sites: SITES.replace('app.example.com', '{$HOST:s3cret.example.com}').replace('app:3000', '{$APP}:{$PORT}'),
    },
    has: {
      '[providers.pocket]': ['client_id = "${CLIENT}"', 'client_secret = "${file:/run/secrets/oidc}"'],
      '[[routes]]': ['host = "${HOST}"', 'upstream = "http://${APP}:${PORT}"'],
    },
  },
  {
    about: 'a lifetime in seconds',
    parts: { portal: `${TRANSFORM}\ncrypto default token lifetime 5400\ncrypto key sign-verify s3cret-key` },
    has: { '[portals.home]': ['lifetime = "1h30m"', 'idle = "1h30m"'] },
    note: 'kept 19 crypto key: no longer needed',
  },
  {
    about: 'cookie insecure on',
    parts: { portal: `cookie insecure on\n${TRANSFORM}` },
    has: { '[portals.home]': ['insecure_cookies = true'] },
    note: 'decide 14 cookie insecure on',
  },
  {
    about: 'roles of several transforms, with all of their conditions',
    parts: {
      portal: `transform user {\n match groups staff ops\n match email ada@example.com\n action add role user\n}
transform user {\n suffix match email @Example.org\n add role user authp/admin\n}`,
    },
    has: {
      '[portals.home.roles]': [
        'user = [{ groups = ["staff", "ops"], emails = ["ada@example.com"] }, { domains = ["example.org"] }, ' +
          stated('user').slice(1),
        '"authp/admin" = { domains = ["example.org"] }',
      ],
    },
  },
  {
    about: 'a condition that no rule says makes no role',
    parts: { portal: 'transform user {\n regex match email ^[ab]+\n action add role user\n}' },
    has: { '[portals.home.roles]': [`user = ${stated('user')}`] },
    note: 'decide 14 transform user: no rule says when',
  },
  {
    about: 'whom a transform blocks, nobody lets in',
    parts: { portal: `${TRANSFORM}\ntransform user {\n match email eve@example.com\n block\n}` },
    has: { '[[routes]]': ['deny = [{ emails = ["eve@example.com"] }, { not = { require_email = true } }]'] },
  },
  {
    about: 'whom it blocks in a way that cannot be told closes the routes',
    parts: { portal: `${TRANSFORM}\ntransform user {\n regex match email ^[ab]+\n block\n}` },
    has: { '[[routes]]': ['allow = [{ subjects = ["${WHO_MAY}"] }]'] },
  },
  {
    about: 'claims as headers',
    parts: { policy: 'allow roles user\ninject headers with claims' },
    has: { '[[routes]]': ['headers = "caddy-security"'] },
  },
  {
    about: 'claims as headers, beside some of its own',
    parts: {
      policy: 'allow roles user\ninject headers with claims\ninject header X-Nick from userinfo|preferred_username',
      sites: SITES.replace('app:3000', 'app:3000 {\n header_up X-Mail {http.auth.user.email}\n }'),
    },
    has: {
      '[[routes]]': [
        'headers = { X-Token-Subject = "sub", X-Token-User-Name = "name", X-Token-User-Email = "email", X-Token-User-Roles = "all_roles", X-Nick = "preferred_username", X-Mail = "email" }',
      ],
    },
  },
  {
    about: 'rules of every kind',
    parts: {
      policy: `allow roles user authp/admin
allow email ada@example.com
allow roles ops with get
deny groups interns
acl rule {\n comment they may\n match realm home\n match role editor\n allow stop log info\n}
acl rule {\n match any\n deny log warn\n}
acl default deny`,
    },
    has: {
      '[[routes]]': [
        'allow = ["user", "authp/admin", { emails = ["ada@example.com"] }, { roles = ["ops"], methods = ["GET"] }, { providers = ["pocket"], roles = ["editor"] }]',
        'deny = [{ roles = ["interns"] }, { not = { require_email = true } }]',
      ],
      '[portals.home.roles]': [`interns = ${stated('interns')}`],
    },
  },
  {
    about: 'roles by the names that they had, or each by one of its own',
    parts: { portal: '', policy: 'allow roles ops/a ops-a ops,a\ndeny roles ops/b' },
    has: {
      '[[routes]]': [
        'allow = ["ops/a", "ops-a", "ops-a-2"]',
        'deny = [{ roles = ["ops/b"] }, { not = { require_email = true } }]',
      ],
      '[portals.home.roles]': [
        `"ops/a" = ${stated('ops/a')}`,
        `ops-a = ${stated('ops-a')}`,
        `ops-a-2 = ${stated('ops,a')}`,
        `"ops/b" = ${stated('ops/b')}`,
      ],
    },
  },
  {
    about: 'rules in their order',
    parts: {
      policy: `acl rule {\n match sub ada\n allow stop\n}
acl rule {\n match role users\n match method DELETE\n deny stop\n}
acl rule {\n match realm home\n match role a b\n allow any\n}
acl rule {\n match email eve@x.test\n match path /x\n deny any\n}
allow roles user with get`,
    },
    has: {
      '[[routes]]': [
        'allow = [{ subjects = ["ada"] }, { providers = ["pocket"] }, "a", "b", { roles = ["user"], methods = ["GET"] }]',
        'deny = [{ all = [{ roles = ["users"], methods = ["DELETE"] }, { not = { any = [{ subjects = ["ada"] }] } }] }, { all = [{ any = [{ emails = ["eve@x.test"] }, { paths = ["/x"] }] }, { not = { any = [{ subjects = ["ada"] }] } }] }, { not = { require_email = true } }]',
      ],
    },
  },
  ...(
    [
      ['prefix match email ada', '{ like = { email = ["ada*"] } }'],
      ['partial match email adm root', '{ like = { email = ["*adm*", "*root*"] } }'],
      ['suffix match mail @x.test', '{ domains = ["x.test"] }'],
      ['suffix match mail .x.test', '{ like = { email = ["*.x.test"] } }'],
      ['regex match email ^(ada|bob)@x\\.test$', '{ emails = ["ada@x.test", "bob@x.test"] }'],
      ['regex match email "(?i)^Ada@"', '{ like = { email = ["ada@*"] } }'],
      ['regex match email ^[^@]+@x\\.test$', '{ domains = ["x.test"] }'],
      ['regex match email .*', '{ require_email = true }'],
      ['match any email ada@x.test', '{ emails = ["ada@x.test"] }'],
      ['no match email ada@x.test', '{ require_email = true, not = { emails = ["ada@x.test"] } }'],
      ['prefix match sub github.com/', '{ like = { sub = ["github.com/*"] } }'],
      ['regex match sub ^ada$', '{ subjects = ["ada"] }'],
      ['partial match name Ada', '{ like = { name = ["*Ada*"] }, not = { like = { name = ["*@*"] } } }'],
      ['prefix match realm ho', '{ providers = ["pocket"] }'],
      ['regex match method ^(GET|HEAD)$', '{ methods = ["GET", "HEAD"] }'],
      ['suffix match path .css', '{ paths = ["*.css"] }'],
      ['regex match path ^/api/', '{ paths = ["/api/*"] }'],
    ] as const
  ).map(([words, rule]) => ({
    about: `a rule: ${words}`,
    parts: { policy: `validate bearer header\nallow roles x to /y\nacl rule {\n ${words}\n allow\n}` },
    has: { '[[routes]]': [`allow = [{ roles = ["x"], paths = ["*/y*"] }, ${rule}]`] },
  })),
  {
    about: 'roles by a pattern: those that transforms make, and those that a provider states',
    parts: {
      portal: 'transform user {\n match realm home\n action add role team/a other\n}',
      policy: 'acl rule {\n prefix match roles team/\n allow\n}',
    },
    has: {
      '[[routes]]': [
        'allow = ["team/a", { like = { groups = ["team/*"] } }, { like = { roles = ["team/*"] } }, { like = { role = ["team/*"] } }, { like = { group = ["team/*"] } }, { like = { "realm_access.roles" = ["team/*"] } }, { like = { "app_metadata.authorization.roles" = ["team/*"] } }]',
      ],
    },
  },
  {
    about: 'a role for whom a pattern names, and for whom two do',
    parts: {
      portal: `transform user {\n suffix match groups -admins\n action add role user\n}
transform user {\n prefix match email root\n regex match name ^R.*t$\n action add role user\n}`,
    },
    has: {
      '[portals.home.roles]': [
        `user = [{ like = { groups = ["*-admins"] } }, { like = { email = ["root*"], name = ["R*t"] } }, ${stated('user').slice(1)}`,
      ],
    },
  },
  {
    about: 'whom a transform blocks by a pattern of roles, those of other transforms among them',
    parts: {
      portal: `${TRANSFORM}\ntransform user {\n match email eve@x.test\n action add role bad-one\n}
transform user {\n prefix match roles bad-\n block\n}`,
    },
    has: {
      '[[routes]]': [
        expect.stringMatching(
          /^deny = \[\{ like = \{ groups = \["bad-\*"\] \} \}, .*, \{ emails = \["eve@x.test"\] \}, \{ not = \{ require_email = true \} \}\]$/,
        ),
      ],
    },
  },
  {
    about: 'a denial by what those are called who have no role closes the routes',
    parts: { policy: 'allow email any\ndeny roles guest' },
    has: { '[[routes]]': ['allow = [{ subjects = ["${WHO_MAY}"] }]'] },
    note: 'closed 22 deny roles guest: no rule says whom this shuts out',
  },
  {
    about: 'a rule of which any part is enough asks for each field that has to be there',
    parts: {
      policy:
        'allow roles x\nacl rule {\n field org exists\n match role a\n allow any\n}\nacl rule {\n field email exists\n match role b\n allow any\n}',
    },
    has: { '[[routes]]': ['allow = ["x", { require_email = true }]'] },
  },
  {
    about: 'an expression that no pattern says is told, with how to decide',
    parts: { policy: 'allow roles user\nacl rule {\n regex match email ^[ab]+@x\\.test$\n allow\n}' },
    has: { '[[routes]]': ['allow = ["user"]'] },
    note: 'decide 22 acl rule: no rule says this: write it into allow of the routes; in place of an expression, like = { email = "ada*" } takes what begins, ends or goes on as a text',
  },
  {
    about: 'a policy that asks for paths, where they are others by then',
    parts: {
      policy: 'allow roles user to /x',
      sites: 'app.example.com {\n handle_path /app/* {\n authorize with users\n reverse_proxy a:1\n }\n}',
    },
    has: { '[[routes]]': ['allow = [{ subjects = ["${WHO_MAY}"] }]'] },
    note: 'closed 19 authorization policy users: its rules ask for paths as they have become by then',
  },
  {
    about: 'fields that nobody has there, and defaults, let nobody in',
    parts: {
      policy:
        'allow org any\nallow department it\nacl rule {\n match any\n allow\n}\nacl default allow\nallow email any\nallow email Ada@x.test',
    },
    has: { '[[routes]]': ['allow = [{ require_email = true }, { claims = { email = ["Ada@x.test"] } }]'] },
    note: 'decide 21 allow org any: no rule says this',
  },
  {
    about: 'a denial of what cannot be told closes the routes',
    parts: { policy: 'allow roles user\ndeny org acme' },
    has: { '[[routes]]': ['allow = [{ subjects = ["${WHO_MAY}"] }]'] },
    note: 'closed 22 deny org acme: no rule says whom this shuts out',
  },
  {
    about: 'a denial by a role that more people may have than can be told closes the routes',
    parts: {
      portal: `${TRANSFORM}\ntransform user {\n regex match email ^[ab]+\n action add role banned\n}`,
      policy: 'allow roles user\ndeny roles banned',
    },
    has: { '[[routes]]': ['allow = [{ subjects = ["${WHO_MAY}"] }]'] },
    note: 'authorization policy users: who has the role banned, which it shuts out, cannot all be told',
  },
  ...['validate path acl', 'validate source address', 'surprise'].map(guard => ({
    about: `a policy with ${guard}`,
    parts: { policy: `allow roles user\n${guard}` },
    has: { '[[routes]]': ['allow = [{ subjects = ["${WHO_MAY}"] }]'] },
    note: `closed 22 ${guard}: the routes of this policy let nobody in`,
  })),
  ...['action require mfa', 'action overwrite roles x', 'action add email x@y.test'].map(action => ({
    about: `a transform with ${action} keeps out those whom it is for`,
    parts: { portal: `${TRANSFORM}\ntransform user {\n match email bob@x.test\n ${action}\n}` },
    has: {
      '[[routes]]': ['allow = ["user"]', 'deny = [{ emails = ["bob@x.test"] }, { not = { require_email = true } }]'],
    },
    note: 'closed 20 ',
  })),
  {
    about: 'whom a transform blocks for a role that another one made',
    parts: {
      portal: `${TRANSFORM}\ntransform user {\n match email eve@x.test\n action add role banned\n}
transform user {\n match role banned\n block\n}`,
    },
    has: {
      '[[routes]]': [
        expect.stringMatching(
          /^deny = \[\{ groups = \["banned"\] \}, .*, \{ emails = \["eve@x.test"\] \}, \{ not = \{ require_email = true \} \}\]$/,
        ),
      ],
    },
  },
  {
    about: 'a policy of which no portal can be seen lets nobody in',
    parts: {
      portal: `${TRANSFORM}\n}\nauthentication portal other {\n enable identity provider pocket\n ${TRANSFORM}`,
      sites: 'app.example.com {\n authorize with users\n reverse_proxy a:1\n}',
    },
    has: { '[[routes]]': ['allow = [{ subjects = ["${WHO_MAY}"] }]'] },
    note: 'authorization policy users: which portal it belongs to cannot be seen: its routes let nobody in',
  },
  {
    about: 'a transform that changes people whom no rule can name closes the routes',
    parts: { portal: `${TRANSFORM}\ntransform user {\n regex match email ^[ab]+\n action overwrite roles x\n}` },
    has: { '[[routes]]': ['allow = [{ subjects = ["${WHO_MAY}"] }]'] },
    note: 'closed 20 overwrite roles: what changes or takes away what policies ask for cannot be told: the routes let nobody in',
  },
  {
    about: 'groups that the provider is not asked for',
    parts: { provider: PROVIDER.replace('driver generic', 'driver generic\n user_group_filters ^x') },
    has: { '[[routes]]': ['allow = [{ subjects = ["${WHO_MAY}"] }]'] },
    note: 'closed 7 user_group_filters: groups in a role names those that count',
  },
  {
    about: 'what people are called by',
    parts: {
      policy: 'allow roles user\nset user identity sub',
      sites: SITES.replace('app:3000', 'app:3000 {\n header_up X-User {http.auth.user.id}\n }'),
    },
    has: { '[[routes]]': ['headers = { X-User = "sub" }'] },
    note: 'kept 22 set user identity sub: {http.auth.user.id} is sub',
  },
  {
    about: 'hosts in any letter case',
    parts: {
      sites:
        'APP.example.com {\n @a host App.Example.com\n authorize @a with users\n reverse_proxy a:1\n}\n&(named) {\n reverse_proxy b:1\n}',
    },
    has: { '[[routes]]': ['host = "app.example.com"', 'allow = ["user"]'], '[[routes]] 1': [] },
  },
  {
    about: 'files that are tried, and applications that are not',
    parts: {
      sites:
        'a.example.com {\n root * /srv\n try_files {path} {path}/ /index.html\n file_server\n}\nb.example.com {\n try_files {path} /x\n reverse_proxy b:1\n}',
    },
    has: {
      '[[routes]]': ['files = { folder = "/srv", try_files = "/index.html" }', 'allow = "public"'],
      '[[routes]] 1': ['host = "b.example.com"', `deny = [${EVERYONE}]`],
    },
  },
  { about: 'everyone', parts: { policy: 'allow roles any' }, has: { '[[routes]]': ['allow = "authenticated"'] } },
  {
    about: 'a policy that says nothing lets nobody in',
    parts: { policy: '' },
    has: { '[[routes]]': ['allow = [{ subjects = ["${WHO_MAY}"] }]'] },
    note: 'closed 19 authorization policy users: who may pass cannot all be told',
  },
  {
    about: 'a denial that no rule says closes the routes',
    parts: { policy: 'allow roles user\nacl rule {\n regex match email evil+\n deny\n}' },
    has: { '[[routes]]': ['allow = [{ subjects = ["${WHO_MAY}"] }]'] },
  },
  {
    about: 'paths that need no sign-in',
    parts: {
      policy:
        'allow roles user\nbypass uri prefix /hook\nbypass uri partial /assets/\nbypass uri suffix .css\nbypass uri regex ^/(x|y/.*)\\.js$\nbypass uri regex ^/[a-z]+$',
    },
    has: {
      '[[routes]]': [
        'allow = [{ paths = ["/hook*", "*/assets/*", "*.css", "/x.js", "/y/*.js"], anonymous = true }, "user"]',
        'deny = [{ all = [{ not = { paths = ["/hook*", "*/assets/*", "*.css", "/x.js", "/y/*.js"] } }, { not = { require_email = true } }] }]',
      ],
    },
    note: 'decide 26 bypass uri regex ^/[a-z]+$: no pattern of paths says this, so it stays closed',
  },
  {
    about: 'one path alone that needs no sign-in',
    parts: { policy: 'allow roles user\nbypass uri exact /\nbypass uri prefix x*y' },
    has: {
      '[[routes]]': ['allow = [{ paths = ["/"], anonymous = true }, "user"]'],
    },
    note: 'decide 23 bypass uri prefix x*y: no pattern of paths says this',
  },
  {
    about: 'one path alone that is open, or leads elsewhere, in a guarded site',
    parts: {
      sites:
        'app.example.com {\n handle /up {\n reverse_proxy a:1\n }\n redir / /app\n handle {\n authorize with users\n reverse_proxy a:1\n }\n}',
    },
    has: {
      '[[routes]]': ['upstream = "http://a:1"', 'allow = ["user"]'],
      '[[routes]] 1': ['path = "=/"', 'redirect = "/app"', 'allow = "public"'],
      '[[routes]] 2': ['path = "=/up"', 'upstream = "http://a:1"', 'allow = "public"'],
    },
  },
  {
    about: 'authorize for a part of a site, and handle_path in another',
    parts: {
      sites: `app.example.com {
  authorize /private/* with users
  reverse_proxy app:3000
  handle_path /api/* {
    reverse_proxy api:80
  }
}`,
    },
    has: {
      '[[routes]]': ['upstream = "http://app:3000"', 'allow = "public"'],
      '[[routes]] 1': ['path = "/api"', 'upstream = "http://api:80"', 'strip_prefix = "/api"', 'allow = "public"'],
      '[[routes]] 2': ['path = "=/api"', 'upstream = "http://app:3000"'],
      '[[routes]] 3': ['path = "/private"', 'allow = ["user"]'],
      '[[routes]] 4': ['path = "=/private"', 'allow = "public"'],
    },
  },
  {
    about: 'a block that only authorizes guards what comes after it',
    parts: {
      sites:
        'app.example.com {\n reverse_proxy app:1\n route /admin/* {\n authorize with users\n }\n handle /api/* {\n authorize with users\n reverse_proxy /api/v1/* api:1\n }\n}',
    },
    has: {
      '[[routes]]': ['upstream = "http://app:1"', 'allow = "public"'],
      '[[routes]] 1': ['path = "/api"', 'upstream = "http://app:1"', 'allow = ["user"]'],
      '[[routes]] 2': ['path = "=/api"', 'upstream = "http://app:1"', 'allow = "public"'],
      '[[routes]] 3': ['path = "/admin"', 'upstream = "http://app:1"', 'allow = ["user"]'],
      '[[routes]] 4': ['path = "=/admin"', 'upstream = "http://app:1"', 'allow = "public"'],
      '[[routes]] 5': ['path = "/api/v1"', 'upstream = "http://api:1"', 'allow = ["user"]'],
      '[[routes]] 6': ['path = "=/api/v1"', 'upstream = "http://app:1"', 'allow = ["user"]'],
    },
  },
  {
    about: 'in a route, what comes before authorize is open, but for the path above it',
    parts: {
      sites:
        'app.example.com {\n route {\n reverse_proxy /hook/* app:1\n authorize with users\n reverse_proxy app:2\n }\n}',
    },
    has: {
      '[[routes]]': ['upstream = "http://app:2"', 'allow = ["user"]'],
      '[[routes]] 1': ['path = "/hook"', 'upstream = "http://app:1"', 'allow = "public"'],
      '[[routes]] 2': ['path = "=/hook"', 'upstream = "http://app:2"', 'allow = ["user"]'],
    },
  },
  {
    about: 'a site for plain HTTP beside the one for HTTPS, and sites without a name',
    parts: {
      sites:
        'http://a.example.com {\n redir https://{host}{uri}\n}\na.example.com {\n reverse_proxy a:1\n}\n:8080 {\n reverse_proxy b:1\n}\n:8081 {\n reverse_proxy c:1\n}',
    },
    has: {
      '[[routes]]': ['host = "a.example.com"', 'upstream = "http://a:1"'],
      '[[routes]] 1': ['host = "${APP_HOST}"', 'upstream = "http://b:1"'],
      '[[routes]] 2': ['host = "${APP_HOST_2}"', 'upstream = "http://c:1"'],
    },
    note: 'changed 25 http://: a.example.com over plain HTTP',
  },
  {
    about: 'hosts by matchers, and the rest of their wildcard',
    parts: {
      sites:
        '*.example.com {\n @a host a.example.com\n handle @a {\n authorize with users\n reverse_proxy a:1\n }\n handle {\n respond 404\n }\n}',
    },
    has: {
      '[[routes]]': ['host = "*.example.com"', 'one_label = true', 'respond = { status = 404 }', 'allow = "public"'],
      '[[routes]] 1': ['host = "a.example.com"', 'upstream = "http://a:1"', 'allow = ["user"]'],
    },
  },
  {
    about: 'where a request comes from is a rule about networks',
    parts: {
      sites:
        'app.example.com {\n @far not remote_ip private_ranges\n handle @far {\n authorize with users\n reverse_proxy a:1\n }\n handle {\n reverse_proxy a:1\n }\n}',
    },
    has: {
      '[server]': ['trusted_proxies = ["${PROXY_ADDRESS}"]'],
      '[[routes]]': [`allow = [{ networks = [${PRIVATE}], anonymous = true }, "user"]`],
    },
  },
  {
    about: 'what a request does is a rule about methods',
    parts: { sites: 'app.example.com {\n @w method POST\n authorize @w with users\n reverse_proxy a:1\n}' },
    has: { '[[routes]]': ['allow = ["user", { not = { methods = ["POST"] }, anonymous = true }]'] },
  },
  {
    about: 'two policies on one way let nobody in',
    parts: {
      policy: 'allow roles user\n}\nauthorization policy others {\nallow roles other',
      sites:
        'app.example.com {\n authorize with users\n handle /x/* {\n authorize with others\n reverse_proxy a:1\n }\n}',
    },
    has: { '[[routes]]': ['path = "/x"', 'allow = [{ subjects = ["${WHO_MAY}"] }]'] },
    note: 'closed 31 authorize: users and others both had to allow',
  },
  {
    about: 'a policy that is not there lets nobody in',
    parts: { sites: 'app.example.com {\n authorize with missing\n reverse_proxy a:1\n}' },
    has: { '[[routes]]': ['allow = [{ subjects = ["${WHO_MAY}"] }]'] },
    note: 'closed 26 authorize: there is no policy missing',
  },
  {
    about: 'snippets with arguments, and files that cannot be followed',
    parts: {
      sites:
        '(gate) {\n authorize with {args[0]}\n}\napp.example.com {\n import gate users\n import ../more/*.caddy\n reverse_proxy a:1\n}',
    },
    has: { '[[routes]]': ['allow = ["user"]', `  ${EVERYONE},`, '  { not = { require_email = true } },'] },
    note: 'closed 30 import: the routes that it is for let nobody in: put what it says in its place',
  },
  {
    about: 'upstreams of every kind',
    parts: {
      sites: `app.example.com {
  authorize with users
  handle /a/* {
    reverse_proxy https://a:8443 b:1 {
      lb_policy least_conn
      health_uri /up
      header_up Host {upstream_hostport}
      header_up Authorization "Basic s3cret-basic"
      header_up X-Site lab
      header_up -Accept-Language
      transport http {
        tls_insecure_skip_verify
      }
    }
  }
  reverse_proxy unix//run/app.sock
}`,
    },
    has: {
      '[[routes]] 1': [
        'upstream = { to = ["https://a:8443", "https://b:1"], balance = "least-connections", health = { path = "/up" }, tls = { insecure_skip_verify = true } }',
        'host_header = "upstream"',
        'request_headers = { set = { Authorization = "${HEADER_AUTHORIZATION}", X-Site = "lab" }, remove = ["Accept-Language"] }',
      ],
      '[[routes]]': ['upstream = "unix:/run/app.sock"'],
    },
  },
  {
    about: 'an application by HTTP/2 without TLS, which is how gRPC is called',
    parts: { sites: 'app.example.com {\n authorize with users\n reverse_proxy h2c://a:1\n}' },
    has: { '[[routes]]': ['upstream = "http://a:1"'] },
    note: 'decide 27 h2c://: it is asked by HTTP/1.1 here: see that it answers; where it is called by gRPC',
  },
  {
    about: 'answers of its own',
    parts: {
      sites:
        'http://a.example.com {\n redir https://{host}{uri} permanent\n}\nb.example.com {\n root * /srv/www\n file_server browse\n handle /up {\n respond "fine" 200\n }\n}',
    },
    has: {
      '[[routes]]': ['redirect = "https://{host}{path}{query}"', 'status = 301'],
      '[[routes]] 1': ['files = "/srv/www"', 'allow = "public"'],
      '[[routes]] 2': ['path = "=/up"', 'respond = { status = 200, body = "fine" }'],
    },
  },
]

describe('a Caddyfile', () => {
  for (const { about, parts, has, note } of CASES) {
    test(about, async () => {
      const { routes, mistakes, notes, everything } = await made(parts)
      for (const [at, lines] of Object.entries(has)) {
        const [, title = '', index = '0'] = /^(\S+)(?: (\d+))?$/.exec(at) ?? []
        expect(section(routes, title, Number(index))).toEqual(expect.arrayContaining([...lines]))
      }
      if (note !== undefined) expect(notes.join('\n')).toContain(note)
      expect(mistakes).toEqual([])
      expect(everything).not.toContain('s3cret')
    })
  }

  test('shows no secret, wherever one may stand', async () => {
    const { everything, mistakes } = await made({
      options: 'acme_dns provider s3cret-dns\n  email s3cret@example.com',
      provider: `${PROVIDER}\n oauth identity provider google s3-id s3cret-google\n saml identity provider x s3cret-saml\n`,
      portal: `${TRANSFORM}\n crypto key sign-verify s3cret-a\n surprise s3cret-b`,
      policy: 'allow roles user\n crypto key verify s3cret-c\n surprise_again s3cret-d',
      sites: `${SITES}\nx.example.com {\n basic_auth {\n ada s3cret-e\n }\n header Authorization s3cret-f\n surprise s3cret-g\n reverse_proxy a:1 {\n header_up X-Api-Key s3cret-h\n }\n}`,
    })
    expect(mistakes).toEqual([])
    expect(everything).not.toContain('s3cret')
  })

  test('has a note for every directive', async () => {
    const { notes } = await made({
      sites: `${SITES}\nx.example.com {\n encode gzip\n tls internal\n made_up 1\n vars a b\n reverse_proxy a:1\n}`,
    })
    for (const name of ['encode', 'tls', 'made_up', 'vars', 'reverse_proxy']) {
      expect(notes.filter(note => note.includes(` ${name}: `))).not.toEqual([])
    }
  })

  test('that is broken is named by its line', async () => {
    expect(imported('app.example.com {\n reverse_proxy a:1\n', ['--from', 'caddyfile'])).rejects.toThrow(
      'old:1: this { is not closed',
    )
  })

  test('is imported or refused, whatever it says', async () => {
    const word = fc.constantFrom(
      'a',
      '/x',
      '/x*',
      '*',
      '@m',
      '{$V}',
      '<b>',
      'with',
      'users',
      'https://h.example',
      ':80',
      '"',
      '${x}',
    )
    const name = fc.constantFrom(
      'reverse_proxy',
      'authorize',
      'authenticate',
      'handle',
      'handle_path',
      'route',
      'respond',
      'redir',
      'root',
      'file_server',
      'import',
      'uri',
      '@m',
      'header_up',
      'transport',
    )
    const directive = fc
      .tuple(name, fc.array(word, { maxLength: 3 }), fc.boolean())
      .map(([one, args, opens]) => `${one} ${args.join(' ')}${opens ? ' {\n' : '\n'}`)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(directive, fc.constant('}\n')), { maxLength: 12 }), async lines => {
        const open = lines.join('').split('{\n').length - 1 - lines.filter(line => line === '}\n').length
        const text = caddyfile({ sites: `a.example.com {\n${lines.join('')}${'}\n'.repeat(Math.max(0, open) + 1)}` })
        await imported(text, ['--from', 'caddyfile']).catch((thrown: Error) =>
          expect(thrown.message).toMatch(/^old:\d+: /),
        )
      }),
      { numRuns: 150 },
    )
  })
})

test('a portal at single paths alone has no other addresses: those were the application’s', async () => {
  const { routes } = await made({ sites: SITES.replace('/auth/*', '/auth/oauth2/home') })
  expect(routes).not.toContain('compat')
})
