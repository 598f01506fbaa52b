import * as runner from 'bun:test'
import { expect, test } from 'bun:test'
import { checkConfig } from '../../src/config/check.ts'
import { loadConfig } from '../../src/config/load.ts'
import { DIAGNOSTIC_CODES, type DiagnosticCode } from '../../src/config/text/diagnostic.ts'
import { needs } from '../kit/needs.ts'
import { CLIENT_AUTH_CASES } from './checks/client-auth-cases.ts'
import { EDIT_CASES } from './checks/edit-cases.ts'
import { FILES_CASES } from './checks/files-cases.ts'
import { GUEST_CASES } from './checks/guest-cases.ts'
import { IDENTITY_CASES } from './checks/identity-cases.ts'
import { LIMIT_CASES } from './checks/limit-cases.ts'
import { PASSWORD_CASES } from './checks/password-cases.ts'
import { PICTURE_CASES } from './checks/picture-cases.ts'
import { MEMBER_CASES, REQUEST_CASES } from './checks/request-cases.ts'
import { REWRITE_CASES } from './checks/rewrite-cases.ts'
import { ROUTE_LIST_CASES } from './checks/route-list-cases.ts'
import { ISSUER_CASES } from './checks/several-provider-cases.ts'
import { TLS_CASES } from './checks/tls-cases.ts'
import { UPSTREAM_CASES } from './checks/upstream-cases.ts'
import { WAY_CASES } from './checks/way-cases.ts'
import { check, complete, expectOne, type World } from './checks.ts'

/** A code, what is wrong, and a fragment with «…» around what the caret has to underline. */
type Case = readonly [code: DiagnosticCode, title: string, fragment: string, world?: World]

const route = (lines: string) =>
  `[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nallow = "public"\nportal = "home"\n${lines}`
const portal = (lines: string) => `[portals.home]\nproviders = ["id"]\n${lines}`
const provider = (lines: string) => `[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\n${lines}`
const oauth2 = (lines: string) => `[providers.id]\nclient_id = "gate"\n${lines}`
const rule = (rule: string) => portal(`[portals.home.roles]\nuser = ${rule}`)
const onHost = (host: string) =>
  `[[routes]]\nhost = ${host}\nupstream = "http://app"\nallow = "public"\nportal = "home"`
const onPath = (path: string) => route(`path = ${path}`)
const to = (upstream: string) =>
  `[[routes]]\nhost = "app.example.com"\nupstream = ${upstream}\nallow = "public"\nportal = "home"`
const from = (issuer: string) => `[providers.id]\nissuer = ${issuer}\nclient_id = "gate"`
const at = (url: string) => portal(`url = ${url}\n[portals.home.roles]\nuser = { any = true }`)
const allowing = (allow: string, more = '') =>
  `[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nportal = "home"\nallow = ${allow}\n${more}`
const ruled = (rule: string) => allowing(`[${rule}]`)
const denying = (deny: string) => allowing('"authenticated"', `deny = ${deny}`)
const asked = (lines: string) =>
  `[server]\ntrusted_proxies = "10.0.0.2"\n${lines}\n${route('').replace('upstream = "http://app"', 'verify = true')}`
const lasting = (lines: string) => portal(`${lines}\n[portals.home.roles]\nuser = { any = true }`)
const outgoing = (keys: string) => `[server]\noutgoing = { ${keys} }`
const TRUSTING = '[server]\ntrusted_proxies = "10.0.0.2"\n'
const PUBLIC = `[[routes]]\nhost = "open.example.com"\nupstream = "http://app"\nallow = "public"`

const AT_THE_TOP = `\n${to('"http://app"')}`

const expecting = (lines: string) =>
  `${allowing('["user"]')}\n[[expect]]\naddress = "https://app.example.com"\nverdict = "allow"\n${lines}`

