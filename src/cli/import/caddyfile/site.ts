import type { Desk } from './desk.ts'
import {
  EVERYTHING,
  isBelow,
  isMatcher,
  type Matched,
  type MatchedPath,
  readMatcher,
  readPattern,
  within,
} from './matcher.ts'
import type { Directive, Site } from './parse.ts'
import { type Answer, readFileServer, readRedir, readRespond, readReverseProxy } from './services.ts'

/** An `authorize` that a request meets on its way. */
export interface Guard {
  /** Null: any host of the site. */
  readonly hosts: readonly string[] | null
  readonly path: string
  readonly policy: string
  readonly line: number
}

/** Something that answers below a path of a site. */
export interface Service {
  readonly hosts: readonly string[] | null
  readonly path: string
  /** Whether it answered at this path alone, and not below it. */
  readonly isExact: boolean
  readonly stripPrefix: string | null
  /** In the order in which a request meets them. */
  readonly guards: readonly Guard[]
  readonly answer: Answer
  readonly line: number
}

/** An `authenticate`: where a portal is. */
export interface Placement {
  readonly portal: string
  readonly hosts: readonly string[] | null
  readonly paths: readonly string[]
  readonly line: number
}

export interface ReadSite {
  readonly services: readonly Service[]
  readonly placements: readonly Placement[]
}

interface Scope {
  readonly paths: readonly MatchedPath[]
  readonly hosts: readonly string[] | null
  readonly stripPrefix: string | null
  readonly root: string | null
  readonly guards: readonly Guard[]
}

/** The order in which Caddy sorts what answers; whatever is not here comes before. */
const ORDER = ['redir', 'handle', 'route', 'respond', 'reverse_proxy', 'file_server']

const SAID: Readonly<Record<string, string>> = {
  basic_auth: 'htpasswd in a portal, and passwords = true in the route; the hashes (bcrypt) go into its file',
  basicauth: 'htpasswd in a portal, and passwords = true in the route; the hashes (bcrypt) go into its file',
  encode: 'answers keep the coding that the application gives them',
  error: 'respond = { status = … } in a route',
  forward_auth: 'a route asks nobody else; write who may into allow',
  handle_errors: 'pages for errors are Sallyport’s own',
  header: 'response_headers = { set = { … }, remove = [ … ] } in the routes',
  intercept: 'answers of applications are passed on',
  log: 'one log for all, JSON on standard output; access_log = false in [server] leaves requests out',
  method: 'methods are passed on as they are',
  php_fastcgi: 'FastCGI is not spoken: put a web server in front of PHP, and name it as upstream',
  request_body: 'max_body = "…" in the routes',
  request_header: 'request_headers = { set = { … }, remove = [ … ] } in the routes',
  rewrite: 'strip_prefix and add_prefix in the routes',
  templates: 'files are served as they are',
  tls: '[tls] certificates in routes.toml, or the TLS proxy in front',
  try_files: 'files of a route are served as they are named; index.html for folders',
  uri: 'strip_prefix and add_prefix in the routes',
  vars: 'nothing is named beforehand',
}

