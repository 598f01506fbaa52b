import type { DiagnosticCode } from '../../../src/config/text/diagnostic.ts'
import type { World } from '../checks.ts'

type Case = readonly [code: DiagnosticCode, title: string, fragment: string, world?: World]

const route = (lines: string) =>
  `[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nallow = "public"\nportal = "home"\n${lines}`
const basic = (keys: string) => route('').replace('"http://app"', `{ to = "http://app", basic_auth = { ${keys} } }`)
const own = (lines: string) => `[[routes]]\nhost = "app.example.com"\nallow = "public"\nportal = "home"\n${lines}`

const rewritten = (to: string) =>
  `[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nallow = "public"\nportal = "home"\nrewrite = { from = "/a/(.*)", ${to} }`

/** Every mistake in how a route changes requests and answers, and in routes that answer themselves. */
export const REWRITE_CASES: readonly Case[] = [
  ['host.invalid', 'a Host with a path', route('host_header = "a.example«/x»"')],
  ['host.invalid', 'a Host with an impossible port', route('host_header = "app«:70000»"')],
  ['path.invalid', 'a prefix with dots to add', route('add_prefix = "/«..»/x"')],
  ['upstream.basic_auth', 'a user name with a colon', basic('user = "a«:»b", password = "x"')],
  ['upstream.basic_auth', 'a colon beside a placeholder', basic('user = "{email}«:»x", password = "x"')],
  ['upstream.basic_auth', 'a user of the request', basic('user = "«{host}»", password = "x"')],
  ['upstream.basic_auth', 'an unknown placeholder in the user', basic('user = "«{mail}»", password = "x"')],
  ['upstream.basic_auth', 'a brace without a partner in the password', basic('user = "a", password = «"p{"»')],
  ['key.missing', 'a user without a password', basic('user = "a"').replace('basic_auth', '«basic_auth»')],
  ['header.owned', 'a framing field', route('request_headers = { set = { «Content-Length» = "1" } }')],
  ['header.owned', 'Host among the fields', route('request_headers = { set = { «Host» = "a" } }')],
  [
    'header.owned',
    'an identity field in another spelling',
    route('request_headers = { set = { «X_Token_Subject» = "a" } }'),
  ],
  ['header.owned', 'an identity field removed', route('response_headers = { remove = [«"X-Forwarded-User"»] }')],
  ['header.owned', 'cookies removed from answers', route('response_headers = { remove = «"Set-Cookie"» }')],
  ['header.owned', 'a content coding that is denied', route('response_headers = { remove = [«"Content-Encoding"»] }')],
  ['header.name', 'a field name with a space', route('response_headers = { set = { «"X Y"» = "a" } }')],
  [
    'header.repeated',
    'a field set and removed',
    route('request_headers = { set = { X-A = "1" }, remove = [«"x_a"»] }'),
  ],
  ['header.template', 'an unknown placeholder', route('request_headers = { set = { X-A = "«{nam}»" } }')],
  ['header.template', 'a brace without a partner', route('request_headers = { set = { X-A = "a«}»" } }')],
  ['text.control', 'a line break in a value', route('response_headers = { set = { X-A = «"a\\r\\nX-B: 1"» } }')],
  [
    'text.control',
    'a line break in a variable',
    route('response_headers = { set = { X-A = «"${V}"» } }'),
    { env: { V: 'a\nb' } },
  ],
  ['list.empty', 'no fields to set', route('request_headers = { set = «{}» }')],
  ['key.unknown', 'a misspelt kind of rule', route('request_headers = { «delete» = ["X-A"] }')],
  ['key.missing', 'a route that leads nowhere', own('').replace('[[routes]]', '[[«routes»]]')],
  ['route.target', 'two things to lead to', route('«redirect» = "https://b.example/"')],
  ['route.target', 'a status without a redirect', own('files = "/srv"\n«status» = 301')],
  ['route.target', 'an upstream’s key without an upstream', own('files = "/srv"\n«timeout» = "1s"')],
  [
    'header.repeated',
    'a field in headers and in rules',
    route('headers = { X-A = "email" }\nrequest_headers = { remove = ["x_a"] }').replace(
      'request_headers',
      '«request_headers»',
    ),
  ],
  ['key.type', 'verify that says no', own('verify = «false»')],
  ['route.verify', 'a route that no proxy may ask about', own('«verify» = true')],
  [
    'route.verify',
    'a route about which nobody may ask where something is served',
    `[server]\nverify = "127.0.0.1:9080"\n${own('«verify» = true')}`,
  ],
  [
    'route.verify',
    'a route about which a proxy has nowhere to ask',
    `[server]\ntrusted_proxies = "10.0.0.2"\n${own('«verify» = true')}`,
  ],
  [
    'route.target',
    'a prefix where the proxy in front has the path',
    `[server]\ntrusted_proxies = "10.0.0.2"\nverify = "127.0.0.1:9080"\n${own('verify = true\npath = "/a"\n«strip_prefix» = "/a"')}`,
  ],
  ['redirect.invalid', 'a host from the path', own('redirect = «"https://{path}"»')],
  ['redirect.invalid', 'a path that could name a host', own('redirect = «"/{path}"»')],
  ['redirect.invalid', 'an address without a scheme', own('redirect = «"//evil.example/"»')],
  ['redirect.invalid', 'a host that the path goes on with', own('redirect = «"https://new.example{host}"»')],
  ['redirect.invalid', 'another scheme', own('redirect = «"javascript:alert(1)"»')],
  ['redirect.invalid', 'a backslash', own("redirect = «'https://a.example\\\\b'»")],
  ['redirect.invalid', 'a placeholder of a person', own('redirect = "https://a.example/«{email}»"')],
  ['number.range', 'a status that is no redirect', own('redirect = "https://b.example/"\nstatus = «304»')],
  ['respond.body', 'a body where there is none', own('respond = { status = 204, «body» = "x" }')],
  ['path.invalid', 'a group that there is not', rewritten('to = «"/x/$2"»')],
  ['path.invalid', 'a query in a path', rewritten('to = «"/x?y"»')],
  ['path.invalid', 'a sign for a group alone', rewritten('to = «"/x$"»')],
  ['key.missing', 'nothing in the place of what matches', rewritten('').replace('rewrite', '«rewrite»')],
  ['choice.unknown', 'a media type that is none', own('respond = { content_type = «"html"» }')],
  ['number.range', 'an informational status', own('respond = { status = «100» }')],
  ['key.unknown', 'a misspelt key of respond', own('respond = { «text» = "x" }')],
  [
    'route.target',
    'a length of answers that are our own',
    own('redirect = "https://b.example/"\n«keep_length» = "1MB"'),
  ],
  ['route.target', 'a limit for bodies that nobody reads', own('redirect = "https://b.example/"\n«max_body» = "1MB"')],
]
