/** @jsxImportSource hono/jsx */
import { randomToken, sha256 } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { pageAnswer, redirectAnswer } from '../answer.ts'
import { type AuditTools, askedFacts } from '../audit-facts.ts'
import { type PersonalFormTools, proveForm, readPersonalForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { ConsentPage } from '../pages/consent.tsx'
import { ownPath, portalOrigin } from '../place.ts'
import type { PortalRequest } from '../portal.ts'
import type { StoredCode } from './codes.ts'
import { CODE_MS } from './codes.ts'
import { publicationAt } from './publications.ts'
import { type RequestTools, readRequest } from './request.ts'

export interface ConsentTools extends PersonalFormTools, RequestTools, AuditTools {
  readonly ports: Pick<Ports, 'random'>
  readonly sessions: Pick<Sessions, 'putOnce'>
}

/**
 * The page on which a person sees which program wants to use what in their name, where it is sent back to, and says yes or no. It is shown
 * each time: that somebody agreed once says nothing of who asks now. Throws `oauth.request`, `limit.rate`, and `access.denied` for whoever may not use it.
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
 * Takes the form of that page, which is sent to the very address that was asked: a code for whoever agreed, `access_denied` for whoever did
 * not (RFC 6749 §4.1.2), with who answers (RFC 9207). Throws what `askConsent` does, and `access.origin`.
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
    await tools.sessions.putOnce('code', code, stored, { lifetimeMs: CODE_MS, owner: session.id })
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
