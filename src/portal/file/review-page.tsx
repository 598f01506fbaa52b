/** @jsxImportSource hono/jsx */

/** The page that shows what a draft of the file would change, before it is saved. */

import type { Draft, Judged, Preview } from '../editor-interface.ts'
import { AdminTabs, Health, type Tabs } from '../layout/admin-tabs.tsx'
import { type MenuEntry, WidePage } from '../layout/wide-page.tsx'
import { ownPath } from '../paths.ts'
import type { Words } from '../words/words.ts'
import { Difference, Found } from './show.tsx'

export interface ReviewView {
  readonly words: Words
  readonly title: string
  readonly menu: readonly MenuEntry[]
  readonly tabs: Tabs
  readonly draft: Draft
  readonly judged: Extract<Judged, { kind: 'good' }>
  readonly proof: string
  /** The sealed version that the draft is based on; no client can read it. */
  readonly base: string
}

/** So many people are read at one look. */
const PEOPLE_SHOWN = 200

/** What a draft would change, before it is saved: for routes, and for those who are signed in. */
export function ReviewPage({ words, title, menu, tabs, draft, judged, proof, base }: ReviewView) {
  const { findings, difference, preview, isCut, lockouts } = judged
  const { people, judged: count, anybody, routes, settings, restart } = preview
  const changed = [routes.added, routes.removed, routes.changed, settings, restart]
  const isSame = changed.every(of => of.length === 0)
  return (
    <WidePage words={words} title={title} heading={words.reviewTitle} menu={menu}>
      <AdminTabs words={words} tabs={tabs} />
      {lockouts.length === 0 ? null : (
        <div class="alert" role="alert">
          {lockouts.map(lockout => (
            <p>{words.reviewLockouts[lockout]}</p>
          ))}
        </div>
      )}
      <section class="group">
        <h2>{words.reviewLines}</h2>
        <Difference lines={difference} />
      </section>
      <Found words={words} findings={findings} main={draft.name} />
      {isSame || people.length === 0 ? (
        <ul class="rows">
          {isSame ? (
            <li class="row">
              <Health state="up" text={words.reviewNothing} />
            </li>
          ) : null}
          {people.length === 0 ? (
            <li class="row">
              <Health state="up" text={words.reviewPeople(0, count)} />
            </li>
          ) : null}
        </ul>
      ) : null}
      {isSame ? null : (
        <section class="group">
          <h2>{words.reviewChanges}</h2>
          <Changes preview={preview} words={words} />
        </section>
      )}
      {anybody.gains.length + anybody.loses.length === 0 ? null : (
        <section class="group">
          <h2>{words.reviewAnybody}</h2>
          <Turns words={words} turns={anybody} />
        </section>
      )}
      {isCut && people.length === 0 ? <p class="soft">{words.reviewCut}</p> : null}
      <section class="group" hidden={people.length === 0}>
        <h2>{words.reviewPeople(people.length, count)}</h2>
        {isCut ? <p class="soft">{words.reviewCut}</p> : null}
        <ul class="rows">
          {people.slice(0, PEOPLE_SHOWN).map(person => (
            <li class="row">
              <div>
                <h3>{person.name ?? person.email ?? person.subject}</h3>
                {person.ended === 0 ? null : <p>{words.reviewEnded(person.ended)}</p>}
                <Turns words={words} turns={person} />
              </div>
            </li>
          ))}
        </ul>
        {people.length <= PEOPLE_SHOWN ? null : <p class="soft">{words.andMore(people.length - PEOPLE_SHOWN)}</p>}
      </section>
      <form class="edit" method="post" action={ownPath('edit')}>
        <input type="hidden" name="proof" value={proof} />
        <input type="hidden" name="base" value={base} />
        <input type="hidden" name="file" value={draft.name} />
        <textarea name="text" hidden>
          {`\n${draft.text}`}
        </textarea>
        {lockouts.length === 0 ? null : (
          <p>
            <label>
              <input type="checkbox" name="sure" value="yes" /> {words.reviewSure}
            </label>
          </p>
        )}
        <div class="buttons">
          <button class="act main" type="submit" name="act" value="save">
            {words.reviewSave}
          </button>
          <button class="act" type="submit" name="act" value="edit">
            {words.reviewBack}
          </button>
        </div>
      </form>
    </WidePage>
  )
}

const SIGNS = { added: '+', removed: '-', changed: '~' } as const

/** As `check --diff` writes it: ids, keys and names of the file itself. */
function Changes({ words, preview }: { readonly words: Words; readonly preview: Preview }) {
  const { routes, settings, restart } = preview
  const lines = [
    ...routes.added.map(({ route, allow }) => `+ ${route}: ${allow}`),
    ...routes.removed.map(({ route, allow }) => `- ${route}: ${allow}`),
    ...routes.changed.map(({ route, keys }) => `~ ${route}: ${keys.map(({ key }) => key).join(', ')}`),
    ...settings.map(({ key, change }) => `${SIGNS[change]} ${key}`),
  ]
  return (
    <>
      <ul class="changes">
        {lines.map(line => (
          <li>{line}</li>
        ))}
      </ul>
      {restart.length === 0 ? null : (
        <p>
          {`${words.needsRestart} `}
          <code>{restart.join(', ')}</code>
        </p>
      )}
    </>
  )
}

function Turns({ words, turns }: { readonly words: Words; readonly turns: Preview['anybody'] }) {
  const lines = [
    ...turns.gains.map(turn => `${words.reviewGains} ${textOf(turn)}`),
    ...turns.loses.map(turn => `${words.reviewLoses} ${textOf(turn)}`),
    ...turns.again.map(turn => `${words.reviewAgain} ${textOf(turn)}`),
  ]
  return (
    <ul class="changes">
      {lines.map(line => (
        <li>{line}</li>
      ))}
    </ul>
  )
}

function textOf({ address, method }: { readonly address: string; readonly method: string }): string {
  return method === 'GET' ? address : `${method} ${address}`
}
