/** Why a file could not be written, and how to fix it. */

import { dirname } from 'node:path'

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
