/** @jsxImportSource hono/jsx */

/** What stands in place of a picture: the initials of a person, the letter of an application. */

/** A circle with the initials of a name, of its first and its last word. No picture: its address would be the user's own choice. */
export function Initials({ name }: { readonly name: string }) {
  const letters = name
    .split(/[^\p{L}\p{N}]+/u)
    .flatMap(word => /^[\p{L}\p{N}]/u.exec(word)?.[0].toLocaleUpperCase('en') ?? [])
  const shown = letters.length > 1 ? `${letters[0]}${letters.at(-1)}` : (letters[0] ?? '·')
  return (
    <span class="initials" aria-hidden="true">
      {shown}
    </span>
  )
}

/** As many as the stylesheet has. */
const HUES = 6

/** A tile with the first letter of a name, in a colour that stays the name's own. */
export function Letter({ name }: { readonly name: string }) {
  const letter = /[\p{L}\p{N}]/u.exec(name)?.[0].toLocaleUpperCase('en') ?? '·'
  const hue = [...name].reduce((sum, one) => (sum * 31 + (one.codePointAt(0) ?? 0)) % 65_521, 7) % HUES
  return (
    <span class={`letter hue-${hue}`} aria-hidden="true">
      {letter}
    </span>
  )
}
