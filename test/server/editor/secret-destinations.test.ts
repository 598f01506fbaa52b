import { describe, expect, test } from 'bun:test'
import { configSchema } from '../../../src/config/keys/keys.ts'
import { parseToml } from '../../../src/config/text/parse.ts'
import { freeKeys, movedSecrets, type Part } from '../../../src/server/editor/secret-destinations.ts'

function partOf(text: string, file = 'routes.toml'): Part {
  const parsed = parseToml(text)
  if (!parsed.ok) throw new Error(parsed.refusal.message)
  return { file, tree: parsed.value, isKept: ({ source }) => source.includes('${') }
}

const moved = (before: string, after: string) =>
  movedSecrets([partOf(before)], [partOf(after)]).map(({ at }) => at.filter(step => typeof step === 'string').join('.'))

const MARK = '${kept:AAAAAAAA}'
const OTHER = '${kept:BBBBBBBB}'

const PROVIDER = `[providers.id]
issuer = "https://id.example.com"
client_id = "gate"
client_secret = "${MARK}"
`
const ROUTE = `[[routes]]
host = "a.example.com"
upstream = { to = "http://a", basic_auth = { user = "gate", password = "${MARK}" } }
request_headers.set = { Authorization = "${OTHER}" }
portal = "home"
allow = ["user"]
`
const NAMED = `[upstreams.app]
to = ["http://a", "http://b"]
basic_auth = { user = "gate", password = "${MARK}" }
[[routes]]
host = "a.example.com"
upstream = "@app"
allow = ["user"]
`
const TELEMETRY = `[telemetry]
endpoint = "http://127.0.0.1:4318"
headers = { authorization = "Bearer \${OTLP}" }
`
const STORE = `[sessions]
store = "redis://${MARK}@valkey:6379/0"
key = "\${file:/run/key}"
`
const DNS = `[tls.acme]
directory = "https://ca.example.com/dir"
external_account = { id = "kid", key = "${MARK}" }
dns = { server = "ns1.example.com", key_name = "gate", key = "${OTHER}" }
`

