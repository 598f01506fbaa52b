import {
  chmodSync,
  chownSync,
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

export interface ReplaceOptions {
  /** A file whose owner a new one gets; null or absent: whoever runs this. */
  readonly beside?: string | null
  /** Whether nothing is written where the owner or the group cannot be kept. */
  readonly isOwnerKept?: boolean
}

/**
 * Puts a whole file in place at once, so that nobody ever reads half of it. A new file is its owner's alone (0600); one that was there
 * keeps its mode, and its owner and group where this user may give them; of a link, what it leads to is replaced.
 *
 * Throws what the platform throws; what was there is then as it was.
 */
export function replaceFile(
  path: string,
  text: string,
  { beside = null, isOwnerKept = false }: ReplaceOptions = {},
): void {
  const { target, before } = placeOf(path)
  const temporary = join(dirname(target), `.${crypto.randomUUID()}.tmp`)
  try {
    const handle = openSync(temporary, 'wx', 0o600)
    let made: Stats
    try {
      writeAll(handle, text)
      fsyncSync(handle)
      made = fstatSync(handle)
    } finally {
      closeSync(handle)
    }
    const like = before ?? (beside === null ? null : placeOf(beside).before)
    if (like !== null && (like.uid !== made.uid || like.gid !== made.gid)) giveTo(temporary, like, isOwnerKept)
    if (before !== null) chmodSync(temporary, before.mode & 0o777)
    renameSync(temporary, target)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/** A disk that is almost full takes a part, and says so by the count alone. */
function writeAll(file: number, text: string): void {
  let rest = Buffer.from(text)
  while (rest.length > 0) rest = rest.subarray(writeSync(file, rest))
}

function giveTo(path: string, { uid, gid }: Stats, isOwnerKept: boolean): void {
  try {
    chownSync(path, uid, gid)
  } catch (error) {
    if (isOwnerKept) throw error
  }
}

/** The file itself, where the path is a link to it, and what it is now; null where there is none. */
function placeOf(path: string): { readonly target: string; readonly before: Stats | null } {
  try {
    const target = realpathSync(path)
    return { target, before: statSync(target) }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { target: path, before: null }
    throw error
  }
}
