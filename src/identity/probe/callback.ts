import * as oauth from 'oauth4webapi'
import { GateError } from '../../base/errors.ts'
import type { ProviderConfig } from '../../config/types/providers.ts'
import { fromHere, isPlain, type Metadata } from '../endpoints.ts'
import type { ProviderFetch } from '../http.ts'
import { readTokenError } from '../tokens/error.ts'
import { bySecret, type ClientProof } from '../tokens/proof.ts'
import { isPushed } from '../tokens/push.ts'
import { askPocketIdCallback, isPocketId } from './pocket-id.ts'

/** What asking came to: `unclear` where the provider's answer can mean either. */
type Verdict = 'good' | 'refused' | 'unclear'

/** A verdict with the provider's own word for it, where it has one. */
export interface Answered {
  readonly verdict: Verdict
  readonly says: string | null
}

const UNCLEAR: Answered = { verdict: 'unclear', says: null }

/** Who asks, and whom. */
export interface CallbackQuestion {
  readonly config: ProviderConfig
  readonly metadata: Metadata
  readonly fetch: ProviderFetch
  readonly proof: ClientProof
  /** The address at which a sign-in would begin. */
  readonly beginsAt: string
  readonly redirectUri: string
}

/**
 * Whether a provider would come back to an address, asked in the ways that it has, until one says so: by a sign-in in which nobody may
 * be asked anything, at the place of Pocket ID for that, and by pushing the request (RFC 9126).
 *
 * Throws `provider.down`.
 */
export async function askCallback(question: CallbackQuestion): Promise<Answered> {
  // Whoever wants all requests pushed refuses any other, whatever is in it.
  const isRefusedUnpushed = isPushed(question.config, question.metadata)
  const begun = isRefusedUnpushed ? { ...UNCLEAR, isOnOwnPage: false } : await askByBeginning(question)
  if (begun.verdict !== 'unclear') return begun
  const resolved = await askAtPocketId(question)
  // Where that says anything, pushing would say no more, and might make an address known of a client that has none yet.
  if (resolved.verdict !== 'unclear' || (resolved.says !== null && !/pushed/i.test(resolved.says))) return resolved
  const pushed = await askByPushing(question)
  if (pushed.verdict !== 'unclear') return pushed
  // What is wrong with the request itself is told to the client, and the address to come back to or the client to the person (RFC 6749 §4.1.2.1).
  if (begun.isOnOwnPage) return { verdict: 'refused', says: begun.says }
  return { verdict: 'unclear', says: pushed.says ?? resolved.says ?? begun.says }
}

/** OpenID Connect Core §3.1.2.1, `prompt=none`. */
async function askByBeginning(question: CallbackQuestion): Promise<Answered & { readonly isOnOwnPage: boolean }> {
  const { beginsAt, redirectUri, metadata, config, fetch } = question
  const address = new URL(beginsAt)
  address.searchParams.set('prompt', 'none')
  const response = await fetch(fromHere(address.href, config), { headers: { accept: 'text/html' } })
  if (response.status >= 500) {
    throw new GateError('provider.down', `the authorization endpoint answered ${response.status}`)
  }
  const raw = response.headers.get('location')
  const location = raw === null ? null : URL.parse(raw, metadata.authorization_endpoint)
  const says = location?.searchParams.get('error')?.slice(0, 200) ?? null
  if (location?.href.startsWith(redirectUri) === true) {
    // Nobody is signed in there, so an error is what should come; any but these is about the request itself.
    const isExpected = says === null || /_required$/.test(says)
    return { verdict: isExpected ? 'good' : 'unclear', says, isOnOwnPage: false }
  }
  const isOwn = location?.origin === new URL(metadata.authorization_endpoint).origin
  return { verdict: response.status >= 400 ? 'refused' : 'unclear', says, isOnOwnPage: isOwn && says !== null }
}

async function askAtPocketId({ config, metadata, redirectUri, fetch }: CallbackQuestion): Promise<Answered> {
  if (!isPocketId(metadata)) return UNCLEAR
  const { status, says } = await askPocketIdCallback(metadata, config.clientId, redirectUri, fetch)
  if (status === 200) return { verdict: 'good', says: null }
  return {
    verdict: status === 400 && isAboutCallback(says) ? 'refused' : 'unclear',
    says: status === 404 ? null : says,
  }
}

/** RFC 9126 §2.1 and §2.3: 201, or what is wrong. Up to 2.9 Pocket ID reads no Basic credentials there: the form is the second try. */
async function askByPushing(question: CallbackQuestion): Promise<Answered> {
  if (question.metadata.pushed_authorization_request_endpoint === undefined) return UNCLEAR
  let answered = UNCLEAR
  for (const prove of proofsOf(question)) {
    const response = await push(prove, question)
    if (response.status === 201) return { verdict: 'good', says: null }
    const error = await readTokenError(response)
    const says = error === null ? null : `${error.description === '' ? error.word : error.description}`.slice(0, 200)
    const isRefused = response.status === 400 && isAboutCallback(`${error?.word} ${error?.description}`)
    answered = { verdict: isRefused ? 'refused' : 'unclear', says }
    if (isRefused) return answered
  }
  return answered
}

function push(prove: oauth.ClientAuth, asked: CallbackQuestion): Promise<Response> {
  const { config, metadata, beginsAt, fetch } = asked
  const client = { client_id: config.clientId }
  return oauth.pushedAuthorizationRequest(metadata, client, prove, new URL(beginsAt).searchParams, {
    [oauth.customFetch]: fetch,
    [oauth.allowInsecureRequests]: isPlain(config),
  })
}

function proofsOf({ config, proof }: CallbackQuestion): readonly oauth.ClientAuth[] {
  if (config.clientSecret === null || proof.method === 'client_secret_post') return [proof.prove]
  return [proof.prove, bySecret('client_secret_post', config.clientSecret)]
}

/** Whether what a provider says is about the address to come back to, in its own words. */
function isAboutCallback(says: string | null): boolean {
  return /redirect[ _]?ur[il]|invalid callback/i.test(says ?? '')
}
