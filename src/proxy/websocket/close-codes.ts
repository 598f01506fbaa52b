/** For applications when the server stops (RFC 6455 §7.4.1, like all codes without another source here). */
export const GOING_AWAY = 1001

/** A close without a status (RFC 6455 §7.4.1): it means an empty Close frame, and is never written into one. */
export const NO_STATUS = 1005

/** A connection that ended without a Close frame (RFC 6455 §7.4.1): never written into one. */
export const ABNORMAL = 1006

/** For applications when a session has ended, or a rule no longer allows it. Also for a client that floods. */
export const POLICY = 1008

/** One side sends more at once than the other takes, or a message that is too long. */
export const TOO_BIG = 1009

/** Whether a close code may travel in a frame: RFC 6455 §7.4 and the IANA registry up to 1014. */
export function isWireCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code <= 4999)
}
