/** The answer to a request that is refused or failed: a page for people, problem details for programs. */

import type { Audit } from '../../../audit/writer.ts'
import { CODES, type Code, errorFacts, type GateError } from '../../../base/errors.ts'
import type { Log } from '../../../base/ports.ts'
import { findUnverifiedEmail, type UnverifiedEmail } from '../../../policy/needs.ts'
import type { Decision } from '../../../policy/policy.ts'
import type { Told } from '../../../policy/reasons.ts'
import { type AskableRole, renderDeniedPage } from '../../../portal/denied-page.tsx'
import { type ErrorView, renderErrorPage } from '../../../portal/error-page.tsx'
import { wordsFor } from '../../../portal/language.ts'
import { ownPath } from '../../../portal/paths.ts'
import type { PortalRequest } from '../../../portal/portal-request.ts'
import { BAD_TOKEN_CHALLENGE, BASIC_CHALLENGE, problemResponse } from '../../../portal/problem.ts'
import { EN } from '../../../portal/words/en.ts'
import { sayTold } from '../../../portal/words/times.ts'
import { sayError, type Words } from '../../../portal/words/words.ts'
import { hasLeft } from '../../../proxy/lifetime/client-idle.ts'
import { VERSION_FIELDS } from '../../../proxy/websocket/handshake.ts'
import { prefersPage } from '../../../route/page-load.ts'
import { parseReturnTo } from '../../../route/return-to.ts'
import type { Grants } from '../../../session/grants/grants.ts'
import type { GateRoute } from '../../config/snapshot.ts'
import type { Denials } from '../../observe/denials.ts'
import { isProgram, type RequestContext, requestFacts } from '../context.ts'
import { rolesToAskFor } from '../portal/portal-request.ts'
import { labelOf, logFailure, noteDecision, noteWrong } from './note-refusal.ts'

/** Answers that are not an upstream's: a page for people, problem details for programs, one log line with the same reference. */
export interface Respond {
  /** Only this client may read `cause`, on a page. */
  failed(context: RequestContext, ctx: PortalRequest | null, error: GateError, cause: string | null): Response
  denied(context: RequestContext, ctx: PortalRequest | null, decision: Decision): Response
  /** For a client that is known to have left. */
  gone(): Response
  /** One log line for a decision that something else answers. */
  noteDecision(context: RequestContext, decision: Decision): void
  /** For an upstream's body that failed before Bun had sent the head; Bun names no request here. */
  broken(error: unknown): Response
}

/** The answers of one process; what goes with each is noted before it is made. */
export function createRespond(
  log: Log,
  audit: Audit,
  denials: Pick<Denials, 'note'>,
  grants: Pick<Grants, 'standing'>,
): Respond {
  const carryNoGrpc = new WeakSet<GateRoute>()

  /** Whether the log has it already: a gRPC client often repeats a call. */
  function isKnown({ code }: GateError, { route }: RequestContext): boolean {
    if (code !== 'route.grpc' || route === null) return false
    const isKnown = carryNoGrpc.has(route)
    carryNoGrpc.add(route)
    return isKnown
  }

  /** The roles that this person may ask for, and how it stands with each. */
  function askingFor({ session, route, question }: RequestContext, needed: readonly string[]): readonly AskableRole[] {
    // The proxy that asks for a verdict has the address, and Sallyport's forms are not there.
    if (session === null || route?.portal == null || question !== null) return []
    return rolesToAskFor(route.portal, session, needed).map(role => ({
      role,
      standing: grants.standing(session, role),
    }))
  }

  return {
    failed(context, ctx, error, cause) {
      const isNoted = noteWrong(audit, context, error)
      if (isClientGone(context)) return gone()
      if (!isNoted) logFailure(log, context, error, isKnown(error, context))
      const { status, say, code } = error
      const againS = retryAfterS(error, context)
      const fields = EXTRA_FIELDS.get(code) ?? NO_FIELDS
      if (!wantsPage(context)) {
        const retry = againS === undefined ? {} : { 'retry-after': `${againS}` }
        return problemResponse(status, code, say, context.id, {}, { ...retry, ...fields })
      }
      const words = wordsFor(context.request)
      const page = renderErrorPage({
        words,
        portal: ctx?.portal ?? null,
        status,
        reference: context.id,
        ...(cause === null ? {} : { cause }),
        ...titleOf(context, words, code),
        ...(code.startsWith('upstream.') && ctx !== null
          ? { application: ctx.waiting(ctx.target.host, ctx.target.path) }
          : {}),
        ...waysOn(context, ctx, words, againS),
      })
      for (const [name, value] of Object.entries(fields)) page.headers.set(name, value)
      return page
    },
    denied(context, ctx, decision) {
      const unverified = unverifiedOf(context, decision)
      noteDecision(audit, denials, context, decision, unverified)
      const code = decision.reason === 'method.not_listed' ? 'route.method' : 'access.denied'
      const { status, say } = CODES[code]
      if (decision.reason === 'method.not_listed') {
        const allow = [...(context.route?.policy.methods ?? [])].join(', ')
        return problemResponse(status, code, say, context.id, {}, { allow })
      }
      const told = decision.verdict === 'deny' ? decision : NOTHING_TOLD
      if (!wantsPage(context)) {
        const roles = decision.verdict === 'deny' ? decision.roles : []
        return problemResponse(status, code, say, context.id, {
          roles,
          needed: told.needed,
          reasons: [
            ...told.reasons.map(reason => ({ code: reason.code, say: reason.say })),
            ...unverified.map(one => ({ code: 'email.unverified', say: sayUnverified(EN, context, one) })),
          ],
        })
      }
      const words = wordsFor(context.request)
      if (ctx === null || context.session === null) {
        const detail = told.reasons.map(reason => sayTold(words, reason)).join(' ')
        const more = detail === '' ? {} : { detail }
        return renderErrorPage({
          words,
          portal: ctx?.portal ?? null,
          status,
          title: sayError(words, code),
          reference: context.id,
          ...more,
        })
      }
      return renderDeniedPage(ctx, context.session, {
        needed: told.needed,
        had: decision.verdict === 'deny' ? decision.roles : [],
        // The roles that are needed are named by themselves.
        reasons: [
          ...told.reasons
            .filter(reason => reason.code !== 'role.missing')
            .flatMap(reason => sayTold(words, reason) ?? []),
          ...unverified.map(one => sayUnverified(words, context, one)),
        ],
        routeName: context.route?.config.name ?? '',
        asking: askingFor(context, told.needed),
      })
    },
    gone,
    noteDecision: (context, decision) => noteDecision(audit, denials, context, decision, []),
    broken(error) {
      log.warn('An upstream ended in the middle of its answer', errorFacts(error))
      const { status, say } = CODES['upstream.broken']
      return problemResponse(status, 'upstream.broken', say, '-')
    },
  }
}

