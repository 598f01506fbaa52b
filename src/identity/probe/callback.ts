/** Asks a provider whether it accepts a callback address, without anybody signing in. */

import * as oauth from 'oauth4webapi'
import { GateError } from '../../base/errors.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { withParameters } from '../authorization-request.ts'
import { fromHere, isPlain, type Metadata } from '../endpoints.ts'
import type { ProviderFetch } from '../http.ts'
import { bySecret, type ClientProof } from '../tokens/client-authentication.ts'
import { isOfTheMoment, readTokenError, type TokenError } from '../tokens/error.ts'
import { isPushed } from '../tokens/pushed-request.ts'
import { askPocketIdCallback, isPocketId } from './pocket-id.ts'

/**
 * The result of a probe: `error` where the provider redirects back with an error that prevents every sign-in;
 * `unclear` where its answer can mean either.
 */
type Verdict = 'good' | 'refused' | 'error' | 'unclear'

/** A verdict with the provider's own words for it, where it has any. */
export interface Answered {
  readonly verdict: Verdict
  readonly says: string | null
}

/**
 * The result of a started sign-in: `isOnOwnPage` where the provider shows an error to the user, and does not send it
 * to the client.
 */
interface Begun extends Answered {
  readonly isOnOwnPage: boolean
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
 * Whether a provider would redirect to an address. It tries several ways until one answers: a sign-in with
 * `prompt=none`, Pocket ID's endpoint for that, and a pushed request (RFC 9126).
 *
 * Throws `provider.down`.
 */
export async function askCallback(question: CallbackQuestion): Promise<Answered> {
  if (isPushed(question.config, question.metadata)) return askPushed(question)
  const begun = await askByBeginning(question, prompt => withPrompt(question.beginsAt, prompt))
  if (begun.verdict === 'error') return explainError(question, begun.says ?? '')
  if (begun.verdict !== 'unclear') return begun
  const resolved = await askAtPocketId(question)
  // Where that says anything but that requests have to be pushed, pushing would say no more, and might make an address known of a client that has none yet.
  if (resolved.verdict !== 'unclear' || (resolved.says !== null && !/pushed/i.test(resolved.says))) return resolved
  const pushed = await askByPushing(question, null)
  if (pushed.verdict === 'good' && resolved.says !== null) return { verdict: 'error', says: resolved.says }
  // A fault of pushed requests does not affect sign-ins without them.
  if (pushed.verdict === 'good' || pushed.verdict === 'refused') return { verdict: pushed.verdict, says: pushed.says }
  // The provider reports a wrong request to the client, and a wrong callback or client to the user (RFC 6749
  // §4.1.2.1).
  if (begun.isOnOwnPage) return { verdict: 'refused', says: begun.says }
  return { verdict: 'unclear', says: pushed.says ?? resolved.says ?? begun.says }
}

/** Not every provider says that it is for want of pushing: one that takes the very same request pushed is asked, and that is said for it. */
async function explainError(question: CallbackQuestion, says: string): Promise<Answered> {
  const canPush = question.metadata.pushed_authorization_request_endpoint !== undefined
  const isTaken = canPush && !/pushed/i.test(says) && (await askPushed(question)).verdict === 'good'
  return { verdict: 'error', says: isTaken ? `${says}; takes the same request pushed` : says }
}

/** Where sign-ins are pushed, this one is, too: a provider that requires that refuses any other request. */
async function askPushed(question: CallbackQuestion): Promise<Answered> {
  const resolved = await askAtPocketId(question)
  if (resolved.verdict !== 'unclear' || (resolved.says !== null && !/pushed/i.test(resolved.says))) return resolved
  const asked = await askByPushing(question, 'none')
  // Where it is the prompt that it does not know, no sign-in has it.
  const pushed = asked.verdict === 'error' ? await askByPushing(question, null) : asked
  if (pushed.uri === null) return { verdict: pushed.verdict, says: pushed.says ?? resolved.says }
  const { authorization_endpoint: endpoint } = question.metadata
  const addressOf = (uri: string) =>
    withParameters(new URL(endpoint), { client_id: question.config.clientId, request_uri: uri })
  const begun = await askByBeginning(question, async prompt => {
    const again = prompt === 'none' ? pushed : await askByPushing(question, prompt)
    return addressOf(again.uri ?? '')
  })
  // It took the address already.
  return begun.verdict === 'error' ? begun : { verdict: 'good', says: null }
}

type AddressOf = (prompt: 'none' | null) => string | Promise<string>

/** By a sign-in with `prompt=none` (OpenID Connect Core 1.0 §3.1.2.1), and by an ordinary one where that is refused. */
async function askByBeginning(question: CallbackQuestion, addressOf: AddressOf): Promise<Begun> {
  const first = await begin(question, await addressOf('none'))
  if (first.verdict !== 'error') return first
  const second = await begin(question, await addressOf(null))
  // A provider that knows no prompt=none shows a page without it.
  return second.verdict === 'unclear' && second.says === null ? { ...second, verdict: 'good' } : second
}

function withPrompt(beginsAt: string, prompt: 'none' | null): string {
  return prompt === null ? beginsAt : withParameters(new URL(beginsAt), { prompt })
}

async function begin(question: CallbackQuestion, beginsAt: string): Promise<Begun> {
  const { redirectUri, metadata, config, fetch } = question
  const response = await fetch(fromHere(beginsAt, config), { headers: { accept: 'text/html' } })
  if (response.status >= 500) {
    throw new GateError('provider.down', `the authorization endpoint answered ${response.status}`)
  }
  const raw = response.headers.get('location')
  const location = raw === null ? null : URL.parse(raw, metadata.authorization_endpoint)
  const error = location?.searchParams.get('error') ?? null
  const says = error === null ? null : told(error, location?.searchParams.get('error_description') ?? '')
  if (location?.href.startsWith(redirectUri) === true) {
    // No user is signed in there, so one of these errors is expected; any other is about the request itself.
    const isExpected = error === null || /_required$/.test(error)
    const verdict = isExpected ? 'good' : isOfTheMoment(error) ? 'unclear' : 'error'
    return { verdict, says, isOnOwnPage: false }
  }
  const isOwn = location?.origin === new URL(metadata.authorization_endpoint).origin
  return { verdict: response.status >= 400 ? 'refused' : 'unclear', says, isOnOwnPage: isOwn && says !== null }
}

/** An error with what is said of it. */
function told(word: string, description: string): string {
  return (description === '' ? word : `${word}: ${description}`).slice(0, 200)
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
async function askByPushing(
  question: CallbackQuestion,
  prompt: 'none' | null,
): Promise<Answered & { readonly uri: string | null }> {
  let answered = { ...UNCLEAR, uri: null as string | null }
  if (question.metadata.pushed_authorization_request_endpoint === undefined) return answered
  for (const prove of proofsOf(question)) {
    const response = await push(prove, withPrompt(question.beginsAt, prompt), question)
    if (response.status === 201) return { verdict: 'good', says: null, uri: await uriOf(response) }
    const error = await readTokenError(response)
    const says = error === null ? null : `${error.description === '' ? error.word : error.description}`.slice(0, 200)
    const isRefused = response.status === 400 && isAboutCallback(`${error?.word} ${error?.description}`)
    if (isRefused) return { verdict: 'refused', says, uri: null }
    const isFault = response.status === 400 && error !== null && isAboutRequest(error)
    answered = {
      verdict: isFault ? 'error' : 'unclear',
      says: isFault ? told(error.word, error.description) : says,
      uri: null,
    }
  }
  return answered
}

async function uriOf(response: Response): Promise<string | null> {
  const body: unknown = await response.json().catch(() => null)
  const uri = typeof body === 'object' && body !== null && 'request_uri' in body ? body.request_uri : null
  return typeof uri === 'string' ? uri : null
}

function push(prove: oauth.ClientAuth, beginsAt: string, asked: CallbackQuestion): Promise<Response> {
  const { config, metadata, fetch } = asked
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

/** The words of RFC 6749 §4.1.2.1 about what is asked for, and not about who asks. */
function isAboutRequest({ word }: TokenError): boolean {
  return /^(?:invalid_request|invalid_scope|unauthorized_client|unsupported_response_type)$/.test(word)
}