describe('a secret that is kept goes nowhere but where it went', () => {
  test.each([
    ['another issuer', PROVIDER, PROVIDER.replace('id.example.com', 'evil.example')],
    ['a metadata address', PROVIDER, `${PROVIDER}metadata_url = "https://evil.example/m"\n`],
    ['an internal address', PROVIDER, `${PROVIDER}internal_url = "http://evil.example"\n`],
    ['endpoints', PROVIDER, `${PROVIDER}type = "oauth2"\ntoken_endpoint = "https://evil.example/t"\n`],
    [
      'another provider',
      PROVIDER,
      `${PROVIDER}[providers.x]\nissuer = "https://evil.example"\nclient_secret = "${MARK}"\n`,
    ],
    ['an upstream', ROUTE, ROUTE.replace('http://a', 'http://evil.example')],
    ['one address more', ROUTE, ROUTE.replace('"http://a"', '["http://a", "http://evil.example"]')],
    ['no certificate', ROUTE, ROUTE.replace('basic_auth', 'tls = { insecure_skip_verify = true }, basic_auth')],
    ['the Host that the application sees', ROUTE, ROUTE.replace('a.example.com', 'evil.example')],
    ['the Host that it is told', ROUTE, `${ROUTE}host_header = "upstream"\n`],
    ['another path', ROUTE, `${ROUTE}add_prefix = "/evil"\n`],
    ['another field', ROUTE, ROUTE.replace('Authorization', 'X-Other')],
    ['a field that leads elsewhere', ROUTE, ROUTE.replace('{ Auth', '{ X-Original-Host = "evil", Auth')],
    [
      'a route beside it',
      ROUTE,
      `${ROUTE}[[routes]]\nhost = "b"\nupstream = "http://evil"\nrequest_headers.set.Authorization = "${OTHER}"`,
    ],
    ['a table of upstreams', NAMED, NAMED.replace('http://b', 'http://evil.example')],
    [
      'another table of upstreams',
      NAMED,
      NAMED.replace('@app', '@evil') +
        '[upstreams.evil]\nto = "http://evil"\n' +
        `basic_auth = { user = "gate", password = "${MARK}" }`,
    ],
    ['a route to that table, by another Host', NAMED, `${NAMED}[[routes]]\nhost = "evil.example"\nupstream = "@app"\n`],
    ['a receiver of traces', TELEMETRY, TELEMETRY.replace('127.0.0.1', 'evil.example')],
    ['a store', STORE, STORE.replace('valkey', 'evil.example')],
    ['an authority', DNS, DNS.replace('ca.example.com', 'evil.example')],
    ['a name server', DNS, DNS.replace('ns1', 'evil')],
    ['a name server of its own account', DNS, DNS.replace('key_name', 'zone = "evil.example", key_name')],
    ['an answer', '', `[[routes]]\nhost = "a"\nrespond = { body = "${MARK}" }\n`],
    [
      'whoever may read an answer',
      `[[routes]]\nhost = "a"\nresponse_headers.set.X = "\${A}"\nallow = ["admin"]`,
      `[[routes]]\nhost = "a"\nresponse_headers.set.X = "\${A}"\nallow = "public"`,
    ],
    [
      'another table',
      PROVIDER,
      `${PROVIDER}[telemetry]\nendpoint = "https://evil.example"\nheaders.client_secret = "${MARK}"\n`,
    ],
    [
      'what proves the client',
      '[providers.id]\nissuer = "https://a"\nclient_key = "k.pem"',
      '[providers.id]\nissuer = "https://evil"\nclient_key = "k.pem"',
    ],
  ])('not by %s', (_, before, after) => {
    expect(moved(before, after)).not.toEqual([])
  })

  test.each([
    ['what it is beside', PROVIDER, `${PROVIDER}label = "Ours"\nscopes = ["openid"]\nclaims.groups = "roles"\n`],
    ['the name of its table', PROVIDER, PROVIDER.replace('providers.id', 'providers.other')],
    ['who may pass', ROUTE, ROUTE.replace('"user"', '"admin"')],
    ['the order', `${ROUTE}${NAMED}`, `${NAMED}${ROUTE}`],
    ['another route', ROUTE, `[[routes]]\nhost = "b"\nupstream = "http://b"\n${ROUTE}`],
    ['how addresses share', NAMED, NAMED.replace('to =', 'balance = "least-connections"\nto =')],
    ['that it is gone', `${PROVIDER}${ROUTE}`, ROUTE],
    ['another secret, written anew', PROVIDER, PROVIDER.replace(MARK, 'anew').replace('id.example.com', 'new.example')],
    [
      'the table of another secret',
      `${PROVIDER}${ROUTE}`,
      `${PROVIDER}${ROUTE.replace(MARK, 'anew').replace(OTHER, 'anew').replace('http://a', 'http://b')}`,
    ],
    [
      'the way it is written',
      PROVIDER,
      `providers.id = { client_secret = "${MARK}", client_id = "gate", issuer = "https://id.example.com" }`,
    ],
    ['how long sessions last', STORE, `${STORE}lifetime = "1d"\n`],
    ['what is traced', TELEMETRY, `${TELEMETRY}sample = 0.5\n`],
    ['an address that names itself', `[server]\nlisten = "\${LISTEN}"`, `[server]\nlisten = "\${LISTEN}"\nedit = true`],
  ])('but %s may change', (_, before, after) => {
    expect(moved(before, after)).toEqual([])
  })

  test('nor by another file: what it includes is one with it', () => {
    const [upstreams = '', route = ''] = NAMED.split(/(?=\[\[)/)
    const of = (own: string) => [partOf(own), partOf(route, 'conf.d/a.toml')]
    expect(movedSecrets(of(upstreams), of(upstreams))).toEqual([])
    const found = movedSecrets(of(upstreams), of(upstreams.replace('http://b', 'http://evil')))
    expect(found.map(({ file }) => file)).toEqual(['routes.toml', 'conf.d/a.toml'])
    expect(movedSecrets([partOf(upstreams)], of(upstreams))).toHaveLength(1)
  })

  test('what may change beside one is a key that exists, and none of an address, a host or a proof', () => {
    const unknown = freeKeys().filter(([kind, key]) => !isKey([kind, ...key.split('.')]))
    expect(unknown).toEqual([])
    for (const [, key] of freeKeys())
      expect(key).not.toMatch(/(?:url|endpoint|issuer|host|server|address|origin|prefix|tls|to|store|directory|zone)$/)
  })
})

type Json = { readonly [name: string]: unknown }

/** Whether the schema has a key, in a table, a table by name, or a list of tables. */
function isKey(steps: readonly string[]): boolean {
  const whole = configSchema() as Json
  const open = (node: unknown): Json[] => {
    const { $ref: ref, anyOf, items, additionalProperties } = (node ?? {}) as Json
    if (typeof ref === 'string') return open((whole.definitions as Json)[ref.replace('#/definitions/', '')])
    return [
      node as Json,
      ...[anyOf].flat().flatMap(one => (one === undefined ? [] : open(one))),
      ...[items, additionalProperties].flatMap(one => (typeof one === 'object' && one !== null ? open(one) : [])),
    ]
  }
  let nodes = open(whole)
  for (const step of steps)
    nodes = nodes
      .flatMap(({ properties }) => open((properties as Json | undefined)?.[step] ?? {}))
      .filter(node => Object.keys(node).length > 0)
  return nodes.length > 0
}
