import { chmodSync, chownSync, statSync } from 'node:fs'

/**
 * Lets a file beside a database belong to whom the database belongs, mode 0600: a command may be run as root, and the gate as
 * somebody who is not.
 */
export function belongLike(database: string, file: string): void {
  const [wanted, given] = [database, file].map(path => statSync(path, { throwIfNoEntry: false }))
  if (given === undefined) return
  if (wanted !== undefined && (wanted.uid !== given.uid || wanted.gid !== given.gid)) {
    chownSync(file, wanted.uid, wanted.gid)
  }
  if ((given.mode & 0o777) !== 0o600) chmodSync(file, 0o600)
}
