import { errorFacts, type Facts } from '../base/errors.ts'
import { createLog, type LevelledLog, type LogOutput, type LogStyle } from '../base/log.ts'
import { codeOf } from '../config/text/substitute.ts'
import type { LogConfig, LogPlace } from '../config/types/log.ts'
import type { AccessStyle } from '../server/observe/access/log.ts'
import type { Io } from './io.ts'
import { type PerStream, withPriority } from './journal.ts'
import { createLogFile, type LogFile } from './log-file.ts'

/** The log of a process, and where its requests go. */
export interface Logs {
  readonly log: LevelledLog
  readonly access: LogOutput<AccessStyle>
  /** From now on as a file says it. */
  configure(config: LogConfig): void
}

/** As it is without `[log]`. */
const USUAL: LogConfig = { format: null, requests: 'stdout', events: 'stderr' }

/** What is said on the streams of a process, until `configure` says otherwise. `facts` go with every line but those of requests. */
export function openLogs(io: Io, now: () => number, facts: Facts = {}): Logs {
  let config = USUAL
  const files = new Map<LogPlace, LogFile>()

  const events: LogOutput = {
    get style() {
      const { format, events: place } = config
      if (format === 'json') return 'json'
      const usual = styleAt(io, place, hasPeople)
      return format !== null && usual === 'json' ? 'text' : usual
    },
    write(lines, level = 'info') {
      const { events: place } = config
      const isJournal = (place === 'stdout' || place === 'stderr') && io.journal?.[place] === true
      if (!writeTo(place, isJournal ? withPriority(lines, level) : lines)) io.stderr(lines)
    },
  }
  const access: LogOutput<AccessStyle> = {
    get style() {
      const { format, requests: place } = config
      if (format === 'json' || format === 'combined') return format
      const usual = styleAt(io, place, isTerminal)
      return format === 'text' && usual === 'json' ? 'text' : usual
    },
    write: lines => void writeTo(config.requests, lines),
  }
  const log = createLog({
    now,
    facts,
    write: events.write,
    get style() {
      return events.style
    },
  })

  function writeTo(place: LogPlace, lines: string): boolean {
    if (place === 'stderr') io.stderr(lines)
    else if (place === 'stdout') void io.stdout(lines)
    else return fileAt(place).write(lines)
    return true
  }

  function fileAt(path: LogPlace): LogFile {
    let file = files.get(path)
    if (file === undefined) {
      file = createLogFile({
        path,
        uid: process.geteuid?.() ?? null,
        onTrouble(error) {
          const hint =
            codeOf(error) === 'EPERM'
              ? 'give the file or the link to the user that runs Sallyport (chown, chown -h), or name another place'
              : 'see that its folder is there, may be written by this user, and has room'
          log.error('The log cannot be written', { file: path, ...errorFacts(error), hint })
        },
        onMended: missed => log.info('The log is written again', { file: path, missed }),
      })
      files.set(path, file)
    }
    return file
  }

  return {
    log,
    access,
    configure(next) {
      config = next
      for (const [path, file] of files) {
        if (path === next.requests || path === next.events) continue
        file.close()
        files.delete(path)
      }
    },
  }
}

/** Where colours are asked for by name, or people look: for them. */
const hasPeople = ({ colour, terminal }: Pick<Io, 'colour' | 'terminal'>, stream: keyof PerStream) =>
  colour[stream] || terminal[stream]

/** Requests are for people at a terminal alone, since programs read these lines wherever they go besides. */
const isTerminal = ({ terminal }: Pick<Io, 'terminal'>, stream: keyof PerStream) => terminal[stream]

function styleAt(
  io: Pick<Io, 'colour' | 'terminal'>,
  place: LogPlace,
  isForPeople: (io: Pick<Io, 'colour' | 'terminal'>, stream: keyof PerStream) => boolean,
): LogStyle {
  if ((place !== 'stdout' && place !== 'stderr') || !isForPeople(io, place)) return 'json'
  return io.colour[place] ? 'pretty' : 'plain'
}
