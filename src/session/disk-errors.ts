/** Errors of files of the store: a full disk, a folder that is not writable, and whether waiting may help. */

import { accessSync, constants, statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { GateError } from '../base/errors.ts'

/** How to fix a folder in which neither a database nor its key can be created. */
const UNWRITABLE_HINT =
  'its folder has to exist and be writable by the user that runs Sallyport; or name another in [sessions]: store = "sqlite:/data/sallyport.db"'

const LOCKED_HINT = 'another program has it locked, such as a shell of sqlite3 or a copy that is being made: end that'

/** What the system, and SQLite, say of a disk without room; of the last, where it cannot make its index longer. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE'])

/** A `session.store` for a file that cannot be opened or created, with how to fix it. */
export function fileFailed(message: string, path: string, cause: unknown, retryAfterS?: number): GateError {
  const folder = dirname(path)
  const hint = codeOf(cause).startsWith('SQLITE_BUSY')
    ? LOCKED_HINT
    : isFull(cause, folder)
      ? `make room on the disk of ${folder}: it is full`
      : UNWRITABLE_HINT
  return new GateError('session.store', message, { cause, hint, ...(retryAfterS === undefined ? {} : { retryAfterS }) })
}

/** Whether anything that was thrown comes from a disk without room. */
export function isOfFullDisk(error: unknown): boolean {
  return FULL.has(codeOf(error)) || (error instanceof Error && error.cause !== undefined && isOfFullDisk(error.cause))
}

/**
 * Whether a database that could not be opened may be opened later, and nothing that was set up is wrong: its disk is full, or what was
 * written to before can be written to no more.
 */
export function mayRecover(error: unknown, path: string): boolean {
  const cause = error instanceof GateError ? error.cause : error
  if (cause === undefined) return false
  return isFull(cause, dirname(path)) || (hasContent(path) && (isBroken(cause) || !isWritable(path)))
}

function isFull(error: unknown, folder: string): boolean {
  if (FULL.has(codeOf(error))) return true
  try {
    const { bavail, files, ffree } = statfsSync(folder)
    return bavail === 0 || (files > 0 && ffree === 0)
  } catch {
    return false
  }
}

function hasContent(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat?.isFile() === true && stat.size > 0
}

function isBroken(error: unknown): boolean {
  return codeOf(error) === 'EIO' || codeOf(error).startsWith('SQLITE_IOERR')
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    accessSync(dirname(path), constants.W_OK)
    return true
  } catch {
    return false
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
