import type { Directive } from './parse.ts'

/** What a matcher lets through, as far as routes can say it. Paths are absolute, `/` for all; null: any host. */
export interface Matched {
  readonly paths: readonly MatchedPath[]
  readonly hosts: readonly string[] | null
}

export interface MatchedPath {
  readonly path: string
  /** Whether only the path itself was meant, and nothing below it. */
  readonly isExact: boolean
  /** Whether paths were meant too that go on in the same segment, as `/api*` means `/apix`. */
  readonly isLoose: boolean
}

export const EVERYTHING: Matched = { paths: [{ path: '/', isExact: false, isLoose: false }], hosts: null }

/** Whether a directive's first argument chooses requests. */
export function isMatcher(word: string | undefined): boolean {
  return word !== undefined && (word === '*' || word.startsWith('/') || word.startsWith('@'))
}

/** A matcher such as `/api/*` or `@name`, by the definitions of its site; null for one that paths and hosts cannot say. */
export function readMatcher(word: string, named: ReadonlyMap<string, Directive>): Matched | null {
  if (!word.startsWith('@')) {
    const path = readPattern(word)
    return path === null ? null : { paths: [path], hosts: null }
  }
  const definition = named.get(word)
  if (definition === undefined) return null
  const [first, ...rest] = definition.args
  const lines = definition.block ?? (first === undefined ? [] : [{ name: first, args: rest }])
  const paths: MatchedPath[] = []
  const hosts: string[] = []
  for (const { name, args } of lines) {
    if (name === 'host') hosts.push(...args)
    else if (name === 'path') {
      const read = args.map(readPattern)
      if (read.includes(null)) return null
      paths.push(...read.filter(path => path !== null))
    } else return null
  }
  return {
    paths: paths.length > 0 ? paths : EVERYTHING.paths,
    hosts: hosts.length > 0 ? hosts : null,
  }
}

/** `/api/*`, `/api*` and `/api`; null for a star in the middle or at the beginning. */
export function readPattern(pattern: string): MatchedPath | null {
  if (pattern === '*' || pattern === '/*') return { path: '/', isExact: false, isLoose: false }
  const isOpen = pattern.endsWith('*')
  const path = pattern.replace(/\/?\*$/, '')
  if (!path.startsWith('/') || path.includes('*')) return null
  return { path: path.replace(/\/+$/, '') || '/', isExact: !isOpen, isLoose: isOpen && !pattern.endsWith('/*') }
}

/** The part of `path` that lies below `scope`; null where they have nothing in common. */
export function within(path: MatchedPath, scope: string): MatchedPath | null {
  if (isBelow(path.path, scope)) return path
  return isBelow(scope, path.path) && !path.isExact ? { path: scope, isExact: false, isLoose: false } : null
}

export function isBelow(path: string, scope: string): boolean {
  return scope === '/' || path === scope || path.startsWith(`${scope}/`)
}
