/**
 * Before a program, by `--preload`: says on standard error of each timer that fires after how long, and what made it.
 *
 * A line is `timer MS MAKER`; MAKER is a place in the program's own files.
 */
export {}

/** A line of a stack that is in the program. */
const OWN = /\/src\/([^\s)]+)/

function tell(waitMs: unknown, made: string): void {
  process.stderr.write(`timer ${waitMs ?? 0} ${made}\n`)
}

function maker(): string {
  const places = (new Error('where').stack ?? '').split('\n').flatMap(line => OWN.exec(line)?.[1] ?? [])
  return places.slice(0, 2).join(' < ') || 'elsewhere'
}

for (const name of ['setTimeout', 'setInterval'] as const) {
  const real = globalThis[name] as (...all: unknown[]) => Timer
  const telling = (act: (...all: unknown[]) => void, waitMs?: number, ...rest: unknown[]) => {
    const made = maker()
    const told = (...all: unknown[]) => {
      tell(waitMs, made)
      act(...all)
    }
    return real(told, waitMs, ...rest)
  }
  Object.assign(globalThis, { [name]: telling })
}
