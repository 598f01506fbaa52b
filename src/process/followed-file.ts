import { GateError } from '../base/errors.ts'
import type { LevelledLog } from '../base/log.ts'
import type { Ports } from '../base/ports.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/types/config.ts'
import { createLive, type Loaded } from '../server/config/reload.ts'
import { type FileWatch, watchFiles } from '../server/config/watch.ts'
import type { ConfigState } from '../server/observe/admin.ts'
import { refuse, tellRefused, tellTakenOver, tellWarnings } from './reload-log.ts'

/** routes.toml as a supervisor needs it: checked, not compiled. */
interface CheckedFile {
  readonly fingerprint: string
  readonly config: Config
  readonly text: string
}

/** The file in force, kept up with. Pairs with `close`. */
export interface FollowedFile {
  readonly current: CheckedFile
  readonly state: ConfigState
  /** Reads the file again; what came of it is in the log. */
  reload(): void
  close(): void
}

/**
 * Reads the file, says in the log what is to be said of it, now and whenever it changes, and keeps the log at the level it asks for.
 *
 * `onChange` is called after each time that a watch has it read again. Throws `config.invalid` with the rendered mistakes.
 */
export function followFile(
  path: string,
  ports: Pick<Ports, 'readText' | 'readBytes' | 'env' | 'now'> & { readonly log: LevelledLog },
  onChange: () => void,
): FollowedFile {
  const { log } = ports
  let watching: FileWatch | null = null
  const load = () => {
    const loaded = loadFile(path, ports)
    watching?.follow(loaded.files)
    return loaded
  }
  const first = load()
  if (!first.ok) throw new GateError('config.invalid', first.refusal.trimEnd())
  log.setLevel(first.snapshot.config.server.logLevel)
  tellWarnings(log, first.warnings)
  const live = createLive({
    initial: first.snapshot,
    now: ports.now,
    load,
    onChange({ snapshot: { config }, warnings }, previous) {
      log.setLevel(config.server.logLevel)
      tellTakenOver(log, { config, warnings }, previous.config)
    },
    onRefuse: refusal => tellRefused(log, refusal),
  })
  watching = watchFiles(first.files, () => {
    live.reload()
    onChange()
  })
  return {
    get current() {
      return live.current
    },
    get state() {
      const { current, state } = live
      return {
        fingerprint: current.fingerprint,
        routes: current.config.routes.length,
        last_read: new Date(state.atMs).toISOString(),
        refused: state.refusal,
      }
    },
    reload: () => void live.reload(),
    close: () => watching?.close(),
  }
}

function loadFile(path: string, ports: Pick<Ports, 'readText' | 'readBytes' | 'env'>): Loaded<CheckedFile> {
  const loaded = loadConfig(path, ports)
  if (!loaded.ok) return refuse(path, loaded)
  const { fingerprint, config, text, warnings } = loaded
  return { ok: true, snapshot: { fingerprint, config, text }, files: [path, ...loaded.files], warnings }
}
