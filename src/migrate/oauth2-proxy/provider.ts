/** The provider of an oauth2-proxy as a table of the new file. */

import { ALGORITHMS } from '../../config/keys/providers.ts'
import { type Entry, entry, issuerOf, openidScopes, type Section } from '../draft.ts'
import type { Old } from './settings.ts'

/** The provider's name in the new file. */
export const PROVIDER = 'oidc'

/** Kinds that speak OAuth 2 in ways of their own, without ID tokens. */
const NOT_OPENID = ['github', 'bitbucket', 'facebook', 'linkedin', 'digitalocean', 'nextcloud', 'srht', 'keycloak']

/** Options that oauth2-proxy does not look at where the provider is GitHub. */
const OF_OPENID = [
  ...['oidc_issuer_url', 'oidc_groups_claim', 'oidc_email_claim', 'user_id_claim', 'oidc_audience_claims'],
  ...['oidc_extra_audiences', 'oidc_enabled_signing_algs', 'insecure_oidc_allow_unverified_email'],
  'skip_jwt_bearer_tokens',
]

/** Whether people sign in at github.com itself, which `preset = "github"` knows, and not at a GitHub of one's own. */
export function isGithub(old: Old): boolean {
  const own = ['login_url', 'redeem_url', 'validate_url', 'profile_url']
  return old.text('provider') === 'github' && own.every(name => old.text(name) === null)
}

/** The claim that holds the address that counts: `user_id_claim`, an older name for it, counts where the newer one says what is usual. */
export function claimOfEmail(old: Old): string {
  return old.text('oidc_email_claim') ?? old.text('user_id_claim') ?? 'email'
}

/** Whether addresses counted of which the provider does not say that they are verified. */
export function trustsEmails(old: Old): boolean {
  return !isGithub(old) && (old.isOn('insecure_oidc_allow_unverified_email') || claimOfEmail(old) !== 'email')
}

/** `[providers.oidc]`: the issuer, or that it is GitHub, and the client that is registered there already. */
export function providerSection(old: Old): Section {
  const id = () => old.blanks.add('OIDC_CLIENT_ID', 'the client, as registered at the provider', 'client')
  const client = [
    entry('label', old.spelt('provider_display_name')),
    isGithub(old) ? entry('preset', 'github') : entry('issuer', issuer(old)),
    entry('client_id', old.spelt('client_id') ?? id()),
    secretEntry(old),
    scopesEntry(old),
  ]
  const own = isGithub(old) ? tellGithub(old) : [...claimEntries(old), ...tokenEntries(old)]
  return { title: `[providers.${PROVIDER}]`, entries: [...client, ...own] }
}

function secretEntry(old: Old): Entry {
  const file = old.text('client_secret_file')
  if (file !== null) old.tell('client_secret', 'left')
  if (file !== null) return entry('client_secret', `\${file:${file}}`, 'client_secret_file')
  const meaning = `what client_secret says in ${old.where('client_secret')}`
  return entry(
    'client_secret',
    old.has('client_secret') ? old.blanks.add('OIDC_CLIENT_SECRET', meaning, 'fill-in') : null,
  )
}

function scopesEntry(old: Old): Entry {
  const stated = (old.text('scope') ?? '').split(/[\s,]+/).filter(scope => scope !== '')
  const github = { list: stated, outcome: 'kept', say: 'scopes' } as const
  const { list, outcome, say } = isGithub(old) ? github : openidScopes(stated)
  const isSaid = list.length > 0
  if (isSaid)
    old.tell('scope', outcome, `${say}; with "offline_access" among them, groups that change there change here`)
  return entry('scopes', isSaid ? list.map(old.spell) : null, 'scope; "offline_access" lets groups follow the provider')
}

function tellGithub(old: Old): readonly Entry[] {
  old.tell(OF_OPENID, 'left', 'it is about OpenID Connect, and GitHub has none')
  const callback = `register the callback /.sallyport/callback/${PROVIDER} of that host in place of the one before`
  old.tell('provider', 'decide', `preset = "github": at GitHub, ${callback}`)
  const number = 'people are their GitHub number, which stays'
  const login = 'oauth2-proxy sent applications the login, which is preferred_username in headers'
  old.notes.add('people', 'user', null, `${number}; ${login}`)
  return []
}

function issuer(old: Old): string {
  const kind = old.text('provider') ?? 'google'
  if (NOT_OPENID.includes(kind)) {
    const way = 'put one in front of it that can use it (Pocket ID, Keycloak, Dex), and name that'
    old.tell('provider', 'decide', `${kind} is no OpenID provider: ${way}`)
  }
  const tenant = kind === 'azure' || kind === 'entra-id' ? old.spelt('azure_tenant') : null
  const stated = old.spelt('oidc_issuer_url')
  if (tenant !== null) old.tell('azure_tenant', 'kept', stated === null ? 'in issuer' : 'issuer says it')
  if (stated !== null) return stated
  if (tenant !== null) return `https://login.microsoftonline.com/${tenant}/v2.0`
  return issuerOf(kind, old.blanks)
}

/** Which of its claims hold addresses and groups, and which addresses count. */
function claimEntries(old: Old): readonly Entry[] {
  const email = claimOfEmail(old)
  const groups = old.spelt('oidc_groups_claim')
  const names = { ...(email === 'email' ? {} : { email: old.spell(email) }), ...(groups === null ? {} : { groups }) }
  const option = 'insecure_oidc_allow_unverified_email'
  if (trustsEmails(old) && !old.isOn(option)) {
    const say = 'emails = "trusted": remove it, if users can enter an address that is not theirs'
    const why = `email_verified says nothing of ${email}, and oauth2-proxy did not look at it there`
    old.tell(['oidc_email_claim', 'user_id_claim'], 'decide', `${say}; ${why}`)
    old.tell('oidc_email_claim', 'kept')
  }
  const isKeycloak = old.text('provider') === 'keycloak-oidc'
  if (isKeycloak)
    old.tell('provider', 'kept', 'any OpenID Connect provider; role_groups makes Keycloak’s roles groups, as there')
  const why = old.isOn(option) ? option : `the provider does not say that ${email} is verified`
  return [
    entry('claims', Object.keys(names).length === 0 ? null : names),
    entry('role_groups', isKeycloak ? true : null, 'role:… of Keycloak'),
    entry('emails', trustsEmails(old) ? 'trusted' : null, why),
  ]
}

/** How ID tokens are signed, and what programs could come with: ID tokens of the client, and what was made for further audiences. */
function tokenEntries(old: Old): readonly Entry[] {
  const stated = old.list('oidc_enabled_signing_algs')
  // Those whose key the client has too are no proof of who signed.
  const usable = stated.filter(name => ALGORITHMS.includes(name))
  if (usable.length < stated.length) old.tell('oidc_enabled_signing_algs', 'decide')
  const takesTokens = old.isOn('skip_jwt_bearer_tokens')
  const audiences = old.list('oidc_extra_audiences').filter(name => name !== old.text('client_id'))
  if (takesTokens) old.tell('oidc_extra_audiences', 'kept')
  const others = audiences.length === 0 ? true : audiences.map(old.spell)
  return [
    entry('id_token_alg', usable.length === 0 ? null : usable, 'oidc_enabled_signing_algs'),
    entry('bearer_id_tokens', takesTokens ? others : null, 'skip_jwt_bearer_tokens'),
  ]
}
