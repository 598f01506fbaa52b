/** What the file of this gate does not accept any more, and that of another gate of the store may: when it ends for all. */

import { errorFacts, type Facts } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { Gates } from './gates.ts'
import type { UsersFile } from './provider-trust.ts'

/** What is to end once all gates agree. */
export interface DeferredEnd {
  /** Of what, for the log. */
  readonly about: Facts
  /** Of names that left this file of users; absent: of something else. */
  readonly file?: UsersFile
  /** How an operator ends it before. */
  readonly sooner: string
  /** Called again where it fails. */
  readonly act: () => Promise<void>
  /** How to say that it failed. */
  readonly failure: string
}

/** Until it ends it is in the store. The caller of `add` no longer accepts it here. */
export interface DeferredEnds {
  add(one: DeferredEnd): void
  /** Does what is due: once all gates agree, at the latest after an hour. What fails is tried again. Never throws. */
  tend(): Promise<void>
  /** Does now what is about one of these files. */
  hurry(files: readonly UsersFile[]): void
  close(): void
}

interface Waiting extends DeferredEnd {
  readonly sinceTick: number
  isTold: boolean
}

/** For so long what this gate does not accept stays in the store for those that run another file. */
const LEFT_MS = 60 * 60_000

/** In the order in which it came. */
export function createDeferredEnds(
  gates: Pick<Gates, 'agree' | 'view'>,
  { now, tick = now, log }: Pick<Ports, 'now' | 'tick' | 'log'>,
): DeferredEnds {
  let isClosed = false
  let waiting: readonly Waiting[] = []

  /** Said before it ends for lack of an agreement. Where only processes of this gate differ, they agree in a moment. */
  function tellWaiting(one: Waiting): void {
    const others = gates.view().filter(({ isOwn, isSameFile }) => !isOwn && !isSameFile)
    if (one.isTold || others.length === 0) return
    one.isTold = true
    log.warn(
      'Other gates of this session store run another file: what only they accept stays there, and is refused here',
      {
        ...one.about,
        gates: others.map(({ name, sinceMs }) => `${name} since ${new Date(sinceMs).toISOString()}`).join(', '),
        ends_at: new Date(now() + LEFT_MS - (tick() - one.sinceTick)).toISOString(),
        hint: `give all gates the same file; ${one.sooner}`,
      },
    )
  }

  async function settle(one: Waiting, isAgreed: boolean): Promise<void> {
    const isOver = tick() - one.sinceTick >= LEFT_MS
    if (!isAgreed && !isOver) {
      waiting = [...waiting, one]
      return tellWaiting(one)
    }
    if (!isAgreed) log.warn('What this gate does not accept ends, though others run another file still', one.about)
    try {
      await one.act()
    } catch (error) {
      waiting = [...waiting, one]
      log.warn(one.failure, { ...one.about, ...errorFacts(error) })
    }
  }

  return {
    add(one) {
      waiting = [...waiting, { ...one, sinceTick: tick(), isTold: false }]
    },
    async tend() {
      if (waiting.length === 0) return
      const isAgreed = await gates.agree()
      const due = waiting
      waiting = []
      for (const one of due) if (!isClosed) await settle(one, isAgreed)
    },
    hurry(files) {
      const isMeant = ({ file }: DeferredEnd) =>
        files.some(({ portal, issuer }) => file?.portal === portal && file.issuer === issuer)
      const due = waiting.filter(isMeant)
      waiting = waiting.filter(one => !isMeant(one))
      for (const one of due) void settle(one, true)
    },
    close() {
      isClosed = true
    },
  }
}
