/** @jsxImportSource hono/jsx */
import { GateError } from '../base/errors.ts'
import type { Sealer } from '../session/seal.ts'
import type { Session, Sessions } from '../session/session.ts'
import { pageAnswer, redirectAnswer } from './answer.ts'
import { sessionCookie } from './hand-off.ts'
import { SignedOutPage, SignOutPage } from './pages/sign-out.tsx'
import { ownPath } from './place.ts'
import type { PortalRequest } from './portal.ts'

export interface SignOutTools {
  readonly sessions: Sessions
  readonly seal: Sealer
}

const FORM_PURPOSE = 'sign-out form'
const MAX_FORM_BYTES = 4096

/** Asks whether to sign out. A link alone signs nobody out: only the form on this page does. */
export async function confirmSignOut(ctx: PortalRequest, tools: SignOutTools): Promise<Response> {
  const { session } = ctx
  if (session === null) return signedOut(ctx)
  const proof = await tools.seal.seal({ sessionId: session.id }, FORM_PURPOSE, session.expiresAtMs)
  return pageAnswer(String(<SignOutPage title={ctx.portal.title} identity={session.identity} proof={proof} />), 200)
}

/**
 * Ends the session on every host, and this host's cookie with it.
 *
 * Throws `access.origin` for a form that is not ours: another site's, or one without the proof of this session.
 */
export async function signOut(ctx: PortalRequest, tools: SignOutTools): Promise<Response> {
  const { session } = ctx
  if (!(await isOwnForm(ctx, tools, session))) {
    throw new GateError('access.origin', 'a sign-out came from a page that is not ours', {
      facts: { origin: ctx.request.headers.get('origin'), site: ctx.request.headers.get('sec-fetch-site') },
    })
  }
  if (session !== null) await tools.sessions.end(session.id)
  return redirectAnswer(303, ownPath('signed-out'), [sessionCookie(ctx, '', 0)])
}

export function signedOut(ctx: PortalRequest): Response {
  return pageAnswer(String(<SignedOutPage title={ctx.portal.title} signInAddress={ownPath('login')} />), 200)
}

/**
 * Sec-Fetch-Site says it where a browser sends it, Origin where that is not `null`. Over plain HTTP our own page has
 * neither (its referrer policy makes Origin `null`), so there the form's sealed proof decides.
 */
async function isOwnForm(ctx: PortalRequest, { seal }: SignOutTools, session: Session | null): Promise<boolean> {
  const { headers } = ctx.request
  const site = headers.get('sec-fetch-site')
  if (site !== null) return site === 'same-origin'
  const origin = headers.get('origin')
  if (origin !== null && origin !== 'null') return origin === ctx.origin
  if (session === null) return true
  const proof: unknown = await seal.open(await readProof(ctx.request), FORM_PURPOSE)
  return typeof proof === 'object' && proof !== null && 'sessionId' in proof && proof.sessionId === session.id
}

async function readProof(request: Request): Promise<string> {
  const length = Number(request.headers.get('content-length') ?? Number.NaN)
  if (!(length <= MAX_FORM_BYTES)) return ''
  return new URLSearchParams(await request.text()).get('proof') ?? ''
}
