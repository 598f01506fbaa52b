/** The stream of changes of a partition: what gates hear of sessions that others ended or changed. */

import { type EndedMatch, EVERYONE, parseEndedMatch } from '../ended.ts'
import { parseStanding } from '../records.ts'
import { COOKIES_OF, type StoredChanges } from '../store.ts'
import type { RedisLink } from './connection.ts'
import { CHANGES_KEPT_MS, type EndedAgain, type EndedWhere, type Endings } from './repeat-after-failover.ts'

/** Changes read in one step. */
const BATCH = 500

/** Bounds the memory of changes that were heard, at about 150 bytes each, and of those that were not heard yet. */
const MOST_HEARD = 20_000

/** Called when a server has an earlier state than before. What ended since has been ended again by then. */
export interface FeedListener {
  /** On a connection that knows nothing of it: everything has to be read again. */
  onLost(again: EndedAgain): void
  /** Since the connection before, as after a failover. Times are those of changes: the last that was heard, and the last that is left. */
  onBehind(again: EndedAgain, heardMs: number, keptMs: number): void
}

/** What gates tell each other in one partition's stream, read from where this one has come to. */
export interface ChangeFeed {
  /**
   * On each new connection, before anything else is asked on it: ends again what has ended, and finds out where to go on. The server
   * may be another one than before, and may not have received the last changes.
   */
  greet(send: RedisLink['send']): Promise<void>
  /** What was done since the last call. */
  since(send: RedisLink['send']): Promise<StoredChanges>
  /** This process writes to a session. Until it hears of that, a server that takes over may lack it. */
  writing(id: string): void
}

/**
 * The feed before the first connection.
 *
 * Each read looks for the last change that was read before: every new session, token or link adds a change, and the
 * newest is never trimmed. Where it is gone, the server was emptied, or has an older state (FLUSHALL, RESTORE, SWAPDB,
 * another primary).
 */
export function createChangeFeed(where: EndedWhere, endings: Endings, listener: FeedListener): ChangeFeed {
  const changes = `${where.prefix}changes`
  const heard = createHeard(MOST_HEARD / where.count)
  /** What memory may have that the server lacks: it is to be read again. */
  let isToReadAgain: readonly string[] = []
  let position = ''
  let hasBegun = false
  let hasMissed = false
  /** What has ended is not known to have ended on the server that answers now: it could only be read. */
  let isOwing = false
  let isSettling = false
  /** How many have ended again of which nothing was told: by a connection that was lost before that. */
  let untold = 0
  let hearing: Promise<StoredChanges> | null = null

  async function hear(send: RedisLink['send']): Promise<StoredChanges> {
    const removed: string[] = []
    const updated: string[] = []
    const ended: EndedMatch[] = []
    // A read right after the start waits for the greeting, which finds the position to begin at.
    if (!hasBegun) await send('PING', [])
    if (isOwing) void settle(send)
    let begun = position
    for (let from = begun; ; ) {
      const rows = await send('XRANGE', [changes, from, '+', 'COUNT', `${BATCH + 1}`])
      // Asked once more on a new connection, whose server may lack what was read from: its greeting has found where to go on.
      if (position !== begun) {
        begun = from = position
        continue
      }
      const [last, ...fresh] = Array.isArray(rows) ? rows : []
      if (last === undefined || String(last[0]) !== from) {
        const again = await repeat(send)
        position = await newest(send, changes)
        heard.beginAt(position)
        isToReadAgain = []
        untold = 0
        listener.onLost(again)
        return { removed: [], updated: [], isIncomplete: true }
      }
      if (fresh.length === 0) {
        // Not before: where a later part cannot be read, all of it is read again.
        position = from
        break
      }
      for (const [id, [what, subject, , standing, , noted]] of fresh) {
        from = String(id)
        heard.note(from, String(what), String(subject))
        if (what === 'removed') {
          removed.push(String(subject))
          endings.removed(String(subject))
        } else if (what === 'purged') {
          // Not remembered with the rest: what was over stays over on any server, and many at once would push out what was ended.
          removed.push(String(subject))
        } else if (what === 'updated') updated.push(String(subject))
        else if (what === 'ended') ended.push(parseEndedMatch(String(subject)) ?? EVERYONE)
        if (standing !== undefined) endings.noted(String(subject), parseStanding(String(standing)), Number(noted))
      }
    }
    // However long ago the last look was: nothing is trimmed behind a position that is still there.
    const isComplete = !hasMissed
    hasMissed = false
    const all = [...isToReadAgain, ...updated]
    isToReadAgain = []
    const told = ended.length === 0 ? { removed, updated: all } : { removed, updated: all, ended }
    return isComplete ? told : { ...told, isIncomplete: true }
  }

  /**
   * Ends again what has ended. While the server accepts no writes, this is left for later, and this process ignores
   * ended sessions that it reads there (`Endings.hasEnded`).
   */
  async function repeat(send: RedisLink['send']): Promise<EndedAgain> {
    let { sinceMs } = endings
    try {
      const again = await endings.repeat(send, where)
      isOwing = false
      sinceMs = again.sinceMs
      untold += again.number
    } catch {
      isOwing = true
    }
    return { number: untold, sinceMs }
  }

  function tellBehind(...behind: Parameters<FeedListener['onBehind']>): void {
    untold = 0
    listener.onBehind(...behind)
  }

  /**
   * Everything that ended is ended again regardless of the position: this process may have ended something just before
   * the server died, without reading that change. Where the position still exists, all changes since then are read
   * from there. Where the server lacks only the last changes, they are read from the last one that it has, and what the
   * lost ones were about is read again: everything else is the same there.
   */
  async function goOn(send: RedisLink['send']): Promise<void> {
    const again = await repeat(send)
    const kept = await newestUpTo(send, changes, position)
    const heardMs = timeOf(position)
    const lost = kept === null ? null : heard.after(kept)
    if (kept !== null && lost !== null) {
      isToReadAgain = [...isToReadAgain, ...lost]
      if (kept !== position || again.number > 0) tellBehind(again, heardMs, timeOf(kept))
      position = kept
      return
    }
    // Meanwhile anything may have happened.
    hasMissed = true
    const last = await newest(send, changes)
    // Where all that is left is later, the position may have been trimmed while this process was away; else it was lost.
    const isLost = kept !== null || timeOf(last) - heardMs < CHANGES_KEPT_MS / 2
    if (isLost || again.number > 0) tellBehind(again, heardMs, kept === null ? 0 : timeOf(kept))
    position = last
    heard.beginAt(last)
  }

  async function settle(send: RedisLink['send']): Promise<void> {
    if (isSettling) return
    isSettling = true
    const again = await repeat(send)
    isSettling = false
    if (again.number > 0) tellBehind(again, timeOf(position), timeOf(position))
  }

  return {
    async greet(send) {
      if (hasBegun) await goOn(send)
      else {
        position = await newest(send, changes)
        heard.beginAt(position)
      }
      hasBegun = true
    },
    since(send) {
      // One at a time: two that read from the same position would hear everything twice.
      hearing ??= hear(send).finally(() => {
        hearing = null
      })
      return hearing
    },
    writing: heard.writing,
  }
}

