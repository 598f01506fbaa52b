import { type HintCase, one } from './hints.ts'

const HOST = '"app.example.com"'
const PORTAL =
  '[portals.home]\nurl = "https://auth.example.com"\nproviders = ["pocket-id"]\n[portals.home.roles]\nuser = { groups = ["users"] }'
const UPSTREAM = '"http://10.0.0.5:3000"'
const LAST = 'allow = ["user"]\n'

/** Hosts and upstreams. */
export const ADDRESS_HINTS: readonly HintCase[] = [
  one(
    'an upstream without scheme',
    [UPSTREAM, '"localhost:3000"'],
    'upstream.invalid',
    'value',
    /("http:\/\/localhost:3000")/,
  ),
  one(
    'an upstream by its port for HTTPS',
    [UPSTREAM, '"10.0.0.5:443"'],
    'upstream.invalid',
    'value',
    /("https:\/\/10\.0\.0\.5:443")/,
  ),
  one('an upstream by its port alone', [UPSTREAM, '3000'], 'key.type', 'value', /("http:\/\/localhost:3000")/),
  one(
    'an upstream by a colon and its port',
    [UPSTREAM, '":3000"'],
    'upstream.invalid',
    'value',
    /("http:\/\/localhost:3000")/,
  ),
  one(
    'an upstream with slashes alone',
    [UPSTREAM, '"//10.0.0.5:3000"'],
    'upstream.invalid',
    'value',
    /("http:\/\/10\.0\.0\.5:3000")/,
  ),
  one(
    'an upstream with one slash',
    [UPSTREAM, '"http:/10.0.0.5:3000"'],
    'upstream.invalid',
    'value',
    /("http:\/\/10\.0\.0\.5:3000")/,
  ),
  one(
    'an upstream by tcp',
    [UPSTREAM, '"tcp://10.0.0.5:3000"'],
    'upstream.invalid',
    'value',
    /("http:\/\/10\.0\.0\.5:3000")/,
  ),
  one(
    'an upstream by ws',
    [UPSTREAM, '"ws://10.0.0.5:3000"'],
    'upstream.invalid',
    'value',
    /("http:\/\/10\.0\.0\.5:3000")/,
  ),
  one(
    'an upstream with credentials',
    [UPSTREAM, '"http://u:p@10.0.0.5:3000"'],
    'upstream.invalid',
    'value',
    /write (\{ to = "http:\/\/10\.0\.0\.5:3000", basic_auth = .* \})/,
  ),
  one(
    'an upstream with a query',
    [UPSTREAM, '"http://10.0.0.5:3000/?a=b"'],
    'upstream.invalid',
    'value',
    /("http:\/\/10\.0\.0\.5:3000")/,
  ),
  one(
    'the listener itself',
    [UPSTREAM, '"http://127.0.0.1:8080"'],
    'upstream.self',
    'value',
    /as in ("http:\/\/127\.0\.0\.1:3000")/,
  ),
  one(
    'the listener itself, by name',
    [UPSTREAM, '"http://localhost:8080"'],
    'upstream.self',
    'value',
    /as in ("http:\/\/127\.0\.0\.1:3000")/,
  ),
  one('a host with a scheme', [HOST, '"https://app.example.com"'], 'host.invalid', 'value', /("app\.example\.com")/),
  one('a host with a slash', [HOST, '"app.example.com/"'], 'host.invalid', 'value', /("app\.example\.com")/),
  one(
    'a host with a path',
    [HOST, '"app.example.com/api"'],
    'host.invalid',
    'line',
    /write (host = "app\.example\.com") and path = "\/api"/,
  ),
  one('a host with a port', [HOST, '"app.example.com:8080"'], 'host.invalid', 'value', /("app\.example\.com")/),
  one('a host with a dot at its end', [HOST, '"app.example.com."'], 'host.invalid', 'value', /("app\.example\.com")/),
  one('a host with a dot before it', [HOST, '".example.com"'], 'host.invalid', 'value', /("\*\.example\.com")/),
  one('a star in the middle', [HOST, '"app.*.example.com"'], 'host.wildcard', 'value', /("\*\.example\.com")/),
  one('a star before a name', [HOST, '"*app.example.com"'], 'host.wildcard', 'value', /("\*\.example\.com")/),
  one('a star alone', [HOST, '"*"'], 'host.wildcard', 'value', /("\*\.example\.com")/),
  one(
    'several hosts in one text',
    [HOST, '"app.example.com, b.example.com"'],
    'host.invalid',
    'value',
    /(\["app\.example\.com", "b\.example\.com"\])/,
  ),
  one(
    'several hosts with a space',
    [HOST, '"app.example.com b.example.com"'],
    'host.invalid',
    'value',
    /(\["app\.example\.com", "b\.example\.com"\])/,
  ),
]

