/** Whether a provider knows our client, its callback addresses and its scope for refresh tokens. */

import { errorFacts } from '../../base/errors.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { fixOf } from '../../identity/authorization-response.ts'
import type { Answered } from '../../identity/probe/callback.ts'
import type { ClientAnswered, Probe } from '../../identity/probe/probe.ts'
import { bad, type Finding, good, warning } from './finding.ts'

/** The client and its callback addresses: for an unknown client there is nothing more to ask. */
export async function examineClient(
  probe: Probe,
  provider: ProviderConfig,
  callbacks: readonly string[],
): Promise<readonly Finding[]> {
  const [callback] = callbacks
  if (callback === undefined) return []
  const answered = await probe.askClient(callback)
  const found = judgeClient(answered, provider)
  if (answered.wrong === 'client_id') return [found]
  return [found, ...(await Promise.all(callbacks.map(each => examineCallback(probe, each))))]
}

function judgeClient({ verdict, says, wrong }: ClientAnswered, provider: ProviderConfig): Finding {
  const what = ['client_id', ...proofsOf(provider)].join(' and ')
  if (verdict === 'good') return good(`takes ${what}`)
  if (verdict === 'unclear') {
    return warning(`does not say whether it takes ${what}${quoted(says)}`, 'sign in once, and look at the log')
  }
  switch (wrong) {
    case 'client_id':
      return bad(
        `knows no client with this client_id${quoted(says)}`,
        'copy client_id from the provider again, or make the client again if it was removed',
      )
    case 'client_secret':
      return bad(
        `refuses client_secret, and knows client_id${quoted(says)}`,
        'make a new secret for this client at the provider, and copy all of it',
      )
    case 'no_secret':
      return bad(
        `wants a client_secret of client_id${quoted(says)}`,
        'set client_secret, or make this client a public one at the provider',
      )
    case null:
      return bad(
        `refuses ${what}${quoted(says)}`,
        provider.clientKey === null && provider.assertionFile === null
          ? 'copy both from the provider again; a client without a secret has to be a public one there'
          : 'register the key that sallyport client-key prints, or the issuer of client_assertion_file, for this client there',
      )
  }
}

/** The keys of a provider's table by which its client proves itself. */
function proofsOf({ clientSecret, clientKey, assertionFile }: ProviderConfig): readonly string[] {
  return [
    ...(clientSecret === null ? [] : ['client_secret']),
    ...(clientKey === null ? [] : ['client_key']),
    ...(assertionFile === null ? [] : ['client_assertion_file']),
  ]
}

async function examineCallback(probe: Probe, callback: string): Promise<Finding> {
  let answered: Answered
  try {
    answered = await probe.askCallback(callback)
  } catch (error) {
    return failed(`cannot be asked about ${callback}`, error)
  }
  const { verdict, says } = answered
  if (verdict === 'good') return good(`comes back to ${callback}`)
  if (verdict === 'refused') {
    return bad(
      `does not come back to ${callback}${quoted(says)}`,
      'register exactly this address for the client at the provider',
    )
  }
  if (verdict === 'error') {
    const [word = ''] = says?.split(':') ?? []
    return bad(
      `answers a sign-in for ${callback} with an error${quoted(says)}: no user can sign in`,
      fixOf(word, says ?? '') ?? 'the provider’s own log says more; see what the client may do there',
    )
  }
  return warning(
    `does not say whether it comes back to ${callback}${quoted(says)}`,
    'see that exactly this address is registered for the client at the provider',
  )
}

/** Whether it takes `offline_access` of this client, which is asked for once a sign-in without it has brought no refresh token. */
export async function examineOffline(probe: Probe, callbacks: readonly string[]): Promise<readonly Finding[]> {
  const [callback] = callbacks
  if (callback === undefined || !probe.mayAskOffline) return []
  // A provider that cannot be asked, or refuses without it, too, is reported with the callback.
  const ask = (asksOffline: boolean) =>
    probe.askCallback(callback, asksOffline).catch(() => ({ verdict: 'unclear', says: null }))
  const { says } = await ask(true)
  if (says === null || !/scope|not_allowed/i.test(says) || (await ask(false)).verdict === 'error') return []
  return [
    warning(
      `does not take offline_access of this client, though it lists it${quoted(says)}: where a sign-in brings no refresh token without it, the provider is not asked again`,
      'allow that scope for this client there, or see that it gives refresh tokens without it',
    ),
  ]
}

function quoted(says: string | null): string {
  return says === null ? '' : ` (${says})`
}

/** What a provider did not do, with why and what helps. */
export function failed(what: string, error: unknown): Finding {
  const { error: why, hint, cause } = errorFacts(error)
  const because = [why, cause].filter(part => part !== undefined).join('; ')
  return bad(`${what}: ${because}`, typeof hint === 'string' ? hint : 'the provider’s own log says more')
}