const CASES: readonly Case[] = [
  ['expect.address', 'a path alone', expecting('').replace('"https://app.example.com"', '«"ftp://a"»')],
  ['expect.ip', 'a network', expecting('ip = «"10.0.0.0/8"»')],
  ['choice.unknown', 'a verdict that explain does not know', expecting('').replace('"allow"\n', '«"refuse"»\n')],
  ['role.undefined', 'a role that no portal has', expecting('as = { roles = [«"amdin"»] }')],
  ['provider.undefined', 'a provider that there is not', expecting('as = { provider = «"other"» }')],
  ['include.pattern', 'a star for folders', `include = "conf.d/«*»/a.toml"${AT_THE_TOP}`],
  ['include.pattern', 'folders that are to be looked through', `include = ["conf.d/«**»"]${AT_THE_TOP}`],
  [
    'include.pattern',
    'a folder',
    `include = ["a.toml", «"conf.d/"»]${AT_THE_TOP}`,
    { files: { '/etc/sallyport/a.toml': '' } },
  ],
  ['include.pattern', 'another kind of pattern', `include = "conf.d/«{»a,b}.toml"${AT_THE_TOP}`],
  ['include.pattern', 'a reference', `include = «"\${DIR}/*.toml"»${AT_THE_TOP}`, { env: { DIR: '/etc' } }],
  ['toml.syntax', 'a value without quotes', '[server]\nlog_level = «d»ebug'],
  ['toml.syntax', 'a table that is there twice', '[server]\n[«s»erver]'],
  ['toml.syntax', 'a quote that is never closed', '[server]\nadmin = "127.0.0.1:1«\n»'],
  ['toml.encoding', 'a title in Latin-1', '[server]\nlisten = []\n[portals.home]\ntitle = "B«\uFFFD»ro"'],
  ['toml.depth', 'absurd nesting', Array(40).fill('a').join('.').concat(' = 1')],

  ['key.unknown', 'a misspelt key', '[server]\n«acess_log» = true'],
  [
    'key.unknown',
    'a misspelt required key is one mistake',
    to('1').replace('upstream = 1', '«upsteam» = "http://app"'),
  ],
  ['key.unknown', 'a key of another table', '[server]\n«lifetime» = "1h"'],
  ['key.unknown', 'a table that does not exist', '[«servers»]\nlisten = "127.0.0.1:1"'],
  ['key.unknown', 'a name that every object has', '[server]\n«constructor» = 1'],
  ['key.unknown', 'a name that changes prototypes', '[server]\n«__proto__» = 1'],
  ['key.unknown', 'a misspelt rule key, which does not also leave the rule empty', rule('{ «group» = ["a"] }')],
  [
    'key.missing',
    'a route without allow',
    '[[«routes»]]\nhost = "app.example.com"\nupstream = "http://app"\nportal = "home"',
  ],
  ['key.missing', 'a provider without issuer', '[«providers.id»]\nclient_id = "gate"'],
  ['key.missing', 'a portal without providers', '[«portals.home»]\n[portals.home.roles]\nuser = { any = true }'],
  ['key.type', 'a number for text', '[server]\nlog_level = «7»'],
  ['key.type', 'text for a number', '[sessions]\ncache = «"10000"»'],
  ['key.type', 'text for a boolean', '[server]\naccess_log = «"yes"»'],
  ['key.type', 'a bare number for a duration', '[sessions]\nidle = «3600»'],
  ['key.type', 'a date', '[server]\ndrain = «2026-11-01»'],
  ['key.type', 'a list of lists', '[server]\nlisten = [«["0.0.0.0:1"]»]'],
  ['key.type', 'a value where a table belongs', 'server = «1»'],
  ['key.type', 'text where a list belongs', provider('scopes = «"openid"»')],
  ['key.type', 'text where a rule belongs', rule('«"admins"»')],
  ['key.type', 'one bracket for a list of tables', 'routes = «{ host = "a.example" }»'],
  ['key.twice', 'provider beside providers', rule('{ providers = ["id"], «provider» = "id" }')],
  ['name.invalid', 'a role with a space in its name', rule('{ any = true }\n«"big boss"» = { any = true }')],

  ['text.empty', 'empty text', portal('title = «""»\n[portals.home.roles]\nuser = { any = true }')],
  ['text.empty', 'an empty group, which some programs take for everyone', rule('{ groups = [«""»] }')],
  ['text.empty', 'an empty domain', rule('{ domains = ["a.example", «""»] }')],
  ['text.control', 'a line break in a title', portal('title = «"a\\nb"»\n[portals.home.roles]\nuser = { any = true }')],
  ['list.empty', 'nobody allowed', allowing('«[]»')],
  ['list.empty', 'no groups, which some programs take for everyone', rule('{ groups = «[]» }')],
  ['list.empty', 'no claims', rule('{ claims = «{}» }')],
  ['list.empty', 'no values for a claim', rule('{ claims = { team = «[]» } }')],
  ['list.empty', 'no patterns', rule('{ like = «{}» }')],
  ['list.empty', 'no pattern for a claim', rule('{ like = { team = «[]» } }')],
  ['key.type', 'a number as a pattern', rule('{ like = { level = «3» } }')],
  ['key.type', 'a pattern for no claim', rule('{ like = «"it-*"» }')],
  ['text.empty', 'an empty pattern', rule('{ like = { team = «""» } }')],
  ['pattern.invalid', 'an address pattern with two @', rule('{ like = { email = "«@»a@*" } }')],
  ['pattern.invalid', 'an address pattern beyond ASCII', rule('{ like = { email = «"ädmin@*"» } }')],
  ['pattern.invalid', 'an address pattern for no address', rule('{ like = { email = «"ada"» } }')],
  ['rule.pattern', 'an address pattern for the end of a domain', rule('{ like = { email = «"*example.com"» } }')],
  ['list.empty', 'no upstream', to('«[]»')],
  ['list.empty', 'no headers in a table', route('headers = «{}»')],
  ['list.repeated', 'a group twice', rule('{ groups = ["a", «"a"»] }')],
  ['number.range', 'no worker', '[server]\nworkers = «0»'],
  ['choice.unknown', 'an unknown format', '[log]\nformat = «"logfmt"»'],
  ['outgoing.proxy', 'no address', outgoing('proxy = «"proxy:3128"»')],
  ['outgoing.proxy', 'a proxy by TLS', outgoing('proxy = «"https://proxy:3128"»')],
  ['outgoing.proxy', 'another protocol', outgoing('proxy = «"socks5://proxy:1080"»')],
  ['outgoing.proxy', 'a path', outgoing('proxy = «"http://proxy:3128/x"»')],
  ['outgoing.proxy', 'a password in the address', outgoing('proxy = «"http://a:b@proxy:3128"»')],
  ['outgoing.proxy', 'a colon in the user', outgoing('proxy = "http://proxy:3128", user = "a«:»b"')],
  ['outgoing.proxy', 'a password for nobody', outgoing('proxy = "http://proxy:3128", password = «"a-secret"»')],
  ['network.invalid', 'no network', outgoing('proxy = "http://proxy:3128", except = [«"10.0.0.1/8"»]')],
  ['host.wildcard', 'a star within', outgoing('proxy = "http://proxy:3128", except = ["a.«*».lan"]')],
  ['key.missing', 'exceptions of no proxy', '[server]\n«outgoing» = { except = [".lan"] }'],
  ['telemetry.endpoint', 'a receiver by gRPC', '[telemetry]\nendpoint = «"http://127.0.0.1:4317"»'],
  ['telemetry.endpoint', 'a password in it', '[telemetry]\nendpoint = «"http://a:b@otel.example.com"»'],
  ['number.range', 'more than all', '[telemetry]\nendpoint = "http://otel.example.com"\nsample = «2»'],
  ['log.place', 'a stream that is none', '[log]\nrequests = «"stdot"»'],
  ['log.place', 'a folder', '[log]\nevents = «"/var/log/"»'],
  ['log.place', 'the file itself', '[log]\nevents = «"./routes.toml"»'],
  ['key.not_built', 'the level in another table', '[log]\n«level» = "debug"'],
  ['files.missing', 'a log in a folder that is not there', '[log]\nrequests = «"/no/such/folder/access.log"»'],
  ['choice.unknown', 'an unknown level', '[server]\nlog_level = «"warning"»'],
  ['choice.unknown', 'an unknown header preset', route('headers = «"x-tokens"»')],
  ['choice.unknown', 'an unknown algorithm', provider('id_token_alg = «"RS265"»')],
  ['choice.unknown', 'workers in words', '[server]\nworkers = «"all"»'],

  ['substitution.syntax', 'a reference that is not one', `[server]\nadmin = "«\${1X}»"`],
  ['substitution.syntax', 'a reference that is not closed', `[server]\nadmin = "127.0.0.1:«\${PORT»"`],
  ['substitution.unset', 'a variable that is not set', provider(`client_secret = "«\${NONE}»"`)],
  ['substitution.empty', 'an empty variable', provider(`client_secret = "«\${NONE}»"`), { env: { NONE: '' } }],
  [
    'substitution.empty',
    'an empty file',
    provider(`client_secret = "«\${file:s}»"`),
    { files: { '/etc/sallyport/s': '\n' } },
  ],
  ['substitution.unreadable', 'a file that is not there', provider(`client_secret = "«\${file:/run/none}»"`)],

  ['secret.placeholder', 'a variable as a shell writes it', provider('client_secret = «"$SECRET"»')],
  [
    'secret.placeholder',
    'a stand-in for a password',
    to('{ to = "http://app", basic_auth = { user = "a", password = «"<password>"» } }'),
  ],
  ['secret.placeholder', 'a stand-in for a key', '[sessions]\nkey = «"changeme"»'],
  ['upstream.self', 'the listener as an upstream', to('«"http://127.0.0.1:8080"»')],
  ['upstream.self', 'the listener in a list', to('["http://app", «"http://[::1]:8080"»]')],
  ['upstream.self', 'the admin listener', `[server]\nadmin = "127.0.0.1:9464"\n${to('«"http://127.0.0.1:9464"»')}`],
  ['upstream.self', 'a listener of HTTPS', `[tls]\nacme = {}\n${to('«"https://localhost"»')}`],
  [
    'upstream.self',
    'a socket of our own',
    `[server]\nlisten = ["unix:/run/gate.sock", "0.0.0.0:1"]\n${to('«"unix:/run/gate.sock"»')}`,
  ],
  [
    'upstream.self',
    'an address of this machine',
    `[server]\nlisten = "10.0.0.2:8080"\n${to('«"http://10.0.0.2:8080"»')}`,
  ],
  ['files.missing', 'a folder that is not there', to('1').replace('upstream = 1', 'files = «"/nowhere"»')],
  [
    'files.missing',
    'a file in place of a folder',
    to('1').replace('upstream = 1', 'files = «"page.html"»'),
    { files: { '/etc/sallyport/page.html': '<p>' } },
  ],

  ['duration.invalid', 'a duration without a unit', '[sessions]\nidle = «"60"»'],
  ['duration.invalid', 'units in the wrong order', '[sessions]\nidle = «"5m1h"»'],
  ['duration.range', 'no time at all', route('timeout = «"0s"»')],
  ['list.empty', 'nothing to listen on', '[server]\n«listen» = []'],
  [
    'list.empty',
    'no plain HTTP for an authority that asks by it',
    '[server]\n«listen» = []\n[tls]\nacme = { email = "me@example.com" }',
  ],
  ['listen.invalid', 'a port alone', '[server]\nlisten = [«":8080"»]'],
  ['listen.invalid', 'a scheme', '[server]\nlisten = «"http://0.0.0.0:80"»'],
  ['listen.invalid', 'IPv6 without brackets', '[server]\nlisten = «":::8080"»'],
  ['listen.invalid', 'a port beyond the last', '[server]\nlisten = "0.0.0.0:«70000»"'],
  ['listen.invalid', 'a relative socket', '[server]\nadmin = «"unix:admin.sock"»'],
  [
    'listen.repeated',
    'the same address twice',
    '[server]\nlisten = ["127.0.0.1:1", "127.0.0.1:2"]\nadmin = «"127.0.0.1:2"»',
  ],
  ['listen.repeated', 'verify on a public port', asked('listen = ["0.0.0.0:1"]\nverify = «"127.0.0.1:1"»')],
  ['listen.repeated', 'every address beside one', '[server]\nlisten = ["[::1]:1"]\nadmin = «"[::]:1"»'],
  ['listen.invalid', 'verify without an address', asked('verify = «"9080"»')],
  ['verify.unused', 'verify without a route to ask about', '[server]\n«verify» = "127.0.0.1:9080"'],
  ['workers.unshared', 'a port to ask at that is chosen at start', asked('verify = [«"127.0.0.1:0"»]\nworkers = 2')],
  [
    'workers.unshared',
    'a port for several workers that is chosen at start',
    '[server]\nlisten = [«"127.0.0.1:0"»]\nworkers = 2',
  ],
  [
    'workers.unshared',
    'several workers on local sockets alone',
    '[server]\nlisten = "unix:/run/gate.sock"\nworkers = «"auto"»',
  ],
  ['host.invalid', 'a port of an admin host', '[server]\nadmin_hosts = ["gate.lan", "sallyport«:9464»"]'],
  ['host.wildcard', 'many admin hosts', '[server]\nadmin_hosts = "«*».lan"'],
  ['network.invalid', 'bits beyond the prefix', '[server]\ntrusted_proxies = [«"10.0.0.1/8"»]'],
  ['network.invalid', 'IPv4 inside IPv6', '[server]\ntrusted_proxies = [«"::ffff:10.0.0.0/104"»]'],
  ['network.invalid', 'a short IPv4 form', '[server]\ntrusted_proxies = [«"10.1/16"»]'],
  ['network.invalid', 'a prefix beyond the address', '[server]\ntrusted_proxies = ["10.0.0.0«/33»"]'],
  ['network.invalid', 'a name', '[server]\ntrusted_proxies = [«"proxy.example.com"»]'],
  ['header.name', 'a trusted field that is no name', `${TRUSTING}trusted_fields = ["X-Ok", «"x y"»]`],
  ...['X-Forwarded-For', 'remote_user', 'Cookie', 'X-Sallyport-Token', 'X-Request-Id', 'X-HTTP-Method-Override'].map(
    (name): Case => ['header.owned', `${name} as a trusted field`, `${TRUSTING}trusted_fields = «"${name}"»`],
  ),
  [
    'header.owned',
    'a trusted field that a route writes',
    `${TRUSTING}trusted_fields = [«"X_Who"»]\n${route('headers = { "X-Who" = "sub" }')}`,
  ],
  [
    'header.owned',
    'a trusted field in which a rule of a route says who is there',
    `${TRUSTING}trusted_fields = [«"X-Who"»]\n${route('request_headers = { set = { "X-Who" = "{sub}" } }')}`,
  ],
  [
    'network.missing',
    'a trusted field without a trusted proxy',
    '[server]\n«trusted_fields» = ["X-SSL-Client-Verify"]',
  ],
  ...['x y', 'X_Real_IP', 'X.Real.IP', '-x', '1-ip'].map(
    (name): Case => ['header.name', `${name} with the client’s address`, `${TRUSTING}client_address = «"${name}"»`],
  ),
  ...['Forwarded', 'X-Forwarded-Host', 'Remote-User', 'Cookie', 'X-Sallyport-Token', 'Connection', 'Via'].map(
    (name): Case => ['header.owned', `${name} with the client’s address`, `${TRUSTING}client_address = «"${name}"»`],
  ),
  [
    'header.owned',
    'the client’s address in a field that a route writes',
    `${TRUSTING}client_address = «"X-Who"»\n${route('headers = { "X-Who" = "sub" }')}`,
  ],
  ['network.missing', 'a client’s address that nobody may say', '[server]\n«client_address» = "X-Real-IP"'],
  [
    'network.trusted',
    'a network that lets in whoever may say any address',
    `[server]\ntrusted_proxies = ["10.0.0.0/8"]\n[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nportal = "home"\nallow = [{ networks = ["192.168.0.0/16", «"10.1.0.0/16"»], anonymous = true }]`,
  ],
  [
    'log.unused',
    'a place for lines that are not written',
    '[server]\naccess_log = false\n[log]\n«requests» = "stderr"',
  ],
  ['audit.keep', 'a trail that keeps nothing', '[«audit»]\n[server]'],
  ['network.everyone', 'a network of everyone', '[server]\ntrusted_proxies = [«"0.0.0.0/0"»]'],
  ['store.invalid', 'a path without its kind', '[sessions]\nstore = «"sallyport.db"»'],
  ['store.invalid', 'Redis without a host', '[sessions]\nstore = «"redis://"»'],
  ['store.invalid', 'a database that is no number', '[sessions]\nstore = «"redis://valkey/first"»'],
  [
    'store.invalid',
    'the second of three addresses',
    '[sessions]\nstore = "redis+sentinel://s1,«s2:99999»,s3:0/mymaster"',
  ],
  ['sessions.key', 'Redis without a key for all machines', '[sessions]\nstore = «"redis://valkey"»'],
  ['sessions.key', 'a key that is too short', '[sessions]\nkey = «"c2hvcnQ="»'],
  ['store.memory', 'several workers without a file', '[server]\nworkers = «2»\n[sessions]\nstore = "sqlite::memory:"'],
  [
    'sessions.replicas',
    'two gates with a file of sessions each',
    '[sessions]\nstore = «"sqlite:sessions.db"»',
    { env: { SALLYPORT_REPLICAS: '2' } },
  ],
  ['sessions.idle', 'idle beyond lifetime', '[sessions]\nlifetime = "1h"\nidle = «"2h"»'],
  ['sessions.idle', 'a portal’s lifetime below the idle of [sessions]', lasting('lifetime = «"1h"»')],
  ['sessions.remember', 'a longest lifetime that is shorter than the usual one', lasting('remember = «"1h"»')],
  ['sessions.refresh_limit', 'a limit below refresh', '[sessions]\nrefresh = "1h"\nrefresh_limit = «"10m"»'],
  [
    'sessions.refresh_limit',
    'a portal’s refresh above the limit of [sessions]',
    `[sessions]\nrefresh_limit = "20m"\n${lasting('refresh = «"30m"»')}`,
  ],
  ['duration.range', 'a refresh at every breath', '[sessions]\nrefresh = «"1s"»'],
  ['duration.invalid', 'refresh in words', '[sessions]\nrefresh = «"never"»'],
  ['role.undefined', 'an admin role that nobody gives', lasting('admin_role = «"admins"»')],

  ['issuer.invalid', 'a metadata address', from('"https://id.example.com«/.well-known/openid-configuration»"')],
  ['issuer.invalid', 'a query', from('"https://id.example.com/«?»tenant=1"')],
  ['issuer.invalid', 'everybody at Entra ID', from('"https://login.microsoftonline.com/«common»/v2.0"')],
  ['issuer.invalid', 'all companies there', from('"https://login.microsoftonline.com/«organizations»/v2.0/"')],
  ['issuer.invalid', 'all private accounts there', from('"https://login.microsoftonline.us/«Consumers»/v2.0"')],
  ['issuer.invalid', 'its template', from('"https://login.microsoftonline.com/«{tenantid}»/v2.0"')],
  ['issuer.invalid', 'everybody, as it was once', from('"https://sts.windows.net/«common»"')],
  ['issuer.invalid', 'no scheme', from('«"id.example.com"»')],
  ['issuer.invalid', 'a password', from('«"https://me:hunter2@id.example.com"»')],
  ['issuer.insecure', 'plain HTTP beyond this machine', from('"«http»://id.example.com"')],
  ['issuer.insecure', 'plain HTTP to a name that only begins like loopback', from('"«http»://localhost.example.com"')],
  ['client_auth.secret', 'a secret that nobody sends', provider('client_auth = «"none"»\nclient_secret = "s"')],
  ['client_auth.secret', 'no secret to send', provider('client_auth = «"client_secret_basic"»')],
  [
    'access_tokens.audience',
    'access tokens that ID tokens could pass for',
    provider('access_tokens = { audience = «"gate"» }'),
  ],
  [
    'access_tokens.audience',
    'an audience that tokens of every client have',
    provider('access_tokens = { audience = «["https://api.example.com", "https://id.example.com/"]» }'),
  ],
  [
    'access_tokens.audience',
    'an audience of a route that tokens of every client have',
    allowing('["user"]', 'tokens = true\naudience = «"https://id.example.com"»'),
  ],
  [
    'access_tokens.audience',
    'access tokens for one route that ID tokens could pass for',
    `${provider('access_tokens = { audience = "https://api.example.com" }')}\n${allowing('["user"]', 'tokens = true\naudience = «"gate"»')}`,
  ],
  [
    'access_tokens.audience',
    'access tokens that ID tokens of another table’s client could pass for',
    `${provider('access_tokens = { audience = «"other"» }')}\n[providers.other]\nissuer = "https://id.example.com"\nclient_id = "other"\n[portals.home]\nproviders = ["id", "other"]\n[portals.home.roles]\nuser = { any = true }`,
  ],
  [
    'access_tokens.client_audience',
    'access tokens of the client that count as credentials',
    provider('access_tokens = { client_audience = «true» }'),
  ],
  [
    'access_tokens.introspect',
    'a provider that is shown what applications are sent',
    `${provider('access_tokens = { audience = "a", «introspect» = true }')}\n${allowing('["user"]', 'tokens = true')}`,
  ],
  ['scim.token', 'a token that could be guessed', provider('scim = { token = «"nineteen-characters"» }')],
  [
    'name.invalid',
    'a group with a line break',
    provider('scim = { token = "twenty-characters-it-has", groups = { «"a\\nb"» = "x" } }'),
  ],
  ['id_token_alg.refused', 'unsigned tokens', provider('id_token_alg = «"none"»')],
  ['id_token_alg.refused', 'tokens signed with the client secret', provider('id_token_alg = «"HS256"»')],
  ['scopes.openid', 'OAuth without OpenID', provider('scopes = «["profile"]»')],
  [
    'provider.undefined',
    'a misspelt provider',
    '[portals.home]\nproviders = [«"di"»]\n[portals.home.roles]\nuser = { any = true }\n[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\n[portals.other]\nproviders = ["id"]\n[[routes]]\nhost = "a.example"\nupstream = "http://a"\nallow = "public"\nportal = "home"\n[[routes]]\nhost = "b.example"\nupstream = "http://a"\nallow = "public"\nportal = "other"',
  ],
  ['provider.undefined', 'a misspelt provider in a rule', rule('{ provider = «"ids"» }')],
  ['provider.kind', 'an issuer beside a preset', oauth2('preset = "github"\n«issuer» = "https://github.com"')],
  ['provider.kind', 'ID tokens without OpenID Connect', oauth2('preset = "discord"\n«id_token_alg» = "RS256"')],
  ['provider.kind', 'OpenID Connect with a preset', oauth2('preset = "github"\ntype = «"openid"»')],
  ['provider.kind', 'an endpoint beside discovery', provider('«user_endpoint» = "https://id.example.com/me"')],
  [
    'issuer.insecure',
    'a user endpoint that anyone on the way can speak for',
    oauth2('preset = "github"\nuser_endpoint = "«http»://git.example.com/user"'),
  ],
  ['choice.unknown', 'a preset that is none', oauth2('preset = «"gitlab"»')],
  [
    'key.missing',
    'OAuth 2.0 without the one endpoint that says who it is',
    '[«providers.id»]\ntype = "oauth2"\nclient_id = "gate"\nauthorization_endpoint = "https://a.example/a"\ntoken_endpoint = "https://a.example/t"',
  ],
  [
    'rule.step_up',
    'a rule about how people of GitHub signed in',
    `${oauth2('preset = "github"')}\n${allowing('[{ any = [{ «acr» = ["gold"] }] }]')}`,
  ],
  [
    'rule.subjects',
    'a subject of one of two providers by OAuth 2.0',
    `[providers.id]\npreset = "github"\nclient_id = "a"\n[providers.other]\npreset = "discord"\nclient_id = "b"\n[portals.home]\nproviders = ["id", "other"]\n[portals.home.roles]\nuser = { «subjects» = ["1"] }`,
  ],
  ['authorize_params.reserved', 'a state of the file’s own', provider('authorize_params = { «state» = "mine" }')],
  [
    'authorize_params.reserved',
    'another spelling of what the sign-in sets',
    provider('authorize_params = { «"Redirect.Uri"» = "https://evil.example" }'),
  ],
  [
    'authorize_params.reserved',
    'a sign-in at which nobody may sign in',
    provider('authorize_params = { prompt = «"consent none"» }'),
  ],
  ['name.invalid', 'a parameter with a sign in it', provider('authorize_params = { «"a&b"» = "x" }')],
  [
    'access_tokens.audience',
    'an audience of several that is the client',
    provider('access_tokens = { audience = «["https://api.example.com", "gate"]» }'),
  ],
  ['key.twice', 'groups in two forms', provider('«groups_separator» = ","\ngroups_keys = true')],
  ['provider.kind', 'another subject than OpenID Connect’s', provider('claims = { «sub» = "oid" }')],
  ['choice.unknown', 'claims from somewhere else', provider('claims_from = «"access_token"»')],
  ['choice.unknown', 'addresses that count in another way', provider('emails = «"all"»')],
  ['provider.id_tokens', 'ID tokens that count as credentials', provider('bearer_id_tokens = «true»')],
  ['provider.emails', 'addresses in a claim of which nobody says that', provider('claims = { email = «"upn"» }')],
  ['provider.emails', 'a provider whose addresses count unverified', provider('emails = «"trusted"»')],
  [
    'provider.unused',
    'a provider that no portal names',
    '[«providers.spare»]\nissuer = "https://b.example"\nclient_id = "b"\n[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"',
  ],

  [
    'portal.missing',
    'a route that takes tokens and has no portal',
    `${PUBLIC}\nportal = "home"\n[[routes]]\nhost = "b.example"\nupstream = "http://app"\nallow = "public"\ntokens = «true»`,
  ],
  [
    'portal.undefined',
    'a misspelt portal',
    '[[routes]]\nhost = "a.example"\nupstream = "http://a"\nallow = "authenticated"\nportal = «"hom"»\n[[routes]]\nhost = "b.example"\nupstream = "http://a"\nallow = "public"\nportal = "home"',
  ],
  [
    'portal.unused',
    'a portal that no route names',
    '[«portals.spare»]\nproviders = ["id"]\n[portals.home]\nproviders = ["id"]\nroles.user = { any = true }',
  ],
  [
    'portal.missing',
    'a role without a portal to have it at',
    `${PUBLIC}\nportal = "home"\n[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nallow = «["user"]»`,
  ],
  [
    'portal.missing',
    'signed in without a portal',
    `${PUBLIC}\nportal = "home"\n[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nallow = «"authenticated"»`,
  ],
  ['portal.url', 'a portal below a path', at('"https://auth.example.com«/login»"')],
  ['portal.url', 'a portal with a trailing dot', at('«"https://auth.example.com."»')],
  [
    'portal.host_taken',
    'two portals on one host',
    `[portals.a]\nurl = "https://auth.example.com"\nproviders = ["id"]\n[portals.b]\nurl = «"https://AUTH.example.com:8443"»\nproviders = ["id"]\n${PUBLIC}\nportal = "a"\n[[routes]]\nhost = "b.example"\nupstream = "http://b"\nallow = "public"\nportal = "b"`,
  ],
  [
    'portal.shared_host',
    'tokens made where applications are',
    portal('«personal_tokens» = true\n[portals.home.roles]\nuser = { any = true }'),
  ],
  [
    'portal.shared_host',
    'tokens made on a portal’s own host, which an application has too',
    `${portal('url = "https://app.example.com"\n«personal_tokens» = true\n[portals.home.roles]\nuser = { any = true }\n')}${allowing('["user"]')}`,
  ],
  [
    'portal.shared_host',
    'guest links made where applications are',
    `${portal('«guest_links» = { allow = ["user"] }\n[portals.home.roles]\nuser = { any = true }\n')}${allowing('["user", { guest_link = true }]')}`,
  ],
  [
    'portal.shared_host',
    'an admin page where applications are',
    portal('«admin_role» = "user"\n[portals.home.roles]\nuser = { any = true }'),
  ],
  [
    'portal.several_hosts',
    'tokens made on each of several hosts, for all of them',
    `${portal('«personal_tokens» = true\n[portals.home.roles]\nuser = { any = true }\n')}${allowing('["user"]')}\n${PUBLIC}\nportal = "home"`,
  ],
  [
    'portal.several_hosts',
    'guest links made on any name below a wildcard',
    `${portal('«guest_links» = { allow = ["user"] }\n[portals.home.roles]\nuser = { any = true }\n')}${allowing('["user", { guest_link = true }]').replace('app.', '*.')}`,
  ],
  [
    'portal.several_hosts',
    'an admin page on each of several hosts',
    `${portal('«admin_role» = "user"\n[portals.home.roles]\nuser = { any = true }\n')}${allowing('["user"]')}\n${PUBLIC}\nportal = "home"`,
  ],
  [
    'portal.several_hosts',
    'people who agree, on each of several hosts, to what programs may do',
    `${portal('[portals.home.roles]\nuser = { any = true }\n')}${allowing('["user"]')}\n«mcp» = true\n${PUBLIC}\nportal = "home"`,
  ],
  [
    'portal.bind_tickets',
    'tickets of a portal that gives none',
    portal('«bind_tickets» = true\n[portals.home.roles]\nuser = { any = true }'),
  ],
  [
    'portal.bind_sessions',
    'sessions bound by plain HTTP',
    `${at('"http://auth.localhost:8080"\n«bind_sessions» = true')}\n${onHost('"app.localhost"')}`,
  ],
  [
    'portal.shared_host',
    'an application where people sign in for others',
    `${portal('url = «"https://auth.example.com"»\n[portals.home.roles]\nuser = { any = true }\n')}${allowing('["user"]')}\n[[routes]]\nhost = "auth.example.com"\nupstream = "http://wiki"\nallow = "public"\n`,
  ],
  [
    'portal.port',
    'a portal at port 80, which nothing listens on',
    `${at('«"http://auth.localhost"»')}\n${onHost('"app.localhost"')}`,
  ],
  [
    'portal.port',
    'a portal by HTTPS at a port where others listen',
    `[tls]\nlisten = "0.0.0.0:8443"\nacme = {}\n${at('«"https://auth.example.com"»')}`,
  ],
  ['portal.insecure', 'plain HTTP for other machines', at('"«http»://auth.example.com"')],
  ['portal.insecure', 'a loopback portal for hosts that are not', at('"«http»://auth.localhost:8080"')],
  [
    'portal.insecure_cookies',
    'cookies without protection',
    portal('«insecure_cookies» = true\n[portals.home.roles]\nuser = { any = true }'),
  ],
  [
    'portal.compat',
    'a route has the path of an old address',
    `${portal('compat = { program = "oauth2-proxy", prefix = "/gate" }')}\n[portals.home.roles]\nuser = { any = true }\n${onPath('«"/gate/sign_out"»')}`,
  ],
  [
    'portal.compat',
    'a route has the path of a health check',
    `${portal('compat = "oauth2-proxy"')}\n[portals.home.roles]\nuser = { any = true }\n${onPath('«"/ping"»')}`,
  ],
  [
    'path.invalid',
    'old addresses are everything',
    portal('compat = { program = "oauth2-proxy", prefix = «"/"» }\n[portals.home.roles]\nuser = { any = true }'),
  ],
  [
    'path.reserved',
    "old addresses are Sallyport's",
    portal(
      'compat = { program = "oauth2-proxy", ping_path = «"/.sallyport/ping"» }\n[portals.home.roles]\nuser = { any = true }',
    ),
  ],
  [
    'portal.compat',
    'a route has the path of an address of caddy-security',
    `${portal('compat = "caddy-security"')}\n[portals.home.roles]\nuser = { any = true }\n${onPath('«"/auth/logout"»')}`,
  ],
  [
    'portal.compat',
    'a health check of a program that had none',
    lasting('compat = { program = "caddy-security", «ping_path» = "/up" }'),
  ],
  [
    'portal.compat',
    'addresses without a prefix, without a host of their own',
    lasting('compat = { program = "caddy-security", prefix = «"/"» }'),
  ],
  ['choice.unknown', 'a program that nobody knows', lasting('compat = «"oauth-proxy"»')],
  ['key.unknown', 'a path of it that there is not', lasting('compat = { program = "oauth2-proxy", «ping» = "/x" }')],
  [
    'portal.callback',
    'the callback is a route',
    `[portals.home]\nurl = "https://auth.example.com"\nproviders = ["id"]\ncallback_path = «"/oauth2/callback"»\n[[routes]]\nhost = "auth.example.com"\npath = "/OAuth2/callback/"\nupstream = "http://a"\nallow = "public"\nportal = "home"`,
  ],
  [
    'portal.callback',
    'the callback is a public route on a host of the portal',
    `${portal('callback_path = «"/cb"»')}\n${PUBLIC}\nportal = "home"\n[[routes]]\nhost = "open.example.com"\npath = "/cb"\nupstream = "http://a"\nallow = "public"`,
  ],
  [
    'portal.callback',
    "the callback is a page of Sallyport's",
    portal('callback_path = «"/.sallyport/login"»\n[portals.home.roles]\nuser = { any = true }'),
  ],
  [
    'portal.callback',
    'the callback is everything',
    portal('callback_path = «"/"»\n[portals.home.roles]\nuser = { any = true }'),
  ],

  ['role.undefined', 'a misspelt role', allowing('["user", «"admn"»]')],
  ['role.undefined', 'a misspelt "authenticated"', allowing('«"autenticated"»')],
  ['role.reserved', 'a role called public', rule('{ any = true }\n«public» = { groups = ["a"] }')],
  ['role.empty', 'a role without a condition', rule('{}').replace('user', '«user»')],
  ['role.empty', 'a rule that only says no', rule('{ any = false }').replace('user', '«user»')],
  ['role.empty', 'an empty rule in a list', rule('[{ groups = ["a"] }, «{}»]')],
  [
    'role.provider',
    'a role at a provider that the portal has not',
    `${rule('{ provider = «"b"» }')}\n[portals.other]\nproviders = ["b"]\n[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\n[providers.b]\nissuer = "https://b.example"\nclient_id = "b"\n${PUBLIC}\nportal = "home"\n[[routes]]\nhost = "b.example"\nupstream = "http://b"\nallow = "public"\nportal = "other"`,
  ],
  ['email.invalid', 'two @', rule('{ emails = [«"a@b.example@c.example"»] }')],
  ['email.invalid', 'letters that look like others', rule('{ emails = [«"аdmin@example.com"»] }')],
  ['email.invalid', 'a wildcard', rule('{ emails = ["«*»@example.com"] }')],
  ['domain.invalid', 'an @ in front', rule('{ domains = ["«@»example.com"] }')],
  ['domain.invalid', 'everyone, by a star', rule('{ domains = [«"*"»] }')],

  ['host.invalid', 'a scheme', onHost('"«https://»app.example.com"')],
  ['host.invalid', 'a port', onHost('"app.example.com«:8443»"')],
  ['host.invalid', 'a path', onHost('"app.example.com«/api»"')],
  ['host.invalid', 'a trailing dot', onHost('«"app.example.com."»')],
  ['host.invalid', 'an address in hexadecimal', onHost('«"0x7f.1"»')],
  ['host.invalid', 'an address of three parts', onHost('«"127.0.1"»')],
  ['host.invalid', 'a percent-escape', onHost('"«%»61pp.example"')],
  ['host.invalid', 'IPv6 without brackets', onHost('«"::1"»')],
  ['host.wildcard', 'everything', onHost('«"*"»')],
  ['host.wildcard', 'a star in the middle', onHost('«"app.*.example.com"»')],
  ['host.wildcard', 'half a label', onHost('«"app*.example.com"»')],
  [
    'host.portals',
    'one host under two portals',
    `[portals.a]\nproviders = ["id"]\n[portals.b]\nproviders = ["id"]\n[[routes]]\nhost = "app.example.com"\nupstream = "http://a"\nallow = "authenticated"\nportal = "a"\n[[routes]]\nhost = "APP.example.com"\npath = "/b"\nupstream = "http://b"\nallow = "authenticated"\nportal = «"b"»`,
  ],
  [
    'host.portals',
    "another portal on a portal's own host",
    `[portals.a]\nurl = "https://a.example"\nproviders = ["id"]\n[portals.b]\nproviders = ["id"]\n${PUBLIC}\nportal = "a"\n[[routes]]\nhost = "a.example"\nupstream = "http://b"\nallow = "authenticated"\nportal = «"b"»`,
  ],

  ['path.invalid', 'no slash in front', onPath('«"api"»')],
  ['path.invalid', 'a star', onPath('"/api/«*»"')],
  ['path.invalid', 'two slashes', onPath('"/a«//»b"')],
  ['path.invalid', 'a dot segment', onPath('"/a/«..»/b"')],
  ['path.invalid', 'a dot that Windows drops', onPath('"/a«.»/b"')],
  ['path.invalid', 'a stream of Windows', onPath('"/a:«:$»DATA"')],
  ['path.invalid', 'an escape', onPath('"/a«%»2fb"')],
  ['path.invalid', 'a parameter', onPath('"/a«;»b"')],
  ['path.invalid', 'a backslash', onPath("'/a«\\»b'")],
  ['path.invalid', 'a query', onPath('"/a«?»b=1"')],
  ['path.invalid', 'letters beyond ASCII, which arrive escaped', onPath('"/«ü»"')],
  ['path.reserved', "a path of Sallyport's own", onPath('«"/.Sallyport/x"»')],
  ['route.none', 'no route at all', 'routes = «[]»'],
  ['route.duplicate', 'a host twice', `${route('')}\n${onHost('«"APP.example.com"»')}`],
  ['route.duplicate', 'a path twice, once with a slash behind', `${onPath('"/a"')}\n${onPath('«"/a/"»')}`],
  [
    'route.duplicate',
    'a path alone twice',
    `${onPath('"/a"')}\n${route('path = "/a"\nexact = true')}\n${route('path = «"/a"»\nexact = true')}`,
  ],
  ['route.case', 'two spellings of a path', `${onPath('"/a"')}\n${onPath('«"/A"»')}`],
  ['allow.mixed', 'public beside a role', allowing('["user", «"public"»]')],
  ['allow.mixed', 'authenticated beside a role', allowing('[«"authenticated"», "user"]')],
  ['list.empty', 'nobody denied', denying('«[]»')],
  ['list.empty', 'no networks, which some programs take for everyone', ruled('{ networks = «[]» }')],
  ['list.empty', 'none of any', ruled('{ any = «[]» }')],
  ['list.repeated', 'a role twice beside a rule', allowing('["user", { groups = ["a"] }, «"user"»]')],
  ['key.unknown', 'a misspelt key of a rule', ruled('{ «network» = ["10.0.0.0/8"] }')],
  ['key.type', 'everyone, as roles say it', ruled('{ any = «true» }')],
  ['key.type', 'a list of lists of rules', allowing('[«[{ groups = ["a"] }]»]')],
  ['key.type', 'a number for hours', ruled('{ hours = «8» }')],
  ['key.twice', 'provider beside providers in a rule', ruled('{ providers = ["id"], «provider» = "id" }')],
  ['key.not_built', 'a role by a field', rule('{ any = true, «headers» = { User-Agent = "x" } }')],
  ['key.not_built', 'a role by an expression', rule('{ any = true, «path_regexp» = "^/x" }')],
  ['header.owned', 'a rule by a field of ours', ruled('{ roles = ["user"], headers = { «X-Forwarded-User» = "x" } }')],
  ['header.owned', 'a rule by a cookie', ruled('{ roles = ["user"], headers = { «Cookie» = "*" } }')],
  ['header.owned', 'a rule by a credential', ruled('{ roles = ["user"], headers = { «Authorization» = "*" } }')],
  ['header.owned', 'a rule by an address', ruled('{ roles = ["user"], headers = { «CF-Connecting-IP» = "*" } }')],
  [
    'header.owned',
    'a rule by what anybody may send',
    ruled('{ roles = ["user"], headers = { «CF-IPCountry» = "NZ" } }'),
  ],
  [
    'header.owned',
    'a rule in a rule by what another gate says of a user',
    ruled('{ roles = ["user"], not = { headers = { «HTTP_X_Webauth_Role» = "guest" } } }'),
  ],
  [
    'header.owned',
    'a rule by a field in which a route says who is there',
    `${ruled('{ roles = ["user"], headers = { «X_Who» = "ada" } }')}\nheaders = { X-Who = "sub" }`,
  ],
  [
    'header.owned',
    'a rule by another spelling of a trusted field',
    `${TRUSTING}trusted_fields = "CF-IPCountry"\n${ruled('{ roles = ["user"], headers = { «cf_ipcountry» = "NZ" } }')}`,
  ],
  ['header.name', 'a rule by what is no field', ruled('{ roles = ["user"], headers = { «"a b"» = "x" } }')],
  ['list.empty', 'a rule by no field', ruled('{ roles = ["user"], headers = «{}» }')],
  ['list.empty', 'a rule by no name of a query', ruled('{ roles = ["user"], query = «{}» }')],
  ['rule.written', 'a field that lets anybody in', ruled('{ anonymous = true, «headers» = { X-Key = "s" } }')],
  [
    'rule.written',
    'a query that lets anybody in, further in',
    ruled('{ anonymous = true, any = [{ networks = "10.0.0.0/8" }, { not = { «query» = { a = "*" } } }] }'),
  ],
  [
    'rule.front',
    'a rule by a field, where a proxy in front asks',
    `${asked('verify = "127.0.0.1:9080"')}\ndeny = [{ «headers» = { User-Agent = "*bot*" } }]`,
  ],
  ['expression.invalid', 'a look-ahead', ruled('{ path_regexp = "^/x«(?=»y)" }')],
  ['expression.invalid', 'a group that is not closed', ruled('{ path_regexp = ["«^/(x»"] }')],
  ['expression.invalid', 'a class that goes backwards', ruled('{ path_regexp = "^/[«z-a»]" }')],
  ['expression.invalid', 'an expression that is too large', ruled('{ path_regexp = «"(a{0,50}){0,20}"» }')],
  [
    'expression.many',
    'more expressions than a request should be held to',
    ruled(`{ roles = ["user"], path_regexp = [${Array.from({ length: 21 }, (_, n) => `"${n}"`).join(', ')}] }`).replace(
      'routes',
      '«routes»',
    ),
  ],
  ['ignore_case.unused', 'letter case without a path', ruled('{ roles = ["user"], «ignore_case» = true }')],
  ['network.invalid', 'bits beyond the prefix in a rule', ruled('{ networks = [«"192.168.1.1/16"»] }')],
  ['path.invalid', 'a pattern that begins with neither slash nor star', ruled('{ paths = [«"public/*"»] }')],
  ['path.invalid', 'an escape in a pattern of paths', ruled('{ paths = "/a«%»20b*" }')],
  ['path.invalid', 'a parameter in a pattern of paths', ruled('{ paths = "/a«;»x*" }')],
  ['path.invalid', 'dots in a pattern of paths', ruled('{ paths = "/a/«..»/b*" }')],
  ['path.invalid', 'two slashes in a pattern of paths', ruled('{ paths = "*«//»b" }')],
  ['method.invalid', 'CONNECT in a rule', ruled('{ methods = «"CONNECT"» }')],
  ['duration.range', 'less than anyone needs to sign in', ruled('{ max_age = «"30s"» }')],
  ['role.undefined', 'a misspelt role in a rule', ruled('{ roles = ["user", «"usr"»] }')],
  ['role.undefined', 'a misspelt role deep in a rule', ruled('{ any = [{ not = { roles = «"usr"» } }] }')],
  ['role.undefined', 'a misspelt role in deny', denying('[«"usr"»]')],
  ['provider.undefined', 'a misspelt provider in a rule of a route', ruled('{ provider = «"ids"» }')],
  ['allow.mixed', 'public beside a rule', allowing('[«"public"», { groups = ["a"] }]')],
  ['deny.everyone', 'everyone denied', denying('«"public"»')],
  ['deny.everyone', 'everyone denied who is known', denying('["user", «"authenticated"»]')],
  [
    'route.slash',
    'a path alone that is stricter than what its spelling with a slash comes to',
    `${allowing('["user"]')}\n${allowing('["ops"]', 'path = «"=/admin"»')}\n${portal('roles.user = { any = true }\nroles.ops = { groups = ["ops"] }')}`,
  ],
  [
    'deny.signed_out',
    'a group denied on a public route',
    allowing('"public"', 'deny = «[{ not = { groups = ["a"] } }]»'),
  ],
  [
    'portal.missing',
    'a rule for people without a portal',
    `${PUBLIC}\nportal = "home"\n[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nallow = «[{ networks = "10.0.0.0/8", anonymous = true }, { networks = "11.0.0.0/8" }]»`,
  ],
  [
    'portal.missing',
    'people denied without a portal',
    `${PUBLIC}\nportal = "home"\n[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nallow = { networks = "10.0.0.0/8", anonymous = true }\ndeny = «{ subjects = "a" }»`,
  ],
  ['rule.empty', 'a rule without a condition', allowing('["user", «{}»]')],
  ['rule.empty', 'an empty rule in a rule', ruled('{ groups = "a", not = «{}» }')],
  ['rule.empty', 'an empty rule in deny', denying('[«{}»]')],
  ['rule.empty', 'a rule that only says no', allowing('[«{ require_verified_email = false, anonymous = false }»]')],
  ['rule.empty', 'a rule of a time zone alone', allowing('[«{ timezone = "UTC" }»]')],
  [
    'rule.depth',
    'rules in rules in rules',
    ruled('{ not = { not = { not = { not = { not = «{ groups = "a" }» } } } } }'),
  ],
  [
    'rule.anonymous',
    'a group without a sign-in',
    ruled('{ networks = "10.0.0.0/8", «groups» = "a", anonymous = true }'),
  ],
  ['rule.anonymous', 'an age without a sign-in', ruled('{ any = [{ «max_age» = "1h" }], anonymous = true }')],
  ['rule.anonymous', 'everyone, in other words', ruled('{ anonymous = «true» }')],
  [
    'rule.anonymous',
    'anonymous inside of a rule',
    ruled('{ any = [{ networks = "10.0.0.0/8", «anonymous» = true }] }'),
  ],
  ['rule.anonymous', 'anonymous in deny', denying('{ networks = "10.0.0.0/8", «anonymous» = true }')],
  ['rule.method', 'a method that the route does not take', `${ruled('{ methods = «"POST"» }')}\nmethods = "GET"`],
  ['rule.dates', 'an end before the beginning', ruled('{ from = 2026-02-01, until = «2026-01-31» }')],
  [
    'rule.dates',
    'an end before the beginning, in two zones',
    ruled('{ from = 2026-02-01T00:00:00Z, until = «"2026-02-01T00:30:00+01:00"» }'),
  ],
  ['hours.invalid', 'a single hour', ruled('{ hours = «"08:00"» }')],
  ['hours.invalid', 'a clock of twelve hours', ruled('{ hours = [«"8am-6pm"»] }')],
  ['hours.invalid', 'a minute too many', ruled('{ hours = «"08:60-18:00"» }')],
  ['hours.invalid', 'an hour too many', ruled('{ hours = «"08:00-24:01"» }')],
  ['hours.invalid', 'a beginning at the end of the day', ruled('{ hours = «"24:00-06:00"» }')],
  ['hours.invalid', 'no time at all', ruled('{ hours = «"08:00-08:00"» }')],
  ['days.invalid', 'a full name', ruled('{ days = ["mon", «"tuesday"»] }')],
  ['days.invalid', 'three ends', ruled('{ days = «"mon-wed-fri"» }')],
  ['timezone.unknown', 'a misspelt zone', ruled('{ hours = "08:00-18:00", timezone = «"Europe/Berlinn"» }')],
  ['timezone.unused', 'a zone beside a role', ruled('{ roles = "user", «timezone» = "Europe/Berlin" }')],
  [
    'timezone.unused',
    'a zone beside a date that has one',
    ruled('{ until = 2026-01-01T00:00:00Z, «timezone» = "Europe/Berlin" }'),
  ],
  ['date.invalid', 'a day that does not exist', ruled('{ until = «"2026-02-30"» }')],
  ['date.invalid', 'such a day as TOML has dates', ruled('{ until = «2»026-02-30 }')],
  ['date.invalid', 'the same in a year that is no leap year', ruled('{ from = «2»100-02-29T10:00:00Z }')],
  [
    'date.invalid',
    'the same behind text that has such a day',
    ruled('[{ groups = ["2026-02-30"] }, # 2026-06-31\n{ until = «2»026-04-31 10:00 }]'),
  ],
  ['date.invalid', 'a date as people write it', ruled('{ until = «"31.12.2026"» }')],
  ['date.invalid', 'a time of day', ruled('{ from = «08:00:00» }')],
  ['reference.invalid', 'several levels in one text', ruled('{ acr = «"phr phrh"» }')],
  ['upstream.invalid', 'no scheme', to('«"app:3000"»')],
  ['upstream.invalid', 'a WebSocket scheme', to('"«ws»://app:3000"')],
  ['upstream.invalid', 'a query', to('"http://app/«?»a=1"')],
  ['upstream.invalid', 'a password', to('«"http://me:hunter2@app"»')],
  ['upstream.invalid', 'port 0', to('"http://app«:0»"')],
  ['upstream.invalid', 'a dot segment', to('"http://app/a/«..»"')],
  ['upstream.invalid', 'a relative socket', to('«"unix:app.sock"»')],
  ['portal.colour', 'a colour by its name', lasting('colour = «"green"»')],
  ['portal.colour', 'one too light for light pages', lasting('colour = «"#86d2c2"»')],
  ['portal.colour', 'one too dark for dark pages', lasting('colour = "#1d6358"\ncolour_dark = «"#1d6358"»')],
  ['portal.colour', 'a dark one alone', lasting('«colour_dark» = "#86d2c2"')],
  ['portal.contact', 'a contact of nothing', lasting('contact = «" "»')],
  ['portal.contact', 'one that a browser would run', lasting('contact = «"javascript:alert(1)"»')],
  ['portal.contact', 'one longer than a line', lasting(`contact = «"${'x'.repeat(201)}"»`)],
  ['timezone.unknown', 'a zone that is none, for the pages', lasting('timezone = «"Europe/Berlim"»')],
  ...PICTURE_CASES,
  ...FILES_CASES,
  ...EDIT_CASES,
  ...GUEST_CASES,
  ...REQUEST_CASES,
  ...MEMBER_CASES,
  ...IDENTITY_CASES,
  ...ISSUER_CASES,
  ...LIMIT_CASES,
  ...PASSWORD_CASES,
  ...TLS_CASES,
  ...UPSTREAM_CASES,
  ...WAY_CASES,
  ...CLIENT_AUTH_CASES,
  ...REWRITE_CASES,
  ...ROUTE_LIST_CASES,
  ['method.invalid', 'TRACE', route('methods = ["GET", «"TRACE"»]')],
  ['method.invalid', 'not a token', route('methods = «"GET, POST"»')],
  ['one_label.host', 'one label of a whole name', route('one_label = «true»')],
  ['cookie_path.unused', 'a path of cookies without a prefix', route('cookie_path = «"prefix"»')],
  ['origin.host', 'the public Host beside the own Origin', route('origin = «"upstream"»')],
  ['strip_prefix.mismatch', 'half a segment', route('path = "/apix"\nstrip_prefix = «"/api"»')],
  ['strip_prefix.mismatch', 'longer than the path', route('path = "/a"\nstrip_prefix = «"/a/b"»')],
  ['origin.invalid', 'an origin with a path', route('allowed_origins = ["https://a.example«/»"]')],
  ['header.name', 'a space in a name', route('headers = { «"X User"» = "sub" }')],
  ['header.owned', 'the Cookie field', route('headers = { «Cookie» = "sub" }')],
  ['header.owned', 'another spelling of X-Forwarded-For', route('headers = { «X_Forwarded_For» = "sub" }')],
  ['header.repeated', 'two spellings that a backend folds', route('headers = { X-User = "sub", «x_user» = "email" }')],
  ['header.template', 'an unknown placeholder', route('headers = { X-User = "a «{mail}»" }')],
  ['header.template', 'a claim without its prefix', route('headers = { X-User = «"department"» }')],
  ['header.template', 'a brace alone', route('headers = { X-User = "«{»email" }')],
  ['text.control', 'a line break in a header', route('headers = { X-User = «"{email}\\r\\nX-Admin: 1"» }')],
]

