import type { DiagnosticCode } from '../../../src/config/text/diagnostic.ts'
import type { World } from '../checks.ts'

type Case = readonly [code: DiagnosticCode, title: string, fragment: string, world?: World]

const BCRYPT = '$2y$05$943bW.8ypxR06UthhB49iujMsGOis0z02KZGxZDx7c7w2a6DxBfpG'
const APR1 = '$apr1$kGV7KaZJ$L.00XyEv1jmg6rt57bNIR/'
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'

const holding = (text: string): World => ({ files: { '/etc/sallyport/people': text } })
const portal = (more = '') => `[portals.home]\nproviders = ["id"]\n${more}\nroles.user = { any = true }`
const route = (more: string) =>
  `[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nportal = "home"\nallow = ["user"]\n${more}`
/** A portal with the file «people», marked, and a route that takes its passwords. */
const FILE = `${portal('htpasswd = «"people"»')}\n${route('passwords = true')}`
const faulty = (title: string, text: string): Case => ['portal.htpasswd', title, FILE, holding(text)]

/** A provider that is a file, marked. */
const USERS = `[providers.users]\nusers = «"people"»\n[portals.home]\nproviders = ["users"]\nroles.user = { any = true }\n${route('')}`

/** The same with a file of second factors, marked. */
const SECOND = USERS.replace('«"people"»', '"people"\ntotp = «"factors"»')
const factors = (text: string | Uint8Array): World => ({
  files: { '/etc/sallyport/people': `ada:${BCRYPT}`, '/etc/sallyport/factors': text },
})

/** The table of a user in a users.toml; `more` are further lines of it. */
const table = (more = '', name = 'ada', id = `id-of-${name}`) =>
  `[[users]]\nid = "${id}"\nname = "${name}"\nhash = "${BCRYPT}"\n${more}\n`
const TABLES = FILE.replace('"people"', '"people.toml"')
const holdingTables = (text: string): World => ({ files: { '/etc/sallyport/people.toml': text } })
const untabled = (title: string, text: string): Case => [
  'portal.htpasswd',
  `a users.toml with ${title}`,
  TABLES,
  holdingTables(text),
]

/** What users of a file have in their tables, and what a role and a rule ask for; `beside` is another provider. */
const asking = (rule: string, beside = false, key = 'roles.admin') =>
  `[providers.people]
users = "people.toml"
groups = ["family"]
${beside ? '[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\n' : ''}[portals.home]
providers = ["people"${beside ? ', "id"' : ''}]
roles.user = { any = true }
${key} = ${rule}
${route('')}`
const STATED = holdingTables(table('groups = ["admins"]\nemail = "ada@example.com"'))
const UNSTATED: readonly Case[] = [
  ['rule.unstated', 'a group that nobody of the file is in', asking('{ groups = ["admins", «"Admins"»] }'), STATED],
  [
    'rule.unstated',
    'a group of the file in a rule that is for another',
    asking('{ groups = [«"admins"»] }', true).replace('groups = ["family"]\n', ''),
    STATED,
  ],
  ['rule.unstated', 'a user who is not in the file', asking('{ users = ["ada", «"bob"»] }', true), STATED],
  ['rule.unstated', 'a name in place of a subject', asking('{ subjects = [«"ada"»] }'), STATED],
  [
    'rule.unstated',
    'a subject of nobody in the file',
    asking('{ subjects = ["htpasswd:ada", «"htpasswd:bob"»] }'),
    STATED,
  ],
  [
    'rule.unstated',
    'an address that nobody has',
    asking('{ emails = ["ADA@example.com", «"bob@example.com"»] }'),
    STATED,
  ],
  ['rule.unstated', 'a domain that nobody has', asking('{ domains = ["example.com", «"example.org"»] }'), STATED],
  [
    'rule.unstated',
    'a group in a rule that names the file',
    asking('{ groups = [«"boss"»], provider = "people" }', true),
    STATED,
  ],
  [
    'rule.unstated',
    'a group in a part of a rule, around which another names the file',
    asking('[{ provider = "people", any = [{ groups = [«"boss"»] }, { groups = ["admins"] }] }]', true, 'members'),
    STATED,
  ],
  ['rule.unstated', 'in deny', `${asking('{ users = ["ada"] }')}\ndeny = [{ users = [«"bob"»] }]`, STATED],
  [
    'rule.unstated',
    'a subject of a file at a portal without one',
    `${portal().replace('{ any = true }', '{ subjects = [«"htpasswd:ada"»] }')}`,
  ],
  [
    'rule.subjects',
    'a person of the file among those of a provider',
    asking('{ «subjects» = ["htpasswd:ada", "b"] }', true),
    STATED,
  ],
  ['rule.users', 'users at a portal without a file', `${portal().replace('{ any = true }', '{ «users» = ["ada"] }')}`],
]

