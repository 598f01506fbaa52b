/** Reads and checks the routes.toml at a path. */

import { resolve } from 'node:path'
import { sha256 } from '../base/bytes.ts'
import { freezeDeep } from '../base/freeze.ts'
import { type CheckResult, checkConfig } from './check.ts'
import { codeOf, type Sources, whyUnreadable } from './text/substitute.ts'

type Refused = Extract<CheckResult, { ok: false }>

/**
 * The routes.toml at a path, checked. A file that cannot be read is one diagnostic, `file.unreadable`.
 *
 * `shownAs` is how diagnostics name the file, where that is not the path itself. Never throws.
 */
export function loadConfig(path: string, sources: Sources, shownAs = path): CheckResult {
  const text = readConfig(path, sources, shownAs)
  return typeof text === 'string' ? checkConfig(text, { ...sources, file: resolve(path), shownAs }) : text
}

/** The text of the file, unchecked; or why there is none. Never throws. */
export function readConfig(path: string, sources: Pick<Sources, 'readText'>, shownAs = path): string | Refused {
  try {
    return sources.readText(path)
  } catch (error) {
    return freezeDeep<Refused>({
      ok: false,
      fingerprint: sha256(''),
      texts: new Map(),
      files: [],
      diagnostics: [
        {
          severity: 'error',
          code: 'file.unreadable',
          message: `${shownAs} ${whyUnreadable(error)}`,
          hint: hintFor(error, path),
          path: '',
          file: shownAs,
          line: 1,
          column: 1,
          length: 1,
        },
      ],
    })
  }
}

function hintFor(error: unknown, path: string): string {
  switch (codeOf(error)) {
    case 'EACCES':
    case 'EPERM':
      return 'give the user that runs Sallyport the right to read it, and to enter its folders: chown USER FILE, or chmod o+r FILE (in the container: chown 65532 FILE)'
    case 'EISDIR':
      return `name the file in it: ${path.replace(/\/+$/, '')}/routes.toml`
    default:
      return 'if it is elsewhere, give its path behind the command, or with --config; if it is gone, put it back; sallyport init writes a first one'
  }
}
