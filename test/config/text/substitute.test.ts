// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the braces are the file's own syntax
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { accepts, check, complete } from '../checks.ts'

const secretOf = (value: string, world: Parameters<typeof accepts>[1]) =>
  accepts(
    `[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\nclient_secret = '${value}'`,
    world,
  ).providers.get('id')?.clientSecret

describe('what ${…} becomes', () => {
  test('a variable', () => expect(secretOf('${S}', { env: { S: 'x' } })).toBe('x'))
  test('a file, without its last line break', () =>
    expect(secretOf('${file:/run/s}', { files: { '/run/s': 'x y\r\n' } })).toBe('x y'))
  test('a file, without the mark that some editors write before it', () =>
    expect(secretOf('${file:/run/s}', { files: { '/run/s': '\uFEFFx\n' } })).toBe('x'))
  test('nothing of a file in another encoding, which is a mistake', () => {
    const text = `[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\nclient_secret = '\${file:/run/s}'`
    const result = check(text, { files: { '/run/s': '\uFFFD\uFFFDx\0y\0' } })
    const found = result.ok ? [] : result.diagnostics.filter(({ code }) => code === 'substitution.unreadable')
    expect(found.map(({ message }) => message)).toEqual(['the file "/run/s" is not UTF-8 text'])
  })
  test('a file beside the config file, by a relative path', () =>
    expect(secretOf('${file:keys/s}', { files: { '/etc/sallyport/keys/s': 'x' } })).toBe('x'))
  test('a part of a text, more than once', () => expect(secretOf('a${S}b${S}', { env: { S: '-' } })).toBe('a-b-'))
  test('a literal after a second dollar', () => expect(secretOf('$${S}', {})).toBe('${S}'))
  test('nothing inside of what was filled in', () => expect(secretOf('${S}', { env: { S: '${T}' } })).toBe('${T}'))
  test('a dollar alone is a dollar', () => expect(secretOf('$5$', {})).toBe('$5$'))
})

describe('the fingerprint', () => {
  const text = complete(
    '[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\nclient_secret = "${file:s}"',
  )
  const fingerprint = (text: string, secret: string) =>
    check(text, { files: { '/etc/sallyport/s': secret } }).fingerprint
  test('stays for the same text and secret', () => expect(fingerprint(text, 'a')).toBe(fingerprint(text, 'a')))
  test('changes with a secret outside of the text', () =>
    expect(fingerprint(text, 'a')).not.toBe(fingerprint(text, 'b')))
  test('changes with the text', () => expect(fingerprint(`${text}\n`, 'a')).not.toBe(fingerprint(text, 'a')))
  test('is there for a bad file too', () => {
    const bad = text.replace('issuer', 'isuer')
    expect(fingerprint(bad, 'a')).not.toBe(fingerprint(bad, 'b'))
  })
})

test('files that are referred to are named, readable or not', () => {
  const result = check('a = "${file:one}"\nb = ["${file:/run/two}", "${file:one}"]', { files: { '/run/two': 'x' } })
  expect(result.files).toEqual(['/etc/sallyport/one', '/run/two'])
})

/** Every place in the file that takes text, filled in from the environment; V1… are free to be anything. */
const EVERYWHERE = (() => {
  let count = 0
  const v = () => `"\${V${count++ % 8}}"`
  return `
[server]
listen = [${v()}, ${v()}]
trusted_proxies = [${v()}]
workers = ${v()}
admin = ${v()}
log_level = ${v()}
drain = ${v()}
[sessions]
store = ${v()}
lifetime = ${v()}
[providers.id]
label = ${v()}
issuer = ${v()}
metadata_url = ${v()}
client_id = ${v()}
client_secret = ${v()}
client_auth = ${v()}
scopes = [${v()}]
id_token_alg = ${v()}
access_tokens = { audience = ${v()} }
[portals.home]
title = ${v()}
url = ${v()}
providers = [${v()}]
callback_path = ${v()}
guest_links = { allow = [${v()}], max_lifetime = ${v()} }
[portals.other]
url = ${v()}
providers = ["id"]
[portals.home.roles]
user = { providers = [${v()}], subjects = ${v()}, emails = ${v()}, domains = ${v()}, groups = ${v()}, claims = { a = ${v()} } }
text = ${v()}
[[routes]]
host = ${v()}
path = ${v()}
upstream = [${v()}, ${v()}]
portal = ${v()}
allow = [${v()}, ${v()}]
methods = ${v()}
strip_prefix = ${v()}
headers = ${v()}
timeout = ${v()}
allowed_origins = ${v()}
keep_posts = ${v()}
name = ${v()}
[[routes]]
host = ${v()}
path = ${v()}
upstream = "http://a"
portal = "home"
allow = [${v()}]
headers = { X-A = ${v()} }
[[routes]]
host = ${v()}
path = ${v()}
upstream = "http://a"
allow = "authenticated"
`
})()

