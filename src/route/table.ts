/** The route table: finds the route of a host and a path. */

import { compileHostTable } from './hosts.ts'
import { foldCase } from './readings.ts'
import { parseTarget, type Target } from './target.ts'

/** Whether something holds for a request; `unknown`, where a backend could read its path in another way. */
type Truth = 'yes' | 'no' | 'unknown'

/** An entry of the table: a configured host and path, and the value that a match returns. */
export interface TableEntry<T> {
  /** Lower-case; `*.example.com` for a wildcard. */
  readonly host: string
  /** `/`, or `/x/y` without a trailing slash. */
  readonly path: string
  /** Whether it is only for the path itself, and not for paths below it; absent: it is for both. */
  readonly isExact?: boolean
  /** Whether the star of its host matches exactly one label; absent: any number. */
  readonly isOneLabel?: boolean
  /** Whether its path is meant in any letter case (ASCII); absent: it is not. */
  readonly ignoresCase?: boolean
  /** Whether a request is one of those that it is for; null or absent: all are. */
  readonly when?: ((target: Target) => Truth) | null
  /** The beginning of `path` that is taken off before a request is sent on; null or absent for nothing. */
  readonly stripPrefix?: string | null
  readonly value: T
}

/** The answer for one target: the entry that serves it, and the entries that another reading of its path would reach. */
export interface Match<T> {
  readonly value: T
  /** Nearly always empty. A client that may not reach each of these, too, must be refused. */
  readonly also: readonly T[]
}

export interface RouteTable<T> {
  /** The entry for a target, or null. */
  match(target: Target): Match<T> | null
}

/** Entries by path. */
interface Paths<T> {
  /** Those that are for all that is below their path as well. */
  readonly below: ReadonlyMap<string, T>
  /** Entries that are only for their path itself; null: none. */
  readonly alone: ReadonlyMap<string, T> | null
  /** The same of those whose path is meant in any letter case, by their path in small letters; null: there are none. */
  readonly anyCase: Paths<T> | null
}

/** Entries of one host; `root` is set when `/` is the only one. */
interface HostPaths<T> {
  readonly byPath: Paths<T>
  /** By lower-case path, for readings by a backend that ignores case. */
  readonly byFoldedPath: Paths<T>
  /** Some configured path has capitals: a request all in lower case may mean it too. */
  readonly hasCapitals: boolean
  /** What is taken off before a request is sent on; null where nothing ever is. */
  readonly prefixes: ReadonlyMap<T, string> | null
  /** Length of the longest configured path: no prefix beyond it is worth a look, however long the request's path is. */
  readonly longest: number
  readonly root: Match<T> | null
  /** Finds the entries of a path where some have `when`; null: none has. */
  readonly choose: Choose<T> | null
  /** Entries that names below the wildcard's own do not reach, and where the last of those names ends; null: there are none. */
  readonly shallow: { readonly values: ReadonlySet<T>; readonly suffix: number } | null
}

const NONE: readonly never[] = Object.freeze([])

/**
 * A table whose look-up costs the same for ten routes and ten thousand: one map look-up per host label and per path
 * segment.
 *
 * It chooses the host first: an exact host before a wildcard, a longer wildcard before a shorter one. A host with its
 * own routes never falls back to a wildcard, nor does one of `ownHosts`, even without routes. Then it chooses the
 * longest path at segment boundaries, and an exact entry before a prefix of the same path. It skips an entry whose
 * `when` does not hold for the request.
 */
