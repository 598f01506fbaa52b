export const UNREACHED = 'it cannot be reached'

/** What a store's own words mean for the person who runs it. The first that fits counts. */
const TROUBLES: readonly (readonly [RegExp, string])[] = [
  [/\bno connection to\b|Connection (?:closed|has failed)|ERR_REDIS_CONNECTION/, UNREACHED],
  [/SQLITE_BUSY|SQLITE_LOCKED/, 'it is locked by another program'],
  [/SQLITE_FULL|ENOSPC|disk is full/, 'its disk is full'],
  [/SQLITE_READONLY|EROFS/, 'it is read-only'],
  [/SQLITE_(?:CORRUPT|NOTADB)/, 'it is damaged'],
  [/SQLITE_IOERR_(?:WRITE|FSYNC|TRUNCATE)/, 'its disk takes no writes'],
  [/SQLITE_IOERR/, 'its disk cannot be read'],
  [/\bREADONLY\b/, 'it is a replica, which may only be read'],
  [/\bOOM\b/, 'it is over its maxmemory'],
  [/\bMISCONF\b/, 'it cannot save to its disk'],
  [/\bNOREPLICAS\b/, 'it has too few replicas (min-replicas-to-write)'],
  [/\bMASTERDOWN\b/, 'it is a replica that has lost its primary'],
  [/\bLOADING\b/, 'it is still loading its data'],
  [/\bNOPERM\b/, 'its user may not do this (ACL)'],
  [/\b(?:NOAUTH|WRONGPASS)\b/, 'it does not take this user and password'],
  [/\bMOVED\b|\bCLUSTERDOWN\b|\bCROSSSLOT\b/, 'it is a node of a cluster'],
  [/no reply within/, 'it does not answer in time'],
]

/** Why a store failed, in words without a secret or an address; null where it says nothing that is known. Looks at causes, too. */
export function troubleOf(error: unknown): string | null {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const text = `${'code' in at ? String(at.code) : ''} ${at.message}`
    const found = TROUBLES.find(([pattern]) => pattern.test(text))
    if (found !== undefined) return found[1]
  }
  return null
}
