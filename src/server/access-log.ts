/** One finished request. The query is absent on purpose: it may hold tokens. */
export interface AccessRecord {
  readonly atMs: number
  readonly id: string
  readonly client: string
  readonly method: string
  readonly host: string
  readonly path: string
  /** The route's id, `-` where none was found. */
  readonly route: string
  /** The subject, or null for nobody. */
  readonly user: string | null
  readonly status: number
  /** Milliseconds from the request's head to the response's. */
  readonly tookMs: number
}

/** Pairs with `close`, which writes what is left. */
export interface AccessLog {
  readonly isOn: boolean
  write(record: AccessRecord): void
  close(): void
}

const FLUSH_MS = 100
const FLUSH_CHARACTERS = 64 * 1024

/**
 * An access log that writes JSON lines in batches: one system call for many requests.
 *
 * A record is made into text only when the log is on.
 */
export function openAccessLog(write: (lines: string) => void, isEnabled: () => boolean): AccessLog {
  let pending = ''
  let second = -1
  let secondText = ''

  function flush(): void {
    if (pending === '') return
    const lines = pending
    pending = ''
    write(lines)
  }

  const timer = setInterval(flush, FLUSH_MS)
  timer.unref()

  /** RFC 3339, with the part that changes once a second kept. */
  function timeText(atMs: number): string {
    const at = Math.floor(atMs / 1000)
    if (at !== second) {
      second = at
      secondText = new Date(at * 1000).toISOString().slice(0, 20)
    }
    return `${secondText}${String(Math.floor(atMs) % 1000).padStart(3, '0')}Z`
  }

  return {
    get isOn() {
      return isEnabled()
    },
    write(record) {
      pending +=
        `{"time":"${timeText(record.atMs)}","level":"info","message":"request","id":"${record.id}","client":"${record.client}"` +
        `,"method":"${record.method}","host":${JSON.stringify(record.host)},"path":${JSON.stringify(record.path)}` +
        `,"route":${JSON.stringify(record.route)},"user":${record.user === null ? 'null' : JSON.stringify(record.user)}` +
        `,"status":${record.status},"ms":${record.tookMs.toFixed(1)}}\n`
      if (pending.length > FLUSH_CHARACTERS) flush()
    },
    close() {
      clearInterval(timer)
      flush()
    },
  }
}