const withCertificates = needs('openssl')
const CERTIFIED: ReadonlySet<Case> = new Set<Case>([...TLS_CASES, ...UPSTREAM_CASES])

for (const one of CASES) {
  const [code, title, fragment, world] = one
  const { test } = CERTIFIED.has(one) ? withCertificates : runner
  test(`${code}: ${title}`, () => expectOne(code, fragment, world))
}

test('file.unreadable: a file that is not there is one diagnostic', () => {
  const readText = () => {
    throw Object.assign(new Error('gone'), { code: 'ENOENT' })
  }
  const result = loadConfig('/nowhere/routes.toml', { readText, readBytes: readText, env: () => undefined })
  expect(result.ok ? [] : result.diagnostics.map(({ code, line }) => [code, line])).toEqual([['file.unreadable', 1]])
})

test('every code has a case', () => {
  const tested = new Set<string>([...CASES.map(([code]) => code), 'file.unreadable', 'include.table', 'expect.broken'])
  expect(DIAGNOSTIC_CODES.filter(code => !tested.has(code))).toEqual([])
})

test('an empty file is refused, so that a save that is only half done is not taken', () => {
  const result = checkConfig('', {
    file: 'routes.toml',
    env: () => undefined,
    readText: () => '',
    readBytes: () => new Uint8Array(),
  })
  expect(result.ok ? [] : result.diagnostics.map(({ code }) => code)).toEqual(['route.none'])
})

