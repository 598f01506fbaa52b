import type { Directive } from './parse.ts'

/**
 * Directives that guard nothing: a site without them lets nobody see more. Whatever is neither here nor read by the walk closes
 * the places that it is for.
 */
export const HARMLESS: Readonly<Record<string, string>> = {
  encode: 'answers keep the coding that the application gives them; files go out compressed by themselves',
  handle_errors: 'pages for errors are Sallyport’s own',
  log: 'one log for all; [log] says how and where, and access_log = false in [server] leaves requests out',
  log_append: 'one log for all, JSON on standard output',
  log_name: 'one log for all, JSON on standard output',
  log_skip: 'access_log = false in [server] leaves requests out of the log',
  push: 'nothing is pushed',
  request_body: 'write max_body = "…" in the routes',
  skip_log: 'access_log = false in [server] leaves requests out of the log',
  timeouts: 'write timeout = "…" in the routes',
  tls: 'write certificates into [tls], or have the TLS proxy in front use them',
  tracing: 'for the whole gate: write [telemetry], with the address of a receiver of OTLP over HTTP',
  vars: 'nothing is named beforehand',
}

/** Whether a directive lets nobody see less. */
export function isHarmless(directive: Directive): boolean {
  return Object.hasOwn(HARMLESS, directive.name) && !(directive.name === 'tls' && asksCertificates(directive))
}

function asksCertificates({ name, block }: Directive): boolean {
  return name === 'client_auth' || (block ?? []).some(asksCertificates)
}

const PASSWORDS =
  'write its names and hashes (bcrypt) as NAME:HASH lines into a file, name that as htpasswd in a portal of its own without providers, and in the route say that portal, passwords = true and allow = [{ provider = "htpasswd" }]; a host has one portal'

/** What to write in place of a directive that closes the places it is for. */
export const INSTEAD: Readonly<Record<string, string>> = {
  basic_auth: PASSWORDS,
  basicauth: PASSWORDS,
  bind: 'this site was reachable at that address alone: give it a Sallyport of its own, or a rule with networks',
  forward_auth: 'write who may into allow: a route asks nobody else',
  handle_path: 'the path may be another one by then: write strip_prefix into the route',
  import: 'put what it says in its place, and import again',
  method: 'take it out and import again: methods are passed on as they are',
  php_fastcgi: 'FastCGI is not spoken: put a web server in front of PHP, and name it as upstream',
  request_header: 'write request_headers = { set = { … }, remove = [ … ] } in the route',
  rewrite: 'write strip_prefix or add_prefix into the route',
  templates: 'have an application render them: files are served as they are',
  tls: 'have a TLS proxy in front ask for client certificates, or write a rule in their place',
  try_files: 'write try_files = "/index.html" into files, for one page where there is no file; no others are tried',
  uri: 'write strip_prefix or add_prefix into the route',
}

/** The order in which Caddy sorts directives, with those of caddy-security where they put themselves. */
const ORDER: readonly string[] = [
  'tracing',
  'map',
  'vars',
  'fs',
  'root',
  'log_append',
  'skip_log',
  'log_skip',
  'log_name',
  'header',
  'copy_response_headers',
  'request_body',
  'timeouts',
  'redir',
  'method',
  'rewrite',
  'uri',
  'try_files',
  'authorize',
  'basicauth',
  'basic_auth',
  'forward_auth',
  'request_header',
  'encode',
  'push',
  'intercept',
  'templates',
  'invoke',
  'handle',
  'route',
  'abort',
  'error',
  'copy_response',
  'authenticate',
  'respond',
  'metrics',
  'reverse_proxy',
  'php_fastcgi',
  'file_server',
  'acme_server',
]

/** That order, with what the `order` options of a file change in it. */
export function directiveOrder(options: readonly Directive[]): readonly string[] {
  let order = ORDER
  for (const { name, args } of options) {
    const [moved = '', where, other = ''] = args
    if (name !== 'order') continue
    const rest = order.filter(one => one !== moved)
    const at = rest.indexOf(other)
    if (where === 'first') order = [moved, ...rest]
    else if (where === 'last') order = [...rest, moved]
    else if (at !== -1) order = rest.toSpliced(where === 'after' ? at + 1 : at, 0, moved)
  }
  return order
}

/**
 * Directives as Caddy sorts them: by that order, those of one name by the length of their path, the longest first.
 *
 * `pathsOf` are the paths of a directive's matcher, null where it has none.
 */
export function sortDirectives(
  directives: readonly Directive[],
  order: readonly string[],
  pathsOf: (directive: Directive) => readonly string[] | null,
): readonly Directive[] {
  const rank = ({ name }: Directive) => order.indexOf(name === 'handle_path' ? 'handle' : name)
  return insertionSort(directives, (one, other) => {
    if (rank(one) !== rank(other)) return rank(one) - rank(other)
    const [mine, theirs] = [pathsOf(one), pathsOf(other)]
    const [myPath, theirPath] = [mine, theirs].map(paths => (paths?.length === 1 ? (paths[0] ?? '') : ''))
    if (myPath && theirPath) return comparePaths(myPath, theirPath)
    return Number(mine === null) - Number(theirs === null)
  })
}

function comparePaths(one: string, other: string): number {
  const mine = one.replace(/\*$/, '')
  const theirs = other.replace(/\*$/, '')
  if (mine === theirs) return one.length - other.length
  if (mine.length !== theirs.length) return theirs.length - mine.length
  return mine < theirs ? -1 : 1
}

/**
 * Each in its turn as far to the front as it comes before the one that is there. Of two matchers without a path neither comes
 * first, so that the order of three may depend on how they are sorted: this is how Go does it, for up to twenty.
 */
function insertionSort<T>(items: readonly T[], compare: (one: T, other: T) => number): readonly T[] {
  const out: T[] = []
  for (const item of items) {
    let at = out.length
    for (let before = out[at - 1]; before !== undefined && compare(item, before) < 0; before = out[at - 1]) at--
    out.splice(at, 0, item)
  }
  return out
}
