/** @jsxImportSource hono/jsx */
import { GateError } from '../../base/errors.ts'
import { prefersPage } from '../../route/page-load.ts'
import type { ApiTokens, HeldApiToken } from '../../session/credentials/api-tokens.ts'
import type { Session } from '../../session/session.ts'
import { jsonAnswer, pageAnswer } from '../answer.ts'
import { parseName, proveForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { TOKEN_DAYS, TokensPage, type TokensView } from '../pages/api-tokens.tsx'
import { isSamePerson } from '../pages/person.ts'
import type { PortalRequest } from '../portal.ts'
import { type CredentialTools, createCredentialPage, noteMade } from './credential-page.ts'
import { hasTokens } from './has-tokens.ts'
import { menuOf } from './menu.ts'

export interface TokenTools extends CredentialTools {
  readonly sessions: CredentialTools['sessions'] & { readonly tokens: ApiTokens }
}

const DAY_MS = 24 * 60 * 60 * 1000

const WORDS = { many: 'personal tokens', fact: 'token' } as const

/**
 * The tokens of whoever asks, where the portal lets people make them. A form of the page makes one with `name` and `days`; it has the
 * roles that its owner has at any time.
 */
export const tokensPage = createCredentialPage<TokenTools, HeldApiToken, NewToken>({
  page: 'tokens',
  words: WORDS,
  mostOfOne: 50,
  isOffered: hasTokens,
  list: (_ctx, tools, session) => ownTokens(tools, session),
  isOwn,
  read,
  make,
  answer: (ctx, tools, session) => answer(ctx, tools, session, null),
})

interface NewToken {
  readonly name: string
  readonly lifetimeMs: number
}

function read(ctx: PortalRequest, _session: Session, form: URLSearchParams): NewToken {
  if (!ctx.portal.personalTokens)
    throw new GateError('access.denied', 'nobody makes tokens of their own at this portal')
  const name = parseName(form)
  const days = TOKEN_DAYS.find(one => String(one) === form.get('days'))
  if (name !== null && days !== undefined) return { name, lifetimeMs: days * DAY_MS }
  throw new GateError('target.malformed', 'a token has a name, and one of the lifetimes on offer')
}

async function make(ctx: PortalRequest, tools: TokenTools, session: Session, wanted: NewToken): Promise<Response> {
  const { text, held } = await tools.sessions.tokens.create({
    ...wanted,
    portal: session.portal,
    identity: session.identity,
    follows: true,
    limits: { host: null, path: null, methods: null, networks: null },
  })
  await noteMade(WORDS, ctx, tools, session, held.session.id)
  return answer(ctx, tools, session, { text, held })
}

async function answer(
  ctx: PortalRequest,
  tools: TokenTools,
  session: Session,
  made: TokensView['made'],
): Promise<Response> {
  const tokens = await ownTokens(tools, session)
  if (!prefersPage(ctx.request)) {
    const described = tokens.map(held => describe(held, ctx.rolesOf(held.owner === null ? held.session : session)))
    return jsonAnswer(made === null ? { tokens: described } : { token: made.text, tokens: described })
  }
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const page = (
    <TokensPage
      words={words}
      title={ctx.portal.title}
      menu={menuOf(ctx, session, words, 'tokens')}
      tokens={tokens}
      made={made}
      roles={ctx.rolesOf(session)}
      mayMake={ctx.portal.personalTokens}
      places={ctx.tokenPlaces(session)}
      nowMs={tools.ports.now()}
      proof={await proveForm(ctx, session, tools.seal)}
    />
  )
  return pageAnswer(words, ctx.portal.brand, page, 200)
}

async function ownTokens({ sessions }: TokenTools, session: Session): Promise<readonly HeldApiToken[]> {
  return (await sessions.tokens.list(session.portal)).filter(held => isOwn(held, session))
}

function isOwn(held: HeldApiToken, { identity }: Session): boolean {
  return isSamePerson(held.session.identity, identity)
}

function describe({ name, session, restsAtMs }: HeldApiToken, roles: readonly string[]): object {
  const { id, createdAtMs, expiresAtMs } = session
  const [created, expires] = [createdAtMs, expiresAtMs].map(atMs => new Date(atMs).toISOString())
  return { id, name, roles, resting: restsAtMs === 0, created, expires }
}
