import { ALGORITHMS } from '../../config/keys/providers.ts'
import { STAND_IN_HOST } from '../blanks.ts'
import type { Entry, Section } from '../draft.ts'
import { openidScopes } from '../scopes.ts'
import type { Old } from './old.ts'

/** The provider's name in the new file. */
export const PROVIDER = 'oidc'

/** Issuers of providers that the file names only by provider. */
const ISSUERS: Readonly<Record<string, string>> = {
  google: 'https://accounts.google.com',
  gitlab: 'https://gitlab.com',
}

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
  const label = old.text('provider_display_name')
  const id = old.text('client_id')
  const entries: Entry[] = [
    { key: 'label', value: label === null ? null : old.spell(label) },
    isGithub(old) ? { key: 'preset', value: 'github' } : { key: 'issuer', value: issuerOf(old) },
    {
      key: 'client_id',
      value:
        id === null
          ? old.blanks.add('OIDC_CLIENT_ID', 'the client, as registered at the provider', 'client')
          : old.spell(id),
    },
  ]
  const file = old.text('client_secret_file')
  if (file !== null) {
    entries.push({ key: 'client_secret', value: `\${file:${file}}`, comment: 'client_secret_file' })
    old.tell('client_secret', 'left')
  } else if (old.has('client_secret')) {
    const meaning = `what client_secret says in ${old.where('client_secret')}`
    entries.push({ key: 'client_secret', value: old.blanks.add('OIDC_CLIENT_SECRET', meaning, 'fill-in') })
  }
  const stated = (old.text('scope') ?? '').split(/[\s,]+/).filter(scope => scope !== '')
  const github = { list: stated, outcome: 'kept', say: 'scopes' } as const
  const { list, outcome, say } = isGithub(old) ? github : openidScopes(stated)
  if (list.length > 0) {
    const about = 'scope; "offline_access" lets groups follow the provider'
    entries.push({ key: 'scopes', value: list.map(old.spell), comment: about })
    old.tell('scope', outcome, `${say}; with "offline_access" among them, groups that change there change here`)
  }
  if (isGithub(old)) {
    old.tell(OF_OPENID, 'left', 'it is about OpenID Connect, and GitHub has none')
    const callback = `register the callback /.sallyport/callback/${PROVIDER} of that host in place of the one before`
    old.tell('provider', 'decide', `preset = "github": at GitHub, ${callback}`)
    const number = 'people are their GitHub number, which stays'
    const login = 'oauth2-proxy told applications the login, which is preferred_username in headers'
    old.notes.add('people', 'user', null, `${number}; ${login}`)
    return { title: `[providers.${PROVIDER}]`, entries }
  }
  return { title: `[providers.${PROVIDER}]`, entries: [...entries, ...claimEntries(old), ...tokenEntries(old)] }
}

function issuerOf(old: Old): string {
  const kind = old.text('provider') ?? 'google'
  if (NOT_OPENID.includes(kind)) {
    const way = 'put one that lets people in from there (Pocket ID, Keycloak, Dex) in front of it, and name that'
    old.tell('provider', 'decide', `${kind} is no OpenID provider: ${way}`)
  }
  const tenant = kind === 'azure' || kind === 'entra-id' ? old.text('azure_tenant') : null
  const stated = old.text('oidc_issuer_url')
  if (tenant !== null) old.tell('azure_tenant', 'kept', stated === null ? 'in issuer' : 'issuer says it')
  if (stated !== null) return old.spell(stated)
  if (tenant !== null) return `https://login.microsoftonline.com/${old.spell(tenant)}/v2.0`
  const meaning = 'the provider’s address, as its metadata has it in "issuer"'
  return ISSUERS[kind] ?? old.blanks.add('OIDC_ISSUER', meaning, `https://${STAND_IN_HOST}`)
}

/** `claims` and `emails` of the provider: which of its claims hold addresses and groups, and which addresses count. */
function claimEntries(old: Old): readonly Entry[] {
  const email = claimOfEmail(old)
  const groups = old.text('oidc_groups_claim')
  const names = {
    ...(email === 'email' ? {} : { email: old.spell(email) }),
    ...(groups === null ? {} : { groups: old.spell(groups) }),
  }
  const option = 'insecure_oidc_allow_unverified_email'
  const isSaid = old.isOn(option)
  if (trustsEmails(old) && !isSaid) {
    const say = 'emails = "trusted": take it out, unless nobody can enter an address there that is not theirs'
    const why = `email_verified says nothing of ${email}, and oauth2-proxy did not look at it there`
    old.tell(['oidc_email_claim', 'user_id_claim'], 'decide', `${say}; ${why}`)
    old.tell('oidc_email_claim', 'kept')
  }
  const isKeycloak = old.text('provider') === 'keycloak-oidc'
  if (isKeycloak)
    old.tell('provider', 'kept', 'whatever speaks OpenID Connect; role_groups makes Keycloak’s roles groups, as there')
  const comment = isSaid ? option : `of ${email} nobody says that it is verified`
  return [
    { key: 'claims', value: Object.keys(names).length === 0 ? null : names },
    { key: 'role_groups', value: isKeycloak ? true : null, comment: 'role:… of Keycloak' },
    { key: 'emails', value: trustsEmails(old) ? 'trusted' : null, comment },
  ]
}

/** How ID tokens are signed, and what programs could come with: ID tokens of the client, and what was made for further audiences. */
function tokenEntries(old: Old): readonly Entry[] {
  const entries: Entry[] = []
  const stated = old.list('oidc_enabled_signing_algs')
  // Those whose key the client has too are no proof of who signed.
  const usable = stated.filter(name => ALGORITHMS.includes(name))
  if (usable.length < stated.length) old.tell('oidc_enabled_signing_algs', 'decide')
  if (usable.length > 0) entries.push({ key: 'id_token_alg', value: usable, comment: 'oidc_enabled_signing_algs' })
  if (!old.isOn('skip_jwt_bearer_tokens')) return entries
  const audiences = old.list('oidc_extra_audiences').filter(name => name !== old.text('client_id'))
  const value = audiences.length === 0 ? true : audiences.map(old.spell)
  old.tell('oidc_extra_audiences', 'kept')
  return [...entries, { key: 'bearer_id_tokens', value, comment: 'skip_jwt_bearer_tokens' }]
}
