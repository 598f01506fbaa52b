import type { ProviderConfig } from '../../config/types/providers.ts'
import { logoutAddress } from '../addresses.ts'
import { fromHere, type Metadata } from '../endpoints.ts'
import type { ProviderFetch } from '../http.ts'
import type { Answered } from './callback.ts'

/** An address that nobody registers. */
const MADE_UP = 'https://sallyport-doctor.invalid/'

/**
 * Whether a provider would come back to an address after a sign-out, asked without a session: nobody is signed out.
 *
 * It redirects there, or refuses it with a page of its own (OpenID Connect RP-Initiated Logout 1.0 §3). One that asks the person
 * first is asked once more with an address that nobody registered: where that is refused, ours was not. Throws `provider.down`.
 */
export async function askSignOut(
  config: ProviderConfig,
  metadata: Metadata,
  fetch: ProviderFetch,
  returnTo: string,
): Promise<Answered> {
  const ask = async (address: string | null) => {
    const at = addressOf(config, metadata, address)
    return at === null ? null : await fetch(fromHere(at, config), { headers: { accept: 'text/html' } })
  }
  const own = await ask(returnTo)
  if (own === null || own.status >= 500) return { verdict: 'unclear', says: null }
  if (own.headers.get('location')?.startsWith(returnTo) === true) return { verdict: 'good', says: null }
  // One that refuses every sign-out without the hint of a session says nothing of the address.
  const other = await ask(own.status >= 400 ? null : MADE_UP)
  const says = String(own.status)
  if (own.status >= 400) return { verdict: (other?.status ?? 400) < 400 ? 'refused' : 'unclear', says }
  const isTold = other !== null && other.status >= 400 && other.status < 500
  return { verdict: isTold ? 'good' : 'unclear', says }
}

function addressOf(config: ProviderConfig, metadata: Metadata, returnTo: string | null): string | null {
  const raw = logoutAddress(config, metadata, { idToken: '', returnTo: returnTo ?? '', state: 'sallyport-doctor' })
  if (raw === null) return null
  const address = new URL(raw)
  address.searchParams.delete('id_token_hint')
  if (returnTo === null) address.searchParams.delete('post_logout_redirect_uri')
  return address.href
}
