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
