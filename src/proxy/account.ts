/** The record of an exchange, for the access log and traces. */
export interface Account {
  /** The address that was asked last, as host:port or the path of a socket; null where none was. */
  upstreamLabel: string | null
  /** Bytes of the answer's body that were sent to the client; null where they were not counted. */
  bytes: number | null
  /** Whether `bytes` is only the announced length: the body passes uncounted. */
  isAnnounced: boolean
  /** Whether the body is still being sent: then `bytes` is not complete yet. */
  isGoingOn: boolean
  /** Whether the body broke off, on any side. */
  isCut: boolean
  /** Called once, when a body that went on is over. */
  onOver: (() => void) | null
}

/** An address is asked, perhaps after another that failed. */
export function askedAt(account: Account, label: string): void {
  account.upstreamLabel = label
  account.bytes = null
  account.isAnnounced = false
  account.isCut = false
}

/** A body that went on is over. */
export function closeAccount(account: Account, bytes: number | null, isWhole: boolean): void {
  if (!account.isGoingOn) return
  account.isGoingOn = false
  account.bytes = bytes
  account.isCut = !isWhole
  account.onOver?.()
}
