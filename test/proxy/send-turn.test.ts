import { expect, test } from 'bun:test'
import { GateError } from '../../src/base/errors.ts'
import type { Waiter } from '../../src/proxy/body/turns.ts'
import type { Forwarded, ForwardTools } from '../../src/proxy/forwarded.ts'
import { createExchanges } from '../../src/proxy/lifetime/exchanges.ts'
import { waitToBeSent } from '../../src/proxy/send-turn.ts'

/** A request that waits for its turn, which the test gives it. */
function startWaiting() {
  const exchanges = createExchanges()
  const waiting = new Set<Waiter>()
  const turns = {
    wait(waiter: Waiter) {
      waiting.add(waiter)
      return () => waiting.delete(waiter)
    },
  }
  const asked = {
    route: { config: { id: 'app.example/' } },
    session: null,
    target: { method: 'GET' },
    client: '192.0.2.1',
  }
  const begun: number[] = []
  const sent: number[] = []
  const send = (stamp: number) => {
    sent.push(stamp)
    return Promise.resolve(stamp)
  }
  const outcome = waitToBeSent(
    asked as unknown as Forwarded,
    { exchanges } as unknown as ForwardTools,
    turns,
    send,
    stamp => void begun.push(stamp),
  ).catch((error: unknown) => (error instanceof GateError ? error.code : error))
  const give = (act: (waiter: Waiter) => void): void => {
    for (const one of waiting) act(one)
  }
  return { exchanges, waiting, outcome, give, begun, sent }
}

test('a request that waits for its turn is an exchange until then', async () => {
  const { exchanges, outcome, give } = startWaiting()
  expect([...exchanges.owners()].map(({ routeId }) => routeId)).toEqual(['app.example/'])
  give(one => one.go(7))
  expect(await outcome).toBe(7)
  expect([...exchanges.owners()]).toEqual([])
})

test('one whose session ends meanwhile is denied, and never sent', async () => {
  const { exchanges, waiting, outcome } = startWaiting()
  exchanges.endWhere(() => true, 'signed out', null)
  expect(await outcome).toBe('access.denied')
  expect([waiting.size, [...exchanges.owners()].length]).toEqual([0, 0])
})

test('one whose client has left is not sent', async () => {
  const { exchanges, outcome, give } = startWaiting()
  give(one => one.leave())
  expect(await outcome).toBe('upstream.broken')
  expect([...exchanges.owners()]).toEqual([])
})

test('one whose session ends in the very turn in which its own comes is not sent, and gives its turn back', async () => {
  const { exchanges, outcome, give, begun, sent } = startWaiting()
  give(one => one.go(7))
  exchanges.endWhere(() => true, 'signed out', null)
  expect(await outcome).toBe('access.denied')
  expect([sent, begun]).toEqual([[], [7]])
})
