import { closeSync, fchmodSync, fchownSync, rmSync, writeFileSync } from 'node:fs'
import { GateError } from '../../base/errors.ts'
import { createFile } from '../../console/store-user.ts'
import { whyUnwritten } from '../../console/unwritten.ts'

/** Files that are there, empty, and nobody else's. */
export interface ReservedFiles {
  /** `group` is whose the file is besides its owner; absent or null: that of whoever runs this. */
  write(path: string, text: string, mode: number, group?: number | null): void
  /** Removes all of them. */
  discard(): void
}

/** Makes files that do not exist yet, readable for this user alone. Throws `config.unreadable` for one that does, or cannot be made. */
export function reserveFiles(paths: readonly string[]): ReservedFiles {
  const made = new Map<string, number>()
  const discard = () => {
    for (const [path, file] of made) {
      rmSync(path, { force: true })
      closeSync(file)
    }
    made.clear()
  }
  for (const path of paths) {
    try {
      made.set(path, createFile(path))
    } catch (thrown) {
      discard()
      const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
      const why = code === 'EEXIST' ? 'exists already, and is left as it is' : whyUnwritten(path, thrown)
      throw new GateError('config.unreadable', `${path} ${why}`)
    }
  }
  return {
    write(path, text, mode, group = null) {
      const file = made.get(path)
      if (file === undefined) throw new TypeError(`${path} is not reserved`)
      // By the descriptor: whoever may write in the folder may have put a link in its place meanwhile.
      writeFileSync(file, text)
      if (group !== null) fchownSync(file, process.geteuid?.() ?? 0, group)
      fchmodSync(file, mode)
    },
    discard,
  }
}
