/** @jsxImportSource hono/jsx */

/** The page `tokens`: a person's API tokens, a form for a new one, and a way to revoke each. */

import { GateError } from '../../base/errors.ts'
import { prefersPage } from '../../route/page-load.ts'
import type { ApiTokens, HeldApiToken } from '../../session/credentials/api-tokens.ts'
import type { Session } from '../../session/session.ts'
import { jsonAnswer, pageAnswer } from '../answer.ts'
import { parseName, proveForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { Copyable, Creates, Made, NameField, NewForm, Revoke } from '../layout/credentials.tsx'
import { isSamePerson } from '../layout/person.ts'
import { Sign } from '../layout/pictures.tsx'
import { Moment, Said, spanOf, Time } from '../layout/time.tsx'
import { Facts, type MenuEntry, WidePage } from '../layout/wide-page.tsx'
import { ownPath } from '../paths.ts'
import type { PortalRequest, TokenPlace } from '../portal-request.ts'
import type { Words } from '../words/words.ts'
import { type CredentialTools, createCredentialPage, noteMade } from './credential-page.ts'
import { hasTokens, menuOf } from './menu.ts'

export interface TokenTools extends CredentialTools {
  readonly sessions: CredentialTools['sessions'] & { readonly tokens: ApiTokens }
}

const DAY_MS = 24 * 60 * 60 * 1000

const WORDS = { many: 'personal tokens', fact: 'token', made: 'token.made', revoked: 'token.revoked' } as const

/**
 * The requesting user's tokens, where the portal lets users make them. A form of the page makes one with `name` and
 * `days`. A token always has the roles that its owner has at that time.
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
  if (!ctx.portal.personalTokens) throw new GateError('access.denied', 'this portal has no personal tokens')
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
  return pageAnswer({ words, brand: ctx.portal.brand, page })
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

/** Lifetimes on offer, in days; the second is the one that is chosen at first. */
const TOKEN_DAYS = [7, 30, 90, 365] as const

/** What the page shows. */
interface TokensView {
  readonly words: Words
  readonly title: string
  readonly menu: readonly MenuEntry[]
  readonly tokens: readonly HeldApiToken[]
  /** A token that was made a moment ago; it is never shown again. */
  readonly made: { readonly text: string; readonly held: HeldApiToken } | null
  /** What a new token could do. */
  readonly roles: readonly string[]
  /** Whether people make any themselves here. */
  readonly mayMake: boolean
  /** Where it would be taken. */
  readonly places: readonly TokenPlace[]
  readonly nowMs: number
  /** Shows that a form came from this page. */
  readonly proof: string
}

/** A person's tokens, a form for a new one, and a way to revoke each. */
function TokensPage({ words, title, menu, tokens, made, roles, mayMake, places, nowMs, proof }: TokensView) {
  return (
    <WidePage
      words={words}
      title={title}
      heading={words.yourTokens}
      menu={menu}
      isSlim
      lead={<p class="soft">{words.tokensLead}</p>}
    >
      {mayMake ? (
        <NewTokenForm words={words} roles={roles} places={places} proof={proof} isAlone={tokens.length === 0} />
      ) : null}
      {made === null ? null : (
        <Made
          words={words}
          lead={words.tokenMade}
          text={made.text}
          label={words.tokenPurpose}
          name={made.held.name}
          untilMs={made.held.session.expiresAtMs}
          place={null}
        >
          <TokenUse words={words} token={made.text} places={places} />
        </Made>
      )}
      {tokens.length === 0 ? (
        <div class="empty">
          <p class="soft">{words.noTokens}</p>
        </div>
      ) : (
        <ul class="rows">
          {tokens.map(held => (
            <Row words={words} held={held} nowMs={nowMs} proof={proof} />
          ))}
        </ul>
      )}
    </WidePage>
  )
}

/** The form for a new token, and the access that it would give. */
function NewTokenForm(
  props: Pick<TokensView, 'words' | 'roles' | 'places' | 'proof'> & {
    /** Whether there is nothing else to look at. */
    readonly isAlone: boolean
  },
) {
  const { words, roles, places, proof, isAlone } = props
  return (
    <NewForm words={words} label={words.newToken} isAlone={isAlone}>
      <form class="fields" method="post" action={ownPath('tokens')}>
        <Creates proof={proof} />
        <div>
          <NameField label={words.tokenPurpose} />
        </div>
        <div>
          <label for="days">{words.tokenLifetime}</label>
          <select id="days" name="days">
            {TOKEN_DAYS.map((days, index) => (
              <option value={String(days)} selected={index === 1}>
                {spanOf(days * 86_400_000, words)}
              </option>
            ))}
          </select>
        </div>
        <div class="wide">
          <p class="soft small">
            {roles.length === 0 ? words.tokenWithoutRoles : words.tokenWithRoles(roles.join(', '))}
          </p>
          <TokenPlaces words={words} places={places} />
        </div>
        <button class="act main" type="submit">
          {words.makeToken}
        </button>
      </form>
    </NewForm>
  )
}

function Row({
  words,
  held,
  nowMs,
  proof,
}: {
  readonly words: Words
  readonly held: HeldApiToken
  readonly nowMs: number
  readonly proof: string
}) {
  const { name, session, restsAtMs } = held
  const roles = session.identity.roles ?? []
  const about = [held.limits.resource?.address ?? '', roles.join(', ')].filter(part => part !== '').join(' · ')
  return (
    <li class="row">
      <Sign of="token" />
      <div>
        <h2>{name}</h2>
        <Facts
          facts={[
            about === '' ? null : <bdi>{about}</bdi>,
            <Said say={words.tokenSince}>
              <Time words={words} atMs={session.createdAtMs} nowMs={nowMs} />
            </Said>,
            held.isUnused ? words.tokenUnused : null,
            <Said say={words.linkUntil}>
              <Moment words={words} atMs={session.expiresAtMs} show="day" />
            </Said>,
          ]}
        />
        {restsAtMs === 0 ? <p class="small">{words.tokenRests}</p> : null}
      </div>
      <Revoke words={words} page="tokens" id={session.id} name={name} proof={proof} />
    </li>
  )
}

/** As many as one reads in a sentence. */
const MOST_SAID = 4

/** Where tokens are accepted, for a user who is about to make one. */
function TokenPlaces({ words, places }: { readonly words: Words; readonly places: readonly TokenPlace[] }) {
  if (places.length === 0) return <p class="soft small">{words.tokenNowhere}</p>
  const list = places.map(({ place }) => place).join(', ')
  if (places.length <= MOST_SAID) return <p class="soft small">{words.tokenPlaces(list)}</p>
  return (
    <details class="fold small">
      <summary>{words.tokenPlaceCount(places.length)}</summary>
      <p class="soft">{list}</p>
    </details>
  )
}

/** How a token is used that was made a moment ago: each line is selected as a whole, to be copied. */
function TokenUse({
  words,
  token,
  places,
}: {
  readonly words: Words
  readonly token: string
  readonly places: readonly TokenPlace[]
}) {
  const addresses = places.flatMap(({ address }) => address ?? [])
  const [first] = addresses
  const repository = addresses.find(address => /git|forge|code/i.test(address)) ?? first
  const lines: readonly (readonly [what: string, text: string])[] = [
    [words.tokenUser, 'me'],
    [words.tokenPassword, token],
    ['HTTP', `Authorization: Bearer ${token}`],
    ...(first === undefined ? [] : [['curl', `curl --user me:${token} ${first}`] as const]),
    ...(repository === undefined ? [] : [['git', `git clone ${withPassword(repository, token)}`] as const]),
  ]
  return (
    <section class="uses">
      <h2>{words.tokenUse}</h2>
      <dl class="facts">
        {lines.map(([what, text]) => (
          <div>
            <dt>{what}</dt>
            <dd>
              <Copyable words={words} text={text} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

/** The address of a repository there, with a name and the token as its password. */
function withPassword(address: string, token: string): string {
  return `${address.replace('://', `://me:${token}@`).replace(/\/$/, '')}/NAME.git`
}
