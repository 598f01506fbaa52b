/** Drains connections before a process stops. */

/** How a process that is to stop takes leave of its clients. */
export interface Drain {
  /** Whether every answer is the last one of its connection. */
  readonly isOn: boolean
  /**
   * Adds `Connection: close` (RFC 9112 §9.6). HTTP/2 has no such field, and Bun leaves it out: its clients get GOAWAY
   * (RFC 9113 §6.8) when the listener closes.
   */
  mark(answer: Response): void
  /**
   * From now on answers are marked, and clients that keep connections have time to hear it: settles once nothing has been answered
   * for this long, or after the limit. Answers how long that took, in milliseconds.
   */
  begin(quietMs: number, limitMs: number): Promise<number>
}

/**
 * Quiet is waited for in so many parts, with what has come meanwhile read between them: a process that was held up itself, by a
 * limit on its CPU say, has answered nothing, and would take that for quiet.
 */
const PARTS = 10

/** A stopped listener closes connections that are idle at that moment, even if their next request is under way. */
export function createDrain(): Drain {
  let isOn = false
  let answered = 0
  return {
    get isOn() {
      return isOn
    },
    mark(answer) {
      answered++
      answer.headers.set('connection', 'close')
    },
    async begin(quietMs, limitMs) {
      isOn = true
      const beganMs = performance.now()
      let tookMs = 0
      for (let quiet = 0; quiet < quietMs && tookMs < limitMs; tookMs = performance.now() - beganMs) {
        const before = answered
        // Less than a millisecond may take no time at all.
        const partMs = Math.ceil(Math.min(quietMs / PARTS, limitMs - tookMs))
        await Bun.sleep(partMs)
        quiet = answered === before ? quiet + partMs : 0
      }
      return tookMs
    },
  }
}
