/** @jsxImportSource hono/jsx */
import type { HeldToken } from '../../session/tokens.ts'
import { ownPath } from '../place.ts'
import { Document, Mark } from './layout.tsx'
import { agoOf, dateOf } from './time.ts'

/** Lifetimes on offer, in days; the second is the one that is chosen at first. */
export const TOKEN_DAYS = [7, 30, 90, 365] as const

/** What the page shows. */
export interface TokensView {
  readonly title: string
  readonly tokens: readonly HeldToken[]
  /** A token that was made a moment ago; it is never shown again. */
  readonly made: string | null
  /** What a new token could do. */
  readonly roles: readonly string[]
  readonly nowMs: number
  /** Shows that a form came from this page. */
  readonly proof: string
}

/** A person's tokens, a form for a new one, and a way to revoke each. */
export function TokensPage({ title, tokens, made, roles, nowMs, proof }: TokensView) {
  return (
    <Document title={`Your tokens · ${title}`}>
      <div class="hall">
        <header class="bar">
          <Mark />
          <span class="name">{title}</span>
          <nav aria-label="Account">
            <a href={ownPath('')}>Applications</a>
            <a href={ownPath('sessions')}>Your sessions</a>
            <a href={ownPath('logout')}>Sign out</a>
          </nav>
        </header>
        <main>
          <h1>Your tokens</h1>
          <p class="soft">For scripts and apps that cannot sign in. Whoever has one can do what you can.</p>
          {made === null ? null : (
            <div class="empty" role="status">
              <p>This is the token. Copy it now: it is not shown again.</p>
              <p class="note">
                <code>{made}</code>
              </p>
            </div>
          )}
          <form class="search" method="post" action={ownPath('tokens')}>
            <input type="hidden" name="proof" value={proof} />
            <input type="hidden" name="act" value="create" />
            <label for="name">What it is for</label>
            <input id="name" name="name" type="text" required maxlength={100} autocomplete="off" />
            <select name="days" aria-label="How long it is good">
              {TOKEN_DAYS.map((days, index) => (
                <option value={String(days)} selected={index === 1}>
                  {days} days
                </option>
              ))}
            </select>
            <button class="act main" type="submit">
              Make a token
            </button>
          </form>
          <p class="soft small">
            {roles.length === 0
              ? 'It will have no roles.'
              : `It will have the roles that you have now: ${roles.join(', ')}.`}
          </p>
          {tokens.length === 0 ? null : (
            <ul class="rows">
              {tokens.map(held => (
                <Row held={held} nowMs={nowMs} proof={proof} />
              ))}
            </ul>
          )}
        </main>
      </div>
    </Document>
  )
}

function Row({ held, nowMs, proof }: { readonly held: HeldToken; readonly nowMs: number; readonly proof: string }) {
  const { name, session } = held
  const roles = session.identity.roles ?? []
  return (
    <li class="row">
      <div>
        <h2>{name}</h2>
        <p class="soft small">
          {roles.length === 0 ? null : `${roles.join(', ')} · `}
          Made {agoOf(session.createdAtMs, nowMs)}, good until {dateOf(session.expiresAtMs)}
        </p>
      </div>
      <form method="post" action={ownPath('tokens')}>
        <input type="hidden" name="proof" value={proof} />
        <input type="hidden" name="act" value="revoke" />
        <input type="hidden" name="id" value={session.id} />
        <button class="act" type="submit" aria-label={`Revoke ${name}`}>
          Revoke
        </button>
      </form>
    </li>
  )
}