/**
 * Fields of an error in addition to those of every error. The rest of a body that is too long, or too slow, is not
 * waited for (RFC 9110 §15.5.14, §15.5.9).
 */
const EXTRA_FIELDS: ReadonlyMap<Code, Readonly<Record<string, string>>> = new Map<
  Code,
  Readonly<Record<string, string>>
>([
  ['websocket.version', VERSION_FIELDS],
  ['access.token', { 'www-authenticate': BAD_TOKEN_CHALLENGE }],
  // RFC 7617 §2: what a browser asks its person again for.
  ['access.password', { 'www-authenticate': BASIC_CHALLENGE }],
  ['target.too_large', { connection: 'close' }],
  ['target.stalled', { connection: 'close' }],
  ['target.header', { connection: 'close' }],
])

const NO_FIELDS: Readonly<Record<string, string>> = {}

/** Codes that say no more than that an application could not be reached. */
const UNREACHED: ReadonlySet<string> = new Set(['upstream.refused', 'upstream.unreachable'])

/** What happened, and where, as users know the application. */
function titleOf(
  { route }: RequestContext,
  words: Words,
  code: GateError['code'],
): Partial<ErrorView> & { title: string } {
  if (!code.startsWith('upstream.') || route === null) return { title: sayError(words, code) }
  const { name } = route.config
  if (UNREACHED.has(code)) return { title: words.unreached(name), detail: words.unreachedAdvice }
  return { title: sayError(words, code), place: name }
}

/**
 * The links of a page. Where a retry may help, the same address again, or only words for a request that was sent with
 * a form. Also the way back to everything else that a signed-in user may open.
 */
function waysOn(
  context: RequestContext,
  ctx: PortalRequest | null,
  words: Words,
  againS: number | undefined,
): Partial<ErrorView> {
  const { session, target } = context
  const isRepeatable = mayRepeat(context)
  const again =
    againS === undefined || !isRepeatable || target === null
      ? []
      : [{ label: words.tryAgain, address: parseReturnTo(target.path + target.query) }]
  const back = ctx === null || session === null ? [] : [{ label: words.yourApplications, address: ownPath('') }]
  return {
    actions: [...again, ...back],
    ...(againS === undefined ? {} : { retryAfterS: againS, isRepeatable }),
    ...(againS === undefined || isRepeatable ? {} : { detail: words.notRepeated }),
  }
}

function wantsPage(context: RequestContext): boolean {
  return !isProgram(context) && prefersPage(context.request)
}

/** nginx's status for a client that left before the answer: only the access log shows it. */
export const CLIENT_GONE = 499

function gone(): Response {
  return new Response(null, { status: CLIENT_GONE })
}

const NOTHING_TOLD: Told = { needed: [], reasons: [] }

/** Whether the client no longer waits for the answer. */
export function isClientGone({ request, front, connection }: RequestContext): boolean {
  return request.signal.aborted || hasLeft(front, connection)
}

function sayUnverified(words: Words, context: RequestContext, unverified: UnverifiedEmail): string {
  return words.emailUnverified(unverified.email, labelOf(context, unverified))
}

/** The unverified e-mail address, where it has a part in a refusal. */
function unverifiedOf(context: RequestContext, { verdict, reason }: Decision): readonly UnverifiedEmail[] {
  const { route, session } = context
  if (
    verdict !== 'deny' ||
    route === null ||
    session === null ||
    reason.startsWith('token.') ||
    reason === 'member.none'
  )
    return []
  const found = findUnverifiedEmail(route.policy, session.identity, requestFacts(context, session))
  return found === null ? [] : [found]
}

/** Seconds after which a page for a failing application tries again automatically: the first time, and the longest. */
const FIRST_S = 5
const LONGEST_S = 30

/**
 * When a retry makes sense, in whole seconds; undefined where it changes nothing.
 *
 * The longer an application has been failing, the longer the wait. A reloaded page cannot count its own tries, but the
 * gate knows the failures in a row.
 */
export function retryAfterS({ status, retryAfterS }: GateError, { route }: RequestContext): number | undefined {
  if (retryAfterS !== undefined) return retryAfterS
  if (status !== 502 && status !== 503 && status !== 504) return undefined
  const failures = Math.max(1, ...(route?.upstream?.origins ?? []).map(origin => origin.failures))
  return Math.min(LONGEST_S, FIRST_S * 2 ** (failures - 1))
}

/** Whether to ask again is to do nothing twice. */
export function mayRepeat({ request }: RequestContext): boolean {
  return request.method === 'GET' || request.method === 'HEAD'
}
