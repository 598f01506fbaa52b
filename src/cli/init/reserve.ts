import { chmodSync, closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { GateError } from '../../base/errors.ts'
import { whyUnwritten } from '../../console/unwritten.ts'

/** Files that are there, empty, and nobody else's. */
export interface ReservedFiles {
  write(path: string, text: string, mode: number): void
  /** Removes all of them. */
  discard(): void
}

/** Makes files that do not exist yet, readable for this user alone. Throws `config.unreadable` for one that does, or cannot be made. */
export function reserveFiles(paths: readonly string[]): ReservedFiles {
  const made: string[] = []
  const discard = () => {
    for (const path of made) rmSync(path, { force: true })
  }
  for (const path of paths) {
    try {
      closeSync(openSync(path, 'wx', 0o600))
      made.push(path)
    } catch (thrown) {
      discard()
      const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
      const why = code === 'EEXIST' ? 'exists already, and is left as it is' : whyUnwritten(path, thrown)
      throw new GateError('config.unreadable', `${path} ${why}`)
    }
  }
  return {
    write(path, text, mode) {
      writeFileSync(path, text)
      chmodSync(path, mode)
    },
    discard,
  }
}
