/** Addresses as logs and pages may show them: without the secrets in them. */

/** A part of a text, from `start` to before `end`. */
type Stretch = readonly [start: number, end: number]

/** Who wrote a text. In a text that a person wrote, everything that may be a login counts as one. */
type Speaker = 'file' | 'program'

/**
 * What of an address may be a secret: user and password, which are all before its last @, since a password from a manual has its slashes
 * as they are; and query and fragment. Of a path, the same but for the login. Nothing that only names a secret (`${NAME}`).
 *
 * Shape: a text that is one address or path, or has some in it; stretches in UTF-16 code units, in order, apart from each other.
 */
export function secretStretches(text: string, speaker: Speaker = 'file'): readonly Stretch[] {
  const logins = [...loginsOf(text, speaker), ...hostlessLoginsOf(text)]
  const found = [...logins, ...queriesOf(text, 0), ...queriesOf(text, logins.at(-1)?.[1] ?? text.length)]
  const apart: Stretch[] = []
  for (const [start, end] of found.toSorted(([one], [other]) => one - other)) {
    const last = apart.at(-1)
    if (last === undefined || start >= last[1]) apart.push([start, end])
    else apart[apart.length - 1] = [last[0], Math.max(last[1], end)]
  }
  return apart.filter(([start, end]) => !NAMED.test(text.slice(start, end)))
}

/** A placeholder for a secret in a file: not a secret itself. */
export const REFERENCE = /\$\{(?:file:[^{}]+|[A-Za-z_]\w*)\}/g

const NAMED = /^:?(?:(?:[\w.-]+=)?\$\{(?:file:[^{}]+|[A-Za-z_]\w*)\}(?:[:&]|$))+$/

function loginsOf(text: string, speaker: Speaker): readonly Stretch[] {
  const mark = text.search(/[a-z0-9+.-]:\/\//i)
  const before = mark === -1 ? '' : text.slice(0, mark + 4)
  const at = before === '' ? -1 : text.lastIndexOf('@')
  if (at <= before.length || (speaker === 'program' && !hasLogin(text.slice(before.length)))) return bareLoginsOf(text)
  // This may be a password with a question mark, or a query with an @.
  const end = /[?#]/.test(text.slice(before.length, at)) ? endOf(text, at) : at
  return [...bareLoginsOf(before), [before.length, end]]
}

/** Of a store's address whose host was forgotten, with its @: what stands at the place of a port is none. */
function hostlessLoginsOf(text: string): readonly Stretch[] {
  return [...text.matchAll(/[^\s"']+/g)].flatMap(({ 0: word, index }): readonly Stretch[] => {
    const scheme = /(?:redis|valkey)s?(?:\+[a-z]+)?:\/\//i.exec(word)
    if (scheme === null || word.includes('@')) return []
    const start = scheme.index + scheme[0].length
    const [hosts = ''] = word.slice(start).split(/[/?#]/, 1)
    const isHosts = hosts.split(',').every(host => /^(?:\[[^\]]*\]|[^:[]*)(?::\d{0,5})?$/.test(host))
    return isHosts ? [] : [[index + start, index + word.length]]
  })
}

/** An @ in a path, as in `/users/@me`, is none of a login, unless what looks like host and port may be the half of one. */
function hasLogin(rest: string): boolean {
  return /^[^/?#]*[@:]/.test(rest)
}

/** Where a scheme is missing or misspelt: e-mail addresses have no colon. */
function bareLoginsOf(text: string): readonly Stretch[] {
  const plain = text.replace(REFERENCE, ({ length }) => '_'.repeat(length))
  return [...plain.matchAll(/[^\s"']+/g)].flatMap(({ 0: word, index }): readonly Stretch[] => {
    const login = word.slice(0, Math.max(0, word.lastIndexOf('@')))
    if (!login.includes(':') || /^(?:mailto:[^:]*$|[a-z][a-z0-9+.-]*:\/\/)/i.test(login)) return []
    const [scheme = ''] = /^(?:[a-z][a-z0-9+.-]*:?)?[\\/]+/i.exec(login) ?? []
    return scheme.length === login.length ? [] : [[index + scheme.length, index + login.length]]
  })
}

/** Of every address from a place on, which may be in one. */
function queriesOf(text: string, from: number): readonly Stretch[] {
  return [...text.slice(from).matchAll(ADDRESS)].flatMap(({ 0: address, index }) => {
    const mark = address.search(/[?#]/)
    const start = from + index + mark + 1
    const end = from + index + address.length
    return mark === -1 || start === end ? [] : [[start, end] as const]
  })
}

/** Or a path, or a host of which the scheme was forgotten, where a text begins with one. */
const ADDRESS = /(?:[a-z0-9+.-]:\/\/|^["']*(?:\/|[\w-]*[.:][\w.:-]*)|^@)[^\s"'<>]*/gi

/** Where an address ends that begins before. */
function endOf(text: string, from: number): number {
  const length = text.slice(from).search(/[\s"'<>]/)
  return length === -1 ? text.length : from + length
}

/** A text that is one address, as it may be shown. */
export function shownAddress(text: string, speaker: Speaker = 'file'): string {
  let shown = ''
  let from = 0
  for (const [start, end] of secretStretches(text, speaker)) {
    shown += `${text.slice(from, start)}…`
    from = end
  }
  return shown + text.slice(from)
}

/** A text for people, with every address in it as it may be shown. */
export function withShownAddresses(text: string, speaker: Speaker = 'file'): string {
  return text.replace(/[^\s"'`<>]+/g, word =>
    word.includes('://') || (word.includes(':') && word.includes('@')) ? shownAddress(word, speaker) : word,
  )
}
