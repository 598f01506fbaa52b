/** The type of secrets in a file: never repeated in a message, and no placeholder of a manual. */

import { bad, good, type Parsed } from '../text/diagnostic.ts'
import type { Path } from '../text/raw.ts'
import { parsed, type Type } from '../values/value.ts'

/** How shells, Caddy, Windows, templates and compose files name a variable: as all of a text it is no secret of anyone's. */
const VARIABLE =
  /^(?:\$|\$\(|\{env\.|\{\$|%|\{\{\s*(?:env\.|\.Env\.)?|env:)([A-Za-z_][A-Za-z0-9_]*)(?:\)|\}\}?|%|\s*\}\})?$/

/** What stands in manuals where the reader is to write their own. */
const PLACEHOLDER =
  /^(?:\u2026|\.{2,}|<[^<>]*>|\[[^[\]]*\]|x{3,}|\*{3,}|(?:change[-_ ]?me|replace[-_ ]?me|todo|your[-_ ].*)[.!]*)$/i

/**
 * A secret, quoted in no message. A clear placeholder is refused: with it, no user could sign in, or any user could.
 */
export const secret: Type<string> = parsed({ label: 'text', expected: 'text', isSecret: true }, parseSecret)

/** What a program is called elsewhere: no secret, and written by its reader just as well. */
export const ownName: Type<string> = parsed({ label: 'text', expected: 'text' }, parseSecret)

/** A text as a secret of the file, as it is written; `at` names the key. What comes from elsewhere is taken as it is. */
export function parseSecret(text: string, at: Path, isFilled: boolean): Parsed<string> {
  if (isFilled) return good(text)
  const name = VARIABLE.exec(text)?.[1]
  if (name !== undefined && /[A-Z_]/.test(name) && name === name.toUpperCase()) {
    const hint = `to read the variable, write "\${${name}}"; a secret that looks so goes into a file: "\${file:/run/secrets/…}"`
    return bad(
      'secret.placeholder',
      'this is a variable in the style of another program, and would be the secret itself',
      hint,
    )
  }
  if (!PLACEHOLDER.test(text)) return good(text)
  const key = String(at.findLast(step => typeof step === 'string') ?? 'secret')
  const variable = key.toUpperCase().replace(/[^A-Z0-9]+/g, '_')
  const hint = `write the secret itself; or "\${${variable}}", and set ${variable} in the environment`
  return bad('secret.placeholder', `this stands for ${key}, and is none`, hint)
}