/** Every mistake in files of passwords, and in who takes them. */
export const PASSWORD_CASES: readonly Case[] = [
  ['portal.htpasswd', 'a file that is not there', FILE],
  faulty('nobody in it', '# nobody yet\n\n'),
  faulty('a password in clear text', `ada:${BCRYPT}\nbob:hunter2`),
  faulty('a line without a name', BCRYPT),
  faulty('an empty name', `:${BCRYPT}`),
  faulty('no hash', 'ada:'),
  faulty('SHA-1', 'ada:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ='),
  faulty('the old crypt', 'ada:b/NmQ9lipqsg6'),
  faulty('the SHA of crypt', 'ada:$5$GsHH4YuQ8K8FjrW/$WO1.6EaL0eyXyDWZ09MevPIKpPGfO2S1pZamlKe0hd/'),
  faulty('a hash that is cut short', `ada:${BCRYPT.slice(0, -1)}`),
  faulty('more fields than two', `ada:${BCRYPT}:more`),
  faulty('a hash that would keep a core busy', `ada:${BCRYPT.replace('$05$', '$17$')}`),
  faulty('a hash that would take all memory', 'ada:$argon2id$v=19$m=9999999,t=1,p=1$YWJjZGVmZ2g$YWJjZGVmZ2g'),
  faulty('a name twice', `ada:${BCRYPT}\r\nada:${APR1}`),
  untabled('nobody in it', '# nobody yet'),
  untabled('lines of names and hashes', `ada:${BCRYPT}`),
  untabled('a user without id', table().replace(/id = .*\n/, '')),
  untabled('a user without name', table().replace(/name = .*\n/, '')),
  untabled('a user without hash', table().replace(/hash = .*\n/, '')),
  untabled('a short id', table('', 'ada', 'ada')),
  untabled('an id twice', table() + table('', 'bob', 'id-of-ada')),
  untabled('a name twice', table() + table('', 'ada', 'id-of-bob')),
  untabled('a name with a colon', table('', 'a:da', 'id-of-ada')),
  untabled('a misspelt key', table(`topt = "${SECRET}"`)),
  untabled('a key beside the users', `user = 1\n${table()}`),
  untabled('a table in place of a list', table().replace('[[users]]', '[users]')),
  untabled('users that are no tables', 'users = ["ada"]'),
  untabled('a password in clear text', table().replace(BCRYPT, 'hunter2')),
  untabled('a hash that is no text', table().replace(`"${BCRYPT}"`, '7')),
  untabled('a secret of 80 bits', table('totp = "JBSWY3DPEHPK3PXP"')),
  untabled('groups that are one text', table('groups = "family"')),
  untabled('a group that is no text', table('groups = ["family", 7]')),
  untabled('an address that is none', table('email = "ada"')),
  untabled('an empty display name', table('display_name = " "')),
  untabled('a date that is text', table('created = "2026-11-29"')),
  untabled('an epoch below 0', table('token_epoch = -1')),
  untabled('an epoch that is no number', table('token_epoch = "1"')),
  ['portal.htpasswd_weak', 'an old kind of hash in a users.toml', TABLES, holdingTables(table().replace(BCRYPT, APR1))],
  [
    'provider.totp',
    'second factors beside a users.toml',
    USERS.replace('«"people"»', '"people.toml"\n«totp» = "factors"'),
    { files: { '/etc/sallyport/people.toml': table(), '/etc/sallyport/factors': `ada:${SECRET}` } },
  ],
  ['portal.htpasswd_weak', 'an old kind of hash', FILE, holding(`ada:${APR1}\n`)],
  [
    'rule.step_up',
    'a level of sign-in that no file of users has',
    `[providers.users]\nusers = "people"\n[portals.home]\nproviders = ["users"]\nroles.user = { any = true }\n[[routes]]\nhost = "app.example"\nupstream = "http://app"\nportal = "home"\nallow = [{ not = { «acr» = ["gold"] } }]`,
    holding(`ada:${BCRYPT}`),
  ],
  [
    'passwords.unused',
    'a file that no route takes',
    `${portal('«htpasswd» = "people"')}\n${route('')}`,
    holding(`ada:${BCRYPT}`),
  ],
  ['portal.htpasswd', 'users that are not there', USERS],
  ['portal.htpasswd', 'users with a password in clear text', USERS, holding('ada:hunter2')],
  ['provider.totp', 'second factors that are not there', SECOND, holding(`ada:${BCRYPT}`)],
  ...(
    [
      ['a secret of 80 bits', 'ada:JBSWY3DPEHPK3PXP'],
      ['a secret that is no Base32', 'ada:GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1'],
      ['a line without a name', SECRET],
      ['a name twice', `ada:${SECRET}\nada:${SECRET}`],
      ['a name behind a byte order mark twice', `\uFEFFada:${SECRET}\nada:${SECRET}`],
      ['a name that is not UTF-8', Buffer.from(`J\xf6rg:${SECRET}`, 'latin1')],
      ['a misspelt name', `adda:${SECRET}`],
      ['a name with a blank behind it', `ada :${SECRET}`],
    ] as const
  ).map(([title, text]): Case => ['provider.totp', `second factors: ${title}`, SECOND, factors(text)]),
  [
    'provider.users_twice',
    'two providers with one file, whose users set a password at one of them',
    `[providers.users]\nusers = "people"\n[providers.other]\nusers = «"./people"»\n[portals.home]\nproviders = ["users"]\nroles.user = { any = true }\n[portals.away]\nproviders = ["other"]\nroles.user = { any = true }\n${route('')}\n${route('').replace('app.example', 'away.example').replace('"home"', '"away"')}`,
    holding(`ada:${BCRYPT}`),
  ],
  [
    'provider.totp_beside',
    'a provider of the same people without their second factors',
    `[providers.users]\nusers = "people"\ntotp = "factors"\n[providers.open]\nusers = «"./people"»\n[portals.home]\nproviders = ["users"]\nroles.user = { any = true }\n[portals.away]\nproviders = ["open"]\nroles.user = { any = true }\n${route('')}\n${route('').replace('app.example', 'away.example').replace('"home"', '"away"')}`,
    factors(`ada:${SECRET}`),
  ],
  [
    'provider.totp_beside',
    'passwords of the same people at a portal that asks for no second factor',
    `[providers.users]\nusers = "people"\ntotp = "factors"\n[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\n[portals.home]\nproviders = ["users"]\nroles.user = { any = true }\n[portals.away]\nproviders = ["id"]\nhtpasswd = «"people"»\nroles.user = { any = true }\n${route('')}\n${route('passwords = true').replace('app.example', 'away.example').replace('"home"', '"away"')}`,
    factors(`ada:${SECRET}`),
  ],
  [
    'provider.passwords',
    'passkeys alone at a portal without a url',
    `[providers.users]\nusers = "people"\n«passwords» = false\n[portals.home]\nproviders = ["users"]\nroles.user = { any = true }\n${route('')}`,
    holding(`ada:${BCRYPT}`),
  ],
  [
    'provider.passwords',
    'passkeys alone at an address of numbers',
    `[providers.users]\nusers = "people"\n«passwords» = false\n[portals.home]\nurl = "https://192.0.2.1"\nproviders = ["users"]\nroles.user = { any = true }\n${route('')}`,
    holding(`ada:${BCRYPT}`),
  ],
  [
    'provider.passwords',
    'HTTP Basic beside a provider that takes no passwords',
    `[providers.users]\nusers = "people"\npasswords = false\n[portals.home]\nurl = "https://auth.example.com"\nproviders = ["users"]\nhtpasswd = «"people"»\nroles.user = { any = true }\n${route('passwords = true')}`,
    holding(`ada:${BCRYPT}`),
  ],
  [
    'provider.passwords',
    'another portal that takes passwords of the same file',
    `[providers.users]\nusers = "people"\npasswords = false\n[providers.open]\nusers = «"./people"»\n[portals.home]\nurl = "https://auth.example.com"\nproviders = ["users"]\nroles.user = { any = true }\n[portals.away]\nproviders = ["open"]\nroles.user = { any = true }\n${route('')}\n${route('').replace('app.example', 'away.example').replace('"home"', '"away"')}`,
    holding(`ada:${BCRYPT}`),
  ],
  [
    'provider.kind',
    'passwords of an OpenID provider',
    '[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\n«passwords» = false',
  ],
  [
    'provider.kind',
    'second factors of an OpenID provider',
    '[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\n«totp» = "factors"',
  ],
  [
    'provider.kind',
    'users of an OpenID provider',
    `[providers.users]\nusers = "people"\n«issuer» = "https://id.example.com"\n[portals.home]\nproviders = ["users"]\nroles.user = { any = true }\n${route('')}`,
    holding(`ada:${BCRYPT}`),
  ],
  [
    'provider.kind',
    'groups of an OpenID provider',
    '[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\n«groups» = ["family"]',
  ],
  [
    'provider.users',
    'people of two files in one portal',
    `[providers.users]\nusers = "people"\n[portals.home]\nproviders = «["users"]»\nhtpasswd = "others"\nroles.user = { any = true }\n${route('passwords = true')}`,
    { files: { '/etc/sallyport/people': `ada:${BCRYPT}`, '/etc/sallyport/others': `ada:${BCRYPT}` } },
  ],
  ...UNSTATED,
  ['passwords.none', 'passwords without a file', `${portal()}\n${route('«passwords» = true')}`],
  [
    'passwords.needed',
    'a route that nobody can sign in for',
    `[portals.home]\nhtpasswd = "people"\nroles.user = { any = true }\n${route('passwords = true')}\n${route('path = "/x"').replace('["user"]', '«["user"]»')}\n[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\n[portals.other]\nproviders = ["id"]\n${route('').replace('app.example', 'other.example').replace('"home"', '"other"').replace('["user"]', '"authenticated"')}`,
    holding(`ada:${BCRYPT}`),
  ],
  [
    'portal.missing',
    'passwords without a portal',
    `[[routes]]\nhost = "a.example"\nupstream = "http://a"\nallow = "public"\npasswords = «true»\n${route('')}`,
  ],
  [
    'role.provider',
    'a role for passwords that the portal has not',
    `${portal().replace('{ any = true }', '{ provider = «"htpasswd"» }')}`,
  ],
  [
    'provider.reserved',
    'a provider with the name of the file',
    '[«providers.htpasswd»]\nissuer = "https://id.example.com"\nclient_id = "gate"\n[portals.home]\nproviders = ["htpasswd"]\nroles.user = { any = true }',
  ],
]