/** Tables, keys and rules. */
export const NAME_HINTS: readonly HintCase[] = [
  one(
    'acme = true',
    [LAST, `${LAST}[tls]\nacme = true\n`],
    'key.type',
    'value',
    /write (\{ email = "me@example\.com" \})/,
  ),
  one(
    'an answer by its status',
    ['upstream = "http://10.0.0.5:3000"', 'respond = 503'],
    'key.type',
    'value',
    /write (\{ .* \})$/,
  ),
  one('one bracket', ['[[routes]]', '[routes]'], 'key.type', 'line', /write (\[\[routes\]\])/),
  one('a key in capitals', ['host =', 'Host ='], 'key.unknown', 'caret', /"(host)"/),
  one('a key in camel case', ['client_secret', 'clientSecret'], 'key.unknown', 'caret', /"(client_secret)"/),
  one('a key with dashes', ['client_secret', 'client-secret'], 'key.unknown', 'caret', /"(client_secret)"/),
  one('a table in capitals', ['[server]', '[Server]'], 'key.unknown', 'caret', /"(server)"/),
  one('one provider', ['[providers.pocket-id]', '[provider.pocket-id]'], 'key.unknown', 'caret', /"(providers)"/),
  one(
    'one portal',
    [
      PORTAL,
      PORTAL.replace('portals', 'portal').replace(
        '[portals.home.roles]\nuser = { groups = ["users"] }',
        'roles = { user = { groups = ["users"] } }',
      ),
    ],
    'key.unknown',
    'caret',
    /"(portals)"/,
  ),
  one('one route', ['[[routes]]', '[[route]]'], 'key.unknown', 'caret', /"(routes)"/),
  one(
    'an address among roles',
    ['["user"]', '["me@example.com"]'],
    'role.undefined',
    'caret',
    /write (\{ emails = \["me@example\.com"\] \})/,
  ),
  one(
    'an address as the role',
    ['["user"]', '"me@example.com"'],
    'role.undefined',
    'caret',
    /write (\{ emails = \["me@example\.com"\] \})/,
  ),
  one(
    'a domain among roles',
    ['["user"]', '["@example.com"]'],
    'role.undefined',
    'caret',
    /write (\{ domains = \["example\.com"\] \})/,
  ),
  one(
    'a network among roles',
    ['["user"]', '["10.0.0.0/8"]'],
    'role.undefined',
    'caret',
    /write (\{ networks = \["10\.0\.0\.0\/8"\] \})/,
  ),
  one('a star for everyone', ['["user"]', '"*"'], 'role.undefined', 'caret', /for everyone: ("public")/),
  one('a word for everyone', ['["user"]', '"everyone"'], 'role.undefined', 'caret', /for everyone: ("public")/),
  one('true for everyone', ['["user"]', 'true'], 'key.type', 'caret', /for everyone: ("public")/),
  one(
    'a rule that is a word',
    ['{ groups = ["users"] }', '"users"'],
    'key.type',
    'value',
    /write (\{ groups = \["users"\] \})/,
  ),
  one(
    'a rule that is a list',
    ['{ groups = ["users"] }', '["users"]'],
    'key.type',
    'caret',
    /write (\{ groups = \["users"\] \})/,
  ),
]
