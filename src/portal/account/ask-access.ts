/** What a refused person can do: ask the admins for a role, or have the provider asked again who they are. */

import { GateError } from '../../base/errors.ts'
import { ProxyError } from '../../base/outgoing.ts'
import type { Ports } from '../../base/ports.ts'
import { timeLimit } from '../../base/time-limit.ts'
import type { ProviderPool } from '../../identity/provider.ts'
import { parseReturnTo } from '../../route/return-to.ts'
import type { RoleRequest } from '../../session/grants/document.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { stillSignedIn } from '../admins.ts'
import { jsonAnswer, redirectAnswer } from '../answer.ts'
import { LONGEST_ASK_TEXT } from '../denied-page.tsx'
import { type FormTools, type PersonalFormTools, readOwnForm, readPersonalForm } from '../form.ts'
import { nameOf } from '../layout/person.ts'
import { ownPath, portalOrigin } from '../paths.ts'
import { type AuditTools, askedFacts, type PortalRequest, readQuery } from '../portal-request.ts'
import { signInProblem } from '../problem.ts'

export interface AskAccessTools extends PersonalFormTools, AuditTools {
  readonly ports: Pick<Ports, 'ask' | 'log'>
  readonly sessions: Pick<Sessions, 'describe'> & { readonly grants: Pick<Grants, 'ask'> }
  /** Counts what a client asks for. Throws `limit.rate` where one asks too often. */
  noteStart(clientAddress: string): void
}

/**
 * Takes the form of the refusal page: asks the admins for `role`, which would give this user access at `return`, and
 * redirects back there.
 *
 * It checks again what may be requested: the route must refuse the user now, for lack of that very role.
 *
 * Throws `access.origin`, `access.denied` for a role that cannot be requested there, `access.sign_in`, `limit.rate`.
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

/** The user's message to the admin who decides: one line, without characters that would turn or hide text. */
function lineOf(form: URLSearchParams): string {
  const line = (form.get('text') ?? '').replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim()
  return [...line].slice(0, LONGEST_ASK_TEXT).join('')
}

/** How long one try may take, and how long it is until the next. */
const TRY_MS = 5_000
const PAUSES_MS = [1_000, 10_000] as const

/**
 * Notifies a portal's webhook of a request, and retries a few times on failure. Never throws, and no caller waits for
 * it.
 *
 * It sends only to the address of the file: it follows no redirect, and the address holds nothing that a user typed.
 * The message is not secret and gives no access. The log has only the host, since the rest may be a secret.
 */
async function tellWebhook(
  address: string,
  ctx: PortalRequest,
  request: RoleRequest,
  { ask, log }: Pick<Ports, 'ask' | 'log'>,
): Promise<void> {
  const body = JSON.stringify(describeRequest(ctx, request))
  for (let tries = 0; ; tries++) {
    const failure = await post(address, body, ask)
    if (failure === null) return
    const pauseMs = PAUSES_MS[tries]
    if (pauseMs === undefined) {
      const facts = { request: request.id, host: URL.parse(address)?.host ?? '', ...failure }
      log.warn('The webhook of a portal refused a message', facts)
      return
    }
    await Bun.sleep(pauseMs)
  }
}

/** Null where it was taken; else what is to be said of it, without the address. */
async function post(address: string, body: string, ask: Ports['ask']): Promise<Record<string, string | number> | null> {
  try {
    const answer = await ask(address, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: timeLimit(TRY_MS),
    })
    await answer.drop()
    const { status } = answer
    return status >= 200 && status <= 299 ? null : { status }
  } catch (error) {
    // The message of a failed question has the address in it.
    const name = error instanceof Error && 'code' in error ? String(error.code) : 'failed'
    return { error: name, ...(error instanceof ProxyError ? { proxy: error.proxy } : {}) }
  }
}

function describeRequest(ctx: PortalRequest, { id, who, name, role, route, text, atMs }: RoleRequest): object {
  return {
    event: 'access.requested',
    portal: ctx.portal.name,
    title: ctx.portal.title,
    id,
    name,
    provider: who.provider,
    subject: who.subject,
    role,
    route,
    text,
    at: new Date(atMs).toISOString(),
    review: `${portalOrigin(ctx)}${ownPath('admin')}#requests`,
  }
}

/**
 * Says to the page of a refusal whether `return` is open to this user now: `{ "open": true }`. The rules alone are asked,
 * so that it costs neither the store nor the application anything.
 */
export function sayAccess(ctx: PortalRequest): Response {
  if (ctx.session === null) return signInProblem(ctx)
  return jsonAnswer({ open: ctx.isOpenTo(ctx.session, parseReturnTo(readQuery(ctx).get('return'))) })
}

interface AskAgainTools extends FormTools {
  readonly sessions: Pick<Sessions, 'renew'>
  readonly pool: ProviderPool
  /** Counts what is asked of a provider. Throws `limit.rate` where one client asks too often. */
  noteStart(clientAddress: string): void
}

/**
 * Takes the form of the page of a refusal: asks the provider now who this is, and leads back to what was refused, as `return` says.
 *
 * A role that was granted a moment ago would count only once the provider is asked anyway. Where it cannot be asked behind the scenes,
 * the browser goes there, and comes back at once if it is still signed in there. Throws `access.origin`, `limit.rate`.
 */
export async function askAgain(ctx: PortalRequest, tools: AskAgainTools, session: Session): Promise<Response> {
  const back = parseReturnTo((await readOwnForm(ctx, tools)).get('return'))
  tools.noteStart(ctx.clientAddress)
  if (await tools.sessions.renew(session.id)) return redirectAnswer(303, back)
  return redirectAnswer(303, `${ownPath('login')}?${new URLSearchParams({ again: '1', return: back })}`)
}
