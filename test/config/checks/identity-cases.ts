import type { DiagnosticCode } from '../../../src/config/text/diagnostic.ts'

type Case = readonly [code: DiagnosticCode, title: string, fragment: string]

const route = (lines: string) =>
  `[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nallow = "public"\nportal = "home"\n${lines}`
const mounted = (lines: string) =>
  `[portals.home]\nproviders = ["id"]\nroles.user = { any = true }\n[[routes]]\nhost = "*.example.com"\nupstream = "http://app"\nportal = "home"\nallow = ["user"]\n${lines}`

/** Every mistake in what a route tells its application about someone. */
export const IDENTITY_CASES: readonly Case[] = [
  ['key.missing', 'an assertion for nobody', route('«assertion» = {}')],
  ['key.type', 'an assertion that is text', route('assertion = «"app"»')],
  ['key.unknown', 'a misspelt key of an assertion', route('assertion = { audience = "a", «heder» = "x" }')],
  ['header.name', 'an assertion in a field that is none', route('assertion = { audience = "a", header = «"x y"» }')],
  ['header.owned', 'an assertion as a cookie', route('assertion = { audience = "a", header = «"Cookie"» }')],
  [
    'header.owned',
    'an assertion in a preset’s field',
    route('assertion = { audience = "a", header = «"Remote_User"» }'),
  ],
  [
    'header.repeated',
    'an assertion in a field of headers',
    route('headers = { X-Jwt = "email" }\n«assertion» = { audience = "a", header = "x_jwt" }'),
  ],
  [
    'header.repeated',
    'an assertion in a field that rules change',
    route('assertion = { audience = "a" }\n«request_headers» = { remove = ["X-Sallyport-Assertion"] }'),
  ],
  ['assertion.issuer', 'an assertion that comes from any of many hosts', mounted('«assertion» = { audience = "a" }')],
  [
    'portal.missing',
    'an assertion without a portal',
    `${route('')}[[routes]]\nhost = "b.example"\nupstream = "http://app"\nallow = "public"\nassertion = «{ audience = "a" }»`,
  ],
  [
    'portal.missing',
    'credentials of each person without a portal',
    `${route('')}[[routes]]\nhost = "b.example"\nupstream = «{ to = "http://app", basic_auth = { user = "{email}", password = "x" } }»\nallow = "public"`,
  ],
  [
    'portal.missing',
    'a token without a portal',
    `${route('')}[[routes]]\nhost = "b.example"\nupstream = "http://app"\nallow = "public"\npass_token = «"id"»`,
  ],
  ['choice.unknown', 'an unknown token', route('pass_token = «"acess"»')],
  ['key.unknown', 'an unknown token in a table', route('pass_token = { «refresh» = "X-R" }')],
  ['list.empty', 'no token', route('pass_token = «{}»')],
  ['header.owned', 'a token as Host', route('pass_token = { access = «"Host"» }')],
  ['header.repeated', 'two tokens in one field', route('«pass_token» = { access = "X-T", id = "x_t" }')],
  [
    'header.repeated',
    'a token and an assertion as Authorization',
    route('assertion = { audience = "a", header = "Authorization" }\n«pass_token» = "id"'),
  ],
  [
    'header.repeated',
    'a token beside basic_auth',
    route('«pass_token» = "id"').replace(
      '"http://app"',
      '{ to = "http://app", basic_auth = { user = "a", password = "b" } }',
    ),
  ],
  [
    'header.repeated',
    'a token that rules remove',
    route('pass_token = "id"\n«request_headers» = { remove = "Authorization" }'),
  ],
  [
    'route.target',
    'a token for a redirect',
    route('«pass_token» = "id"').replace('upstream = "http://app"', 'redirect = "https://b.example/"'),
  ],
]
