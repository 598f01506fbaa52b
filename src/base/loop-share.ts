import { nextTurn } from './steps.ts'

/** Work of which so much is done in one turn of the event loop, and the rest in the next ones, in the order in which it came. */
export interface LoopShare {
  /** Null where it may be done now; else it resolves in a later turn, once it may. */
  take(amount: number): Promise<void> | null
}

/** The limit of one turn, for amounts of any kind. */
export function createLoopShare(most: number): LoopShare {
  let left = most
  let isTurnDue = false
  const waiting: { readonly amount: number; readonly go: () => void }[] = []
  let first = 0

  function onTurn(): void {
    isTurnDue = false
    left = most
    for (; first < waiting.length && left > 0; first++) {
      const one = waiting[first]
      if (one === undefined) continue
      left -= one.amount
      one.go()
    }
    if (first === waiting.length) {
      waiting.length = 0
      first = 0
    }
    if (left < most) waitForTurn()
  }

  function waitForTurn(): void {
    if (isTurnDue) return
    isTurnDue = true
    void nextTurn().then(onTurn)
  }

  return {
    take(amount) {
      waitForTurn()
      if (left > 0 && waiting.length === 0) {
        left -= amount
        return null
      }
      return new Promise(go => {
        waiting.push({ amount, go })
      })
    },
  }
}
