import type { Report } from '../text/report.ts'
import { createAround, type Place, placeAt, showPlace } from './places.ts'

/** Places that are there twice, that differ in letter case alone, or that another one of their table serves anyway. */
export function checkCollisions(places: readonly Place[], report: Report): void {
  const exact = new Map<string, Place>()
  const folded = new Map<string, Place>()
  for (const place of places) {
    const key = `${place.host}${place.path} ${place.isExact} ${whenOf(place)}`
    const same = exact.get(key)
    const similar = folded.get(key.toLowerCase())
    if (same !== undefined) {
      if (!isRepeated(place, same)) {
        const hint = 'one route for a host and path'
        const message = `${showPlace(place)} has a route already`
        report.mistake(placeAt(place), 'route.duplicate', message, { hint, first: firstAt(same, place) })
      }
    } else if (similar !== undefined) {
      const hint = 'a backend that ignores case would serve one by the rules of the other; keep one spelling'
      const message = `${showPlace(place)} differs from another route only in letter case`
      report.mistake(placeAt(place), 'route.case', message, { hint, first: firstAt(similar, place) })
    }
    if (same === undefined) exact.set(key, place)
    if (similar === undefined) folded.set(key.toLowerCase(), place)
  }
  checkRedundant(places, report)
}

/** What else says which requests its route is for: routes of one place are told apart by it. */
function whenOf({ table }: Place): string {
  const { methods, paths, path_regexp, ignore_case, query } = table.values.when?.values ?? {}
  return JSON.stringify([methods, paths, path_regexp, ignore_case, query == null ? null : [...query]])
}

/** Whether a list has the very same text twice, which is told already. */
function isRepeated({ table, raw }: Place, same: Place): boolean {
  const isText = (own: Place['raw']['path'], other: Place['raw']['path']) =>
    own === other || (own?.kind === 'text' && other?.kind === 'text' && own.text === other.text)
  return table === same.table && isText(raw.path, same.raw.path) && isText(raw.host, same.raw.host)
}

function firstAt(first: Place, { table }: Place): Place['table']['at'] {
  return first.table === table ? placeAt(first) : first.table.at
}

/** A path of a list that would be served by the same table without it, once for all hosts. */
function checkRedundant(places: readonly Place[], report: Report): void {
  const around = createAround(places)
  const needed = new Set<unknown>()
  const spare = new Map<unknown, Place>()
  for (const place of places) {
    if (place.raw.path === null || (place.table.values.path ?? []).length < 2) continue
    if (around(place) === place.table) spare.set(place.raw.path, place)
    else needed.add(place.raw.path)
  }
  for (const [raw, place] of spare) {
    if (needed.has(raw)) continue
    const hint = 'remove it: another path of this list has it with all that is below'
    report.warn(placeAt(place), 'route.redundant', `${showPlace(place)} changes nothing`, { hint })
  }
}
