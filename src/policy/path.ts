import { compileStars, type TextTest } from '../base/stars.ts'
import type { Target } from '../route/target.ts'
import type { Truth } from './truth.ts'

/** A path with every other way in which a backend may read it. */
export type ReadPath = Pick<Target, 'path' | 'readings'>

/** Whether a path is as one of some patterns say. */
export type PathJudge = (asked: ReadPath) => Truth

/**
 * Patterns of `paths`, compiled; a star in one is anything at all, slashes among it.
 *
 * `yes`: the path is, as it is spelt, and so is every reading of it. `no`: none of them is, in any letter case. Everything between
 * is `unknown`, since a backend may take it for the one or for the other. A reading counts in any letter case, as whoever
 * does not heed case sees the pattern too.
 *
 * Takes the length of the path for each star, whatever the path is: pieces are looked for from left to right, and none twice.
 */
export function compilePaths(patterns: readonly string[]): PathJudge {
  const exact = patterns.map(compileStars)
  const folded = patterns.map(pattern => compileStars(pattern.toLowerCase()))
  const isAny = (tests: readonly TextTest[], path: string) => tests.some(test => test(path))
  return ({ path, readings }) => {
    const held = readings.reduce((count, reading) => count + Number(isAny(folded, reading.toLowerCase())), 0)
    if (held === readings.length && isAny(exact, path)) return 'yes'
    return held === 0 && !isAny(folded, path.toLowerCase()) ? 'no' : 'unknown'
  }
}
