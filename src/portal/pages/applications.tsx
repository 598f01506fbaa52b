/** @jsxImportSource hono/jsx */
import type { Identity } from '../../identity/identity.ts'
import type { Application } from '../portal.ts'
import type { Words } from '../words/words.ts'
import { Hall, type MenuEntry } from './hall.tsx'
import { detailOf, nameOf } from './person.ts'

/** The portal page: what this person may open. */
export function ApplicationsPage(props: {
  readonly words: Words
  readonly title: string
  readonly identity: Identity
  readonly applications: readonly Application[]
  readonly menu: readonly MenuEntry[]
  readonly switchAddress: string
}) {
  const { words } = props
  const detail = detailOf(props.identity)
  return (
    <Hall words={words} title={props.title} heading={words.hello(nameOf(props.identity))} menu={props.menu}>
      <p class="soft who">
        {detail === null ? null : `${words.signedInAs(detail)} · `}
        <a href={props.switchAddress}>{words.switchAccount}</a>
      </p>
      {props.applications.length === 0 ? <Nothing words={words} /> : <List applications={props.applications} />}
    </Hall>
  )
}

function Nothing({ words }: { readonly words: Words }) {
  return (
    <div class="empty">
      <p>{words.nothingOpen}</p>
      <p class="soft">{words.nothingOpenAdvice}</p>
    </div>
  )
}

function List(props: { readonly applications: readonly Application[] }) {
  return (
    <ul class="apps">
      {props.applications.map(({ name, address }) => (
        <li>
          <a class="app" href={address}>
            <span class="arch" aria-hidden="true">
              {initialOf(name)}
            </span>
            <span>
              <h2>{name}</h2>
              <span class="soft small">{address.replace(/^https?:\/\//, '').replace(/\/$/, '')}</span>
            </span>
          </a>
        </li>
      ))}
    </ul>
  )
}

function initialOf(name: string): string {
  return /[\p{L}\p{N}]/u.exec(name)?.[0].toLocaleUpperCase('en') ?? '·'
}
