/** Forms of our own pages: read within limits, and proved to come from this page of this user (CSRF). */

import { parseLength } from '../base/byte-counts.ts'
import { GateError } from '../base/errors.ts'
import { isSmallPiece, nextTurn } from '../base/event-loop.ts'
import { afterLimit } from '../base/time-limit.ts'
import type { Sealer } from '../session/seal.ts'
import type { Session } from '../session/session.ts'
import type { PortalRequest } from './portal-request.ts'

const MAX_FORM_BYTES = 4096
const LONGEST_NAME = 100

/** How long a body for ourselves may take where nothing else is said; as `formWaitMs`. */
export const FORM_WAIT_MS = 30_000

/** Each time this much arrives, the wait starts again. Of Sallyport's own forms, only a kept form is longer. */
const BYTES_A_WAIT = 64 * 1024

export interface FormTools {
  readonly seal: Sealer
  /** How long a body of up to 64 KiB may take, and each further 64 KiB of a longer one, in milliseconds. */
  readonly formWaitMs: number
}

/** What forms take in which somebody who is signed in changes something of theirs, or of others. */
export interface PersonalFormTools extends FormTools {
  /** Counts a form of this person. Throws `limit.rate` where there are too many. */
  noteForm(clientAddress: string, session: Session): void
}

/** Whose form it is: a session's, or a guest link's, by its id. */
type FormOwner = Pick<Session, 'id' | 'expiresAtMs'>

/**
 * The proof in one of Sallyport's own forms: it shows that the form came from a page on this very host, made for this
 * session or link.
 */
export function proveForm(ctx: PortalRequest, owner: FormOwner, seal: Sealer): Promise<string> {
  return seal.seal({ of: owner.id }, purposeOf(ctx), owner.expiresAtMs)
}

/** The same for the form of signing out, which says by itself which session it ends. */
export function proveSignOut(ctx: PortalRequest, owner: FormOwner, seal: Sealer): Promise<string> {
  return seal.seal({ of: owner.id, isSignOut: true }, purposeOf(ctx), owner.expiresAtMs)
}

/** The session that a form of signing out ends, where no session can be read. Null for every other form, and one of another site. */
export async function readSignOut(ctx: PortalRequest, { seal, formWaitMs }: FormTools): Promise<string | null> {
  const form = new URLSearchParams((await readBody(ctx.request, MAX_FORM_BYTES, formWaitMs)) ?? '')
  const proof = await seal.open(form.get('proof') ?? '', purposeOf(ctx))
  if (isSameOrigin(ctx) === false || typeof proof !== 'object' || proof === null) return null
  return 'isSignOut' in proof && 'of' in proof && typeof proof.of === 'string' ? proof.of : null
}

/**
 * The fields of one of Sallyport's own forms. `ownerOf` returns the id of another possible owner of the form.
 *
 * Sec-Fetch-Site shows the origin where a browser sends it, or Origin where that is not `null`. Over plain HTTP
 * Sallyport's own page has neither (its referrer policy makes Origin `null`). There the form's sealed proof decides.
 *
 * Throws `access.origin` for a form of another site or without the proof of this session, and `target.stalled`.
 */
export async function readOwnForm(
  ctx: PortalRequest,
  { seal, formWaitMs }: FormTools,
  ownerOf: (form: URLSearchParams) => Promise<string | null> | string | null = () => ctx.session?.id ?? null,
  maxBytes = MAX_FORM_BYTES,
): Promise<URLSearchParams> {
  const form = new URLSearchParams((await readBody(ctx.request, maxBytes, formWaitMs)) ?? '')
  const isOwn = isSameOrigin(ctx) ?? (await isProven(ctx, seal, form, await ownerOf(form)))
  if (isOwn) return form
  throw notOurs(ctx)
}

/**
 * For the most powerful forms: the form needs the proof of this session, even if the browser calls the page
 * Sallyport's own. Throws `access.origin` without it.
 */
export async function requireProof(
  ctx: PortalRequest,
  seal: Sealer,
  form: URLSearchParams,
  owner: FormOwner,
): Promise<void> {
  if (!(await isProven(ctx, seal, form, owner.id))) throw notOurs(ctx)
}

function notOurs({ request: { headers } }: PortalRequest): GateError {
  return new GateError('access.origin', 'a form came from a page that is not ours', {
    facts: { origin: headers.get('origin'), site: headers.get('sec-fetch-site') },
  })
}

/**
 * The fields of a form in which this user changes something. Each form counts once it is known to come from
 * Sallyport's own page. Not for signing out, which no user is kept from.
 *
 * Throws the errors of `readOwnForm`, and `limit.rate`.
 */
