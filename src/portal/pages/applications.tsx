/** @jsxImportSource hono/jsx */
import type { Identity } from '../../identity/identity.ts'
import type { Application } from '../portal.ts'
import type { Words } from '../words/words.ts'
import { detailOf, nameOf } from './person.ts'
import { type MenuEntry, WidePage } from './wide-page.tsx'

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
    <WidePage words={words} title={props.title} heading={words.hello(nameOf(props.identity))} menu={props.menu}>
      <p class="soft who">
        {detail === null ? null : `${words.signedInAs(detail)} · `}
        <a href={props.switchAddress}>{words.switchAccount}</a>
      </p>
      {props.applications.length === 0 ? (
        <Nothing words={words} />
      ) : (
        <Lists words={words} applications={props.applications} />
      )}
    </WidePage>
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

/** In groups where there are any: in the order in which they are first named, what has none last. */
function Lists({ words, applications }: { readonly words: Words; readonly applications: readonly Application[] }) {
  const groups = Map.groupBy(applications, ({ group }) => group)
  const rest = groups.get(null) ?? []
  if (rest.length === applications.length) return <List words={words} applications={rest} Name="h2" />
  const named = [...groups].flatMap(([group, of]) => (group === null ? [] : [{ group, of }]))
  return (
    <>
      {[...named, ...(rest.length === 0 ? [] : [{ group: words.otherApplications, of: rest }])].map(({ group, of }) => (
        <section class="group">
          <h2>{group}</h2>
          <List words={words} applications={of} Name="h3" />
        </section>
      ))}
    </>
  )
}

function List(props: {
  readonly words: Words
  readonly applications: readonly Application[]
  readonly Name: 'h2' | 'h3'
}) {
  const { words, applications, Name } = props
  return (
    <ul class="apps">
      {applications.map(({ name, address, description, icon, health }) => (
        <li>
          <a class="app" href={address}>
            {icon === null ? <Letter name={name} /> : <img class="icon" src={icon} alt="" width={44} height={44} />}
            <span>
              <Name>{name}</Name>
              <span class="soft small about">
                {description ?? address.replace(/^https?:\/\//, '').replace(/\/$/, '')}
              </span>
              {health === null ? null : <span class={`small health ${health}`}>{words.health[health]}</span>}
            </span>
          </a>
        </li>
      ))}
    </ul>
  )
}

/** As many as the stylesheet has. */
const HUES = 6

/** An arch with the first letter of a name, in a colour that stays the name's own. */
function Letter({ name }: { readonly name: string }) {
  const letter = /[\p{L}\p{N}]/u.exec(name)?.[0].toLocaleUpperCase('en') ?? '·'
  const hue = [...name].reduce((sum, one) => (sum * 31 + (one.codePointAt(0) ?? 0)) % 65_521, 7) % HUES
  return (
    <span class={`arch hue-${hue}`} aria-hidden="true">
      {letter}
    </span>
  )
}
