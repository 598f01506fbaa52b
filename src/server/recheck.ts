import { decidePolicy } from '../policy/policy.ts'
import type { StreamOwner } from '../proxy/streams.ts'
import { streamFacts } from './facts.ts'
import type { Snapshot } from './snapshot.ts'

/** Open streams, held against the rules in force. Pairs with `close`. */
export interface Recheck {
  /** Closes what a new snapshot no longer allows. */
  takeOver(next: Snapshot): void
  close(): void
}

/** How often streams are held against rules about time. */
const EVERY_MS = 15_000

/**
 * Streams are decided about when they open; after that, again at every reload, and while any rule is about time every few
 * seconds: hours that end close what they allowed. The decision is the gate's own.
 */
export function openRecheck(options: {
  readonly initial: Snapshot
  readonly now: () => number
  readonly closeWhere: (isOver: (owner: StreamOwner) => boolean, reason: string) => void
  readonly everyMs?: number | undefined
}): Recheck {
  const { now, closeWhere } = options
  let rules = indexRules(options.initial)
  const isOver = (owner: StreamOwner): boolean => {
    const policy = rules.byRoute.get(owner.routeId)
    if (policy === undefined) return true
    const facts = streamFacts(owner, now())
    return decidePolicy(policy, owner.session?.identity ?? null, facts).verdict !== 'allow'
  }
  const timer = setInterval(() => {
    if (rules.isTimed) closeWhere(isOver, 'the time that the rules allow is over')
  }, options.everyMs ?? EVERY_MS)
  timer.unref()
  return {
    takeOver(next) {
      rules = indexRules(next)
      closeWhere(isOver, 'the rules have changed')
    },
    close: () => clearInterval(timer),
  }
}

function indexRules({ routes }: Snapshot) {
  return {
    byRoute: new Map(routes.map(({ config, policy }) => [config.id, policy])),
    isTimed: routes.some(({ policy }) => policy.needs.time),
  }
}
