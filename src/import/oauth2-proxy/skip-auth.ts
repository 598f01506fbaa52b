/** What a `skip_auth_routes` entry opens, in the words of routes.toml. */
export interface OpenPath {
  readonly path: string
  /** Null: every method. */
  readonly method: string | null
  /** Whether the expression ends there, so that nothing below the path was meant. */
  readonly isExact: boolean
  /** Whether the path itself was not meant, but only what is below it, as `^/api/` says. */
  readonly isBelow: boolean
  /** Whether it also took paths that go on after it in the same segment, as `^/api` takes `/apix`. */
  readonly isLoose: boolean
}

/** What an expression may end in and still mean "and whatever comes after it". */
const OPEN_END = /(?:\(\/\.\*\)\?\$|\(\/\|\$\)|\/\.\*\$?|\/\.\+\$?|\.\*\$?)$/

/**
 * A `skip_auth_routes` or `skip_auth_regex` entry (`GET=^/health$`, `^/static/`) as a path; null for one that no path says.
 *
 * Only expressions that are anchored at the beginning and spell out their path: whatever else could open more than it seems to.
 */
export function readOpenPath(entry: string, option: 'skip_auth_routes' | 'skip_auth_regex'): OpenPath | null {
  // The older option knows no methods: what looks like one is the beginning of a path there.
  const form = option === 'skip_auth_routes' ? /^(?:([A-Za-z]*)(!?=))?(.*)$/s : /^()()(.*)$/s
  const [, word = '', operator, expression = ''] = form.exec(entry) ?? []
  if (operator === '!=' || !expression.startsWith('^/')) return null
  const method = word === '' ? null : word.toUpperCase()
  const open = OPEN_END.exec(expression)?.[0]
  const exact = open === undefined ? /(?:\/\?)?\$$/.exec(expression)?.[0] : undefined
  const end = open ?? exact ?? ''
  const body = expression.slice(1, expression.length - end.length)
  if (!/^(?:[A-Za-z0-9/_~.-]|\\[./_-])*$/.test(body)) return null
  const path = body.replaceAll('\\', '').replace(/\/+$/, '') || '/'
  // It ends in a slash: the path is not what it means, and another spelling of it is none of its own here.
  if (exact !== undefined && body.endsWith('/') && path !== '/') return null
  const endsAtSegment = exact !== undefined || body.endsWith('/') || body === '' || /^\(?\//.test(end)
  const isBelow = path !== '/' && (body.endsWith('/') || /^\/\./.test(end))
  return { path, method, isExact: exact !== undefined, isBelow, isLoose: !endsAtSegment }
}
