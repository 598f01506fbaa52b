import type { DiagnosticCode } from '../../../src/config/text/diagnostic.ts'

type Case = readonly [code: DiagnosticCode, title: string, fragment: string]

/** A portal with two providers of two issuers, and what rules of its roles and of its route say. */
const twoIssuers = (lines: { readonly role?: string; readonly allow?: string; readonly deny?: string }) => `
[providers.id]
issuer = "https://id.example.com"
client_id = "gate"
[providers.other]
issuer = "https://other.example"
client_id = "gate"
[portals.home]
providers = ["id", "other"]
roles.user = ${lines.role ?? '{ any = true }'}
[[routes]]
host = "app.example.com"
upstream = "http://app"
portal = "home"
allow = ${lines.allow ?? '["user"]'}
${lines.deny === undefined ? '' : `deny = [${lines.deny}]`}
`

/** The same with two that ask one user endpoint, each of which takes this member of its answer for the subject. */
const oneEndpoint = (subs: readonly [string, string], role: string) =>
  twoIssuers({ role })
    .replace('[providers.id]\nissuer = "https://id.example.com"', `[providers.id]\n${byOAuth2(subs[0])}`)
    .replace('[providers.other]\nissuer = "https://other.example"', `[providers.other]\n${byOAuth2(subs[1])}`)

const byOAuth2 = (sub: string) => `type = "oauth2"
authorization_endpoint = "https://git.example.com/authorize"
token_endpoint = "https://git.example.com/token"
user_endpoint = "https://git.example.com/user"
claims = { sub = "${sub}" }`

/** The same where both are asked about tokens that begin so; nothing: about any. */
function introspecting(one: string, other: string): string {
  const table = (prefix: string) =>
    `client_id = "gate"\naccess_tokens = { audience = "a", «introspect» = true${prefix === '' ? '' : `, introspect_prefix = "${prefix}"`} }`
  const [before, between, after] = twoIssuers({}).split('client_id = "gate"')
  return `${before}${table(one).replace(/[«»]/g, '')}${between}${table(other)}${after}tokens = true\n`
}

/** The same with more keys of the second provider and of the route. */
const telling = (route: string, other = '') =>
  `${twoIssuers({}).replace('issuer = "https://other.example"', `issuer = "https://other.example"\n${other}`)}${route}\n`

const BOUND = 'prefix = "other:"\nemail_domains = ["other.example"]'

/** What is not said of whose people a rule is about, where a portal has several providers. */
export const ISSUER_CASES: readonly Case[] = [
  ['access_tokens.introspect', 'two that introspect whatever comes', introspecting('', '')],
  ['access_tokens.introspect', 'a prefix for one of two alone', introspecting('id_', '')],
  ['access_tokens.introspect', 'a prefix that begins the other', introspecting('id_', 'id_b')],
  ['rule.subjects', 'a role by subjects', twoIssuers({ role: '{ «subjects» = ["a"] }' })],
  ['rule.subjects', 'a rule by subjects', twoIssuers({ allow: '[{ «subjects» = "a", networks = ["10.0.0.0/8"] }]' })],
  [
    'rule.subjects',
    'subjects of any of two',
    twoIssuers({ role: '{ providers = ["id", "other"], «subjects» = ["a"] }' }),
  ],
  ['rule.subjects', 'subjects who may not', twoIssuers({ deny: '{ «subjects» = ["a"] }' })],
  ['rule.subjects', 'subjects of one endpoint by two names', oneEndpoint(['id', 'login'], '{ «subjects» = ["7"] }')],
  ['rule.subjects', 'subjects deep within', twoIssuers({ allow: '[{ all = [{ not = { «subjects» = ["a"] } }] }]' })],
  ['rule.providers', 'a role by groups', twoIssuers({ role: '{ «groups» = ["a"] }' })],
  ['rule.providers', 'a rule by e-mail', twoIssuers({ allow: '[{ «emails» = ["a@b.example"] }]' })],
  ['rule.providers', 'a rule by domain', twoIssuers({ allow: '[{ «domains» = ["b.example"] }]' })],
  ['rule.providers', 'a rule by a claim, within', twoIssuers({ allow: '[{ any = [{ «claims» = { a = 1 } }] }]' })],
  ['rule.providers', 'a rule by a pattern', twoIssuers({ allow: '[{ «like» = { groups = "a*" } }]' })],
  ['rule.subjects', 'a pattern of subjects', twoIssuers({ deny: '{ like = { «sub» = "a*" } }' })],
  ['identity.providers', 'a preset', telling('«headers» = "x-token"')],
  ['identity.providers', 'a table by e-mail', telling('«headers» = { X-Mail = "email" }')],
  ['identity.providers', 'a table by a claim', telling('«headers» = { X-Team = "claims.team" }', BOUND)],
  ['identity.providers', 'a preset, and e-mail is not bound', telling('«headers» = "remote"', 'prefix = "other:"')],
  ['identity.providers', 'an assertion', telling('«assertion» = { audience = "app", header = "X-Assertion" }')],
  ['identity.providers', 'a field rule', telling('«request_headers» = { set = { X-Who = "{sub}" } }')],
  [
    'identity.providers',
    'credentials of the application by a user name',
    telling('').replace(
      'upstream = "http://app"',
      '«upstream» = { to = "http://app", basic_auth = { user = "{preferred_username}", password = "p" } }',
    ),
  ],
  [
    'provider.prefix',
    'prefixes of which one begins the other',
    telling('', 'prefix = «"o"»').replace('issuer = "https://id', 'prefix = "ot"\nissuer = "https://id'),
  ],
  ['rule.providers', 'all but a group that may not', twoIssuers({ deny: '{ not = { «groups» = ["a"] } }' })],
]

