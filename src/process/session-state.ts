/** What a process keeps beside its sessions: store, keys, audit trail, SCIM directories. */

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { AuditStore } from '../audit/store.ts'
import { createAudit, type OpenAudit } from '../audit/writer.ts'
import { errorFacts, GateError } from '../base/errors.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import type { Log, Ports } from '../base/ports.ts'
import type { SessionsConfig } from '../config/keys/sessions.ts'
import type { Config } from '../config/resolve/config.ts'
import { membersOf } from '../policy/members.ts'
import type { BindingTimes } from '../session/bound-sessions.ts'
import { limitsOf } from '../session/lifetimes.ts'
import { type StoreWatch, watchStore } from '../session/measured-store.ts'
import { type OpenSessions, openSessions, type SessionOptions } from '../session/open.ts'
import { openRedisStore } from '../session/redis/store.ts'
import type { AskProvider } from '../session/refresh.ts'
import type { RevokeAtProvider } from '../session/revoke-refresh-tokens.ts'
import { createSealer, type Sealer } from '../session/seal.ts'
import type { DiskWork } from '../session/sqlite/database-in-use.ts'
import { openSqliteStore } from '../session/sqlite/store.ts'
import type { SessionStore } from '../session/store.ts'
import { fitsStore, KEY_NAME, openKey } from '../session/store-key.ts'
import { usualCacheBytes } from './resources.ts'

/** What processes share apart from sessions. */
type Shared = Pick<SessionStore, 'readShared' | 'replaceShared' | 'clock'>

export interface StateOptions {
  /** Absent: no provider is asked about anyone. */
  readonly ask?: AskProvider
  /** Absent: refresh tokens that are not needed any more are not revoked. */
  readonly revoke?: RevokeAtProvider
  /** How a database is looked after where that waits for the disk; absent: here, where nothing else runs meanwhile. */
  readonly diskWork?: DiskWork | undefined
  /** Observes each call of the store; absent or null: nothing does. */
  readonly watch?: StoreWatch | null
  /** How long the audit trail is kept now; absent: as the file says. */
  readonly keepAuditMs?: () => number
  /** Where the lines of the trail go; absent: there are none. */
  readonly auditLines?: Log
  /** Whether a database is awaited that cannot be opened now, for a disk that is full or broken; absent: that is thrown. */
  readonly isPatient?: boolean
  /** How often sessions are looked after; sensible times when absent. */
  readonly timers?: SessionOptions['timers']
  /** How long the proof of a device counts; sensible times when absent. */
  readonly bindingTimes?: BindingTimes | undefined
  /** Who this is to other gates of a server's store, and which file it runs; absent: no gate, as a command is none. */
  readonly gate?: SessionOptions['gate']
}

/** What a file keeps beside its sessions. */
export interface SessionState {
  readonly sessions: OpenSessions
  readonly sealer: Sealer
  readonly store: Shared & AuditStore
  readonly audit: OpenAudit
  readonly check: StoreCheck
}

/** Whether users can sign in. Both throw what the store throws. */
export interface StoreCheck {
  /** Reads from the store; false where it was sealed with another key. */
  read(): MaybePromise<boolean>
  /** Writes an unused value to the store. */
  write(): MaybePromise<unknown>
}

/**
 * The sessions of a file, the sealer with their key, and the audit trail. The server and the commands for sessions
 * both open these.
 *
 * Pairs with `sessions.close`, which closes all of it. Throws `session.store`, also where the database was sealed with
 * another key: then it changes nothing. With Redis it only logs that.
 */
export function openSessionState(
  config: Config,
  ports: Pick<Ports, 'now' | 'tick' | 'random' | 'log'>,
  options: StateOptions = {},
): SessionState {
  const {
    ask,
    revoke,
    diskWork,
    keepAuditMs = () => config.audit.keepMs,
    auditLines,
    watch = null,
    isPatient,
    timers,
    bindingTimes,
    gate,
  } = options
  const { store: where } = config.sessions
  let keys: readonly Uint8Array[] = []
  const fit = createFit(() => keys, config.sessions, ports)
  let sealing: Sealer | null = null
  const admit = (next: Shared) => {
    keys = sealKeys(config.sessions, next, ports)
    const isFitting = fit.judge(next)
    if (isFitting === false) throw otherKey(config.sessions)
    // It was logged; each new connection and each readiness check looks again.
    if (isFitting instanceof Promise) isFitting.catch(() => undefined)
    const [newest = new Uint8Array(), ...older] = keys
    sealing = createSealer(newest, ports, older)
  }
  const opened =
    where.kind === 'redis'
      ? openRedisStore({ ...where, tls: config.sessions.storeTls }, ports, {
          onLost: fit.judgeAnew,
          onConnected(next) {
            if (!fit.isFitting) Promise.resolve(fit.judge(next)).catch(() => undefined)
          },
        })
      : openSqliteStore(where.path, ports, { ...diskWork, onReplaced: fit.judgeAnew, admit, isPatient })
  const store = watch === null ? opened : watchStore(opened, watch)
  try {
    if (where.kind === 'redis') admit(store)
    const sealer = sealing ?? sealLater(() => sealing)
    const asking = { ...(ask === undefined ? {} : { ask }), ...(revoke === undefined ? {} : { revoke }) }
    const lines = auditLines === undefined ? {} : { lines: auditLines }
    const audit = createAudit({ store, ports, keepMs: keepAuditMs, ...lines })
    const sessions = openSessions({
      store,
      sealer,
      limits: limitsOf(config, membersOf(config), usualCacheBytes(config.server.workers)),
      ports,
      audit,
      timers,
      ...asking,
      ...(bindingTimes === undefined ? {} : { bindingTimes }),
      // One machine alone has a database of SQLite, and its processes follow one file.
      ...(gate === undefined ? {} : { gate: { ...gate, isAlone: where.kind !== 'redis' } }),
    })
    const check: StoreCheck = {
      // Once it fits, another gate that has a newer key is no reason to take this one out of service.
      read: () => (fit.isFitting ? andThen(store.readShared(KEY_NAME), () => true) : fit.judge(store)),
      write: () =>
        andThen(store.readShared(PROBE_NAME), before => store.replaceShared(PROBE_NAME, before, `${ports.now()}`)),
    }
    return { sealer, store, audit, sessions, check }
  } catch (error) {
    void store.close()
    throw error
  }
}

