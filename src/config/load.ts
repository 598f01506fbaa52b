import { resolve } from 'node:path'
import { sha256 } from '../base/bytes.ts'
import { freezeDeep } from '../base/freeze.ts'
import { type CheckResult, checkConfig } from './check.ts'
import { type Sources, whyUnreadable } from './text/substitute.ts'

/**
 * The routes.toml at a path, checked. A file that cannot be read is one diagnostic, `file.unreadable`.
 *
 * `shownAs` is how diagnostics name the file, where that is not the path itself. Never throws.
 */
export function loadConfig(path: string, sources: Sources, shownAs = path): CheckResult {
  let text: string
  try {
    text = sources.readText(path)
  } catch (error) {
    return freezeDeep<CheckResult>({
      ok: false,
      fingerprint: sha256(''),
      text: '',
      files: [],
      diagnostics: [
        {
          severity: 'error',
          code: 'file.unreadable',
          message: `${shownAs} ${whyUnreadable(error)}`,
          hint: 'name another with sallyport check FILE, or sallyport serve --config FILE',
          path: '',
          file: shownAs,
          line: 1,
          column: 1,
          length: 1,
        },
      ],
    })
  }
  return checkConfig(text, { ...sources, file: resolve(path), shownAs })
}
