/** @jsxImportSource hono/jsx */
import type { Identity } from '../../identity/identity.ts'
import type { Application } from '../portal.ts'
import type { Words } from '../words/words.ts'
import { Document, Mark } from './layout.tsx'
import { detailOf, nameOf } from './person.ts'

/** The portal page: what this person may open. */
export function ApplicationsPage(props: {
  readonly words: Words
  readonly title: string
  readonly identity: Identity
  readonly applications: readonly Application[]
  readonly sessionsAddress: string
  /** Null where people make no tokens. */
  readonly tokensAddress: string | null
  readonly signOutAddress: string
  readonly switchAddress: string
}) {
  const { words } = props
  const detail = detailOf(props.identity)
  return (
    <Document words={words} title={props.title}>
      <div class="hall">
        <header class="bar">
          <Mark />
          <span class="name">{props.title}</span>
          <nav aria-label={words.accountMenu}>
            <a href={props.sessionsAddress}>{words.yourSessions}</a>
            {props.tokensAddress === null ? null : <a href={props.tokensAddress}>{words.yourTokens}</a>}
            <a href={props.switchAddress}>{words.switchAccount}</a>
            <a href={props.signOutAddress}>{words.signOut}</a>
          </nav>
        </header>
        <main>
          <h1>{words.hello(nameOf(props.identity))}</h1>
          {detail === null ? null : <p class="soft who">{words.signedInAs(detail)}</p>}
          {props.applications.length === 0 ? <Nothing words={words} /> : <List applications={props.applications} />}
        </main>
      </div>
    </Document>
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
