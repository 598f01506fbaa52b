/** @jsxImportSource hono/jsx */

/** The page `authorize`: what a program asks for (RFC 6749 §4.1), and the consent of a person to it. */

import { randomToken, sha256 } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import type { Identity } from '../../identity/identity.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { pageAnswer, redirectAnswer } from '../answer.ts'
import { type PersonalFormTools, proveForm, readPersonalForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { NarrowPage } from '../layout/narrow-page.tsx'
import { nameOf } from '../layout/person.ts'
import { ownPath, portalOrigin } from '../paths.ts'
import { type AuditTools, askedFacts, type PortalRequest } from '../portal-request.ts'
import type { Words } from '../words/words.ts'
import { CODE_MS, type StoredCode } from './codes.ts'
import { publicationAt } from './publications.ts'
import { type RequestTools, readRequest } from './request.ts'

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
  return pageAnswer({ words, brand: ctx.portal.brand, page, scope: 'leads-anywhere' })
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
