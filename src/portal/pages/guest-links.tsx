/** @jsxImportSource hono/jsx */
import type { HeldGuestLink } from '../../session/credentials/guest-links.ts'
import type { Session } from '../../session/session.ts'
import { ownPath } from '../place.ts'
import type { Words } from '../words/words.ts'
import { Creates, Made, NameField, Revoke } from './credentials.tsx'
import { isSamePerson } from './person.ts'
import { momentOf, spanOf } from './time.tsx'
import { type MenuEntry, WidePage } from './wide-page.tsx'

/** What the page shows. */
export interface GuestsView {
  readonly words: Words
  readonly title: string
  readonly menu: readonly MenuEntry[]
  readonly links: readonly HeldGuestLink[]
  /** Whoever looks at it. */
  readonly own: Session
  /** What a new link may be; null for those who only revoke. */
  readonly offer: { readonly hours: readonly number[]; readonly maxUses: number } | null
  readonly nowMs: number
  /** Shows that a form came from this page. */
  readonly proof: string
  /** A link that was made a moment ago; it is never shown again. */
  readonly made?: { readonly text: string; readonly held: HeldGuestLink }
  /** An address that was typed, and is none to share. */
  readonly refused?: string
}

/** Guest links, a form for a new one, and a way to revoke each. */
export function GuestsPage(view: GuestsView) {
  const { words, title, menu, links, made, refused } = view
  return (
    <WidePage words={words} title={title} heading={words.guestLinks} menu={menu}>
      <p class="soft">{words.guestLinksLead}</p>
      {made === undefined ? null : (
        <Made
          words={words}
          lead={words.linkMade}
          text={made.text}
          label={words.linkFor}
          name={made.held.grant.name}
          until={momentOf(made.held.session.expiresAtMs, words)}
          place={made.held.grant.host + made.held.grant.path}
          {...(made.held.grant.path === '/' ? {} : { note: words.linkCoversPath })}
        />
      )}
      {refused === undefined ? null : (
        <div class="alert" role="alert">
          <p>{words.linkRefused}</p>
        </div>
      )}
      {view.offer === null ? null : <New view={view} offer={view.offer} />}
      {links.length === 0 ? null : (
        <ul class="rows">
          {links.map(held => (
            <Row view={view} held={held} />
          ))}
        </ul>
      )}
    </WidePage>
  )
}

function New({ view, offer }: { readonly view: GuestsView; readonly offer: NonNullable<GuestsView['offer']> }) {
  const { words, proof, refused } = view
  const chosen = Math.min(2, offer.hours.length - 1)
  return (
    <form class="fields" method="post" action={ownPath('guests')}>
      <Creates proof={proof} />
      <div class="wide">
        <label for="address">{words.linkAddress}</label>
        <input
          id="address"
          name="address"
          type="text"
          inputmode="url"
          required
          maxlength={2000}
          autocomplete="off"
          value={refused ?? ''}
          placeholder="https://"
        />
      </div>
      <div class="wide">
        <NameField label={words.linkFor} />
      </div>
      <div>
        <label for="hours">{words.tokenLifetime}</label>
        <select id="hours" name="hours">
          {offer.hours.map((hours, index) => (
            <option value={String(hours)} selected={index === chosen}>
              {spanOf(hours * 3_600_000, words)}
            </option>
          ))}
        </select>
      </div>
      <div>
        <label for="uses">{words.linkUses}</label>
        <input id="uses" name="uses" type="number" required min={1} max={offer.maxUses} value="1" />
      </div>
      <button class="act main" type="submit">
        {words.makeLink}
      </button>
    </form>
  )
}

function Row({ view, held }: { readonly view: GuestsView; readonly held: HeldGuestLink }) {
  const { words, own, proof } = view
  const { session, grant, uses, used } = held
  const isOwn = isSamePerson(grant.maker, own.identity)
  const maker = isOwn ? '' : `${grant.maker.name === '' ? view.title : grant.maker.name} · `
  return (
    <li class="row">
      <div>
        <h2>{grant.name}</h2>
        <p class="soft small">
          {`${maker}${grant.host}${grant.path} · ${words.linkUsed(used, uses)} · ${words.linkUntil(momentOf(session.expiresAtMs, words))}`}
        </p>
      </div>
      <Revoke words={words} page="guests" id={session.id} name={grant.name} proof={proof} />
    </li>
  )
}
