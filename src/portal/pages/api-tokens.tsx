/** @jsxImportSource hono/jsx */
import type { HeldApiToken } from '../../session/credentials/api-tokens.ts'
import { ownPath } from '../place.ts'
import type { TokenPlace } from '../portal.ts'
import type { Words } from '../words/words.ts'
import { Creates, Made, NameField, Revoke } from './credentials.tsx'
import { agoOf, dayOf, momentOf, spanOf } from './time.tsx'
import { TokenPlaces, TokenUse } from './token-use.tsx'
import { type MenuEntry, WidePage } from './wide-page.tsx'

/** Lifetimes on offer, in days; the second is the one that is chosen at first. */
export const TOKEN_DAYS = [7, 30, 90, 365] as const

/** What the page shows. */
export interface TokensView {
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
export function TokensPage({ words, title, menu, tokens, made, roles, mayMake, places, nowMs, proof }: TokensView) {
  return (
    <WidePage words={words} title={title} heading={words.yourTokens} menu={menu}>
      <p class="soft">{words.tokensLead}</p>
      {made === null ? null : (
        <>
          <Made
            words={words}
            lead={words.tokenMade}
            text={made.text}
            label={words.tokenPurpose}
            name={made.held.name}
            until={momentOf(made.held.session.expiresAtMs, words)}
            place={null}
          />
          <TokenUse words={words} token={made.text} places={places} />
        </>
      )}
      {mayMake ? <NewToken words={words} roles={roles} places={places} proof={proof} /> : null}
      {tokens.length === 0 ? null : (
        <ul class="rows">
          {tokens.map(held => (
            <Row words={words} held={held} nowMs={nowMs} proof={proof} />
          ))}
        </ul>
      )}
    </WidePage>
  )
}

/** The form for a new one, with what it could do. */
function NewToken({ words, roles, places, proof }: Pick<TokensView, 'words' | 'roles' | 'places' | 'proof'>) {
  return (
    <>
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
        <button class="act main" type="submit">
          {words.makeToken}
        </button>
      </form>
      <p class="soft small">{roles.length === 0 ? words.tokenWithoutRoles : words.tokenWithRoles(roles.join(', '))}</p>
      <TokenPlaces words={words} places={places} />
    </>
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
  const { resource } = held.limits
  return (
    <li class="row">
      <div>
        <h2>{name}</h2>
        <p class="soft small">
          {resource === undefined ? null : `${resource.address} · `}
          {roles.length === 0 ? null : `${roles.join(', ')} · `}
          {words.tokenTimes(agoOf(session.createdAtMs, nowMs, words), dayOf(session.expiresAtMs, words))}
        </p>
        {restsAtMs === 0 ? <p class="small">{words.tokenRests}</p> : null}
      </div>
      <Revoke words={words} page="tokens" id={session.id} name={name} proof={proof} />
    </li>
  )
}
