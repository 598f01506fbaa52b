/** What to write in place of a word that is no key here: in whole, since the value is another too. */
export type Instead = ReadonlyMap<
  string,
  { readonly hint: string /** The key that it means, which is then not missing. */; readonly key: string }
>

function instead(words: Readonly<Record<string, readonly [key: string, hint: string]>>): Instead {
  return new Map(
    Object.entries(words).flatMap(([others, [key, hint]]) =>
      others.split(' ').map(other => [other, { key, hint }] as const),
    ),
  )
}

const ALL = 'public everyone everybody anyone anonymous open unauthenticated'
const WHO_MAY = 'allow = ["user"] names roles of the portal, allow = [{ groups = ["admins"] }] is a rule'

/** Of `[[routes]]`. */
export const ROUTE_INSTEAD = instead({
  [ALL]: ['allow', 'write allow = "public": everyone may, signed in or not'],
  'authenticated signedin private protected auth requireauth login': [
    'allow',
    'write allow = "authenticated": everyone who is signed in may',
  ],
  'guests guest guestlink guestlinks': [
    'guest_link',
    'a rule allows guests: allow = ["user", { guest_link = true }]; guest_links in the portal says who invites them',
  ],
  'groups group roles role users user emails': ['allow', `who may is in allow: ${WHO_MAY}`],
})

/** Of `[portals.NAME]`. */
export const PORTAL_INSTEAD = instead({
  'guests guest': ['guest_links', 'write guest_links = { allow = ["admin"] }: the roles whose people may make links'],
  'tokens token apitokens': [
    'personal_tokens',
    'write personal_tokens = true: people make tokens on its pages; a route takes them with tokens = true',
  ],
  'users user people': [
    'providers',
    'a file of users is a provider: users = "users.toml" in [providers.people], and providers = ["people"] here',
  ],
  'admin admins administrators': ['admin_role', 'write admin_role = "admin": the role that sees the admin page'],
  [ALL]: ['members', 'who may pass is said by allow of each route: allow = "public"'],
})

/** Of `[server]`. */
export const SERVER_INSTEAD = instead({
  'https httpsaddress tls ssl tlslisten': [
    'tls',
    'HTTPS has a separate table: [tls] with listen = ["0.0.0.0:443"], and certificates or acme',
  ],
  'certificate certificates cert key certfile keyfile sslcertificate acme letsencrypt': [
    'tls',
    'certificates are in [tls]: certificates = [{ cert = "example.com.pem", key = "example.com-key.pem" }], or acme',
  ],
})

/** Of a rule of a role, and of `allow`. */
export const RULE_INSTEAD = instead({
  [`${ALL} authenticated`]: [
    'any',
    'write any = true in a role; in a route, allow = "public" or allow = "authenticated"',
  ],
})

/** What other programs, and people, call our keys: words by the key that they mean. */
function synonyms(words: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(words).flatMap(([key, others]) => others.split(' ').map(other => [other, key] as const)),
  )
}

/** Of `[server]`. */
export const SERVER_WORDS = synonyms({
  listen: 'port bind address addr listenaddress httpaddress http',
  client_address: 'realip realipheader realclientipheader clientipheader clientipheaders clientip ipheader',
  outgoing: 'proxy httpsproxy httpproxy allproxy noproxy proxyurl',
})

/** Of `outgoing` in it. */
export const OUTGOING_WORDS = synonyms({
  proxy: 'url address server httpsproxy httpproxy',
  except: 'noproxy bypass exclude',
  user: 'username login',
})

/** Of `[log]`. */
export const LOG_WORDS = synonyms({
  requests: 'access accesslog accessfile output file path to',
  events: 'error errors errorlog messages',
})

/** Of `[providers.NAME]`. */
export const PROVIDER_WORDS = synonyms({
  issuer: 'url issuerurl oidcissuerurl discoveryurl authority',
  client_secret: 'secret',
  client_id: 'client id',
})

/** Of `[portals.NAME]`. */
export const PORTAL_WORDS = synonyms({ url: 'host domain address publicurl baseurl externalurl' })

/** Of a rule. */
export const RULE_WORDS = synonyms({
  path_regexp: 'regex regexp pathregex pathre pathsregexp pathsregex',
  paths: 'path uri uris',
  networks: 'network ip ips cidr remoteip clientip',
  methods: 'method',
  emails: 'email mail',
  groups: 'group',
  roles: 'role',
  users: 'user username usernames',
})

/** Of `[[routes]]`. */
export const ROUTE_WORDS = synonyms({
  host: 'hosts hostname domain domains servername fqdn',
  path: 'paths location prefix pathprefix',
  upstream: 'backend target proxypass reverseproxy proxy to destination service server url',
  files: 'root directory folder',
})

/** All of these, for who looks a word up; where a word means several keys, the first. */
export const ALL_WORDS: readonly (readonly [word: string, key: string])[] = [
  ROUTE_WORDS,
  RULE_WORDS,
  PROVIDER_WORDS,
  PORTAL_WORDS,
  SERVER_WORDS,
  LOG_WORDS,
  OUTGOING_WORDS,
]
  .toReversed()
  .flatMap(words => [...words])
