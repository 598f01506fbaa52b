const UNITS: readonly (readonly [number, string])[] = [
  [86_400_000, 'day'],
  [3_600_000, 'hour'],
  [60_000, 'minute'],
]

/** A span in its largest unit, rounded down: "30 days", "1 hour"; below a minute "less than a minute". */
export function spanOf(ms: number): string {
  for (const [unitMs, name] of UNITS) {
    const count = Math.floor(ms / unitMs)
    if (count > 0) return `${count} ${name}${count === 1 ? '' : 's'}`
  }
  return 'less than a minute'
}

/** How long ago something was, as people say it: "3 hours ago", "just now". */
export function agoOf(atMs: number, nowMs: number): string {
  const ms = nowMs - atMs
  return ms < 60_000 ? 'just now' : `${spanOf(ms)} ago`
}

/** The day of a moment, in UTC: "2027-06-30". */
export function dateOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10)
}
