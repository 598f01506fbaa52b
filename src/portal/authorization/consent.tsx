/** @jsxImportSource hono/jsx */

/** The page `authorize`: what a program asks for (RFC 6749 §4.1), and the consent of a person to it. */

import { randomToken, sha256 } from '../../base/bytes.ts'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { Identity } from '../../identity/identity.ts'
import type { Sealer } from '../../session/seal.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { pageAnswer, redirectAnswer } from '../answer.ts'
import { type PersonalFormTools, proveForm, readPersonalForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { NarrowPage } from '../layout/narrow-page.tsx'
import { nameOf } from '../layout/person.ts'
import { ownPath, portalOrigin } from '../paths.ts'
import { type AuditTools, askedFacts, type PortalRequest, type ProtectedResource, readQuery } from '../portal.ts'
import type { Words } from '../words/words.ts'
import { type Client, findClient, mayReturnTo } from './clients.ts'
import { CODE_MS, type StoredCode } from './codes.ts'
import { SCOPE } from './metadata.ts'
import { type Publications, publicationAt } from './publications.ts'

export interface ConsentTools extends PersonalFormTools, RequestTools, AuditTools {
  readonly ports: Pick<Ports, 'random'>
  readonly sessions: Pick<Sessions, 'putOneTime'>
}

/**
 * The page on which a user sees which program wants to use what in their name, and where it redirects to. The user
 * says yes or no. It is shown each time: an earlier consent proves nothing about the client that asks now.
 *
 * Throws `oauth.request`, `limit.rate`, and `access.denied` for a user who may not use the resource.
 */
export async function askConsent(ctx: PortalRequest, tools: ConsentTools, session: Session): Promise<Response> {
  const asked = await readRequest(ctx, tools, session)
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const page = (
    <ConsentPage
      words={words}
      title={ctx.portal.title}
      client={asked.client.name}
      publisher={publicationAt(asked.clientId)?.host ?? null}
      redirectHost={new URL(asked.redirect).host}
      name={asked.resource.name}
      address={asked.resource.address}
      identity={session.identity}
      action={ownPath('authorize') + ctx.target.query}
      proof={await proveForm(ctx, session, tools.seal)}
    />
  )
  return pageAnswer(words, ctx.portal.brand, page, 200, {}, 'leads-anywhere')
}

/**
 * Takes the form of that page, which is sent to the requested address itself. A user who agreed gets a code, and one
 * who refused `access_denied` (RFC 6749 §4.1.2). The response names its issuer (RFC 9207).
 *
 * Throws the errors of `askConsent`, and `access.origin`.
 */
export async function takeConsent(ctx: PortalRequest, tools: ConsentTools, session: Session): Promise<Response> {
  const form = await readPersonalForm(ctx, tools, session)
  const asked = await readRequest(ctx, tools, session)
  const { resource, client } = asked
  const answer = new URL(asked.redirect)
  const program = { program: client.name, host: answer.host, resource: resource.address }
  const facts = { ...askedFacts(ctx), ...sessionFacts(session), ...program }
  if (form.get('answer') === 'allow') {
    const code = randomToken(tools.ports.random)
    const stored: StoredCode = {
      session: session.id,
      client: sha256(asked.clientId),
      name: client.name === '' ? answer.host : client.name,
      redirect: asked.redirect,
      resource: resource.address,
      challenge: asked.challenge,
    }
    await tools.sessions.putOneTime('code', code, stored, { lifetimeMs: CODE_MS, owner: session.id })
    answer.searchParams.set('code', code)
    await tools.audit.keep('program.allowed', facts)
  } else {
    answer.searchParams.set('error', 'access_denied')
    await tools.audit.keep('program.declined', facts)
  }
  if (asked.state !== null) answer.searchParams.set('state', asked.state)
  answer.searchParams.set('iss', portalOrigin(ctx))
  return redirectAnswer(303, answer.href)
}

/** Which program wants to use what, in whose name, and where it is sent back to. All that it says of itself may be untrue. */
function ConsentPage(props: {
  readonly words: Words
  readonly title: string
  /** What the program calls itself; empty where it says nothing. */
  readonly client: string
  /** The host at which the program is described; null where it has registered. */
  readonly publisher: string | null
  readonly redirectHost: string
  /** What is to be used. */
  readonly name: string
  readonly address: string
  readonly identity: Identity
  /** The address that was asked, where the form goes. */
  readonly action: string
  readonly proof: string
}) {
  const { words, client, publisher, redirectHost, name, address } = props
  const shown = client === '' ? redirectHost : client
  return (
    <NarrowPage words={words} title={words.consent} place={props.title}>
      <h1>{words.consentQuestion(shown, name)}</h1>
      <p class="who">{words.consentMeaning(nameOf(props.identity), address)}</p>
      {publisher === null ? null : <p class="note">{words.consentPublisher(publisher)}</p>}
      <p class="note">{words.consentWhere(redirectHost)}</p>
      <div class="acts">
        <form method="post" action={props.action}>
          <input type="hidden" name="proof" value={props.proof} />
          <input type="hidden" name="answer" value="allow" />
          <button class="act main" type="submit">
            {words.consentAllow}
          </button>
        </form>
        <form method="post" action={props.action}>
          <input type="hidden" name="proof" value={props.proof} />
          <input type="hidden" name="answer" value="deny" />
          <button class="act" type="submit">
            {words.consentDeny}
          </button>
        </form>
      </div>
      <p class="note">{words.consentNote}</p>
    </NarrowPage>
  )
}

/** What a client asks a person for. */
interface AuthorizationRequest {
  readonly client: Client
  readonly clientId: string
  readonly redirect: string
  readonly resource: ProtectedResource
  /** RFC 7636 §4.2, by S256. */
  readonly challenge: string
  readonly state: string | null
}

interface RequestTools {
  readonly seal: Sealer
  readonly publications: Publications
  noteStart(clientAddress: string): void
}

const LONGEST_STATE = 2000

/**
 * The authorization request in the query of one of Sallyport's own addresses.
 *
 * Throws `oauth.request` with the error, for the user and the log to see. A mistake never redirects the user, even to
 * a registered address, since any client may register one (RFC 9700 §4.11.2).
 * Throws `access.denied` for a user who may not use the resource, and `limit.rate` where Sallyport has to fetch a
 * client's document.
 * Source: RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2.
 */
async function readRequest(ctx: PortalRequest, tools: RequestTools, session: Session): Promise<AuthorizationRequest> {
  const query = readQuery(ctx)
  const clientId = query.get('client_id') ?? ''
  const redirect = query.get('redirect_uri') ?? ''
  if (query.get('response_type') !== 'code') throw refusal('response_type', 'is not code')
  if (query.get('code_challenge_method') !== 'S256') throw refusal('code_challenge_method', 'is not S256')
  const challenge = query.get('code_challenge') ?? ''
  if (!/^[A-Za-z0-9_-]{43}$/.test(challenge)) throw refusal('code_challenge', 'is no hash by S256')
  const scopes = (query.get('scope') ?? SCOPE).split(' ').filter(scope => scope !== '')
  if (scopes.some(scope => scope !== SCOPE && scope !== 'offline_access')) throw refusal('scope', `is not ${SCOPE}`)
  const state = query.get('state')
  if (state !== null && state.length > LONGEST_STATE) throw refusal('state', 'is too long')
  const resource = ctx.resources.at(query.get('resource') ?? '')
  if (resource === null) throw refusal('resource', 'is no MCP server of this portal')
  if (!resource.isOpenTo(session)) {
    throw new GateError('access.denied', 'a user was asked to let a program use what the user may not use', {
      facts: { user: session.identity.subject, resource: resource.address },
    })
  }
  // Last: nothing is fetched for what could not be granted.
  const client = await clientOf(ctx, tools, clientId, session)
  if (client === null) throw refusal('client_id', 'is of no client that has registered here')
  if (!mayReturnTo(client, redirect)) throw refusal('redirect_uri', 'is not registered for this client')
  return { client, clientId, redirect, resource, challenge, state }
}

/** By what is published at its id, where that is an address; by its registration otherwise. Null where there is none. */
async function clientOf(
  ctx: PortalRequest,
  { seal, publications, noteStart }: RequestTools,
  id: string,
  { portal, identity: { issuer, subject } }: Session,
): Promise<Client | null> {
  if (!id.startsWith('https:')) return findClient(ctx, seal, id)
  const who = JSON.stringify([portal, issuer, subject])
  const found = await publications.find(id, who, () => noteStart(ctx.clientAddress))
  if (typeof found === 'string') throw refusal('client_id', found)
  return found
}

function refusal(parameter: string, what: string): GateError {
  return new GateError('oauth.request', `an application asked for access, and its ${parameter} ${what}`, {
    facts: { parameter },
  })
}
