import { type ProcessView, parseProcessView } from '../server/observe/process-view.ts'
import { parseOrder, type Report } from './worker-messages.ts'

/** Longer than the supervisor waits for the slowest of the others. */
const MAX_WAIT_MS = 2000

/** How a worker learns what the others know: it asks the supervisor, which asks them. Nothing is heard where it does not answer. */
export function createOthers(): () => Promise<readonly (ProcessView | null)[]> {
  const waiting = new Map<number, (values: readonly unknown[]) => void>()
  let lastId = 0
  process.on('message', raw => {
    const order = parseOrder(raw)
    if (order?.kind === 'others') waiting.get(order.id)?.(order.values)
  })
  return async () => {
    if (!process.connected) return []
    const id = ++lastId
    const { promise, resolve } = Promise.withResolvers<readonly unknown[]>()
    waiting.set(id, resolve)
    const timer = setTimeout(resolve, MAX_WAIT_MS, [null])
    const question: Report = { kind: 'ask-others', id }
    process.send?.(question)
    const values = await promise
    clearTimeout(timer)
    waiting.delete(id)
    return values.map(parseProcessView)
  }
}
