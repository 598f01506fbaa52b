/** What is noted of an exchange while it goes on, for whoever keeps a record of it. */
export interface Account {
  /** The address that was asked last, as host:port or the path of a socket; null where none was. */
  upstream: string | null
  /** Bytes of the answer's body that were handed on; null where nobody counted them. */
  bytes: number | null
  /** Whether `bytes` is what the answer announced: its body goes on unseen, and nobody counts it. */
  isAnnounced: boolean
  /** Whether the body goes on: then `bytes` is not all of them yet. */
  isGoingOn: boolean
  /** Whether the body broke off, whoever broke it. */
  isCut: boolean
  /** Called once, when a body that went on is over. */
  onOver: (() => void) | null
}

/** An account of a request for which no address has been asked yet. */
export function openAccount(): Account {
  return { upstream: null, bytes: null, isAnnounced: false, isGoingOn: false, isCut: false, onOver: null }
}

/** An address is asked, perhaps after another that failed. */
export function askedAt(account: Account, label: string): void {
  account.upstream = label
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
