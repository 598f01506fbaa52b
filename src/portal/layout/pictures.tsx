/** @jsxImportSource hono/jsx */

/** What stands in place of a picture: the initials of a person, the letter of an application, a sign for a thing. */

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

/** Pictures of things and of kinds of events, as lines in a square of 24. */
export const PICTURES = {
  sign_in: 'M14 4h5v16h-5M4 12h10M10 8l4 4-4 4',
  sign_out: 'M10 4H5v16h5M10 12h10M16 8l4 4-4 4',
  session: 'M4 5h16v10.500H4zM2.500 19h19M10 10.500h4v3h-4zM10.700 10.500V9a1.300 1.300 0 0 1 2.600 0v1.500',
  access: 'M3.5 12a8.500 8.500 0 1 0 17 0 8.500 8.500 0 0 0-17 0M6 6l12 12',
  token: 'M4 15a4 4 0 1 0 8 0 4 4 0 0 0-8 0M11 12l8-8M15.5 7.500l3 3',
  guest: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
  passkey:
    'M5 8a4 4 0 1 0 8 0 4 4 0 0 0-8 0M2.500 20c.500-4 3-6 6.500-6 1 0 2 .2 3 .6M15 14a3 3 0 1 0 6 0 3 3 0 0 0-6 0M18 17v5',
  invitation: 'M3.500 6h17v12.500h-17zM4 7l8 6 8-6',
  role: 'M12 3l7.500 3v6c0 5-3.500 8-7.500 9-4-1-7.500-4-7.500-9V6z',
  program: 'M3.500 5h17v14h-17zM8 9.500l3 2.500-3 2.500M13 15h3',
  account: 'M8 8a4 4 0 1 0 8 0 4 4 0 0 0-8 0M4.500 20.500c0-4 3.500-6 7.500-6s7.500 2 7.500 6',
  provider: 'M4 4.500h16v6.500H4zM4 13h16v6.500H4zM7.500 7.750h.1M7.500 16.250h.1',
  config: 'M6 3h8l4 4v14H6zM9 12h6M9 16h6',
  audit: 'M4 6h16M4 12h16M4 18h10',
  computer: 'M4 5h16v10.500H4zM2.500 19h19',
  phone: 'M8 3h8v18H8zM11 18.300h2',
  lock: 'M5.500 10.500h13v9.500h-13zM8.500 10.500V8a3.500 3.500 0 0 1 7 0v2.500M12 14v2.500',
  caution: 'M12 4 3 19.500h18zM12 10v4.500M12 17h.1',
} as const

/** A circle with the picture of a thing. */
export function Sign({ of }: { readonly of: keyof typeof PICTURES }) {
  return (
    <svg class="sign" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.600" aria-hidden="true">
      <path d={PICTURES[of]} stroke-linejoin="round" stroke-linecap="round" />
    </svg>
  )
}

/** As many as the stylesheet has. */
const HUES = 6

/** The picture of an application, by its address; a letter for one without. */
export function Picture({ name, picture }: { readonly name: string; readonly picture: string | null }) {
  if (picture === null) return <Letter name={name} />
  return <img class="icon" src={picture} alt="" width={56} height={56} />
}

/** A tile with the first letter of a name, in a colour that stays the name's own. */
function Letter({ name }: { readonly name: string }) {
  const letter = /[\p{L}\p{N}]/u.exec(name)?.[0].toLocaleUpperCase('en') ?? '·'
  const hue = [...name].reduce((sum, one) => (sum * 31 + (one.codePointAt(0) ?? 0)) % 65_521, 7) % HUES
  return (
    <span class={`letter hue-${hue}`} aria-hidden="true">
      {letter}
    </span>
  )
}
