/** @jsxImportSource hono/jsx */

/** A route on the page `admin`, with how its application is. */

import type { Child } from 'hono/jsx'
import type { OriginView, RefusalView, RouteView } from '../overview.ts'
import type { Words } from '../words/words.ts'

/** Whether an address is known not to answer; false for one that was never checked. */
export function isDown({ health }: OriginView): boolean {
  return health === 'down'
}

/** A state in words, with a sign before it for a quick look. */
export function Health(props: {
  readonly state: OriginView['health']
  readonly text: string
  readonly children?: Child
}) {
  return (
    <span class={`small health ${props.state}`}>
      <span>
        {props.text}
        {props.children}
      </span>
    </span>
  )
}

/** A route: who may pass, how its upstreams are, and what its application refuses. */
export function Route(props: { readonly words: Words; readonly route: RouteView; readonly Name?: 'h3' | 'h4' }) {
  const { words, route, Name = 'h3' } = props
  return (
    <li class="row">
      <div>
        <Name>{route.name}</Name>
        {route.name === route.id ? null : <p class="soft small">{route.id}</p>}
        <p class="small">
          <Access words={words} route={route} />
        </p>
        {route.refusal === null ? null : <Refuses words={words} refusal={route.refusal} />}
      </div>
      {route.origins.length === 0 ? null : (
        <div class="origins">
          {route.balance === null ? null : <p class="soft small">{route.balance}</p>}
          {route.origins.map(({ address, health, inFlight, failures }) => (
            <p class="small">
              <span class="soft">{address}</span>
              <Health state={health} text={words.health[health]}>
                {inFlight === 0 ? null : ` · ${words.underWay(inFlight)}`}
                {failures === 0 ? null : ` · ${words.failedInRow(failures)}`}
              </Health>
            </p>
          ))}
        </div>
      )}
    </li>
  )
}

/** What its application refuses, in its own words, and what helps. */
function Refuses({ words, refusal }: { readonly words: Words; readonly refusal: RefusalView }) {
  const { kind, sent, status, words: said, keys } = refusal
  return (
    <p class="small health down">
      <span>
        {words.refuses[kind](sent, status)}
        {said === '' ? null : (
          <>
            {' '}
            <q>{said}</q>
          </>
        )}
        {keys.length === 0 ? null : ` · ${words.helps} `}
        {keys.map(key => (
          <>
            <code>{key}</code>{' '}
          </>
        ))}
      </span>
    </p>
  )
}

function Access({ words, route: { access, deny } }: { readonly words: Words; readonly route: RouteView }) {
  const shut =
    deny.length === 0 ? null : (
      <>
        {` · ${words.shutOut} `}
        <span lang="en">{deny.join('; ')}</span>
      </>
    )
  switch (access.kind) {
    case 'public':
    case 'authenticated':
      return (
        <>
          {words.open[access.kind]}
          {shut}
        </>
      )
    case 'roles':
      return (
        <>
          {access.roles.map(role => (
            <span class="tag">{role}</span>
          ))}
          {shut}
        </>
      )
    case 'rules':
      return (
        <>
          <span lang="en">{access.rules.join('; ')}</span>
          {shut}
        </>
      )
  }
}
