/** Turns of requests whose answers may be long, while memory is short. */

import { createWaiting } from './request-queue.ts'
import type { Waiter } from './turns.ts'

/** When requests are sent whose answers may be long, while memory is short. */
export interface LongTurns {
  /** Whether a request may be sent at once, and counts from now on. */
  begin(): boolean
  /** Its turn comes within moments. Nothing happens after what is answered was called. */
  wait(waiter: Waiter, address: string): () => void
  /** An address has no long answers: its waiting requests continue. */
  release(address: string): void
  readonly isWaitedFor: boolean
  /** One that was sent is answered, or over. */
  leave(): void
  /** There may be room: waiting requests continue. */
  goOn(): void
  /** A client has fewer bodies under way than it had. */
  noteLess(client: string): void
}

export interface LongTurnsTools {
  /** Whether there is room for one more, beside so many of which nothing is here yet. */
  readonly hasRoom: (sent: number) => boolean
  /** How many bodies a client has under way. */
  readonly countOf: (client: string) => number
  /** Called for each request that has to wait. */
  readonly onWait: () => void
  /** Makes room, by and by. */
  readonly makeRoom: () => void
}

const TURN_MS = 50

/** The mark of a request that was sent: all sent requests share it. */
const SENT = 0

/**
 * Sends requests with possibly long answers as there is room for them, by turns among all clients. It also sends one
 * in 50 ms without room, so that no client waits for slow readers.
 */
export function createLongTurns({ hasRoom, countOf, onWait, makeRoom }: LongTurnsTools): LongTurns {
  const waiting = createWaiting<Waiter & { readonly address: string }>(countOf)
  let sent = 0
  let isTurnDue = false

  function next(): void {
    const one = waiting.take()
    if (one !== undefined) send(one)
  }

  function send(one: Waiter): void {
    if (one.hasLeft()) one.leave()
    else {
      sent++
      one.go(SENT)
    }
  }

  function goOn(): void {
    while (waiting.length > 0 && hasRoom(sent)) next()
  }

  function waitForTurn(): void {
    if (isTurnDue) return
    isTurnDue = true
    setTimeout(onTurn, TURN_MS)
  }

  function onTurn(): void {
    isTurnDue = false
    if (waiting.length === 0) return
    makeRoom()
    next()
    goOn()
    if (waiting.length > 0) waitForTurn()
  }

  return {
    get isWaitedFor() {
      return waiting.length > 0
    },
    begin() {
      if (waiting.length > 0 || !hasRoom(sent)) return false
      sent++
      return true
    },
    wait(waiter, address) {
      const giveUp = waiting.add({ ...waiter, address })
      onWait()
      waitForTurn()
      return giveUp
    },
    release(address) {
      for (const one of waiting.takeWhere(each => each.address === address)) send(one)
    },
    leave() {
      sent--
      goOn()
    },
    goOn,
    noteLess: waiting.noteLess,
  }
}
