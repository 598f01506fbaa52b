/** `claims` of a provider: in which claims it states names, groups and addresses. */

import { boolean, choice, list, text } from '../values/value.ts'
import { domain } from './rules.ts'
import { defaulted, FREE, type Keys, optional, table } from './table.ts'

/** `claims` of a provider. */
export const CLAIM_NAMES = {
  sub: optional(
    text(),
    'id',
    '`id` where there is a `user_endpoint`',
    'For a provider by OAuth 2.0: the member of its answer that identifies a user for good, a text or a whole number. With OpenID Connect this is always `sub`.',
  ),
  email: optional(
    text(),
    'upn',
    '`email`',
    'The claim with the e-mail address. `email_verified` says nothing of another than `email`.',
  ),
  email_verified: optional(
    text(),
    'xms_edov',
    '`email_verified`, where `email` is `email`',
    'The claim that says of that address, by `true` alone, that the provider has verified it.',
  ),
  groups: optional(
    text(),
    'realm_access.roles',
    '`groups`',
    'The claim with the list of groups. `realm_access.roles` is the claim `roles` in the claim `realm_access`; a claim with dots in its name comes first.',
  ),
  name: optional(text(), 'display_name', '`name`', 'The claim with the name to show.'),
  preferred_username: optional(text(), 'login', '`preferred_username`', 'The claim with the user name.'),
} as const satisfies Keys

/** Keys of a provider for reading its claims. */
export const READING = {
  claims: optional(
    table(CLAIM_NAMES, { title: '[providers.NAME.claims]' }),
    { groups: 'realm_access.roles' },
    'as OpenID Connect calls them',
    'Where the provider has what rules and applications know by other names; its keys are below.',
    { ...FREE, field: null },
  ),
  groups_separator: optional(
    text(),
    ',',
    'groups are a list',
    'The separator, if the groups are one text. Spaces around each group do not count.',
    { ...FREE, field: null },
  ),
  groups_keys: defaulted(
    boolean,
    false,
    true,
    "The groups are the names in a table, whatever each holds: Zitadel's `urn:zitadel:iam:org:project:roles` is one.",
    { ...FREE, field: null },
  ),
  email_domains: optional(
    list(domain, { single: true }),
    ['partner.example'],
    'any',
    'The only domains whose e-mail addresses count; subdomains do not. Any other address is unknown: no rule matches it, and no application gets it.',
  ),
  prefix: optional(
    text(),
    'partner-',
    'none',
    'What is put before its user names and groups, for rules and applications, and before the subjects and roles of its own that applications are told: its `boss` is `partner-boss`, and nobody else: of another provider of the portal, such a name does not count, unless you write it yourself (a file of users, `groups` of `scim`). Rules by `subjects` stay as they are. It counts from the next sign-in or refresh.',
    { build: prefix => prefix ?? '' },
  ),
  claims_from: defaulted(
    choice(['both', 'id_token', 'userinfo']),
    'both',
    'id_token',
    'Where claims come from: ID token and userinfo together, the ID token only (userinfo is then not asked), or userinfo only. The user’s `sub`, and how they signed in, always come from the ID token.',
    FREE,
  ),
} as const satisfies Keys
