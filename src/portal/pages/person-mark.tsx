/** @jsxImportSource hono/jsx */

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