test('bind_sessions is refused where a proxy in front may know the old addresses alone, on hosts that bind by themselves', () => {
  const codesOf = (lines: string, leads: string) => {
    const named = portal(`bind_sessions = true\n${lines}\n[portals.home.roles]\nuser = { any = true }`)
    const result = check(complete(`${asked('verify = "127.0.0.1:9080"').replace('verify = true', leads)}\n${named}`))
    return (result.ok ? [] : result.diagnostics).map(({ code }) => code)
  }
  expect(codesOf('compat = "oauth2-proxy"', 'verify = true')).toEqual(['portal.bind_sessions'])
  for (const [portal, route] of [
    ['', 'verify = true'],
    ['compat = "oauth2-proxy"\nurl = "https://auth.example.com"', 'verify = true'],
    ['compat = "oauth2-proxy"', 'upstream = "http://127.0.0.1:3000"'],
  ] as const) {
    expect([portal, route, codesOf(portal, route)]).toEqual([portal, route, []])
  }
})

test('bind_sessions is refused where cookies go over plain HTTP, and where nobody signs in', () => {
  const people = {
    '/etc/sallyport/people.htpasswd': 'ada:$2y$12$abcdefghijklmnopqrstuuVYVvCVmZNqhpgWzXvWoK2gXkzC4kCqS',
  }
  for (const [lines, world] of [
    ['providers = ["id"]\ninsecure_cookies = true', {}],
    ['htpasswd = "people.htpasswd"', { files: people }],
  ] as const) {
    const text = `[portals.home]\n${lines}\nbind_sessions = true\nroles.user = { any = true }`
    const result = check(complete(text), world)
    const codes = (result.ok ? [] : result.diagnostics).map(found => found.code)
    expect([lines, codes.includes('portal.bind_sessions')]).toEqual([lines, true])
  }
})

