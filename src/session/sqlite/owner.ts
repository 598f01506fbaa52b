import { constants, fchmodSync, fchownSync, fstatSync, openSync, statSync } from 'node:fs'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants

/**
 * Makes a file beside a database where nothing is, mode 0600, also not a link; answers its descriptor. Where root makes it, it belongs
 * to whom the database belongs: a gate that is not root's has to open it. What was there before is given to nobody.
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
  // A process without root's rights creates files of its own user, and cannot change their owner.
  if (wanted !== undefined && made.uid === 0 && (wanted.uid !== 0 || wanted.gid !== made.gid)) {
    fchownSync(file, wanted.uid, wanted.gid)
  }
  if ((made.mode & 0o777) !== 0o600) fchmodSync(file, 0o600)
}
