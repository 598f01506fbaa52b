import type { DiagnosticCode } from '../../../src/config/text/diagnostic.ts'

type Case = readonly [code: DiagnosticCode, title: string, fragment: string]

const portal = (lines: string) =>
  `[portals.home]\nurl = "https://auth.example.com"\nproviders = ["id"]\n${lines}\n[portals.home.roles]\nuser = { any = true }\n`
const ADMINS = portal('admin_role = "user"\nrequests = true')
const route = (allow: string) =>
  `[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nportal = "home"\nallow = ${allow}\n`

/** Mistakes about asking for access, with «…» around what the caret has to underline. */
export const REQUEST_CASES: readonly Case[] = [
  ['portal.requests', 'requests that no admin sees', portal('«requests» = true') + route('["user"]')],
  ['portal.requests', 'roles that no route needs', ADMINS.replace('requests', '«requests»') + route('"authenticated"')],
  [
    'role.undefined',
    'a role to ask for that is none',
    portal('admin_role = "user"\nrequests = { roles = [«"users"»] }') + route('["user"]'),
  ],
  [
    'webhook.invalid',
    'a webhook that anybody on the way reads',
    portal('admin_role = "user"\nrequests = { webhook = «"http://hooks.example.com/x"» }') + route('["user"]'),
  ],
  [
    'webhook.invalid',
    'a webhook with a password',
    portal('admin_role = "user"\nrequests = { webhook = «"https://me:pw@hooks.example.com/x"» }') + route('["user"]'),
  ],
]

const members = (list: string, more = '') => portal(`members = ${list}\n${more}`) + route('["user"]')
const WORLD = '[providers.google]\nissuer = "https://accounts.google.com"\nclient_id = "gate"\n'
const open = (roles: string, allow: string) =>
  `${WORLD}[«portals.home»]\nurl = "https://auth.example.com"\nproviders = ["google"]\nroles.user = ${roles}\n${route(allow)}`

/** Mistakes about who may have a session. */
export const MEMBER_CASES: readonly Case[] = [
  ['members.public', 'members who need not sign in', members('«"public"»')],
  ['key.type', 'members by yes or no', members('«true»')],
  ['list.empty', 'no members at all', members('«[]»')],
  ['allow.mixed', 'everybody beside a role', members('[«"authenticated"», "user"]')],
  ['role.undefined', 'members by a role that is none', members('[«"usr"»]')],
  ['role.undefined', 'the same in a rule', members('[{ roles = [«"usr"»] }]')],
  ['rule.empty', 'members by nothing', members('[«{}»]')],
  ['provider.undefined', 'members of a provider that is none', members('[{ provider = «"idd"» }]')],
  ['members.request', 'members by a network', members('[{ groups = ["a"], «networks» = ["10.0.0.0/8"] }]')],
  ['members.request', 'members by a method', members('[{ groups = ["a"], «methods» = ["GET"] }]')],
  ['members.request', 'members by a path', members('[{ groups = ["a"], «paths» = ["/x"] }]')],
  ['members.request', 'members by an expression', members('[{ groups = ["a"], «path_regexp» = ["x"] }]')],
  ['members.request', 'members by a field', members('[{ groups = ["a"], «headers» = { X-App = "a" } }]')],
  ['members.request', 'members by a query', members('[{ groups = ["a"], «query» = { a = "b" } }]')],
  ['members.request', 'members by the hour', members('[{ groups = ["a"], «hours» = "08:00-18:00" }]')],
  ['members.request', 'members until a day', members('[{ groups = ["a"], «until» = "2030-01-01" }]')],
  ['members.request', 'members by the age of their sign-in', members('[{ groups = ["a"], «max_age» = "1h" }]')],
  ['members.request', 'members by how they signed in', members('[{ groups = ["a"], any = [{ «acr» = ["x"] }] }]')],
  [
    'members.request',
    'members by a network, under not',
    members('[{ groups = ["a"], not = { «networks» = ["10.0.0.0/8"] } }]'),
  ],
  ['members.request', 'members who need not sign in, as a rule', members('[{ «anonymous» = true }]')],
  ['members.request', 'guests as members', members('[{ «guest_link» = true }]')],
  [
    'rule.anonymous',
    'the same in a part of a rule',
    members('[{ groups = ["a"], any = [{ «anonymous» = true, groups = ["b"] }] }]'),
  ],
  [
    'portal.requests',
    'roles to ask for by which alone anybody has a session',
    portal('admin_role = "user"\n«members» = ["guest"]\nrequests = true') +
      'guest = { groups = ["guests"] }\n' +
      route('["guest"]'),
  ],
  ['portal.members', 'everybody in the world, by a role', open('{ any = true }', '["user"]')],
  ['portal.members', 'everybody in the world who signs in', open('{ groups = ["a"] }', '"authenticated"')],
  [
    'portal.members',
    'everybody at GitHub',
    open('{ any = true }', '["user"]').replace(
      WORLD,
      '[providers.google]\npreset = "github"\nclient_id = "a"\nclient_secret = "s"\n',
    ),
  ],
]
