/** The session store on SQLite, shared by the workers of one machine. */

import { basename, dirname, resolve } from 'node:path'
import { GateError } from '../../base/errors.ts'
import { showsInFolder, watchFolder } from '../../base/folder-watch.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import type { RecordName } from '../records.ts'
import type { SessionStore } from '../store.ts'
import { DatabaseInUse, type StoreOptions } from './database-in-use.ts'
import { delegateTo } from './delegate.ts'
import { MEMORY } from './open-file.ts'

/**
 * A SessionStore in one SQLite file, in WAL mode; each write is acknowledged once it is on the disk (`Flushes`): so it
 * survives kill -9 and power loss.
 *
 * A damaged file, found at the start or later, is moved aside (name + `.damaged-TIME`) with a loud log, and a new one
 * is begun. Sessions in memory continue in it (`takeBack`); all other users sign in again. While the damaged file
 * exists, it may contain an unknown token or link: that is `session.store`, and not an unknown credential. Where the
 * file was removed or replaced, under a running program or before it starts, its companion files are set aside (name +
 * `.replaced-TIME`) and never played on the new one. A copy of a file of an older layout is kept (name + `.layout-N`).
 * `onReplaced` gets the store that replaced another. `makeDraft` checks all of a file that was copied over the
 * database, which takes its time.
 *
 * Throws `session.store` for a newer layout, a missing folder or a file that cannot be written. Where it is patient,
 * it waits for the conditions of `mayRecover`.
 */
export function openSqliteStore(
  path: string,
  ports: Pick<Ports, 'now' | 'log'>,
  options: StoreOptions = {},
): SessionStore {
  const inUse = new DatabaseInUse(path, ports, options)

  /** What is not found may be in what was damaged. */
  function orDamaged<T>(kind: RecordName, found: MaybePromise<T | null>): MaybePromise<T | null> {
    return andThen(found, one => {
      const last = inUse.damaged.at(-1)
      if (one !== null || last === undefined || !(kind === 'token' || kind === 'link')) return one
      throw new GateError(
        'session.store',
        `it is not in the session database, and may be in ${last}, which is damaged`,
        {
          hint: 'put a backup in place (sallyport restore FILE), or move the damaged file out of its folder: then it is unknown',
          retryAfterS: 60,
        },
      )
    })
  }

  const findRecord: SessionStore['findRecord'] = (kind, key) =>
    orDamaged(
      kind,
      inUse.run(store => store.findRecord(kind, key)),
    )

  return {
    ...delegateTo(act => inUse.run(act)),
    remove(...ids) {
      inUse.noteEnded(ids)
      return inUse.run(store => store.remove(...ids))
    },
    touch: seen => inUse.runLater(store => store.touch(seen)),
    lease: (id, nowMs, untilMs) => inUse.runLater(store => store.lease(id, nowMs, untilMs)),
    findRecord,
    changeRecord: (kind, key, decide) =>
      andThen(
        inUse.run(store => store.changeRecord(kind, key, decide)),
        after => (after !== undefined || !('hash' in key) ? after : andThen(findRecord(kind, key), () => after)),
      ),
    removeIssued(kind, id) {
      inUse.noteEnded([id])
      return inUse.run(store => store.removeIssued(kind, id))
    },
    changesSince: () => inUse.changesSince(),
    doubt: () => inUse.doubt(),
    onWritten(listener) {
      if (path === MEMORY) return { isSure: true, close() {} }
      const file = resolve(path)
      // Only processes of this machine can write to a database in WAL mode (sqlite.org/wal.html): to its log, or over
      // the file.
      const folder = watchFolder(dirname(file), name => {
        // The event names the folder where the folder itself is moved.
        if (name === '' || name === basename(dirname(file)) || name.startsWith(basename(file))) listener()
      })
      const doesShow = showsInFolder(file)
      return {
        get isSure() {
          return doesShow && folder.isSure && inUse.isWhole
        },
        close: folder.close,
      }
    },
    close: () => inUse.close(),
  }
}
