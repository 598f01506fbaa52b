/** Saves a file of the configuration in one step, if nobody else has changed it meanwhile. */

import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { sha256 } from '../../base/bytes.ts'
import { codeOf } from '../../config/text/substitute.ts'

/** What became of a file that was to be written. */
export type Written =
  | { readonly kind: 'saved'; readonly old: string }
  /** The file has changed since it was read. */
  | { readonly kind: 'changed' }
  /** A sentence with how to fix it. */
  | { readonly kind: 'unwritten'; readonly why: string }

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants

/**
 * Replaces the file at a path by one rename, if it still hashes to `version`: a reader gets the old or the new file as
 * a whole. Mode and owner stay. The old file stays beside it as `.NAME.old`, which no include matches. Of a link it
 * replaces the target.
 *
 * There can be only one draft beside it, which keeps other processes from saving between the check and the rename. A
 * write by another program in that moment is not noticed.
 */
export function saveFile(path: string, text: string, version: string): Written {
  let draft: string | null = null
  try {
    const real = realpathSync(path)
    const folder = dirname(real)
    const name = join(folder, `.${basename(real)}.saving`)
    const file = openSync(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    draft = name
    try {
      const before = statSync(real)
      writeAll(file, text)
      const own = statSync(name)
      if (own.uid !== before.uid || own.gid !== before.gid) fchownSync(file, before.uid, before.gid)
      fchmodSync(file, before.mode & 0o7777)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    if (sha256(readFileSync(real)) !== version) return { kind: 'changed' }
    const old = join(folder, `.${basename(real)}.old`)
    keepOld(real, old)
    renameSync(draft, real)
    draft = null
    syncFolder(folder)
    return { kind: 'saved', old }
  } catch (error) {
    return { kind: 'unwritten', why: whyUnwritten(error, path) }
  } finally {
    if (draft !== null) rmSync(draft, { force: true })
  }
}

function writeAll(file: number, text: string): void {
  const bytes = Buffer.from(text)
  for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written)
}

/** As another name of the same file where the file system has such, so that mode and owner are its own. */
function keepOld(path: string, old: string): void {
  rmSync(old, { force: true })
  try {
    linkSync(path, old)
  } catch {
    copyFileSync(path, old, constants.COPYFILE_EXCL)
  }
}

/** A rename is sure to outlast a power cut once its folder is written. */
function syncFolder(folder: string): void {
  const file = openSync(folder, O_RDONLY)
  try {
    fsyncSync(file)
  } catch {
    // Some file systems know no such thing, and the file is in place.
  } finally {
    closeSync(file)
  }
}

function whyUnwritten(error: unknown, path: string): string {
  const folder = dirname(path)
  switch (codeOf(error)) {
    case 'EEXIST':
      return `Another admin is saving it now. If not, remove .${basename(path)}.saving beside it.`
    case 'EACCES':
      return `The user that runs Sallyport may not write in ${folder}: chown USER, or chmod g+w, that folder.`
    case 'EPERM':
      return `Its owner could not be kept: chown the file to the user that runs Sallyport.`
    case 'EROFS':
      return `${folder} is mounted to be read only.`
    case 'EBUSY':
    case 'EXDEV':
      return `The file is a mount of its own and cannot be replaced: mount its folder.`
    case 'ENOSPC':
    case 'EDQUOT':
      return 'There is no room left on the disk.'
    default:
      return `It could not be written (${String(codeOf(error) ?? 'unknown')}).`
  }
}