test('no diagnostic repeats a value that is not in the file', () => {
  const marker = 'zq7kzq7k'
  const shapes = [
    '',
    'https://',
    'http://',
    'http://me:',
    '*.',
    '/',
    '/../',
    'unix:',
    'unix:/',
    'sqlite:',
    'sqlite://',
    'redis://',
    '10.0.0.1/',
    '{',
    'HS256',
    '@',
    'a@',
    '[::1]:',
  ]
  const ends = [
    '',
    '.example',
    '.example:99999',
    '/x?y',
    '@b@c',
    '%2f',
    '}',
    ' ',
    ':0',
    '\u0007',
    '//',
    '.',
    '"',
    ':8080',
    '/',
  ]
  const value = fc
    .tuple(fc.constantFrom(...shapes), fc.constantFrom(...ends))
    .map(([start, end]) => `${start}${marker}${end}`)
  fc.assert(
    fc.property(fc.array(value, { minLength: 8, maxLength: 8 }), values => {
      const env = Object.fromEntries(values.map((text, index) => [`V${index}`, text]))
      const result = check(EVERYWHERE, { env })
      const said = JSON.stringify(result.ok ? result.warnings : result.diagnostics).toLowerCase()
      expect(said).not.toContain(marker)
      expect(result.ok).toBe(false)
    }),
    { numRuns: 400 },
  )
})

test('a literal client secret is not repeated either', () => {
  const result = check(
    complete('[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\nclient_secret = "hunter2\\n"'),
  )
  expect(result.ok).toBe(false)
  expect(JSON.stringify(result)).toContain('text.control')
  expect(JSON.stringify({ ...result, text: '' })).not.toContain('hunter2')
})

const CLIENT = '[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\n'
const ROUTED = '[[routes]]\nhost = "app.example.com"\nupstream = "http://a"\nportal = "home"\nallow = ["user"]\n'
const SHARED = '[portals.home]\nproviders = ["id"]\nadmin_role = "user"\nroles.user.any = true\n'

/** Values that are good for their place, and what is said of them; `«»` is where they are filled in. */
const GOOD_VALUES: readonly (readonly [title: string, value: string, fragment: string])[] = [
  [
    'a host without a certificate',
    'zq7kzq7k.example',
    '[tls]\nacme = {}\n[[routes]]\nhost = "*.«»"\nupstream = "http://a"\nallow = "public"',
  ],
  ['a name that needs DNS', 'zq7kzq7k.example', '[tls]\nacme = { names = ["*.«»"] }'],
  ['a name that nobody can reach', 'zq7kzq7k.localhost', '[tls]\nacme = { names = ["«»"] }'],
  ['a provider in clear text', 'zq7kzq7k', `${CLIENT}internal_url = "http://«»:1411"`],
  ['a claim that nobody verified', 'zq7kzq7k', `${CLIENT}claims = { email = "«»" }`],
  [
    'second factors of another provider',
    'zq7kzq7k',
    '[providers.id]\nusers = "people"\ntotp = "«»"\n[providers.other]\nusers = "people"',
  ],
  ['a pattern of many domains', 'zq7kzq7k.example', `${SHARED}roles.other.like.email = "*«»"\n${ROUTED}`],
  [
    'a field of an assertion',
    'x-zq7kzq7k',
    `${ROUTED}assertion = { audience = "a", header = "«»" }\nheaders = { X-Zq7kzq7k = "email" }`,
  ],
  ['a field of a token', 'x-zq7kzq7k', `${ROUTED}pass_token = { access = "«»" }\nheaders = { X-Zq7kzq7k = "email" }`],
  [
    'a field that is taken out, and sent',
    'x-zq7kzq7k',
    `${ROUTED}request_headers = { remove = "«»" }\nheaders = { X-Zq7kzq7k = "email" }`,
  ],
  ['a field that is taken out twice', 'x-zq7kzq7k', `${ROUTED}request_headers = { remove = ["x_zq7kzq7k", "«»"] }`],
  ['a field that has to stay', 'proxy-zq7kzq7k', `${ROUTED}response_headers = { remove = "«»" }`],
  ['a field that is none', 'zq7kzq7k/', `${ROUTED}response_headers = { remove = "«»" }`],
  [
    'hosts of which another is made',
    'zq7kzq7k.example',
    `${SHARED}${ROUTED.replace('"app.example.com"', '["a.«»", "b.«»"]')}`,
  ],
]

test.each(GOOD_VALUES)('nor does one that is good for its place: %s', (_, value, fragment) => {
  const hash = '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'
  const files = { '/etc/sallyport/people': `ada:${hash}`, '/etc/sallyport/zq7kzq7k': '' }
  const said = (written: string) => {
    const result = check(complete(fragment.replaceAll('«»', written)), { env: { V: value }, files })
    const found = result.ok ? result.warnings : result.diagnostics
    // Names that the file has itself may be shown.
    return found
      .map(({ message, hint }) => `${message} ${hint}`)
      .join('\n')
      .replace(/X-Zq7kzq7k|"x_zq7kzq7k"/g, '')
  }
  expect(said(value)).toContain('zq7kzq7k')
  expect(said('${V}').toLowerCase()).not.toContain('zq7kzq7k')
})
