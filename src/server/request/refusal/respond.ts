import type { Audit } from '../../../audit/writer.ts'
import { CODES, type Code, errorFacts, type GateError } from '../../../base/errors.ts'
import type { Log } from '../../../base/ports.ts'
import type { Decision } from '../../../policy/policy.ts'
import type { Told } from '../../../policy/reasons.ts'
import type { UnverifiedEmail } from '../../../policy/unverified.ts'
import { type AskableRole, renderDeniedPage } from '../../../portal/denied-page.tsx'
import { type ErrorView, renderErrorPage } from '../../../portal/error-page.tsx'
import { wordsFor } from '../../../portal/language.ts'
import { ownPath } from '../../../portal/place.ts'
import type { PortalRequest } from '../../../portal/portal.ts'
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
import { rolesToAskFor } from '../offered-roles.ts'
import { isProgram, type Passage } from '../passage.ts'
import { labelOf, logFailure, noteDecision, noteWrong, unverifiedOf } from './note.ts'
import { mayRepeat, retryAfterS } from './retry-after.ts'

/** Answers that are not an upstream's: a page for people, problem details for programs, one log line with the same reference. */
export interface Respond {
  /** `cause` is for this client alone to read, on a page. */
  failed(passage: Passage, context: PortalRequest | null, error: GateError, cause: string | null): Response
  denied(passage: Passage, context: PortalRequest | null, decision: Decision): Response
  /** For a client that is known to have left. */
  gone(): Response
  /** One log line for a decision that something else answers. */
  noteDecision(passage: Passage, decision: Decision): void
  /** For an upstream's body that failed before Bun had sent the head; Bun tells no request here. */
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

  /** Whether the log has it already: whoever calls by gRPC does so often. */
  function isKnown({ code }: GateError, { route }: Passage): boolean {
    if (code !== 'route.grpc' || route === null) return false
    const isKnown = carryNoGrpc.has(route)
    carryNoGrpc.add(route)
    return isKnown
  }

  /** The roles that this person may ask for, and how it stands with each. */
  function askingFor({ session, route, question }: Passage, needed: readonly string[]): readonly AskableRole[] {
    // Whoever asks for a verdict has the address, and our forms are not there.
    if (session === null || route?.portal == null || question !== null) return []
    return rolesToAskFor(route.portal, session, needed).map(role => ({
      role,
      standing: grants.standing(session, role),
    }))
  }

  return {
    failed(passage, context, error, cause) {
      const isNoted = noteWrong(audit, passage, error)
      if (isClientGone(passage)) return gone()
      if (!isNoted) logFailure(log, passage, error, isKnown(error, passage))
      const { status, say, code } = error
      const againS = retryAfterS(error, passage)
      const fields = EXTRA_FIELDS.get(code) ?? NO_FIELDS
      if (!wantsPage(passage)) {
        const retry = againS === undefined ? {} : { 'retry-after': `${againS}` }
        return problemResponse(status, code, say, passage.id, {}, { ...retry, ...fields })
      }
      const words = wordsFor(passage.request)
      const page = renderErrorPage({
        words,
        portal: context?.portal ?? null,
        status,
        title: sayError(words, code),
        reference: passage.id,
        ...(cause === null ? {} : { cause }),
        ...(code.startsWith('upstream.') && passage.route !== null ? { place: passage.route.config.name } : {}),
        ...waysOn(passage, context, words, againS),
      })
      for (const [name, value] of Object.entries(fields)) page.headers.set(name, value)
      return page
    },
    denied(passage, context, decision) {
      const unverified = unverifiedOf(passage, decision)
      noteDecision(audit, denials, passage, decision, unverified)
      const code = decision.reason === 'method.not_listed' ? 'route.method' : 'access.denied'
      const { status, say } = CODES[code]
      if (decision.reason === 'method.not_listed') {
        const allow = [...(passage.route?.policy.methods ?? [])].join(', ')
        return problemResponse(status, code, say, passage.id, {}, { allow })
      }
      const told = decision.verdict === 'deny' ? decision : NOTHING_TOLD
      if (!wantsPage(passage)) {
        const roles = decision.verdict === 'deny' ? decision.roles : []
        return problemResponse(status, code, say, passage.id, {
          roles,
          needed: told.needed,
          reasons: [
            ...told.reasons.map(reason => ({ code: reason.code, say: reason.say })),
            ...unverified.map(one => ({ code: 'email.unverified', say: sayUnverified(EN, passage, one) })),
          ],
        })
      }
      const words = wordsFor(passage.request)
      if (context === null || passage.session === null) {
        const detail = told.reasons.map(reason => sayTold(words, reason)).join(' ')
        const more = detail === '' ? {} : { detail }
        return renderErrorPage({
          words,
          portal: context?.portal ?? null,
          status,
          title: sayError(words, code),
          reference: passage.id,
          ...more,
        })
      }
      return renderDeniedPage(context, passage.session, {
        needed: told.needed,
        had: decision.verdict === 'deny' ? decision.roles : [],
        // The roles that are needed are named by themselves.
        reasons: [
          ...told.reasons
            .filter(reason => reason.code !== 'role.missing')
            .flatMap(reason => sayTold(words, reason) ?? []),
          ...unverified.map(one => sayUnverified(words, passage, one)),
        ],
        routeName: passage.route?.config.name ?? '',
        asking: askingFor(passage, told.needed),
      })
    },
    gone,
    noteDecision: (passage, decision) => noteDecision(audit, denials, passage, decision, []),
    broken(error) {
      log.warn('An upstream ended in the middle of its answer', errorFacts(error))
      const { status, say } = CODES['upstream.broken']
      return problemResponse(status, 'upstream.broken', say, '-')
    },
  }
}

/** What goes with an error besides what every error has. The rest of a body that is too long, or too slow, is not waited for (RFC 9110 §15.5.14, §15.5.9). */
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

/**
 * What a page offers: where asking again may help, the same address once more, or, for what was sent with a form, only words; and the
 * way back to whatever else somebody who is signed in may open.
 */
function waysOn(
  passage: Passage,
  context: PortalRequest | null,
  words: Words,
  againS: number | undefined,
): Partial<ErrorView> {
  const { session, target } = passage
  const isRepeatable = mayRepeat(passage)
  const again =
    againS === undefined || !isRepeatable || target === null
      ? []
      : [{ label: words.tryAgain, address: parseReturnTo(target.path + target.query) }]
  const back = context === null || session === null ? [] : [{ label: words.yourApplications, address: ownPath('') }]
  return {
    actions: [...again, ...back],
    ...(againS === undefined ? {} : { retryAfterS: againS, isRepeatable }),
    ...(againS === undefined || isRepeatable ? {} : { detail: words.notRepeated }),
  }
}

function wantsPage(passage: Passage): boolean {
  return !isProgram(passage) && prefersPage(passage.request)
}

/** What nginx logs when the client went away before the answer: nobody sees it but the access log. */
export const CLIENT_GONE = 499

function gone(): Response {
  return new Response(null, { status: CLIENT_GONE })
}

const NOTHING_TOLD: Told = { needed: [], reasons: [] }

/** Whether nobody waits for the answer any more. */
export function isClientGone({ request, front, connection }: Passage): boolean {
  return request.signal.aborted || hasLeft(front, connection)
}

function sayUnverified(words: Words, passage: Passage, unverified: UnverifiedEmail): string {
  return words.emailUnverified(unverified.email, labelOf(passage, unverified))
}