export function compileRouteTable<T>(
  entries: readonly TableEntry<T>[],
  ownHosts: Iterable<string> = [],
): RouteTable<T> {
  const byHost = Map.groupBy(entries, entry => entry.host)
  for (const host of ownHosts) if (!byHost.has(host)) byHost.set(host, [])
  const hosts = compileHostTable([...byHost].map(([host, own]) => [host, compileHost(own)] as const))
  const table: RouteTable<T> = Object.freeze({
    match(target: Target): Match<T> | null {
      const paths = hosts.lookup(target.host)
      if (paths === undefined) return null
      const { shallow } = paths
      if (paths.root !== null) return shallow !== null && isDeeper(target.host, shallow.suffix) ? null : paths.root
      const { choose } = paths
      const chosen = choose?.(target, target.path, false)
      const value = chosen === undefined ? find(paths.byPath, target.path, paths.longest) : certainOf(chosen)
      if (value === undefined) return null
      if (shallow?.values.has(value) === true && isDeeper(target.host, shallow.suffix)) return null
      const readings = target.readings.length === 0 && paths.hasCapitals ? [target.path] : target.readings
      if (readings.length === 0 && (chosen === undefined || chosen.values.length === 1)) return { value, also: NONE }
      const also = new Set<T>(chosen?.values)
      for (const reading of readings) {
        // For a backend that heeds case, and for one that does not.
        const folded = reading.toLowerCase()
        const others =
          choose === null
            ? [find(paths.byPath, reading, paths.longest), find(paths.byFoldedPath, folded, paths.longest)]
            : [...choose(target, reading, false).values, ...choose(target, folded, true).values]
        for (const other of others) if (other !== undefined) also.add(other)
      }
      const sent = asSent(target, paths.prefixes?.get(value))
      const again = sent === null ? null : table.match(sent)
      if (again !== null) for (const other of [again.value, ...again.also]) also.add(other)
      also.delete(value)
      return { value, also: also.size === 0 ? NONE : [...also] }
    },
  })
  return table
}

function certainOf<T>({ values, isCertain }: Chosen<T>): T | undefined {
  return isCertain ? values.at(-1) : undefined
}

/**
 * A target whose path begins with several slashes once its prefix is taken off, with one in their place; null for any other.
 * Bun's fetch (1.4.5) sends a run of leading slashes as one, and leaves the others as they are.
 */
function asSent(target: Target, prefix: string | undefined): Target | null {
  if (prefix === undefined || !foldCase(target.path).startsWith(`${foldCase(prefix)}//`)) return null
  const path = prefix + target.path.slice(prefix.length).replace(/^\/+/, '/')
  return parseTarget(target.method, path + target.query, target.authority)
}

/** Those that may take a request at a path, in the order in which they are asked, and whether the last one certainly does. */
interface Chosen<T> {
  readonly values: readonly T[]
  readonly isCertain: boolean
}

type Choose<T> = (target: Target, path: string, foldsAll: boolean) => Chosen<T>

/** Goes through the entries around a path, the longest path first, and ends at the first that certainly takes the request. */
function compileChoose<T>(entries: readonly TableEntry<T>[]): Choose<T> | null {
  if (entries.every(({ when }) => when == null)) return null
  // For one path, exact entries come first, and entries for all requests last.
  const rank = ({ isExact, when }: TableEntry<T>) => (isExact === true ? 0 : 2) + (when == null ? 1 : 0)
  const byPath = Map.groupBy(
    entries.toSorted((one, other) => rank(one) - rank(other)),
    ({ path }) => foldCase(path),
  )
  const longest = Math.max(...entries.map(({ path }) => path.length))
  return (target, path, foldsAll) => {
    const values: T[] = []
    for (let at = path; ; at = at.slice(0, at.lastIndexOf('/', longest)) || '/') {
      for (const entry of byPath.get(foldCase(at)) ?? []) {
        const isMeant = entry.isExact !== true || at === path
        if (!isMeant || !(foldsAll || entry.ignoresCase === true || entry.path === at)) continue
        const truth = entry.when == null ? 'yes' : entry.when(target)
        if (truth !== 'no') values.push(entry.value)
        if (truth === 'yes') return { values, isCertain: true }
      }
      if (at === '/') return { values, isCertain: false }
    }
  }
}

