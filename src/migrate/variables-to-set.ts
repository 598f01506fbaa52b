/** Variables that the operator has to set for the new file: secrets, and values that the old file did not have. */

/** Something that the new file takes from the environment, since the old one does not say it, or says it in the clear. */
export interface Blank {
  readonly name: string
  /** The value to set, for an operator who still has the old file. Never the value itself. */
  readonly meaning: string
  /** A value of the same kind, by which the new file can be checked before the real one is known. */
  readonly standIn: string
}

export type Blanks = ReturnType<typeof createBlanks>

/** A reserved host name (RFC 2606 §3), so that a check with it reaches no server. */
export const STAND_IN_HOST = 'fill-in.example.com'

/** Collects what is left to be filled in. */
export function createBlanks() {
  const list: Blank[] = []
  /** The reference for a new blank, as routes.toml writes it. A name that is taken for something else gets a number. */
  const add = (name: string, meaning: string, standIn: string): string => {
    const base = variableName(name)
    for (let count = 1; ; count++) {
      const candidate = count === 1 ? base : `${base}_${count}`
      const taken = list.find(blank => blank.name === candidate)
      if (taken !== undefined && taken.meaning !== meaning) continue
      if (taken === undefined) list.push({ name: candidate, meaning, standIn: apart(standIn, list.length) })
      return `\${${candidate}}`
    }
  }
  return {
    list: list as readonly Blank[],
    add,
    /** The reference for a variable that the old file names itself. */
    variable(name: string, meaning: string, standIn: string): string {
      if (!list.some(blank => blank.name === name)) list.push({ name, meaning, standIn: apart(standIn, list.length) })
      return `\${${name}}`
    },
    /** A text of the old file in the spelling of the new one: what is in <angle brackets>, to be filled in there, is a blank here. */
    literal: (text: string) =>
      escapeReferences(text).replace(/(^|.)<([A-Za-z][A-Za-z0-9 ._-]{0,80})>/g, (_, before: string, name: string) => {
        const standIn = before === ':' ? '8080' : STAND_IN_HOST
        return before + add(name, `the value of <${name}>`, standIn)
      }),
  }
}

/** Fields and parameters whose values are not copied. */
export const SECRET_NAME = /auth|token|key|secret|cookie|pass|pwd|credential|signature/i
/** Fields of every request, in which no secret is. */
const PLAIN =
  /^(?:accept(?:-.*)?|content-(?:type|length|encoding)|user-agent|upgrade|connection|origin|range|dnt|te|via|cache-control|pragma|x-requested-with|sec-(?:fetch|ch)-.*)$/i
/** What nobody takes for a secret: a short word or number. */
const WORD = /^(?:[a-z]{1,8}|[0-9]{1,6})$/i

/**
 * Whether what a matcher asks of a field or a parameter may be a secret: whoever sends it passes. What is copied is what is known to be
 * harmless: a star, a field of every request, a short word.
 */
export function mayBeSecret(name: string, value: string): boolean {
  const stated = value.replaceAll('*', '').trim()
  if (stated.length < 4 || PLAIN.test(name)) return false
  return SECRET_NAME.test(name) || !WORD.test(stated)
}

/** Hosts that are to be filled in are different ones. */
function apart(standIn: string, count: number): string {
  return standIn.replace(STAND_IN_HOST, `${count}.${STAND_IN_HOST}`)
}

/** Text that means itself in routes.toml, where `${` begins a reference. */
export function escapeReferences(text: string): string {
  return text.replaceAll('${', () => '$${')
}

function variableName(text: string): string {
  const name = text
    .toUpperCase()
    .replace(/[^A-Z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
  return /^[A-Z]/.test(name) ? name : `SALLYPORT_${name}`
}
