/** Keeps a form that met an expired sign-in, sealed in the store, until its user has signed in again. */

import { parseLength } from '../../base/byte-counts.ts'
import { isToken, randomToken, sha256 } from '../../base/bytes.ts'
import { errorFacts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { parseReturnTo } from '../../route/return-to.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { type BodyCount, type FormTools, isOwnOrigin, readBytes } from '../form.ts'
import { checkLoginCookie, setLoginCsrfCookie } from '../login-csrf-cookie.ts'
import type { KeptForm, PortalRequest, ReleasedForm } from '../portal-request.ts'
import { ownerOf, readOwner } from './page-owner.ts'

export interface KeepTools extends FormTools {
  readonly ports: Pick<Ports, 'now' | 'random' | 'log'>
  readonly sessions: Sessions
  /** Counts a sign-in that is about to begin, as keeping a form is the first step of one. Throws `limit.rate`. */
  noteStart(clientAddress: string): void
  /** Counts the body of a form while it is read, among what its client has under way. */
  countForm(name: string, clientAddress: string): BodyCount
}

/** How long a form is kept. */
export const KEPT_MS = 30 * 60_000

/** The three ways in which a form without scripts can be encoded (HTML §4.10.21.7). */
const FORM_TYPE = /^(?:application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)\s*(?:;|$)/i

const LONGEST_PATH = 4096

/**
 * Keeps a form that met no session, and answers its id with the cookies that bind it to this browser; null where it may not be
 * kept, and then nothing of it is.
 *
 * Only a form from a page of this very host, of someone who has signed in here before, whose name this browser still has:
 * another site's form is not sent later in anyone's name, and strangers fill no disk. Sealed at rest; a few for each person.
 * `read` is its body where that has been read already. Throws `limit.rate` where one client keeps them too fast, and `target.stalled` where it sends one too slowly.
 */
export async function keepForm(
  ctx: PortalRequest,
  { ports, sessions, seal, formWaitMs, noteStart, countForm }: KeepTools,
  read: Buffer | null,
): Promise<{ readonly id: string; readonly setCookies: readonly string[] } | null> {
  const { request, target, keepsForms, portal } = ctx
  const { headers } = request
  const type = headers.get('content-type') ?? ''
  const path = target.path + target.query
  if (keepsForms === null || request.method !== 'POST' || !FORM_TYPE.test(type) || path.length > LONGEST_PATH)
    return null
  if (!isOwnOrigin(ctx) || (parseLength(headers.get('content-length')) ?? 0) > keepsForms.maxBytes) return null
  const owner = await readOwner(ctx, seal)
  if (owner !== null) noteStart(ctx.clientAddress)
  const count = countForm(keepsForms.name, ctx.clientAddress)
  const body = owner === null ? null : (read ?? (await readBytes(request, keepsForms.maxBytes, formWaitMs, count)))
  if (owner === null || body === null) return null
  const cookie = setLoginCsrfCookie(ctx, 'ask', KEPT_MS, ports.random)
  const id = randomToken(ports.random)
  const kept = {
    portal: portal.name,
    host: target.host,
    ask: sha256(cookie.secret),
    owner,
    path,
    type,
    body: body.toString('base64'),
    from: refererPath(ctx),
    name: keepsForms.name,
    atMs: ports.now(),
  }
  await sessions.putOneTime('post', id, kept, { lifetimeMs: KEPT_MS, owner })
  ports.log.info('A form is kept until its sender has signed in again', { id: ctx.requestId, bytes: body.byteLength })
  return { id, setCookies: cookie.setCookies }
}

/** The form that is kept under an id for this session, in this browser, on this host; null for anyone and anything else. */
export async function findForm(
  ctx: PortalRequest,
  { sessions }: Pick<KeepTools, 'sessions'>,
  id: string,
  session: Session,
): Promise<KeptForm | null> {
  if (!isToken(id)) return null
  const value = await sessions.peekOnce('post', id)
  if (typeof value !== 'object' || value === null) return null
  const text = (name: string): string => {
    const field: unknown = Reflect.get(value, name)
    return typeof field === 'string' ? field : ''
  }
  const isHere = text('portal') === ctx.portal.name && text('host') === ctx.target.host
  if (!isHere || text('owner') !== ownerOf(session) || checkLoginCookie(ctx, 'ask', text('ask')) !== 'same') return null
  const [from, atMs]: readonly unknown[] = [Reflect.get(value, 'from'), Reflect.get(value, 'atMs')]
  return {
    path: text('path'),
    type: text('type'),
    body: Uint8Array.from(Buffer.from(text('body'), 'base64')),
    from: typeof from === 'string' ? from : null,
    name: text('name'),
    atMs: typeof atMs === 'number' ? atMs : 0,
  }
}

/** Gives a kept form up, once, with the way to keep it again; null where somebody else was first. */
export async function takeForm(
  { sessions, ports }: Pick<KeepTools, 'sessions' | 'ports'>,
  id: string,
): Promise<Pick<ReleasedForm, 'putBack'> | null> {
  const value = await sessions.consumeOneTime('post', id)
  if (typeof value !== 'object' || value === null) return null
  const [owner, atMs]: readonly unknown[] = [Reflect.get(value, 'owner'), Reflect.get(value, 'atMs')]
  return {
    async putBack() {
      const lifetimeMs = Number(atMs) + KEPT_MS - ports.now()
      if (!(lifetimeMs > 0)) return
      try {
        await sessions.putOneTime('post', id, value, { lifetimeMs, owner: String(owner) })
      } catch (error) {
        ports.log.warn('A kept form is lost: it was not sent, and the session store failed', errorFacts(error))
      }
    },
  }
}

/** The page that a form came from, where it is of this host and can be returned to. */
function refererPath({ request, origin }: PortalRequest): string | null {
  const referer = URL.parse(request.headers.get('referer') ?? '')
  if (referer === null || referer.origin !== origin) return null
  const path = referer.pathname + referer.search
  return parseReturnTo(path) === path ? path : null
}
