import type { Context } from './context.ts'
import { HARMLESS, INSTEAD, sortDirectives } from './directives.ts'
import { isMatcher, type Named, namedIn, readMatcher, type Test, takeMatcher } from './matcher.ts'
import type { Directive } from './parse.ts'
import type { Place } from './place.ts'
import { type Answer, readFileServer, readRedir, readRespond, readReverseProxy } from './services.ts'
import { close, type End, type Outcome, part, type Way } from './way.ts'

/** What came of the directives of a block: requests that somebody answered, and those that go on to whatever comes after it. */
interface Walked {
  readonly ended: readonly Outcome[]
  readonly going: readonly Way[]
}

/** Of these directives, a request meets the first of a block that is for it, and no other; but for a `route`. */
const SINGLE = new Set(['handle', 'root', 'rewrite'])

/** Ways through a block beyond these cannot be followed any more. */
const MAX_WAYS = 96

/** What becomes of the requests for a place in a site, as Caddy's handlers meet them; what cannot be told goes every way. */
export type SiteWalk = (place: Place, start: Way) => readonly Outcome[]

/** Reads a site's directives once, for any number of places. `order` is how Caddy sorts them. */
export function openSite(context: Context, block: readonly Directive[], order: readonly string[]): SiteWalk {
  const answers = new Map<Directive, Answer | null>()

  function note(directive: Directive, say: string, outcome: 'kept' | 'left' | 'decide' | 'changed' = 'kept'): void {
    context.notes.add(outcome, directive.name, directive.line, say)
  }

  /** Closes the way for good, and says which directive did it. */
  function closing(directive: Directive, way: Way): Way {
    const { name, line } = directive
    const say = INSTEAD[name] ?? 'not a directive that is known here, so it may guard something'
    context.notes.add('closed', name, line, `the routes that it is for let nobody in: ${say}`)
    return close(way, `${name} in line ${line}`)
  }

  function walk(directives: readonly Directive[], start: Way, outer: Named, isOrdered: boolean, place: Place): Walked {
    const named = namedIn(directives, outer)
    const met = directives.filter(({ name }) => !name.startsWith('@'))
    const pathsOf = ({ args }: Directive) => {
      const test = isMatcher(args[0]) && args[0] !== '*' ? readMatcher(args[0], named) : null
      return test === null ? null : plainPaths(test)
    }
    const ended: Outcome[] = []
    let going: readonly { readonly way: Way; readonly done: readonly string[] }[] = [{ way: start, done: [] }]
    for (const directive of isOrdered ? met : sortDirectives(met, order, pathsOf)) {
      const group = directive.name === 'handle_path' ? 'handle' : directive.name
      const isSingle = SINGLE.has(group)
      going = going.flatMap(one => {
        const isDone = isSingle && one.done.includes(group)
        if (isDone && !isOrdered) return [one]
        const { test, rest } = testOf(directive, named)
        const { held, missed } = part(test, one.way, place)
        const through = held === null ? null : step(rest, held, named, place)
        ended.push(...(through?.ended ?? []))
        return [
          // In a route, others of the kind are met as well; by its documentation a handle is not.
          ...(isDone && held !== null ? [one] : missed === null ? [] : [{ ...one, way: missed }]),
          ...(through?.going ?? []).map(way => ({ way, done: isSingle ? [...one.done, group] : one.done })),
        ]
      })
      if (going.length + ended.length > MAX_WAYS) {
        const what = `${directive.name} in line ${directive.line}`
        context.notes.add('closed', directive.name, directive.line, 'its matchers part requests in too many ways')
        return { ended: [...ended, { ...close(start, what), end: { kind: 'nothing' } }], going: [] }
      }
    }
    return { ended, going: going.map(({ way }) => way) }
  }

  /** What a directive does to a request that it is for; its matcher is taken off. */
  function step(directive: Directive, way: Way, named: Named, place: Place): Walked {
    const goesOn = (next: Way): Walked => ({ ended: [], going: [next] })
    const ends = (end: End): Walked => ({ ended: [{ ...way, end }], going: [] })
    const { name, args, line, block: inner } = directive
    switch (name) {
      case 'handle':
      case 'route':
        return inner === null ? goesOn(way) : walk(inner, way, named, name === 'route', place)
      case 'handle_path': {
        note(directive, 'strip_prefix of a route')
        const prefix = (args[0] ?? '').replace(/\/?\*$/, '')
        const stripped = prefix === '' ? way : strip(way, prefix)
        return walk(inner ?? [], stripped ?? closing(directive, way), named, false, place)
      }
      case 'authorize': {
        const policy = (args[0] === 'with' ? args[1] : args[0]) ?? ''
        note(directive, 'portal, allow and headers of the routes')
        const seesPath = !way.isRewritten && way.stripPrefix === null
        return goesOn({ ...way, guards: [...way.guards, { policy, line, seesPath }] })
      }
      case 'authenticate':
        note(directive, PLACED)
        return ends({ kind: 'portal' })
      case 'abort':
      case 'error':
        note(directive, 'nobody passes in allow, and nothing else answers there')
        return ends({ kind: 'refused', isKept: true, what: `${name} in line ${line}` })
      case 'reverse_proxy':
      case 'respond':
      case 'redir':
      case 'file_server': {
        const answer = answerOf(directive, way)
        if (answer === null) return ends({ kind: 'refused', isKept: false, what: `${name} in line ${line}` })
        if (way.tried !== null && name === 'reverse_proxy') {
          return { ended: [{ ...close(way, way.tried), end: { kind: 'answer', answer, line, name } }], going: [] }
        }
        return ends({ kind: 'answer', answer, line, name })
      }
      case 'php_fastcgi':
        return { ended: [{ ...closing(directive, way), end: { kind: 'nothing' } }], going: [] }
      case 'bind':
        return goesOn(way)
      case 'root':
        return goesOn({ ...way, root: args[0] ?? null })
      case 'try_files':
        context.notes.add('left', name, line, INSTEAD[name] ?? '')
        return goesOn({ ...way, tried: `${name} in line ${line}`, isRewritten: true })
      case 'uri':
      case 'rewrite':
      case 'request_header':
        return goesOn(change(directive, way) ?? { ...closing(directive, way), isRewritten: name !== 'request_header' })
      default:
        if (Object.hasOwn(HARMLESS, name) && !(name === 'tls' && asksCertificates(directive))) {
          note(directive, HARMLESS[name] ?? '', 'left')
          return goesOn(way)
        }
        return goesOn(closing(directive, way))
    }
  }

  function answerOf(directive: Directive, way: Way): Answer | null {
    if (directive.name === 'file_server') return readFileServer(context, directive, way.root)
    const known = answers.get(directive)
    if (known !== undefined) return known
    const read = READERS[directive.name]?.(context, directive) ?? null
    answers.set(directive, read)
    return read
  }

  /** A change of the request that a route can make too; null for any other. */
  function change(directive: Directive, way: Way): Way | null {
    const { name, args } = directive
    const [first = '', second = ''] = args
    const isPlain = args.every(word => !/[{}]/.test(word))
    if (name === 'uri' && first === 'strip_prefix' && args.length === 2) {
      note(directive, 'strip_prefix of a route')
      return strip(way, second)
    }
    if (name === 'rewrite') {
      const prefix = args.length === 1 ? /^(\/[^{}]*[^{}/])\{uri\}$/.exec(first)?.[1] : undefined
      if (prefix === undefined || way.addPrefix !== null || way.isRewritten) return null
      note(directive, 'add_prefix of a route')
      return { ...way, addPrefix: prefix, isRewritten: true }
    }
    if (name !== 'request_header' || !isPlain || directive.block !== null) return null
    const { set, remove } = way.requestHeaders
    if (first.startsWith('-') && args.length === 1 && !first.includes('*')) {
      note(directive, 'request_headers of a route')
      return { ...way, requestHeaders: { set, remove: [...remove, first.slice(1)] } }
    }
    if (args.length !== 2 || !/^[A-Za-z]/.test(first)) return null
    note(directive, 'request_headers of a route')
    return { ...way, requestHeaders: { set: { ...set, [first]: second }, remove } }
  }

  return (place, start) => {
    const { ended, going } = walk(block, start, new Map(), false, place)
    return [...ended, ...going.map(way => ({ ...way, end: { kind: 'nothing' } as const }))]
  }
}

