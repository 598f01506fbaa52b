import type { DiagnosticCode } from '../../../src/config/text/diagnostic.ts'

type Case = readonly [code: DiagnosticCode, title: string, fragment: string]

const portal = (lines: string) =>
  `[portals.home]\nurl = "https://auth.example.com"\nproviders = ["id"]\n${lines}\n[portals.home.roles]\nuser = { any = true }\n`
const LINKS = portal('guest_links = { allow = ["user"] }')
const route = (allow: string, more = '') =>
  `[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nportal = "home"\nallow = ${allow}\n${more}`
const OPEN = route('["user", { guest_link = true }]')

/** Mistakes about guest links, with «…» around what the caret has to underline. */
export const GUEST_CASES: readonly Case[] = [
  [
    'rule.guest_link',
    'a rule for guests of a portal without links',
    portal('') + route('["user", { «guest_link» = true }]'),
  ],
  [
    'rule.guest_link',
    'a guest who has to be someone',
    LINKS + route('["user", { guest_link = true, «roles» = ["user"] }]'),
  ],
  [
    'rule.guest_link',
    'a guest who has to be fresh',
    LINKS + route('[{ guest_link = true }, { guest_link = true, all = [{ «max_age» = "5m" }] }]'),
  ],
  [
    'rule.guest_link',
    'a guest who needs no link',
    LINKS +
      route('["user", { networks = "10.0.0.0/8", anonymous = true, «guest_link» = true }]') +
      `\n${OPEN.replace('app.', 'b.')}`,
  ],
  [
    'rule.guest_link',
    'guests inside of a rule',
    `${LINKS}${OPEN}\n${route('[{ any = [{ networks = "10.0.0.0/8", «guest_link» = true }] }]').replace('app.', 'b.')}`,
  ],
  [
    'rule.guest_link',
    'guests in deny',
    LINKS + route('["user", { guest_link = true }]', 'deny = { networks = "10.0.0.0/8", «guest_link» = true }'),
  ],
  [
    'rule.empty',
    'a rule that is not for guests, and nothing else',
    `${LINKS}${OPEN}\n${route('[«{ guest_link = false }»]').replace('app.', 'b.')}`,
  ],
  ['role.undefined', 'links made by nobody there is', portal('guest_links = { allow = [«"users"»] }') + OPEN],
  ['list.empty', 'links made by nobody', portal('guest_links = { allow = «[]» }') + OPEN],
  ['key.missing', 'links without makers', portal('«guest_links» = { max_uses = 3 }') + OPEN],
  ['duration.range', 'links for ever', portal('guest_links = { allow = "user", max_lifetime = «"400d"» }') + OPEN],
  ['number.range', 'links without end', portal('guest_links = { allow = "user", max_uses = «0» }') + OPEN],
  ['portal.guest_links', 'links that no route takes', portal('«guest_links» = { allow = "user" }') + route('["user"]')],
]