const NOWHERE: Paths<never> = Object.freeze({ below: new Map<string, never>(), alone: null, anyCase: null })

/** What no path is looked for in. */
const NO_PATHS = {
  byPath: NOWHERE,
  byFoldedPath: NOWHERE,
  hasCapitals: false,
  prefixes: null,
  longest: 0,
  choose: null,
} as const

function compileHost<T>(entries: readonly TableEntry<T>[]): HostPaths<T> {
  const only = entries.length === 1 ? entries[0] : undefined
  if (only?.path === '/' && only.isExact !== true && only.when == null) {
    return { ...NO_PATHS, shallow: shallowOf(entries), root: Object.freeze({ value: only.value, also: NONE }) }
  }
  const prefixes = new Map(entries.flatMap(({ value, stripPrefix }) => (stripPrefix ? [[value, stripPrefix]] : [])))
  return {
    byPath: pathsOf(entries),
    byFoldedPath: foldedPathsOf(entries),
    hasCapitals: entries.some(entry => entry.path !== entry.path.toLowerCase()),
    prefixes: prefixes.size === 0 ? null : prefixes,
    longest: Math.max(...entries.map(entry => entry.path.length)),
    shallow: shallowOf(entries),
    root: null,
    choose: compileChoose(entries),
  }
}

function shallowOf<T>(entries: readonly TableEntry<T>[]): HostPaths<T>['shallow'] {
  const own = entries.filter(({ isOneLabel }) => isOneLabel === true)
  const [first] = own
  return first === undefined ? null : { values: new Set(own.map(({ value }) => value)), suffix: first.host.length - 1 }
}

/** Whether a name has more than one label before the last `suffix` letters, which begin with a dot. */
function isDeeper(host: string, suffix: number): boolean {
  return host.lastIndexOf('.', host.length - suffix - 1) !== -1
}

function pathsOf<T>(entries: readonly TableEntry<T>[]): Paths<T> {
  const anyCase = entries.filter(({ ignoresCase }) => ignoresCase === true)
  return {
    ...byPathOf(entries, path => path),
    anyCase: anyCase.length === 0 ? null : foldedPathsOf(anyCase),
  }
}

function foldedPathsOf<T>(entries: readonly TableEntry<T>[]): Paths<T> {
  return { ...byPathOf(entries, foldCase), anyCase: null }
}

function byPathOf<T>(entries: readonly TableEntry<T>[], spell: (path: string) => string): Omit<Paths<T>, 'anyCase'> {
  const map = (own: readonly TableEntry<T>[]) => new Map(own.map(({ path, value }) => [spell(path), value]))
  const alone = entries.filter(({ isExact }) => isExact === true)
  return {
    below: map(entries.filter(({ isExact }) => isExact !== true)),
    alone: alone.length === 0 ? null : map(alone),
  }
}

/** The value for a path: that of an exact entry, otherwise that of the longest prefix. */
function find<T>({ below, alone, anyCase }: Paths<T>, path: string, longest: number): T | undefined {
  const folded = anyCase === null ? path : foldCase(path)
  return alone?.get(path) ?? anyCase?.alone?.get(folded) ?? longestPrefix(below, anyCase?.below, path, folded, longest)
}

/** The value of the longest key that is `path` or ends where a segment of it ends; of the second map, in small letters. */
function longestPrefix<T>(
  byPath: ReadonlyMap<string, T>,
  anyCase: ReadonlyMap<string, T> | undefined,
  path: string,
  folded: string,
  longest: number,
): T | undefined {
  const whole = byPath.get(path) ?? anyCase?.get(folded)
  if (whole !== undefined) return whole
  for (let slash = path.lastIndexOf('/', longest); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
    const found = byPath.get(path.slice(0, slash)) ?? anyCase?.get(folded.slice(0, slash))
    if (found !== undefined) return found
  }
  return byPath.get('/')
}
