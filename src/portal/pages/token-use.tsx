/** @jsxImportSource hono/jsx */
import type { TokenPlace } from '../portal.ts'
import type { Words } from '../words/words.ts'

/** As many as one reads. */
const MOST_SHOWN = 12

/** Where tokens are taken, for whoever is about to make one. */
export function TokenPlaces({ words, places }: { readonly words: Words; readonly places: readonly TokenPlace[] }) {
  if (places.length === 0) return <p class="soft small">{words.tokenNowhere}</p>
  const shown = places.slice(0, MOST_SHOWN).map(({ place }) => place)
  const list = `${shown.join(', ')}${places.length > shown.length ? ', …' : ''}`
  return <p class="soft small">{words.tokenPlaces(list)}</p>
}

/** How a token is used that was made a moment ago: each line is selected as a whole, to be copied. */
export function TokenUse({
  words,
  token,
  places,
}: {
  readonly words: Words
  readonly token: string
  readonly places: readonly TokenPlace[]
}) {
  const addresses = places.flatMap(({ address }) => address ?? [])
  const [first] = addresses
  const repository = addresses.find(address => /git|forge|code/i.test(address)) ?? first
  const lines: readonly (readonly [what: string, text: string])[] = [
    [words.tokenUser, 'me'],
    [words.tokenPassword, token],
    ['HTTP', `Authorization: Bearer ${token}`],
    ...(first === undefined ? [] : [['curl', `curl --user me:${token} ${first}`] as const]),
    ...(repository === undefined ? [] : [['git', `git clone ${withPassword(repository, token)}`] as const]),
  ]
  return (
    <section class="uses">
      <h2>{words.tokenUse}</h2>
      <dl class="facts">
        {lines.map(([what, text]) => (
          <div>
            <dt>{what}</dt>
            <dd>
              <code>{text}</code>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

/** The address of a repository there, with a name and the token as its password. */
function withPassword(address: string, token: string): string {
  return `${address.replace('://', `://me:${token}@`).replace(/\/$/, '')}/NAME.git`
}
