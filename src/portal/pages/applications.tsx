/** @jsxImportSource hono/jsx */
import type { Identity } from '../../identity/identity.ts'
import type { Application } from '../portal.ts'
import { Document, Mark } from './layout.tsx'
import { detailOf, nameOf } from './person.ts'

/** The portal page: what this person may open. */
export function ApplicationsPage(props: {
  readonly title: string
  readonly identity: Identity
  readonly applications: readonly Application[]
  readonly sessionsAddress: string
  /** Null where people make no tokens. */
  readonly tokensAddress: string | null
  readonly signOutAddress: string
  readonly switchAddress: string
}) {
  const detail = detailOf(props.identity)
  return (
    <Document title={props.title}>
      <div class="hall">
        <header class="bar">
          <Mark />
          <span class="name">{props.title}</span>
          <nav aria-label="Account">
            <a href={props.sessionsAddress}>Your sessions</a>
            {props.tokensAddress === null ? null : <a href={props.tokensAddress}>Your tokens</a>}
            <a href={props.switchAddress}>Switch account</a>
            <a href={props.signOutAddress}>Sign out</a>
          </nav>
        </header>
        <main>
          <h1>Hello, {nameOf(props.identity)}</h1>
          {detail === null ? null : <p class="soft who">Signed in as {detail}</p>}
          {props.applications.length === 0 ? <Nothing /> : <List applications={props.applications} />}
        </main>
      </div>
    </Document>
  )
}

function Nothing() {
  return (
    <div class="empty">
      <p>Nothing is open to you here yet.</p>
      <p class="soft">Whoever runs this place can give you a role, or you can switch to another account.</p>
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
