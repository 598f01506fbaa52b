import type { Conditions } from '../conditions.ts'
import type { Context } from '../context.ts'
import { isHarmless, sortDirectives } from '../directives.ts'
import { isMatcher, type Named, namedIn, readMatcher, type Test, takeMatcher } from '../matcher.ts'
import type { Directive } from '../parse.ts'
import type { Place, Verdict } from './place.ts'
import { sayRequests } from './requests.ts'
import { pastRedirect, saySentOn } from './sent-on.ts'
import { type Bypassed, createSteps, type Walked } from './step.ts'
import { close, judgeOn, type Outcome, type Parting, part, type Way } from './way.ts'

/** Of these directives, a request meets the first of a block that is for it, and no other; but for a `route`. */
const SINGLE = new Set(['handle', 'root', 'rewrite'])

/** Ways through a block beyond these cannot be followed any more. */
const MAX_WAYS = 96

/** What becomes of the requests for a place in a site, as Caddy's handlers meet them; what cannot be told goes every way. */
export type SiteWalk = (place: Place, start: Way) => readonly Outcome[]

/** Reads a site's directives once, for any number of places. `order` is how Caddy sorts them. */
export function openSite(
  context: Context,
  block: readonly Directive[],
  order: readonly string[],
  bypassed: Bypassed,
): SiteWalk {
  const step = createSteps(context, walk, bypassed)

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
        const { held, missed, untold } = parting(directive, rest, test, one.way, place)
        if (untold !== null) noteUntold(context, directive, untold)
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
        context.notes.add(
          'closed',
          directive.name,
          directive.line,
          'write the routes of this site by hand: its matchers part requests in too many ways',
        )
        return { ended: [...ended, { ...close(start, what), end: { kind: 'nothing' } }], going: [] }
      }
    }
    return { ended, going: going.map(({ way }) => way) }
  }

  function parting(directive: Directive, rest: Directive, test: Test, way: Way, place: Place): Parting {
    // What guards nothing parts nobody.
    if (rest.name === 'header') return fieldsFor(context, directive, judgeOn(test, way, place).kind, way)
    if (isHarmless(rest)) return { held: way, missed: null, untold: null }
    const past = rest.name === 'redir' ? pastRedirect(context, directive, test, way, place) : null
    return past === null ? part(test, way, place) : { held: null, missed: past, untold: null }
  }

  return (place, start) => {
    const { ended, going } = walk(block, start, new Map(), false, place)
    const outcomes = [...ended, ...going.map(way => ({ ...way, end: { kind: 'nothing' } as const }))]
    for (const outcome of outcomes) saySentOn(context, outcome)
    return outcomes
  }
}

/** Fields are changed where all of a route's answers are: a matcher that only some of its requests hold for is named. */
function fieldsFor({ notes }: Context, { args, line }: Directive, kind: Verdict['kind'], way: Way): Parting {
  if (kind === 'yes') return { held: way, missed: null, untold: null }
  if (kind !== 'no') {
    const say = 'for only some of the requests of a route: write response_headers into it where all may have it'
    notes.add('left', `header ${args[0] ?? ''}`.trimEnd(), line, say)
  }
  return { held: null, missed: way, untold: null }
}

function noteUntold({ notes }: Context, { name, args, line }: Directive, untold: 'all' | Conditions): void {
  const [word = ''] = args
  const shown = isMatcher(word) ? `${name} ${word}` : name
  const some = untold === 'all' ? '' : ` among ${sayRequests(untold)}`
  const say = `which requests${some} this is for only Caddy can tell: they are held to the strictest of what may become of them; where it guards nothing, take it out and import again`
  notes.add('changed', shown, line, say)
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
