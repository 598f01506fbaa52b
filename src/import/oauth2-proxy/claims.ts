import type { Json } from '../../config/text/raw.ts'
import type { Entry } from '../draft.ts'
import { type Context, note } from './context.ts'
import { isGithub } from './github.ts'

/** `claims` and `emails` of the provider: which of its claims hold addresses and groups, and which addresses count. */
export function claimEntries(context: Context): readonly Entry[] {
  const { options, blanks } = context
  const email = claimOfEmail(context)
  const groups = options.text('oidc_groups_claim') ?? 'groups'
  const names: Record<string, Json> = {
    ...(email === 'email' ? {} : { email: blanks.literal(email) }),
    ...(groups === 'groups' ? {} : { groups: blanks.literal(groups) }),
  }
  note(context, 'kept', 'oidc_groups_claim', 'groups in claims of the provider: rules and headers know it as groups')
  note(
    context,
    'kept',
    ['oidc_email_claim', 'user_id_claim'],
    'email in claims of the provider: rules and headers know it as email; people are known by sub',
  )
  const audiences = ['oidc_audience_claims', 'oidc_audience_claim']
  if (audiences.flatMap(name => options.list(name)).every(name => name === 'aud')) {
    note(context, 'kept', audiences, 'aud of an ID token has to be client_id')
  } else {
    const say =
      'aud of an ID token has to be client_id, as OpenID Connect has it: no other claim stands for it. Where the provider says the client in azp alone, have it put the client into aud (at Keycloak, an audience mapper)'
    note(context, 'decide', audiences, say)
  }
  return [
    ...(Object.keys(names).length === 0 ? [] : [{ key: 'claims', value: names }]),
    ...emailEntries(context, email),
  ]
}

/** Whether addresses counted of which the provider does not say that they are verified. */
export function trustsEmails(context: Context): boolean {
  if (isGithub(context)) return false
  return context.options.flag('insecure_oidc_allow_unverified_email') === true || claimOfEmail(context) !== 'email'
}

function emailEntries(context: Context, email: string): readonly Entry[] {
  const { options } = context
  const option = 'insecure_oidc_allow_unverified_email'
  if (!trustsEmails(context)) {
    note(context, 'kept', option, 'addresses that nobody verified count for nothing')
    return []
  }
  const isSaid = options.flag(option) === true
  const say = 'emails = "trusted": take it out, unless nobody can enter an address there that is not theirs'
  if (isSaid) note(context, 'decide', option, say)
  else {
    const other = `${say}; email_verified says nothing of ${email}, and oauth2-proxy did not look at it there`
    note(context, 'decide', ['oidc_email_claim', 'user_id_claim'], other)
  }
  return [{ key: 'emails', value: 'trusted', comment: isSaid ? option : `of ${email} nobody says that it is verified` }]
}

/** The claim that holds the address that counts: `user_id_claim`, an older name for it, counts where the newer one says what is usual. */
export function claimOfEmail({ options }: Context): string {
  return options.text('oidc_email_claim') ?? options.text('user_id_claim') ?? 'email'
}
