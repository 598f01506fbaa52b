/** The answer to any error of a page or endpoint of the portal: a page with a way on, or problem details. */

import { type Code, errorFacts, type GateError, toGateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import { prefersPage } from '../route/page-load.ts'
import { sessionFacts } from '../session/session-facts.ts'
import { type ErrorView, renderErrorPage } from './error-page.tsx'
import { wordsFor } from './language.ts'
import { isPortalHost, ownPath } from './paths.ts'
import { type AuditTools, askedFacts, type PortalRequest } from './portal-request.ts'
import { problemResponse } from './problem.ts'
import { type Destination, FailedSignIn } from './sign-in/destination.ts'
import { forgetLogins } from './sign-in/login-loop.ts'
import { plainHttpActions } from './sign-in/plain-http.ts'
import { otherChoices } from './sign-in/sign-in-page.tsx'
import { sayError, type Words } from './words/words.ts'

export interface FailureTools extends AuditTools {
  readonly ports: Pick<Ports, 'log'>
}

/**
 * A response for any error of a handler: a page that says what the user can do about it, or problem details. It also
 * logs the error.
 */
export function answerFailure(ctx: PortalRequest, thrown: unknown, tools: FailureTools): Response {
  const failed = thrown instanceof FailedSignIn ? thrown : null
  const error = toGateError(failed === null ? thrown : failed.failure)
  report(ctx, error, failed, tools)
  const answer = prefersPage(ctx.request) ? failurePage(ctx, error, failed) : failureProblem(ctx, error)
  // The rest of what is too slow is not waited for (RFC 9110 §15.5.9).
  if (error.code === 'target.stalled') answer.headers.set('connection', 'close')
  return answer
}

/** To whom it is said that they are no member: where nothing but the proof of their address is missing, that. */
function memberDetail({ providers }: PortalRequest, words: Words, { facts }: GateError): Partial<ErrorView> {
  const { account, alone, provider } = facts
  if (typeof account !== 'string') return {}
  if (typeof alone !== 'string') return { detail: words.memberAdvice(account) }
  const label = typeof provider === 'string' ? (providers.get(provider)?.label ?? provider) : ''
  return { detail: words.emailUnverified(account, label) }
}

function failureProblem(ctx: PortalRequest, { status, code, say, retryAfterS }: GateError): Response {
  const retry: Record<string, string> = retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) }
  return problemResponse(status, code, say, ctx.requestId, {}, retry)
}

function failurePage(ctx: PortalRequest, error: GateError, failed: FailedSignIn | null): Response {
  const { status, retryAfterS } = error
  const words = wordsFor(ctx.request)
  const isLasting = failed !== null && LASTING.has(error.code)
  const page = renderErrorPage({
    words,
    portal: ctx.portal,
    status,
    title: sayError(words, error.code),
    reference: ctx.requestId,
    ...advise(ctx, words, error, failed),
    ...(retryAfterS === undefined ? {} : { retryAfterS, isRepeatable: ctx.request.method !== 'POST' && !isLasting }),
  })
  // A user who has read it may try again from the start.
  if (error.code === 'sign_in.loop') page.headers.append('set-cookie', forgetLogins(ctx))
  return page
}

/** What someone can do about a failed sign-in: loading the same address again would only find its state used up. */
function advise(ctx: PortalRequest, words: Words, error: GateError, failed: FailedSignIn | null): Partial<ErrorView> {
  const fresh = startingPoint(ctx, failed?.destination ?? null)
  if (failed?.mayRestart === true) return { restartTo: fresh, actions: [{ label: words.startAgain, address: fresh }] }
  switch (error.code) {
    case 'access.denied':
      return {
        actions: [
          { label: words.yourApplications, address: ownPath('') },
          { label: words.switchAccount, address: `${ownPath('login')}?switch=1` },
        ],
      }
    case 'provider.subject':
    case 'provider.refused':
    case 'provider.inactive':
      return {
        ...(error.code === 'provider.refused' ? refusedView(ctx, words, error, failed) : {}),
        ...(error.code === 'provider.subject' ? { detail: words.subjectAdvice } : {}),
        actions: [
          { label: words.tryAgain, address: fresh },
          { label: words.useOtherAccount, address: `${ownPath('login')}?switch=1` },
        ],
      }
    case 'sign_in.member':
      return {
        ...memberDetail(ctx, words, error),
        actions: [{ label: words.useOtherAccount, address: `${ownPath('login')}?switch=1` }],
      }
    case 'sign_in.step_up':
      return {
        detail: stepUpDetail(words, error),
        actions: [
          { label: words.tryAgain, address: fresh },
          { label: words.yourApplications, address: ownPath('') },
        ],
      }
    case 'sign_in.browser':
    case 'sign_in.ticket':
      return {
        detail: textOf(words.causes, error.facts.reason) || words.browserAdvice,
        actions: [{ label: words.startAgain, address: fresh }],
      }
    case 'sign_in.plain_http': {
      const { why, toOperators, ways, open, goOn } = words.plainHttp
      const addresses = plainHttpActions(ctx, fresh)
      return {
        detail: why,
        ways: { lead: toOperators, each: ways },
        actions: [
          { label: open, address: addresses.open },
          { label: goOn, address: addresses.goOn },
        ],
      }
    }
    case 'sign_in.loop':
      return {
        detail: textOf(words.causes, error.facts.reason),
        actions: [
          { label: words.tryAgain, address: fresh },
          { label: words.useOtherAccount, address: `${ownPath('login')}?switch=1` },
        ],
      }
    case 'sign_in.state':
    case 'sign_in.callback':
    case 'provider.issuer':
      return { actions: [{ label: words.startAgain, address: fresh }] }
    default:
      if (failed === null) return {}
      return {
        detail: LASTING.has(error.code) ? words.providerLasts : words.providerPasses,
        ...unreachedView(ctx, words, error, failed),
        actions: [
          ...(LASTING.has(error.code) ? [] : [{ label: words.tryAgain, address: fresh }]),
          // What works is the main one.
          ...(failed.provider === null
            ? []
            : otherChoices(ctx, failed.provider, words).map((act, index) => ({ ...act, isMain: index === 0 }))),
        ],
      }
  }
}