test.each([
  ['a proxy in front that is trusted', 'trusted_proxies = "10.0.0.2"\n', 'http://auth.localhost'],
  ['a proxy in front that asks', 'trusted_proxies = "10.0.0.2"\nverify = "127.0.0.1:9080"\n', 'http://auth.localhost'],
  ['a proxy in front with HTTPS, where there is no [tls]', '', 'https://auth.localhost'],
  ['a socket, which only a proxy opens', 'listen = "unix:/run/sallyport.sock"\n', 'http://auth.localhost'],
  [
    'a container, by public_port',
    '[tls]\nlisten = "0.0.0.0:8443"\nacme = {}\npublic_port = 443\n',
    'https://auth.localhost',
  ],
  ['any free port', 'listen = "127.0.0.1:0"\n', 'http://auth.localhost:81'],
  ['one of several listeners', 'listen = ["127.0.0.1:80", "127.0.0.1:81"]\n', 'http://auth.localhost:81'],
])('the port of a portal is right behind %s', (_, server, url) => {
  const result = check(complete(`[server]\n${server}${at(JSON.stringify(url))}\n${onHost('"app.localhost"')}`))
  const found = result.ok ? result.warnings : result.diagnostics
  expect(found.filter(({ code }) => code === 'portal.port')).toEqual([])
})