/** The changes that were heard lately, by which a server is known that lacks only the last of them. */
interface Heard {
  /** Only what comes behind this position is known from here on. */
  beginAt(position: string): void
  note(position: string, what: string, subject: string): void
  writing(id: string): void
  /**
   * What memory may have of changes behind this position, and of what this process wrote and did not hear of, as ids to
   * read again; null where this position was not heard.
   */
  after(position: string): readonly string[] | null
}

function createHeard(most: number): Heard {
  /** Oldest first: whom each was about, empty where memory has nothing of it. */
  const subjects = new Map<string, string>()
  const unheard = new Set<string>()
  /** There were too many to remember. */
  let isForgotten = false

  return {
    beginAt(position) {
      subjects.clear()
      unheard.clear()
      isForgotten = false
      subjects.set(position, '')
    },
    note(position, what, subject) {
      subjects.set(position, what === 'made' || what === 'updated' ? subject : '')
      unheard.delete(subject)
      for (const oldest of subjects.keys()) {
        if (subjects.size <= most) break
        subjects.delete(oldest)
      }
    },
    writing(id) {
      unheard.add(id)
      if (unheard.size <= most) return
      unheard.clear()
      isForgotten = true
    },
    after(position) {
      if (isForgotten || !subjects.has(position)) return null
      const all = [...subjects]
      const from = all.findIndex(([one]) => one === position)
      const lost = new Set(all.slice(from + 1).map(([, subject]) => subject))
      lost.delete('')
      for (const [one] of all.slice(from + 1)) subjects.delete(one)
      // Their cookies first: what is out of memory by then is not asked for.
      return [...lost, ...unheard].flatMap(id => (id.startsWith(COOKIES_OF) ? [id] : [COOKIES_OF + id, id]))
    },
  }
}

/** The id of the newest change up to a position; null where there is none. */
async function newestUpTo(send: RedisLink['send'], changes: string, position: string): Promise<string | null> {
  const rows = await send('XREVRANGE', [changes, position, '-', 'COUNT', '1'])
  const id = Array.isArray(rows) ? rows[0]?.[0] : undefined
  return typeof id === 'string' ? id : null
}

/** When a change was written, by the server's clock. */
function timeOf(id: string): number {
  return Number(id.split('-', 1)[0])
}

/** The id of the newest change; where there is none, of one that says nothing. */
async function newest(send: RedisLink['send'], changes: string): Promise<string> {
  const rows = await send('XREVRANGE', [changes, '+', '-', 'COUNT', '1'])
  const id = Array.isArray(rows) ? rows[0]?.[0] : undefined
  return typeof id === 'string' ? id : String(await send('XADD', [changes, '*', 'begun', '']))
}
