/** Replaces a file in one step, with the owner and mode that the old one had; or says why it could not. */

import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { createFile, isForeignLink } from './drop-root.ts'

export interface ReplaceOptions {
  /** A file whose owner a new file gets; null or absent: the user who runs this. */
  readonly beside?: string | null
  /** The group that may read a new file that gets no owner so; null or absent: none. */
  readonly readableBy?: number | null
  /** Whether nothing is written where the owner or the group cannot be kept. */
  readonly isOwnerKept?: boolean
}

/**
 * Replaces a file atomically, so that a reader never sees half of it. A new file is readable only by its owner (0600).
 * An existing file keeps its mode, and its owner and group where this user may set them. Of a link it replaces the
 * target.
 *
 * Throws the platform's error, and leaves the existing file unchanged then.
 */
export function replaceFile(
  path: string,
  text: string,
  { beside = null, readableBy = null, isOwnerKept = false }: ReplaceOptions = {},
): void {
  const { target, before } = placeOf(path)
  if (isForeignLink(path)) {
    throw new Error(
      `${path} leads through a link that is neither root’s nor that of the file’s owner: name the file itself`,
    )
  }
  const temporary = join(dirname(target), `.${crypto.randomUUID()}.tmp`)
  const handle = createFile(temporary)
  try {
    try {
      writeAll(handle, text)
      const made = fstatSync(handle)
      const like = before ?? (beside === null ? null : placeOf(beside).before)
      // By the descriptor: a user who may write in the folder may put a link in place of a name.
      if (like !== null && (like.uid !== made.uid || like.gid !== made.gid)) giveTo(handle, like, isOwnerKept)
      if (before !== null) fchmodSync(handle, before.mode & 0o777)
      if (like === null && readableBy !== null) {
        fchownSync(handle, made.uid, readableBy)
        fchmodSync(handle, 0o640)
      }
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    renameSync(temporary, target)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/** A disk that is almost full accepts a part. Only the returned count shows it. */
function writeAll(file: number, text: string): void {
  let rest = Buffer.from(text)
  while (rest.length > 0) rest = rest.subarray(writeSync(file, rest))
}

function giveTo(file: number, { uid, gid }: Stats, isOwnerKept: boolean): void {
  try {
    fchownSync(file, uid, gid)
  } catch (error) {
    if (isOwnerKept) throw error
  }
}

/** The target of a path that may be a link, with its present state; null where it does not exist. */
function placeOf(path: string): { readonly target: string; readonly before: Stats | null } {
  try {
    const target = realpathSync(path)
    return { target, before: statSync(target) }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { target: path, before: null }
    throw error
  }
}

/**
 * Why a file could not be written and what to do about it, as what comes after its path: by the platform's code.
 *
 * `path` is shown as it is given; the folder that is named is its own.
 */
export function whyUnwritten(path: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const folder = dirname(path)
  switch (code) {
    case 'ENOENT':
      return `cannot be written: there is no folder ${folder}; mkdir -p ${folder} makes it`
    case 'ENOTDIR':
      return `cannot be written: a part of ${folder} is a file, not a folder`
    case 'EACCES':
    case 'EPERM':
      return `cannot be written: this user may not write in ${folder}; name a folder of theirs, or let them`
    case 'EROFS':
      return `cannot be written: ${folder} is mounted read-only; name another folder`
    case 'ENOSPC':
    case 'EDQUOT':
      return `cannot be written: no room is left in ${folder}`
    case 'EISDIR':
      return 'is a folder: name a file in it'
    default:
      return `cannot be written (${code === '' ? String(error) : code})`
  }
}