/** Which provider cannot be reached, by its name, and what it is for: the others are offered below. */
function unreachedView(
  { providers, portal }: PortalRequest,
  words: Words,
  { code }: GateError,
  { provider }: FailedSignIn,
): Partial<ErrorView> {
  const label = provider === null ? undefined : providers.get(provider)?.label
  if (code !== 'provider.down' || label === undefined) return {}
  return { title: words.unreached(label), detail: words.unreachedProvider(label, portal.providers.length > 1) }
}

/** Which provider has refused, and whether it or the user has declined: who cancels there has met no failure (RFC 6749 §4.1.2.1). */
function refusedView(
  { providers }: PortalRequest,
  words: Words,
  { facts }: GateError,
  failed: FailedSignIn | null,
): Partial<ErrorView> {
  const label = providers.get(failed?.answeredBy ?? '')?.label
  const isDeclined = facts.provider_error === 'access_denied'
  return {
    isFault: !isDeclined,
    ...(label === undefined ? {} : { title: words.refusedBy(label) }),
    detail: isDeclined ? words.declinedAdvice : words.refusedAdvice,
  }
}

/** What is wrong at a provider, or between it and the file, until somebody mends it: to try again changes nothing. */
const LASTING: ReadonlySet<Code> = new Set<Code>([
  'provider.discovery',
  'provider.request',
  'provider.id_token',
  'provider.userinfo',
])

/** Why a new sign-in was not enough. For the author of the rule, it names the claim where that is absent. */
function stepUpDetail(words: Words, { facts }: GateError): string {
  const why = textOf(words.stepUp, facts.check)
  if (facts.found !== 'absent' || typeof facts.check !== 'string') return why
  const instead = typeof facts.would_do === 'string' ? `amr = ["${facts.would_do}"]` : null
  return `${why} ${words.stepUpAbsent(facts.check, instead)}`
}

/** The sentence for a fact of an error; empty where there is none. */
function textOf(texts: Readonly<Record<string, string>>, fact: unknown): string {
  return typeof fact === 'string' && Object.hasOwn(texts, fact) ? (texts[fact] ?? '') : ''
}

function startingPoint(ctx: PortalRequest, destination: Destination | null): string {
  if (destination === null) return isPortalHost(ctx) ? ownPath('') : '/'
  return destination.kind === 'here' ? destination.path : `${destination.origin}${destination.path}`
}

function report(
  ctx: PortalRequest,
  error: GateError,
  failed: FailedSignIn | null,
  { ports, audit }: FailureTools,
): void {
  const besides = { page: ctx.target.path, ...errorFacts(error) }
  const facts = { id: ctx.requestId, client: ctx.clientAddress, ...besides }
  if (error.code === 'internal') ports.log.error('A portal page failed on our side', facts)
  else if (/^(target|route|limit)\./.test(error.code)) ports.log.debug('A portal address was refused', facts)
  else {
    const { user, provider = failed?.provider } = error.facts
    audit.note(
      error.code.startsWith('access.') ? 'access.page_refused' : 'sign_in.failed',
      {
        ...askedFacts(ctx),
        ...(ctx.session === null ? {} : sessionFacts(ctx.session)),
        ...(typeof user === 'string' ? { user } : {}),
        ...(typeof provider === 'string' ? { provider } : {}),
        reason: error.code,
      },
      { facts: besides },
    )
  }
}
