/** What the pages for API tokens and guest links have in common: the list, the form, and the button that revokes. */

import type { AuditFacts } from '../../audit/record.ts'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { prefersPage } from '../../route/page-load.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { stillSignedIn } from '../admins.ts'
import { jsonAnswer, redirectAnswer } from '../answer.ts'
import { type PersonalFormTools, readPersonalForm } from '../form.ts'
import { isPortalHost, ownPath } from '../paths.ts'
import { type AuditTools, askedFacts, type PortalRequest } from '../portal-request.ts'
import { leadToPortal } from '../sign-in/redirect-to-portal.ts'

export interface CredentialTools extends PersonalFormTools, AuditTools {
  readonly ports: Pick<Ports, 'now' | 'log'>
  readonly sessions: Pick<Sessions, 'describe' | 'end'>
}

/** What refusals call many, and the events about one, with the fact that has its id. */
export interface CredentialWords {
  readonly many: string
  readonly fact: 'token' | 'link'
  readonly made: 'token.made' | 'guest.made'
  readonly revoked: 'token.revoked' | 'guest.revoked'
}

/** A kind of credential that users make and revoke on a separate page. */
export interface CredentialKind<Tools extends CredentialTools, Held extends { readonly session: Session }, Wanted> {
  readonly page: 'tokens' | 'guests'
  readonly words: CredentialWords
  /** No user needs more at a time, and a portal's list stays short enough to read at once. */
  readonly mostOfOne: number
  isOffered(ctx: PortalRequest): boolean
  /** The credentials that the requesting user sees, and may revoke. */
  list(ctx: PortalRequest, tools: Tools, session: Session): Promise<readonly Held[]>
  isOwn(held: Held, session: Session): boolean
  /**
   * What a form with `act=create` asks for. Throws `target.malformed`, and `access.denied` for a user who may make
   * none.
   */
  read(ctx: PortalRequest, session: Session, form: URLSearchParams): Wanted
  /** Makes it, and answers with it, this once. */
  make(ctx: PortalRequest, tools: Tools, session: Session, wanted: Wanted): Promise<Response>
  /** The page, or its list for programs. */
  answer(ctx: PortalRequest, tools: Tools, session: Session): Promise<Response>
}

/** What all such pages do alike. */
export interface CredentialPage<Tools> {
  /**
   * The requesting user's credentials, only on the host where users sign in: elsewhere, an application's scripts could
   * make one. Throws `route.none` where the portal has none of the kind.
   */
  show(ctx: PortalRequest, tools: Tools, session: Session): Promise<Response>
  /**
   * Takes a form of the page. `act=create` makes one. `act=revoke` with the `id` of a listed one ends it, and every
   * session that it opened, at once.
   *
   * Throws `route.none`, `access.origin`, `access.sign_in`, `limit.rate`, `target.malformed`, and the errors of making one.
   */
  change(ctx: PortalRequest, tools: Tools, session: Session): Promise<Response>
}

export function createCredentialPage<Tools extends CredentialTools, Held extends { readonly session: Session }, Wanted>(
  kind: CredentialKind<Tools, Held, Wanted>,
): CredentialPage<Tools> {
  const { page, words } = kind

  function checkOffered(ctx: PortalRequest): void {
    if (!kind.isOffered(ctx)) throw new GateError('route.none', `this portal has no ${words.many}`)
  }

  async function create(ctx: PortalRequest, tools: Tools, session: Session, form: URLSearchParams): Promise<Response> {
    const wanted = kind.read(ctx, session, form)
    const own = (await kind.list(ctx, tools, session)).filter(held => kind.isOwn(held, session))
    if (own.length >= kind.mostOfOne) {
      throw new GateError('access.denied', `a user may have at most ${kind.mostOfOne} ${words.many}`)
    }
    return kind.make(ctx, tools, session, wanted)
  }

  async function revoke(ctx: PortalRequest, tools: Tools, session: Session, id: string): Promise<Response> {
    const isListed = (await kind.list(ctx, tools, session)).some(held => held.session.id === id)
    if (isListed) {
      try {
        await tools.sessions.end(id)
      } finally {
        const facts = { ...askedFacts(ctx), ...sessionFacts(session), [words.fact]: id }
        await tools.audit.keep(words.revoked, facts)
      }
    }
    return prefersPage(ctx.request) ? redirectAnswer(303, ownPath(page)) : jsonAnswer({ revoked: isListed })
  }

  return {
    async show(ctx, tools, session) {
      checkOffered(ctx)
      return leadToPortal(ctx, page) ?? kind.answer(ctx, tools, session)
    },
    async change(ctx, tools, sender) {
      checkOffered(ctx)
      if (!isPortalHost(ctx)) throw new GateError('access.origin', `${words.many} are made on the portal’s own host`)
      const form = await readPersonalForm(ctx, tools, sender)
      const session = await stillSignedIn(tools.sessions, sender)
      switch (form.get('act')) {
        case 'create':
          return create(ctx, tools, session, form)
        case 'revoke':
          return revoke(ctx, tools, session, form.get('id') ?? '')
        default:
          throw new GateError('target.malformed', 'the form says neither create nor revoke')
      }
    },
  }
}

/**
 * Writes to the audit trail what was just made. Revokes it where its maker's session has ended: a form may take hours
 * to arrive, and a user whose session was ended meanwhile must make nothing more. Asks the store, which also knows of
 * sessions that other processes ended.
 *
 * Called after the credential is stored. So the process that ends the session either revokes the credential too, or
 * this check sees the end.
 *
 * Throws `access.sign_in`.
 */
export async function noteMade(
  words: Pick<CredentialWords, 'fact' | 'made'>,
  ctx: PortalRequest,
  { sessions, audit }: Pick<CredentialTools, 'sessions' | 'audit'>,
  maker: Session,
  madeId: string,
  facts: AuditFacts = {},
): Promise<void> {
  if ((await sessions.describe(maker.id)) === null) {
    await sessions.end(madeId)
    throw new GateError('access.sign_in', 'the session ended before the form was there', { facts: { made: madeId } })
  }
  await audit.keep(words.made, { ...askedFacts(ctx), ...sessionFacts(maker), [words.fact]: madeId, ...facts })
}
