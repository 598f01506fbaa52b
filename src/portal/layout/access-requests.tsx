/** @jsxImportSource hono/jsx */

/** Requests for access and granted roles, as lists on pages. */

import type { Child } from 'hono/jsx'
import type { Identity } from '../../identity/identity.ts'
import type { GrantsDocument, RoleGrant, RoleRequest } from '../../session/grants/document.ts'
import { ownPath } from '../paths.ts'
import type { Words } from '../words/words.ts'
import { Revoke } from './credentials.tsx'
import { isSamePerson } from './person.ts'
import { Moment, Said, spanOf, Time } from './time.tsx'

/** For how many hours a role may be granted; null: for good. */
export const GRANT_HOURS = [1, 24, null] as const

/** What is asked for and granted at a portal, as an admin sees it. */
export interface RequestsView extends Pick<GrantsDocument, 'requests' | 'grants'> {
  /** Who looks at it. */
  readonly own: Identity
  /** Shows that a form came from this page. */
  readonly proof: string
}

interface Props {
  readonly words: Words
  readonly view: RequestsView
  readonly nowMs: number
}

/** Requests, each with what may be decided about it, and then what was granted. */
export function Requests({ words, view, nowMs }: Props) {
  const { requests, grants, proof } = view
  return (
    <>
      {requests.length === 0 ? (
        <p class="soft small">{words.nobodyAsks}</p>
      ) : (
        <ul class="items">
          {requests.map(request => (
            <Request words={words} request={request} view={view} nowMs={nowMs} />
          ))}
        </ul>
      )}
      {grants.length === 0 ? null : (
        <>
          <h3 class="sub">{words.grantedRoles}</h3>
          <ul class="items">
            {grants.map(grant => (
              <li class="item">
                <div>
                  <h3>
                    {grant.name} <span class="tag">{grant.role}</span>
                  </h3>
                  <p class="soft small">{`${grant.who.provider} · ${grant.who.subject} · ${untilOf(grant, words)}`}</p>
                </div>
                <Revoke words={words} page="admin" id={grant.id} name={`${grant.role}, ${grant.name}`} proof={proof} />
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  )
}

function Request(props: Omit<Props, 'view'> & { readonly request: RoleRequest; readonly view: RequestsView }) {
  const { words, request, view, nowMs } = props
  const { id, who, name, role, route, text, atMs } = request
  const isOwn = isSamePerson(who, view.own)
  return (
    <li class="item">
      <div>
        <h3>
          {name} <span class="tag">{role}</span>
        </h3>
        {text === '' ? null : (
          <p>
            <q>{text}</q>
          </p>
        )}
        <p class="soft small">
          {`${who.provider} · ${who.subject} · ${route} · `}
          <Time words={words} atMs={atMs} nowMs={nowMs} />
        </p>
        {isOwn ? <p class="soft small">{words.ownRequest}</p> : null}
      </div>
      <div class="decide">
        {isOwn ? null : (
          <form method="post" action={ownPath('admin')}>
            <Hidden proof={view.proof} act="grant" id={id} />
            <select name="hours" aria-label={words.grantFor}>
              {GRANT_HOURS.map(hours => (
                <option value={String(hours ?? 'always')}>
                  {hours === null ? words.forGood : spanOf(hours * 3_600_000, words)}
                </option>
              ))}
            </select>
            <button class="act main" type="submit" aria-label={words.grantNamed(role, name)}>
              {words.grant}
            </button>
          </form>
        )}
        <form method="post" action={ownPath('admin')}>
          <Hidden proof={view.proof} act="decline" id={id} />
          <button class="act end" type="submit" aria-label={words.declineNamed(role, name)}>
            {words.decline}
          </button>
        </form>
      </div>
    </li>
  )
}

function Hidden({ proof, act, id }: { readonly proof: string; readonly act: string; readonly id: string }) {
  return (
    <>
      <input type="hidden" name="proof" value={proof} />
      <input type="hidden" name="act" value={act} />
      <input type="hidden" name="id" value={id} />
    </>
  )
}

/** One's own roles that were granted, and below what one has asked for; nothing of either where there is none. */
export function OwnRoles(props: {
  readonly words: Words
  readonly requests: readonly RoleRequest[]
  readonly grants: readonly RoleGrant[]
}) {
  const { words, requests, grants } = props
  return (
    <>
      <Roles heading={words.grantedRoles} roles={grants.map(grant => [grant.role, untilOf(grant, words)])} />
      <Roles heading={words.accessRequests} roles={requests.map(({ role }) => [role, words.asked])} />
    </>
  )
}

function Roles(props: { readonly heading: string; readonly roles: readonly (readonly [role: string, say: Child])[] }) {
  const { heading, roles } = props
  if (roles.length === 0) return null
  return (
    <section class="group">
      <h2>{heading}</h2>
      <ul class="rows">
        {roles.map(([role, say]) => (
          <li class="row">
            <div>
              <h3>{role}</h3>
              <p class="soft small">{say}</p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  )
}

function untilOf({ untilMs }: RoleGrant, words: Words): Child {
  return untilMs === null ? (
    words.forGood
  ) : (
    <Said say={words.linkUntil}>
      <Moment words={words} atMs={untilMs} />
    </Said>
  )
}
