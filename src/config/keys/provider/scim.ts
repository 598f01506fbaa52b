import { text } from '../../values/value.ts'
import { secret } from '../secret.ts'
import { type Keys, named, optional, required } from '../table.ts'

/** What a group may be called at a provider: any text of some length. */
const GROUP_NAME = { form: /^[^\p{Cc}]{1,200}$/u, hint: 'as the provider shows it' }

/** `scim` of a provider. */
export const SCIM = {
  token: required(
    secret,
    '${SCIM_TOKEN}',
    'The bearer token that the provider sends, of 20 characters or more, from the environment or a file.',
  ),
  groups: optional(
    named(text(), 'group', () => {}, GROUP_NAME),
    { 'Family and friends': 'family' },
    'groups are what the provider says at sign-in',
    'Whoever was pushed is in the pushed groups alone, at once and wherever they are signed in: what a group is called at the provider, and what rules call it. Groups that are not named here count for nothing.',
  ),
} as const satisfies Keys
