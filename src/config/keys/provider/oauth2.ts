import { parseMetadataUrl } from '../../values/address.ts'
import { choice, parsed } from '../../values/value.ts'
import { type Keys, optional } from '../table.ts'

const address = parsed({ label: 'https address', expected: 'an https address' }, parseMetadataUrl)

/** Keys of a provider that speaks OAuth 2.0 without OpenID Connect. */
export const OAUTH2 = {
  preset: optional(
    choice(['github', 'discord']),
    'github',
    'none',
    'GitHub or Discord, which speak OAuth 2.0 alone: where they are, what they call things, and which scopes to ask for. `client_id` and `client_secret` are all they need.',
  ),
  type: optional(
    choice(['openid', 'oauth2']),
    'oauth2',
    '`openid`, unless there is a `preset`',
    'With `oauth2`, a provider without OpenID Connect: nobody signs for who someone is, which is asked at `user_endpoint`. Its callback to register is `/.sallyport/callback/NAME`, for this provider alone.',
  ),
  authorization_endpoint: optional(
    address,
    'https://git.example.com/login/oauth/authorize',
    "the preset's; **required** for other `oauth2`",
    'Where browsers go to sign in.',
  ),
  token_endpoint: optional(
    address,
    'https://git.example.com/login/oauth/access_token',
    "the preset's; **required** for other `oauth2`",
    'Where a code is redeemed.',
  ),
  user_endpoint: optional(
    address,
    'https://git.example.com/api/v1/user',
    "the preset's; **required** for other `oauth2`",
    'What says who somebody is, to whom has their access token. A subject is somebody there alone: with another address, or another member for `claims.sub`, all are other people.',
  ),
} as const satisfies Keys

/** What such a provider is told besides, and what it may be asked for; everything else is OpenID Connect's, or a file's. */
export const OF_OAUTH2: ReadonlySet<string> = new Set([
  ...Object.keys(OAUTH2),
  'label',
  'client_id',
  'client_secret',
  'client_auth',
  'scopes',
  'emails',
  'claims',
  'groups_separator',
  'groups_keys',
  'email_domains',
  'prefix',
  'authorize_params',
  'ca',
])
