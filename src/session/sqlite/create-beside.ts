/** Creates files beside a database, with its owner and mode. */

import { constants, fchmodSync, fchownSync, fstatSync, openSync, statSync } from 'node:fs'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants

/**
 * Creates a file beside a database at an unused path, mode 0600, never through a link; returns its descriptor. Where
 * root creates it, it belongs to the owner of the database: a gate without root's rights has to open it. The owner of
 * an existing file is never changed.
 *
 * Throws what the system throws, `EEXIST` among it.
 */
export function createBeside(database: string, path: string): number {
  const file = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  giveLike(database, file)
  return file
}

/** Lets a file that this process has made, by its descriptor, belong to whom a database belongs, mode 0600. */
export function giveLike(database: string, file: number): void {
  const wanted = statSync(database, { throwIfNoEntry: false })
  const made = fstatSync(file)
  // A process without root's rights creates files of its user, and cannot change their owner.
  if (wanted !== undefined && made.uid === 0 && (wanted.uid !== 0 || wanted.gid !== made.gid)) {
    fchownSync(file, wanted.uid, wanted.gid)
  }
  if ((made.mode & 0o777) !== 0o600) fchmodSync(file, 0o600)
}
