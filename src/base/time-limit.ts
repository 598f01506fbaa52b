/** Limits in time that do not take for late what has come while this process itself was held up. */

/**
 * A limit is waited for in so many parts, with what has come meanwhile read between them: a process that was held up itself, by a
 * limit on its CPU say, would take for late what is there.
 */
const PARTS = 10

/** Calls `act` once the limit is over; answers how to call that off. `onTimer` sees each timer. */
export function afterLimit(limitMs: number, act: () => void, onTimer: (timer: Timer) => void = () => {}): () => void {
  let left = limitMs > PARTS ? PARTS : 1
  const partMs = Math.ceil(limitMs / left)
  let timer: Timer
  function wait(): void {
    timer = setTimeout(() => (--left === 0 ? act() : wait()), partMs)
    onTimer(timer)
  }
  wait()
  return () => clearTimeout(timer)
}

/**
 * As `AbortSignal.timeout`. While this process has no turn, however long, one part of the time passes at most; a busy one waits longer. A
 * provider's answer that was lost so may have used up a refresh token.
 */
export function timeLimit(limitMs: number): AbortSignal {
  const limit = new AbortController()
  const end = () => limit.abort(new DOMException('The operation timed out.', 'TimeoutError'))
  // It holds up no process that ends.
  afterLimit(limitMs, end, timer => timer.unref())
  return limit.signal
}
