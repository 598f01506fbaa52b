/** Checks the new file as `sallyport check` does, with stand-ins for what is not known here. */

import { checkConfig } from '../config/check.ts'
import type { Diagnostic } from '../config/text/diagnostic.ts'
import type { Io } from '../console/io.ts'
import type { Blank } from './variables-to-set.ts'

/** What is between a new file and serving with it. */
export interface Checked {
  /** What is still wrong with it. */
  readonly mistakes: readonly Diagnostic[]
  /** Variables that the file takes from the environment and that are not set here, in the order of the file. */
  readonly unset: readonly Blank[]
  /** Files that it names and that cannot be read here. */
  readonly missingFiles: readonly string[]
}

/** Good as a secret and as a line of an htpasswd file. */
const STAND_IN_HASH = `$2y$10$${'a'.repeat(53)}`
const STAND_IN_FILE = `fill-in:${STAND_IN_HASH}\n`
/** The same for a file of users that has tables. */
const STAND_IN_USERS = `[[users]]\nid = "fill-in-"\nname = "fill-in"\nhash = "${STAND_IN_HASH}"\n`

/** Holds a new file against the rules of `sallyport check`, with stand-ins for what is not known here. `file` is where it is meant to be. */
export function checkDraft(text: string, file: string, blanks: readonly Blank[], io: Io): Checked {
  const missingFiles: string[] = []
  const orStandIn =
    <T>(read: (path: string) => T, standIn: (path: string) => T) =>
    (path: string): T => {
      try {
        return read(path)
      } catch {
        if (!missingFiles.includes(path)) missingFiles.push(path)
        return standIn(path)
      }
    }
  const set = (name: string) => {
    const value = io.env(name)
    return value === '' ? undefined : value
  }
  const result = checkConfig(text, {
    file,
    shownAs: 'routes.toml',
    env: name => set(name) ?? blanks.find(blank => blank.name === name)?.standIn,
    readText: orStandIn(io.readText, path => (path.endsWith('.toml') ? STAND_IN_USERS : STAND_IN_FILE)),
    readBytes: orStandIn(io.readBytes, () => Buffer.from(STAND_IN_FILE)),
  })
  return {
    mistakes: result.ok ? [] : result.diagnostics.filter(({ severity }) => severity === 'error'),
    unset: blanks
      .filter(({ name }) => text.includes(`\${${name}}`) && set(name) === undefined)
      .sort((one, other) => text.indexOf(`\${${one.name}}`) - text.indexOf(`\${${other.name}}`)),
    missingFiles,
  }
}