const PLACED = 'nothing to route: a portal’s paths are reserved on its host, below /.sallyport/ and at callback_path'

const READERS: Readonly<Record<string, (context: Context, directive: Directive) => Answer | null>> = {
  reverse_proxy: readReverseProxy,
  respond: readRespond,
  redir: readRedir,
}

/** A way whose path has lost what it begins with; null where that was changed before. */
function strip(way: Way, prefix: string): Way | null {
  const path = prefix.replace(/\/+$/, '')
  if (way.stripPrefix !== null || way.isRewritten || !/^\/[^*?[\\{%]*$/.test(path)) return null
  return { ...way, stripPrefix: path }
}

/** The paths of a matcher that chooses by paths, perhaps among others; none for one that does not. */
function plainPaths(test: Test): readonly string[] {
  if (test.kind === 'path') return test.patterns
  return test.kind === 'all' ? test.parts.flatMap(one => (one.kind === 'path' ? one.patterns : [])) : []
}

/** A directive's own test. `root` and `rewrite` of one word have none: the word is what they say. */
function testOf(directive: Directive, named: Named): { readonly test: Test; readonly rest: Directive } {
  const { name, args, block } = directive
  if (name === 'handle_path') {
    const pattern = args[0] ?? ''
    const test: Test = isMatcher(pattern) ? readMatcher(pattern, named) : { kind: 'unknown' }
    return { test, rest: directive }
  }
  if ((name === 'root' || name === 'rewrite') && args.length === 1) return { test: ALL, rest: directive }
  if (TAKES_NONE.has(name)) return { test: ALL, rest: directive }
  if (name === 'authorize' && args.length === 0 && block === null) return { test: ALL, rest: directive }
  return takeMatcher(directive, named)
}

const ALL: Test = { kind: 'all', parts: [] }

/** Directives of a whole site, which have no matcher. */
const TAKES_NONE = new Set(['tls', 'bind', 'import', 'log', 'handle_errors'])

function asksCertificates({ name, block }: Directive): boolean {
  return name === 'client_auth' || (block ?? []).some(asksCertificates)
}
