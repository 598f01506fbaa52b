/** A log that repeated failures cannot fill. */

import type { Facts } from './errors.ts'
import type { Log, ShownLines } from './ports.ts'

const WINDOW_MS = 60_000

/** How many warnings of one kind are logged within one such time. */
const MOST_TOLD = 20

/** Far more than there are messages, codes and routes: what has to be there for a file of ten thousand routes that all fail. */
const MOST_KINDS = 20_000

interface Kind {
  readonly fromMs: number
  told: number
  leftOut: number
}

/**
 * A log that repeated failing requests cannot fill. It writes twenty warnings of one kind within a minute; a kind is a
 * message with its code, route and provider. It writes the others at `debug` and counts them: the next warning has the
 * count in `left_out`.
 */
export function createSparingLog<Whole extends Log>(log: Whole, now: () => number): Whole {
  const kinds = new Map<string, Kind>()

  function kindOf(name: string): Kind {
    const known = kinds.get(name)
    const nowMs = now()
    if (known !== undefined && nowMs >= known.fromMs && nowMs - known.fromMs < WINDOW_MS) return known
    const fresh = { fromMs: nowMs, told: 0, leftOut: known?.leftOut ?? 0 }
    kinds.delete(name)
    kinds.set(name, fresh)
    if (kinds.size > MOST_KINDS) for (const oldest of kinds.keys()) if (kinds.delete(oldest)) break
    return fresh
  }

  return {
    ...log,
    warn(message: string, facts?: Facts, lines?: ShownLines) {
      const kind = kindOf(nameOf(message, facts))
      if (kind.told === MOST_TOLD) {
        kind.leftOut++
        log.debug(message, facts, lines)
        return
      }
      kind.told++
      const { leftOut } = kind
      kind.leftOut = 0
      log.warn(message, leftOut === 0 ? facts : { ...facts, left_out: leftOut }, lines)
    },
  }
}

function nameOf(message: string, { code, route, provider }: Facts = {}): string {
  return JSON.stringify([message, code, route, provider])
}
