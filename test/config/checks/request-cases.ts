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