/** What is good, without a warning. */
export const GOOD_ISSUERS: readonly (readonly [title: string, fragment: string])[] = [
  [
    'anyone, with tokens of either that begin differently',
    introspecting('id_', 'other_').replaceAll('«', '').replaceAll('»', ''),
  ],
  ['anyone', twoIssuers({})],
  ['subjects of one', twoIssuers({ role: '{ providers = ["id"], subjects = ["a"] }' })],
  ['subjects of one endpoint by one name', oneEndpoint(['id', 'id'], '{ subjects = ["7"] }')],
  ['subjects of one, in the other key', twoIssuers({ role: '{ provider = "other", subjects = ["a"] }' })],
  ['subjects in a rule for one', twoIssuers({ allow: '[{ provider = "id", any = [{ subjects = ["a"] }] }]' })],
  ['groups of both', twoIssuers({ role: '{ providers = ["id", "other"], groups = ["a"] }' })],
  ['groups within a rule for one', twoIssuers({ allow: '[{ provider = "id", all = [{ groups = ["a"] }] }]' })],
  ['a group that may not', twoIssuers({ deny: '{ groups = ["a"] }' })],
  ['all but a group that may', twoIssuers({ allow: '[{ roles = ["user"], not = { groups = ["a"] } }]' })],
  [
    'two clients of one issuer',
    twoIssuers({ role: '{ subjects = ["a"], groups = ["b"] }' }).replace(
      'https://other.example',
      'https://id.example.com',
    ),
  ],
  ['a preset, where one of two is bound', telling('headers = "caddy-security"', BOUND)],
  [
    'a template by e-mail, where its domains are bound',
    telling('headers = { X-Mail = "email" }', 'email_domains = "b.example"'),
  ],
  ['a template that says whose', telling('headers = { X-Who = "{provider}/{sub}" }')],
  ['what shows somebody, and roles of the portal', telling('headers = { X-Name = "name", X-Roles = "roles" }')],
  [
    'a preset where people of one provider alone may pass',
    `${twoIssuers({ role: '{ provider = "id" }' })}headers = "remote"\n`,
  ],
  [
    'groups, where one of two has a prefix',
    telling('', 'prefix = "other:"').replace('{ any = true }', '{ groups = ["other:a"] }'),
  ],
  [
    'domains, where one of two has its own',
    telling('', 'email_domains = ["b.example"]').replace('{ any = true }', '{ domains = ["b.example"] }'),
  ],
]