export async function readPersonalForm(
  ctx: PortalRequest,
  tools: PersonalFormTools,
  session: Session,
  maxBytes?: number,
): Promise<URLSearchParams> {
  const form = await readOwnForm(ctx, tools, undefined, maxBytes)
  tools.noteForm(ctx.clientAddress, session)
  return form
}

/** What a person calls something of theirs, by the field `name`; null where that is nothing, or too long for a list. */
export function parseName(form: URLSearchParams): string | null {
  const name = (form.get('name') ?? '').replace(/[\p{Cc}\p{Bidi_Control}]/gu, '').trim()
  return name === '' || name.length > LONGEST_NAME ? null : name
}

/** What the browser says of the page that sends; null where it says nothing. */
export function isSameOrigin({ request: { headers }, origin: own }: PortalRequest): boolean | null {
  const site = headers.get('sec-fetch-site')
  if (site !== null) return site === 'same-origin'
  const origin = headers.get('origin')
  return origin === null || origin === 'null' ? null : origin === own
}

/** Without an owner nothing can be proven: a cross-site form comes without cookies, and must not take those of this host away. */
async function isProven(
  ctx: PortalRequest,
  seal: Sealer,
  form: URLSearchParams,
  owner: string | null,
): Promise<boolean> {
  if (owner === null) return false
  const proof = await seal.open(form.get('proof') ?? '', purposeOf(ctx))
  return typeof proof === 'object' && proof !== null && 'of' in proof && proof.of === owner
}

/** A page of one host proves nothing on another: its application's scripts can read it there. */
function purposeOf({ portal, origin }: PortalRequest): string {
  return `form at ${portal.name} on ${origin}`
}

/** Whether a request comes from a page of this very host, by what its browser says; false where it says nothing. */
export function isOwnOrigin({ request: { headers }, origin }: PortalRequest): boolean {
  const site = headers.get('sec-fetch-site')
  return site === null ? headers.get('origin') === origin : site === 'same-origin'
}

/**
 * A request's body as text, or null when it is longer than this; no more than that is ever read.
 *
 * Throws `target.stalled` for one that takes longer than `FormTools.formWaitMs` allows, and where its client leaves.
 */
export async function readBody(request: Request, maxBytes: number, formWaitMs: number): Promise<string | null> {
  return (await readBytes(request, maxBytes, formWaitMs))?.toString('utf8') ?? null
}

/** Who counts a body while it is read here, as it would be on its way to an application. */
export interface BodyCount {
  /** It begins, of this length at most; `cut` ends it. Throws `limit.open`. What is answered hears of each piece, and of its end. */
  enter(length: number, cut: (error: GateError) => void): { given(isLong: boolean): void; leave(): void }
}

/**
 * The same as bytes. Where `count` is given, it counts them. Throws the errors of `count`, and the error with which it
 * cuts the form.
 */
export async function readBytes(
  request: Request,
  maxBytes: number,
  formWaitMs: number,
  count: BodyCount | null = null,
): Promise<Buffer<ArrayBuffer> | null> {
  const { body, headers } = request
  if (body === null) return Buffer.alloc(0)
  const cut: { error: GateError | null } = { error: null }
  const length = Math.min(parseLength(headers.get('content-length')) ?? maxBytes, maxBytes)
  const reader = body.getReader()
  // A stream that has already failed rejects this too; its reader gets that error.
  const stop = () => reader.cancel().catch(() => undefined)
  let counted: ReturnType<BodyCount['enter']> | undefined
  try {
    counted = count?.enter(length, error => {
      cut.error = error
      void stop()
    })
  } catch (error) {
    reader.releaseLock()
    throw error
  }
  const chunks: Uint8Array[] = []
  let size = 0
  let isLate = false
  const wait = () =>
    afterLimit(formWaitMs, () => {
      isLate = true
      void stop()
    })
  let stopWaiting = wait()
  try {
    for (let nextBytes = BYTES_A_WAIT; ; ) {
      const { done, value } = await reader.read().catch(leftInTheMiddle)
      if (cut.error !== null) throw cut.error
      if (isLate) throw new GateError('target.stalled', 'a form came too slowly', { facts: { bytes: size } })
      if (done) return Buffer.concat(chunks)
      size += value.byteLength
      if (size > maxBytes) {
        await stop()
        return null
      }
      chunks.push(value)
      counted?.given(false)
      if (size >= nextBytes) {
        nextBytes = size + BYTES_A_WAIT
        stopWaiting()
        stopWaiting = wait()
      }
      if (isSmallPiece(value)) await nextTurn()
    }
  } finally {
    counted?.leave()
    stopWaiting()
  }
}

function leftInTheMiddle(cause: unknown): never {
  throw new GateError('target.stalled', 'the client left in the middle of its form', { cause })
}
