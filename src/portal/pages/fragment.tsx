/** @jsxImportSource hono/jsx */
import type { Words } from '../words/words.ts'
import { Acts, NarrowPage } from './narrow-page.tsx'

/**
 * A step on the way that only its script needs: it goes on to `onward` by itself, with a script or without. `returnTo` is the path that a
 * fragment belongs to.
 */
export function FragmentPage(props: {
  readonly words: Words
  readonly title: string
  readonly returnTo: string
  readonly onward: string
}) {
  const { words, title, returnTo, onward } = props
  return (
    <NarrowPage words={words} title={words.signIn} place={title} onward={onward}>
      <h1>{words.signIn}</h1>
      <div data-return-to={returnTo} data-onward={onward}>
        <Acts acts={[{ label: words.goOn, address: onward }]} />
      </div>
    </NarrowPage>
  )
}
