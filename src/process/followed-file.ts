/** routes.toml in the supervisor: checked, watched and read again. */

import { GateError } from '../base/errors.ts'
import type { LevelledLog } from '../base/log.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Ports } from '../base/ports.ts'
import type { CheckResult } from '../config/check.ts'
import type { LogConfig } from '../config/keys/log.ts'
import type { Config } from '../config/resolve/config.ts'
import { fileStateOf } from '../server/config/file-state.ts'
import { createLive, type Loaded, startValues } from '../server/config/reload.ts'
import { watchFiles } from '../server/config/watch.ts'
import { type ConfigState, configState } from '../server/observe/admin-listener.ts'
import { type LoadOptions, loadFile } from './load-file.ts'
import { audited, refuse, tellLost, tellMended, tellRefused, tellTakenOver, tellWarnings } from './reload-log.ts'

/** routes.toml as a supervisor needs it: checked, not compiled. */
interface CheckedFile {
  readonly fingerprint: string
  readonly config: Config
  /** The file and each that it includes, by their absolute paths. */
  readonly texts: ReadonlyMap<string, string>
}

/** The current file, which follows changes on disk. Pairs with `close`. */
export interface FollowedFile {
  readonly current: CheckedFile
  readonly state: ConfigState
  /** Reads the file again; what came of it is in the log. */
  reload(): MaybePromise<unknown>
  close(): void
}

/** What following a file takes; a long one is checked as `checkApart` does it. */
type FollowPorts = Pick<Ports, 'readText' | 'readBytes' | 'env' | 'now'> &
  Pick<LoadOptions, 'checkApart'> & {
    readonly log: LevelledLog
    /** How the log is written, and where. */
    configureLog(config: LogConfig): void
  }

export interface FollowOptions {
  /** The file as it was just read. */
  readonly loaded: CheckResult
  /** After each time that a watch has it read again. */
  readonly onChange: () => void
  /** The result of reading the file again. */
  readonly onRead: (isGood: boolean) => void
}

/**
 * Says in the log what is to be said of the file that was `loaded`, reads it whenever it changes, and keeps the log at the level it asks for.
 *
 * Throws `config.invalid` with the rendered mistakes.
 */
export function followFile(path: string, ports: FollowPorts, options: FollowOptions): FollowedFile {
  const { log, configureLog } = ports
  const { onChange, loaded } = options
  const closing = new AbortController()
  // The rows are written by a worker, which has the store.
  const audit = audited(log)
  const first = toTake(path, loaded)
  if (!first.ok) throw new GateError('config.invalid', first.refusal.trimEnd())
  log.setLevel(first.snapshot.config.server.logLevel)
  configureLog(first.snapshot.config.log)
  tellWarnings(log, first.warnings)
  const started = startValues(first.snapshot.config)
  const live = createLive({
    initial: first.snapshot,
    now: ports.now,
    load() {
      const checked = loadFile(path, { ...ports, signal: closing.signal })
      return checked instanceof Promise ? checked.then(result => toTake(path, result)) : toTake(path, checked)
    },
    onRead({ ok, files }) {
      watching.follow(files)
      options.onRead(ok)
    },
    onChange({ snapshot: { config }, warnings }, previous) {
      log.setLevel(config.server.logLevel)
      configureLog(config.log)
      tellTakenOver(log, audit, { config, warnings }, previous.config, started)
    },
    onRefuse: refused => tellRefused(audit, refused),
    onMend: () => tellMended(log),
  })
  const watching = watchFiles(first.files, {
    onChange() {
      void live.reload()
      onChange()
    },
    onLost: lost => tellLost(log, lost),
  })
  return {
    get current() {
      return live.current
    },
    get state() {
      const { fingerprint, config } = live.current
      const file = fileStateOf(live, { path, started, watched: watching.state })
      return configState({ fingerprint, routeCount: config.routes.length }, live.state, file)
    },
    reload: live.reload,
    close() {
      watching.close()
      live.close()
      closing.abort()
    },
  }
}

function toTake(path: string, checked: CheckResult): Loaded<CheckedFile> {
  if (!checked.ok) return refuse(path, checked)
  const { fingerprint, config, texts, files, warnings } = checked
  return { ok: true, snapshot: { fingerprint, config, texts }, texts, files: [path, ...files], warnings }
}
