import { readSync } from 'node:fs'

/** What the first page of a database says of it (sqlite.org/fileformat.html §1.3). */
export interface Header {
  /**
   * Whether it is written with a log beside it. It is not for a backup, and for a database that SQLite closed in
   * another mode.
   */
  readonly hasLog: boolean
  /** The application id: ours is another one after every checkpoint (`Checkpoints`). */
  readonly mark: number
}

const LENGTH = 100
const MAGIC = Buffer.from('SQLite format 3\0')
const VERSIONS_AT = 18
const WITH_LOG = 2
const MARK_AT = 68

/** Reads the header of an open file as it is on the disk, not as a log has it; null where it is not one of a database. */
export function readHeader(file: number): Header | null {
  const bytes = Buffer.alloc(LENGTH)
  if (readSync(file, bytes, 0, LENGTH, 0) < LENGTH || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return null
  return {
    hasLog: bytes[VERSIONS_AT] === WITH_LOG && bytes[VERSIONS_AT + 1] === WITH_LOG,
    mark: bytes.readInt32BE(MARK_AT),
  }
}
