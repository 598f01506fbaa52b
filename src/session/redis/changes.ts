import type { Ports } from '../../base/ports.ts'
import type { StoredChanges } from '../store.ts'
import type { RedisLink } from './connection.ts'
import { CHANGES } from './scripts/script.ts'

/** Changes are told to other nodes for this long. */
export const CHANGES_KEPT_MS = 60 * 60 * 1000

/** Changes read in one step. */
const BATCH = 500

/** What the nodes of one server tell each other, read from where this one has come to. */
export interface ChangeFeed {
  /** On each new connection, before anything else is asked on it: goes on from the newest change there is now. */
  greet(send: RedisLink['send']): Promise<void>
  /** What was done since the last call. */
  since(send: RedisLink['send']): Promise<StoredChanges>
}

/**
 * The feed before the first connection.
 *
 * The change that was heard last is looked for each time: whoever makes a session, a token or a link adds one, and the newest is never
 * trimmed. Where it is not there any more, the server was emptied, or has an older state than it had (FLUSHALL, RESTORE, SWAPDB,
 * another primary), on a connection that knows nothing of it: then `onLost` is called, and everything has to be read again.
 */
export function createChangeFeed({ now }: Pick<Ports, 'now'>, onLost: () => void): ChangeFeed {
  let position = ''
  let hasBegun = false
  let hasMissed = false
  let heardAtMs = now()
  let hearing: Promise<StoredChanges> | null = null

  async function hear(send: RedisLink['send']): Promise<StoredChanges> {
    const removed: string[] = []
    const updated: string[] = []
    // Whoever asks right after the start waits for the greeting, which finds out where to begin.
    if (!hasBegun) await send('PING', [])
    for (let from = position; ; ) {
      const rows = await send('XRANGE', [CHANGES, from, '+', 'COUNT', `${BATCH + 1}`])
      const [last, ...fresh] = Array.isArray(rows) ? rows : []
      if (last === undefined || String(last[0]) !== from) {
        position = await newest(send)
        heardAtMs = now()
        onLost()
        return { removed: [], updated: [], isIncomplete: true }
      }
      position = from
      if (fresh.length === 0) break
      for (const [id, [what, sessionId]] of fresh) {
        from = String(id)
        if (what === 'removed') removed.push(String(sessionId))
        else if (what === 'updated') updated.push(String(sessionId))
      }
    }
    const nowMs = now()
    const isComplete = !hasMissed && nowMs - heardAtMs < CHANGES_KEPT_MS / 2
    hasMissed = false
    heardAtMs = nowMs
    return isComplete ? { removed, updated } : { removed, updated, isIncomplete: true }
  }

  return {
    async greet(send) {
      position = await newest(send)
      // Meanwhile anything may have happened, and the server may have lost what it was told last.
      hasMissed = hasBegun
      hasBegun = true
      heardAtMs = now()
    },
    since(send) {
      // One at a time: two that read from the same position would hear everything twice.
      hearing ??= hear(send).finally(() => {
        hearing = null
      })
      return hearing
    },
  }
}

/** The id of the newest change; where there is none, of one that says nothing. */
async function newest(send: RedisLink['send']): Promise<string> {
  const rows = await send('XREVRANGE', [CHANGES, '+', '-', 'COUNT', '1'])
  const id = Array.isArray(rows) ? rows[0]?.[0] : undefined
  return typeof id === 'string' ? id : String(await send('XADD', [CHANGES, '*', 'begun', '']))
}