/** A sealer whose key may be beside a database that is not open yet: until then it throws `session.store`. */
function sealLater(sealing: () => Sealer | null): Sealer {
  const now = () => {
    const sealer = sealing()
    if (sealer !== null) return sealer
    throw new GateError('session.store', 'the key of the session database is not read before that is open', {
      hint: 'the log says why the database cannot be opened',
      retryAfterS: 5,
    })
  }
  return {
    seal: async (value, purpose, expiresAtMs) => now().seal(value, purpose, expiresAtMs),
    open: async (text, purpose) => now().open(text, purpose),
    mark: (text, purpose) => now().mark(text, purpose),
  }
}

/** Where the key of a database is, whose file has none: beside it. */
export function keyPathOf(databasePath: string): string {
  return join(dirname(databasePath), 'sallyport.key')
}

/** At least one; the first seals. */
function sealKeys(
  { keys, store }: SessionsConfig,
  shared: Shared,
  ports: Pick<Ports, 'random'>,
): readonly Uint8Array[] {
  if (keys !== null) return keys.map(key => Buffer.from(key, 'base64url'))
  if (store.kind === 'redis') throw new TypeError('a file whose sessions are in Redis has a key')
  if (store.path === ':memory:') return [ports.random(32)]
  const path = keyPathOf(store.path)
  if (!existsSync(path) && shared.readShared(KEY_NAME) !== null) {
    throw new GateError('session.store', `the key file ${path} is missing, and ${store.path} was sealed with it`, {
      hint: `restore it from a backup, or move ${store.path} away: all users then sign in again`,
    })
  }
  return [openKey(path, ports)]
}

function otherKey({ keys, store }: SessionsConfig): GateError {
  const place = store.kind === 'redis' ? store.shownAs : store.path
  const name = keys !== null || store.kind === 'redis' ? 'the key of [sessions]' : `the key in ${keyPathOf(store.path)}`
  const anew = store.kind === 'redis' ? 'another database of that server' : 'another path'
  return new GateError('session.store', `${name} is not the one that ${place} was sealed with`, {
    hint: `restore that key, or give [sessions] store ${anew}: all users then sign in again`,
  })
}

/** The value that is written to see whether anything can be. */
const PROBE_NAME = 'probe'

/** Whether the key of a file is that of its store. */
interface Fit {
  /** Known by the last look. */
  readonly isFitting: boolean
  /** Compares the key. Throws what the store throws; where the store answers later, it logs a key that does not fit. */
  judge(store: Shared): MaybePromise<boolean>
  /** Looks at what has taken the place of the store while the gate runs: it may come with another key. */
  judgeAnew(store: Shared): void
}

function createFit(keys: () => readonly Uint8Array[], sessions: SessionsConfig, { log }: Pick<Ports, 'log'>): Fit {
  let isFitting = false
  let told: 'other' | 'unknown' | null = null

  function learn(isIt: boolean): boolean {
    isFitting = isIt
    if (!isIt && told !== 'other') log.error('The key does not fit the session store', errorFacts(otherKey(sessions)))
    told = isIt ? null : 'other'
    return isIt
  }

  function failed(error: unknown): never {
    if (told === null) log.error('Whether the key fits the session store cannot be found out yet', errorFacts(error))
    told ??= 'unknown'
    throw error
  }

  return {
    get isFitting() {
      return isFitting
    },
    judge(store) {
      const found = fitsStore(store, keys())
      if (found instanceof Promise) return found.then(learn, failed)
      isFitting = found
      return found
    },
    judgeAnew(store) {
      isFitting = false
      told = null
      Promise.resolve()
        .then(() => fitsStore(store, keys()))
        .then(learn, failed)
        .catch(() => undefined)
    },
  }
}