/** What a site serves, who guards it, and where its portals are. */
export function readSite(desk: Desk, site: Site): ReadSite {
  const named = new Map<string, Directive>()
  collectNamed(site.block, named)
  const services: Service[] = []
  const placements: Placement[] = []
  const unsayable = (directive: Directive, what: string) =>
    desk.notes.add(
      'decide',
      [directive.name, ...directive.args].join(' ').slice(0, 60),
      directive.line,
      `its matcher is about more than host and path; ${what}`,
    )

  function chosen(directive: Directive): { readonly matched: Matched | null; readonly rest: Directive } {
    const [word] = directive.args
    if (word === undefined || !isMatcher(word)) return { matched: EVERYTHING, rest: directive }
    return { matched: readMatcher(word, named), rest: { ...directive, args: directive.args.slice(1) } }
  }

  function narrow(scope: Scope, matched: Matched): Scope | null {
    const { stripPrefix } = scope
    const paths = matched.paths.flatMap(({ path, isExact, isLoose }) => {
      const absolute = stripPrefix === null ? path : path === '/' ? stripPrefix : stripPrefix + path
      return scope.paths.map(own => {
        const found = within({ path: absolute, isExact, isLoose }, own.path)
        if (found === null || !own.isExact) return found
        return found.path === own.path ? { ...found, isExact: true } : null
      })
    })
    const kept = paths.filter(path => path !== null)
    return kept.length === 0 ? null : { ...scope, paths: kept, hosts: matched.hosts ?? scope.hosts }
  }

  /** Rules in a block whose matcher no route can say: what it let nobody see must not be open elsewhere. */
  function lostGuards(directive: Directive, scope: Scope): readonly Guard[] {
    if (!/^(?:route|handle|handle_path)$/.test(directive.name)) return []
    if (directive.name !== 'handle_path' && chosen(directive).matched !== null) return []
    if (directive.name === 'handle_path' && readPattern(directive.args[0] ?? '') !== null) return []
    return policiesIn(directive.block ?? []).flatMap(({ policy, line }) =>
      scope.paths.map(({ path }) => ({ hosts: scope.hosts, path, policy, line })),
    )
  }

  function sayLoose({ name, line }: Directive, matched: Matched): void {
    for (const { path } of matched.paths.filter(({ isLoose }) => isLoose)) {
      desk.notes.add(
        'decide',
        name,
        line,
        `${path}* meant paths such as ${path}x too; here it is ${path} and what is below it, and ${path}x is as the rest`,
      )
    }
  }

  function guardsOf(directive: Directive, scope: Scope): readonly Guard[] {
    const { matched, rest } = chosen(directive)
    const policy = rest.args[0] === 'with' ? (rest.args[1] ?? '') : (rest.args[0] ?? '')
    if (matched === null || matched.hosts !== null) unsayable(directive, 'everything is guarded')
    if (matched !== null) sayLoose(directive, matched)
    const scoped = matched === null ? scope : narrow(scope, { ...matched, hosts: null })
    return (scoped ?? scope).paths.map(({ path }) => ({ hosts: scope.hosts, path, policy, line: directive.line }))
  }

  function add(directive: Directive, scope: Scope, read: (rest: Directive, scope: Scope) => Answer | null): void {
    const { matched, rest } = chosen(directive)
    if (matched === null) {
      unsayable(directive, 'write its route by hand')
      return
    }
    const scoped = narrow(scope, matched)
    const answer = scoped === null ? null : read(rest, scoped)
    if (scoped === null || answer === null) return
    for (const { path, isExact } of scoped.paths) {
      services.push({
        hosts: scoped.hosts,
        path,
        isExact,
        stripPrefix: scoped.stripPrefix,
        guards: scoped.guards,
        answer,
        line: directive.line,
      })
    }
  }

  function enter(directive: Directive, scope: Scope): readonly Guard[] {
    const { matched, rest } = chosen(directive)
    if (matched === null) {
      unsayable(directive, 'write its routes by hand')
      return []
    }
    if (policiesIn(rest.block ?? []).length > 0) sayLoose(directive, matched)
    const scoped = narrow(scope, matched)
    return scoped === null || rest.block === null ? [] : walk(rest.block, scoped, directive.name === 'route')
  }

  function enterStripped(directive: Directive, scope: Scope): readonly Guard[] {
    const pattern = readPattern(directive.args[0] ?? '')
    const scoped = pattern === null ? null : narrow(scope, { paths: [pattern], hosts: null })
    const path = scoped?.paths[0]?.path
    if (scoped === null || path === undefined || directive.block === null) {
      unsayable(directive, 'write its routes by hand')
      return []
    }
    desk.notes.add('kept', 'handle_path', directive.line, 'strip_prefix of a route')
    return walk(directive.block, { ...scoped, stripPrefix: path === '/' ? null : path }, false)
  }

  /** A `route` keeps the order that it is written in; elsewhere Caddy's own holds, and the longest path comes first. */
  function inOrder(directives: readonly Directive[], isOrdered: boolean): readonly Directive[] {
    if (isOrdered) return directives
    const length = (directive: Directive) =>
      Math.max(...(chosen(directive).matched?.paths ?? []).map(({ path }) => (path === '/' ? 0 : path.length)))
    const rank = ({ name }: Directive) => Math.max(0, ORDER.indexOf(name === 'handle_path' ? 'handle' : name))
    return [...directives].sort((one, other) => rank(one) - rank(other) || length(other) - length(one))
  }

  /** Answers every rule in a block: what it let through goes on to whatever comes after the block, and is guarded there too. */
  function walk(directives: readonly Directive[], outer: Scope, isOrdered: boolean): readonly Guard[] {
    const root = directives.find(({ name }) => name === 'root')
    let scope: Scope = root === undefined ? outer : { ...outer, root: root.args.at(-1) ?? null }
    const strip = directives.find(({ name, args }) => name === 'uri' && args[0] === 'strip_prefix' && args.length === 2)
    const prefix = readPattern(strip?.args[1] ?? '')
    if (prefix !== null) scope = { ...scope, stripPrefix: prefix.path }
    const met = (guards: readonly Guard[]) => {
      scope = { ...scope, guards: [...scope.guards, ...guards] }
    }
    met(directives.flatMap(directive => lostGuards(directive, scope)))
    if (!isOrdered) {
      met(directives.filter(({ name }) => name === 'authorize').flatMap(directive => guardsOf(directive, scope)))
    }
    const handled: string[] = []
    for (const directive of inOrder(directives, isOrdered)) {
      const { name, line } = directive
      if (name.startsWith('@') || name === 'root' || directive === strip) continue
      if (isShadowed(directive, scope, handled)) {
        desk.notes.add('left', name, line, 'another handle before it takes all of its requests')
        continue
      }
      if (name === 'authorize') {
        if (isOrdered) met(guardsOf(directive, scope))
        desk.notes.add('kept', 'authorize', line, 'portal, allow and headers of the routes')
      } else if (name === 'authenticate') place(directive, scope)
      else if (name === 'route' || name === 'handle') met(enter(directive, scope))
      else if (name === 'handle_path') met(enterStripped(directive, scope))
      else if (name === 'reverse_proxy') add(directive, scope, rest => readReverseProxy(desk, rest))
      else if (name === 'respond') add(directive, scope, rest => readRespond(desk, rest))
      else if (name === 'redir') add(directive, scope, rest => readRedir(desk, rest))
      else if (name === 'file_server') add(directive, scope, (rest, at) => readFileServer(desk, rest, at.root))
      else desk.notes.add('left', name, line, SAID[name] ?? 'not a directive that is known here')
    }
    return scope.guards.slice(outer.guards.length)
  }

  /** Of the handles of a block only one is entered. `handled` are the paths of those before, and gets this one's. */
  function isShadowed(directive: Directive, scope: Scope, handled: string[]): boolean {
    if (directive.name !== 'handle' && directive.name !== 'handle_path') return false
    const { matched } = chosen(directive)
    const paths = (matched === null ? null : narrow(scope, matched))?.paths ?? []
    if (paths.length > 0 && paths.every(({ path }) => handled.some(before => isBelow(path, before)))) return true
    const isPlain = matched?.hosts === null && matched.paths.every(({ isExact, isLoose }) => !isExact && !isLoose)
    if (isPlain) handled.push(...paths.filter(({ isExact }) => !isExact).map(({ path }) => path))
    return false
  }

  function place(directive: Directive, scope: Scope): void {
    const { matched, rest } = chosen(directive)
    const { hosts, paths } = matched === null ? scope : (narrow(scope, matched) ?? scope)
    const portal = rest.args[0] === 'with' ? (rest.args[1] ?? '') : (rest.args[0] ?? '')
    placements.push({ portal, hosts, paths: paths.map(({ path }) => path), line: directive.line })
    const say = 'nothing to route: a portal’s paths are reserved on its host, below /.sallyport/ and at callback_path'
    desk.notes.add('kept', 'authenticate', directive.line, say)
  }

  walk(site.block, { paths: EVERYTHING.paths, hosts: null, stripPrefix: null, root: null, guards: [] }, false)
  return { services, placements }
}

function collectNamed(directives: readonly Directive[], named: Map<string, Directive>): void {
  for (const directive of directives) {
    if (directive.name.startsWith('@')) named.set(directive.name, directive)
    collectNamed(directive.block ?? [], named)
  }
}

/** Every `authorize` in a block, however deep. */
function policiesIn(directives: readonly Directive[]): readonly { readonly policy: string; readonly line: number }[] {
  return directives.flatMap(({ name, args, line, block }) => [
    ...(name === 'authorize' ? [{ policy: args.at(-1) ?? '', line }] : []),
    ...policiesIn(block ?? []),
  ])
}
