/** @jsxImportSource hono/jsx */
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { prefersPage } from '../../route/page-load.ts'
import type { ApiTokens, HeldApiToken } from '../../session/credentials/api-tokens.ts'
import type { Sealer } from '../../session/seal.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { jsonAnswer, pageAnswer, redirectAnswer } from '../answer.ts'
import { parseName, proveForm, readOwnForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { TOKEN_DAYS, TokensPage } from '../pages/api-tokens.tsx'
import { isPortalHost, ownPath } from '../place.ts'
import type { PortalRequest } from '../portal.ts'
import { leadToPortal } from '../sign-in/to-portal.ts'
import { menuOf } from './menu.ts'
import { revokeIfEnded } from './revoke-if-ended.ts'

export interface TokenTools {
  readonly ports: Pick<Ports, 'now' | 'log'>
  readonly sessions: Pick<Sessions, 'describe' | 'end'> & { readonly tokens: ApiTokens }
  readonly seal: Sealer
}

/** Nobody needs more at a time, and the list of a portal stays one that can be read at once. */
const MOST_OF_ONE = 50
const DAY_MS = 24 * 60 * 60 * 1000

/**
 * The tokens of whoever asks, where the portal lets people make them.
 *
 * Only on the host where people sign in: elsewhere, an application's own scripts could make one.
 */
export async function showTokens(ctx: PortalRequest, tools: TokenTools, session: Session): Promise<Response> {
  if (!ctx.portal.personalTokens) throw new GateError('route.none', 'this portal has no personal tokens')
  const away = leadToPortal(ctx, 'tokens')
  if (away !== null) return away
  return answer(ctx, tools, session, null)
}

/**
 * Takes a form of the page: `act=create` with `name` and `days` answers with the token, this once; `act=revoke` with the `id` of
 * one's own ends it. A token has the roles that its owner has at any time. Throws `access.origin`, `target.malformed`, `access.denied`,
 * `access.sign_in`.
 */
export async function changeTokens(ctx: PortalRequest, tools: TokenTools, session: Session): Promise<Response> {
  if (!ctx.portal.personalTokens) throw new GateError('route.none', 'this portal has no personal tokens')
  if (!isPortalHost(ctx)) throw new GateError('access.origin', 'tokens are made on the portal’s own host')
  const form = await readOwnForm(ctx, tools.seal)
  switch (form.get('act')) {
    case 'create':
      return create(ctx, tools, session, form)
    case 'revoke':
      return revoke(ctx, tools, session, form.get('id') ?? '')
    default:
      throw new GateError('target.malformed', 'the form says neither create nor revoke')
  }
}

async function create(
  ctx: PortalRequest,
  tools: TokenTools,
  session: Session,
  form: URLSearchParams,
): Promise<Response> {
  const name = parseName(form)
  const days = TOKEN_DAYS.find(one => String(one) === form.get('days'))
  if (name === null || days === undefined) {
    throw new GateError('target.malformed', 'a token has a name, and one of the lifetimes on offer')
  }
  if ((await ownTokens(tools, session)).length >= MOST_OF_ONE) {
    throw new GateError('access.denied', `nobody may have more than ${MOST_OF_ONE} tokens`)
  }
  const { text, held } = await tools.sessions.tokens.create({
    portal: session.portal,
    name,
    lifetimeMs: days * DAY_MS,
    identity: session.identity,
    follows: true,
    limits: { host: null, path: null, methods: null, networks: null },
  })
  await revokeIfEnded(tools.sessions, session, held.session.id)
  tools.ports.log.info('A token was made', { user: session.identity.subject, token: held.session.id })
  return answer(ctx, tools, session, text)
}

async function revoke(ctx: PortalRequest, tools: TokenTools, session: Session, id: string): Promise<Response> {
  const isOwn = (await ownTokens(tools, session)).some(held => held.session.id === id)
  if (isOwn) {
    await tools.sessions.end(id)
    tools.ports.log.info('A token was revoked', { user: session.identity.subject, token: id })
  }
  return prefersPage(ctx.request) ? redirectAnswer(303, ownPath('tokens')) : jsonAnswer({ revoked: isOwn })
}

async function answer(ctx: PortalRequest, tools: TokenTools, session: Session, made: string | null): Promise<Response> {
  const tokens = await ownTokens(tools, session)
  if (!prefersPage(ctx.request)) {
    const described = tokens.map(held => describe(held, ctx.rolesOf(held.owner === null ? held.session : session)))
    return jsonAnswer(made === null ? { tokens: described } : { token: made, tokens: described })
  }
  const words = wordsFor(ctx.request)
  const page = (
    <TokensPage
      words={words}
      title={ctx.portal.title}
      menu={menuOf(ctx, session, words, 'tokens')}
      tokens={tokens}
      made={made}
      roles={ctx.rolesOf(session)}
      nowMs={tools.ports.now()}
      proof={await proveForm(ctx, session, tools.seal)}
    />
  )
  return pageAnswer(words, ctx.portal.brand, page, 200)
}

async function ownTokens({ sessions }: TokenTools, { portal, identity }: Session): Promise<readonly HeldApiToken[]> {
  const { issuer, subject } = identity
  return (await sessions.tokens.list(portal)).filter(
    held => held.session.identity.issuer === issuer && held.session.identity.subject === subject,
  )
}

function describe({ name, session, restsAtMs }: HeldApiToken, roles: readonly string[]): object {
  const { id, createdAtMs, expiresAtMs } = session
  const [created, expires] = [createdAtMs, expiresAtMs].map(atMs => new Date(atMs).toISOString())
  return { id, name, roles, resting: restsAtMs === 0, created, expires }
}
