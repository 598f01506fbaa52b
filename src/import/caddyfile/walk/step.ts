import type { Context } from '../context.ts'
import { HARMLESS, INSTEAD, isHarmless } from '../directives.ts'
import { joinChanges, readFields } from '../fields.ts'
import type { Named } from '../matcher.ts'
import type { Directive } from '../parse.ts'
import { type Answer, readReverseProxy } from '../services.ts'
import { changeRequest, strip } from './change.ts'
import { readFileServer, readRedir, readRespond } from './own-answers.ts'
import type { Place } from './place.ts'
import { waysToApplication } from './sent-on.ts'
import { close, type End, type Outcome, part, type Way } from './way.ts'

/** What came of the directives of a block: requests that somebody answered, and those that go on to whatever comes after it. */
export interface Walked {
  readonly ended: readonly Outcome[]
  readonly going: readonly Way[]
}

/** Follows a request into a block; `isOrdered`: its directives are met as they are written. */
export type Enter = (block: readonly Directive[], way: Way, named: Named, isOrdered: boolean, place: Place) => Walked

/** What a directive does to a request that it is for; its matcher is taken off. */
export type Step = (directive: Directive, way: Way, named: Named, place: Place) => Walked

/** The paths that policies let by, as patterns of a rule, by the policy's name. */
export type Bypassed = ReadonlyMap<string, readonly string[]>

/** The directives of a site; each answer is read once, for whatever number of places. */
export function createSteps(context: Context, enter: Enter, bypassed: Bypassed): Step {
  const answers = new Map<Directive, Answer | null>()

  function note(directive: Directive, say: string, outcome: 'kept' | 'left' | 'decide' | 'changed' = 'kept'): void {
    context.notes.add(outcome, directive.name, directive.line, say)
  }

  /** Closes the way for good, and says which directive did it. */
  function closing(directive: Directive, way: Way): Way {
    const { name, line } = directive
    const say =
      INSTEAD[name] ??
      'not a directive that is known here, so it may guard something; write what it did into them, or take it out and import again'
    context.notes.add('closed', name, line, `the routes that it is for let nobody in: ${say}`)
    return close(way, `${name} in line ${line}`)
  }

  function answerOf(directive: Directive, way: Way): Answer | null {
    if (directive.name === 'file_server') return readFileServer(context, directive, way)
    const known = answers.get(directive)
    if (known !== undefined) return known
    const read = READERS[directive.name]?.(context, directive) ?? null
    answers.set(directive, read)
    return read
  }

  return (directive, way, named, place) => {
    const goesOn = (next: Way): Walked => ({ ended: [], going: [next] })
    const ends = (end: End): Walked => ({ ended: [{ ...way, end }], going: [] })
    const { name, args, line, block: inner } = directive
    switch (name) {
      case 'handle':
      case 'route':
        return inner === null ? goesOn(way) : enter(inner, way, named, name === 'route', place)
      case 'handle_path': {
        note(directive, 'strip_prefix of a route')
        const prefix = (args[0] ?? '').replace(/\/?\*$/, '')
        const stripped = prefix === '' ? way : strip(way, prefix)
        return enter(inner ?? [], stripped ?? closing(directive, way), named, false, place)
      }
      case 'authorize': {
        const policy = (args[0] === 'with' ? args[1] : args[0]) ?? ''
        note(directive, 'portal, allow and headers of the routes')
        const isMoved = way.isRewritten || way.stripPrefix !== null
        const guarded = { ...way, guards: [...way.guards, { policy, line, isMoved }] }
        const patterns = bypassed.get(policy) ?? []
        if (patterns.length === 0) return goesOn(guarded)
        if (way.isRewritten) {
          note(directive, 'its bypass holds for nothing here: the path is another one by then', 'decide')
          return goesOn(guarded)
        }
        const { held, missed } = part({ kind: 'paths', patterns }, way, place)
        const on = missed === null ? [] : [{ ...missed, guards: guarded.guards }]
        return { ended: [], going: held === null ? on : [held, ...on] }
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
        const end: End = { kind: 'answer', answer, line, name }
        if (name !== 'reverse_proxy') return ends(end)
        // Another path is for files alone to try.
        const own = way.tried === null ? way : close(way, way.tried)
        return { ended: waysToApplication(own).map(one => ({ ...one, end })), going: [] }
      }
      case 'php_fastcgi':
        return { ended: [{ ...closing(directive, way), end: { kind: 'nothing' } }], going: [] }
      case 'bind':
        return goesOn(way)
      case 'header':
        return goesOn({ ...way, fields: joinChanges(way.fields, readFields(context, directive)) })
      case 'root':
        return goesOn({ ...way, root: args[0] ?? null })
      case 'try_files': {
        const page = pageOf(args)
        note(directive, page === null ? (INSTEAD[name] ?? '') : PAGE, page === null ? 'left' : 'changed')
        return goesOn({ ...way, tried: `${name} in line ${line}`, page, isRewritten: true })
      }
      case 'uri':
      case 'rewrite':
      case 'request_header':
        return goesOn(
          changeRequest(directive, way, note) ?? { ...closing(directive, way), isRewritten: name !== 'request_header' },
        )
      default:
        if (isHarmless(directive)) {
          note(directive, HARMLESS[name] ?? '', 'left')
          return goesOn(way)
        }
        return goesOn(closing(directive, way))
    }
  }
}

/** The last word of `try_files {path} [{path}/] /PAGE`; null for any other. */
function pageOf(words: readonly string[]): string | null {
  const page = words.at(-1) ?? ''
  const others = words.slice(0, -1)
  const isPlain =
    others[0] === '{path}' && others.slice(1).every(word => word === '{path}/' || word === '{path}/index.html')
  return isPlain && /^\/[\w/.-]*[\w-]$/.test(page) && !/\/\./.test(page) ? page : null
}

const PAGE =
  'try_files of the files of a route, for what browsers load as a page: a script or a picture that is missing is 404'

const PLACED = 'nothing to route: a portal’s paths are reserved on its host, below /.sallyport/ and at callback_path'

const READERS: Readonly<Record<string, (context: Context, directive: Directive) => Answer | null>> = {
  reverse_proxy: readReverseProxy,
  respond: readRespond,
  redir: readRedir,
}
