/** Times of day in a time zone. */

/** What a clock on the wall shows. */
export interface WallClock {
  /** 0 is Monday. */
  readonly weekday: number
  /** Since midnight. */
  readonly minute: number
}

/** Whether a name is a time zone: an IANA name such as `Europe/Berlin`, `UTC`, or an offset such as `+02:00`. */
export function isZone(name: string): boolean {
  // Without the table of all zones, which takes 2 ms to open.
  if (name === 'UTC') return true
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name)
    return true
  } catch {
    return false
  }
}

/**
 * What a clock in a zone shows at a moment, one zone at a time: the answer is kept for as long as the minute lasts.
 *
 * Throws RangeError for a name that is no zone (at once) and for a moment that is not a number (when asked).
 */
export function openWallClock(zone: string): (nowMs: number) => WallClock {
  Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone)
  let keptMinute = Number.NaN
  let kept: WallClock = { weekday: 0, minute: 0 }
  return nowMs => {
    // No zone in use is off UTC by a part of a minute.
    const minute = Math.floor(nowMs / 60_000)
    if (minute !== keptMinute) {
      const local = Temporal.Instant.fromEpochMilliseconds(minute * 60_000).toZonedDateTimeISO(zone)
      kept = { weekday: local.dayOfWeek - 1, minute: local.hour * 60 + local.minute }
      keptMinute = minute
    }
    return kept
  }
}

/**
 * Milliseconds since the epoch of a local date and time (`2026-03-29T08:00`) in a zone.
 *
 * A time that the zone skips or has twice is taken as RFC 5545 §3.3.5 does: skipped ones move on, of two the first counts.
 * Throws RangeError for text that is no date and time.
 */
export function localToEpochMs(local: string, zone: string): number {
  return Temporal.PlainDateTime.from(local).toZonedDateTime(zone).epochMilliseconds
}