test.each([
  [
    'at the port of the file',
    'listen = "127.0.0.1:8081"',
    ['app.localhost', 'wiki.localhost'],
    'http://auth.localhost:8081',
  ],
  ['at the usual port', 'listen = "0.0.0.0:80"', ['app.localhost', 'wiki.localhost'], 'http://auth.localhost'],
  ['beside names of one domain', '', ['app.example.com', 'wiki.example.com'], 'https://auth.example.com'],
  ['below one of the names', '', ['example.com', 'wiki.example.com'], 'https://auth.example.com'],
  ['below a wildcard', '', ['*.example.org'], 'https://auth.example.org'],
  [
    'under another name, where an application has that one',
    '',
    ['auth.home.arpa', 'app.home.arpa'],
    'https://sign-in.home.arpa',
  ],
  ['with no domain in common', '', ['app.example.com', 'app.example.org'], 'https://auth.example.com'],
])('a portal on several hosts gets the line of a url to type: %s', (_, server, hosts, url) => {
  const routes = hosts.map(host => onHost(`"${host}"`)).join('\n')
  const result = check(
    complete(
      `[server]\n${server}\n${rule('{ any = true }').replace('[portals.home.roles]', 'admin_role = "user"\n[portals.home.roles]')}\n${routes}`,
    ),
  )
  const found = result.ok ? result.warnings : result.diagnostics
  expect(found.find(({ code }) => code === 'portal.several_hosts')?.hint).toContain(
    `write url = "${url}" in [portals.home]`,
  )
})
