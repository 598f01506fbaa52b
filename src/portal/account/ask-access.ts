import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { parseReturnTo } from '../../route/return-to.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { redirectAnswer } from '../answer.ts'
import { type AuditTools, askedFacts } from '../audit-facts.ts'
import { type PersonalFormTools, readPersonalForm } from '../form.ts'
import { nameOf } from '../pages/person.ts'
import { LONGEST_ASK_TEXT } from '../place.ts'
import type { PortalRequest } from '../portal.ts'
import { stillSignedIn } from './still-signed-in.ts'
import { tellWebhook } from './webhook.ts'

export interface AskAccessTools extends PersonalFormTools, AuditTools {
  readonly ports: Pick<Ports, 'ask' | 'log'>
  readonly sessions: Pick<Sessions, 'describe'> & { readonly grants: Pick<Grants, 'ask'> }
  /** Counts what a client asks for. Throws `limit.rate` where one asks too often. */
  noteStart(clientAddress: string): void
}

/**
 * Takes the form of the page of a refusal: asks the admins for `role`, which would let this person in at `return`, and leads back there.
 *
 * What may be asked for is judged anew: the route has to refuse them now, by the lack of that very role. Throws `access.origin`,
 * `access.denied` for a role that is not to be had there, `access.sign_in`, `limit.rate`.
 */
export async function askAccess(ctx: PortalRequest, tools: AskAccessTools, sender: Session): Promise<Response> {
  const form = await readPersonalForm(ctx, tools, sender)
  tools.noteStart(ctx.clientAddress)
  const session = await stillSignedIn(tools.sessions, sender)
  const back = parseReturnTo(form.get('return'))
  const role = form.get('role') ?? ''
  const route = ctx.askedRoute(session, back)
  if (route === null || !route.roles.includes(role)) {
    throw new GateError('access.denied', 'a role was asked for that is not to be had there', {
      facts: { user: session.identity.subject, route: route?.id },
    })
  }
  const name = nameOf(session.identity)
  const outcome = await tools.sessions.grants.ask(session, { name, role, route: route.id, text: lineOf(form) })
  if (outcome.kind === 'full') {
    throw new GateError('limit.rate', 'too many requests for access wait at this portal, or of this person')
  }
  if (outcome.kind === 'asked') {
    const { id } = outcome.request
    const facts = { ...askedFacts(ctx), ...sessionFacts(session), request: id, role, route: route.id }
    await tools.audit.keep('role.asked', facts)
    const { webhook = null } = ctx.portal.requests ?? {}
    if (webhook !== null) void tellWebhook(webhook, ctx, outcome.request, tools.ports)
  }
  return redirectAnswer(303, back)
}

/** What somebody says to whoever decides: one line, without what would turn or hide text. */
function lineOf(form: URLSearchParams): string {
  const line = (form.get('text') ?? '').replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim()
  return [...line].slice(0, LONGEST_ASK_TEXT).join('')
}
