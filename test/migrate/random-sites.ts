import type { Random } from '../fuzz/random.ts'

/** The hosts of a Caddyfile that is made up. */
export const HOSTS = ['one.example.test', 'two.example.test', '*.wild.example.test'] as const

/** A request line and fields, as they are sent. */
export interface MadeRequest {
  readonly method: string
  readonly host: string
  readonly target: string
  readonly fields: readonly (readonly [name: string, value: string])[]
}

/** Some password, as Caddy's `basicauth` has it. */
const HASH = '$2a$04$Mv.leL//0ZENc6lWZMNn0OimG3uyWmDFM48dOqH7Yp4sizvRTB8Uq'

const GLOBS =
  '/a* /a/* /a /a/ *.css *mid* /a/*/c /[a-c]x /a?c /A/* /b*c /adm* /adm/* /x/y* /b /b/* */c /*.js /a/b/* /v1/* /%61* /x//y* /a%2fb /c/../*'.split(
    ' ',
  )
const EXPRESSIONS = [
  '^/v[0-9]+/',
  '\\.(css|js)$',
  '/x$',
  '(?i)^/adm',
  '^/(a|b)/c',
  '^/a/',
  'b',
  '^/$',
  '^/a/[^/]+$',
  '//',
  '^/[a-z]{3}/?$',
]
const PREFIXES = ['/a', '/a/', '/adm', '/b', '/x', '/A', '/a/b']
const REPLACED = ['/a/ /x/', '/b/ /adm/', '/adm/ /a/', '/x/ /', 'b c', '/a /b', '/v1/ /a/ 1', 'mid zz']
const PATHS =
  '/ /a /a/ /a/b /a/b/c /a/x/c /abc /axc /adm /adm/ /adm/x /b /b/ /b/c /bxc /x /x/y /x/y/z /v1/x /v12/ /v1 /s.css /a/s.css /a/s.js /amid /x/mid/y /c /zz /ax /bx'.split(
    ' ',
  )
/** None has a name twice: Debian's Caddy looks at the first value alone, and newer ones at all. */
const QUERIES = ['', '', '', '?', '?a=1', '?a=2', '?b=', '?a=2&b=x', '?%61=1', '?a=1;b', '?A=1']

/** A Caddyfile of several sites, some of what is in them behind a password, and with these applications. */
export function makeCaddyfile(random: Random, port: number, apps: readonly number[]): string {
  let names = 0
  const pick = <T>(list: readonly T[]): T => random.of(list) as T
  const chance = (percent: number): boolean => random.below(100) < percent
  const some = <T>(list: readonly T[], most: number): readonly T[] =>
    Array.from({ length: 1 + random.below(most) }, () => pick(list))

  function matcherLine(): string {
    switch (random.below(10)) {
      case 0:
      case 1:
      case 2:
        return `path ${some(GLOBS, 3).join(' ')}`
      case 3:
      case 4:
        return `path_regexp ${pick(EXPRESSIONS)}`
      case 5:
        return `method ${some(['GET', 'POST', 'DELETE', 'get', 'HEAD'], 2).join(' ')}`
      case 6:
        return pick(['header X-A on', 'header X-A on*', 'header !X-B', 'header X-B *', 'header X-A *1'])
      case 7:
        // One name: Debian's Caddy takes any of several, and newer ones ask for all.
        return `query ${pick(['a=1', 'b=*', 'a=2', 'a=', 'a=1 a=2'])}`
      case 8:
        return pick(['remote_ip 127.0.0.1', 'remote_ip 10.0.0.0/8', 'host one.example.test', 'host ONE.example.test'])
      default:
        return chance(50)
          ? `not ${matcherLine()}`
          : `not {\n${matcherLine()}\n${pick(['method POST', 'path /a/*', 'header X-A on'])}\n}`
    }
  }

  /** A matcher of a directive, and what has to stand beside it. */
  function matcher(): { readonly use: string; readonly set: string } {
    if (chance(35)) return { use: pick(GLOBS.filter(one => one.startsWith('/'))), set: '' }
    const name = `@m${++names}`
    const made = Array.from({ length: 1 + random.below(3) }, matcherLine)
    const query = made.find(line => line.startsWith('query '))
    const lines = made.filter(line => !line.startsWith('query ') || line === query)
    return { use: name, set: `${name} {\n${lines.join('\n')}\n}\n` }
  }

  function block(depth: number, size: number): string {
    return Array.from({ length: 1 + random.below(size) }, () => directive(depth)).join('')
  }

  function directive(depth: number): string {
    const kind = random.below(depth > 2 ? 60 : 100)
    // What is in front of all of a block leaves little to see behind it.
    const isForAll = kind >= 14 && kind < 34 ? chance(40) : kind < 60 ? chance(8) : chance(25)
    const { use, set } = isForAll ? { use: '', set: '' } : matcher()
    const star = use === '' ? '*' : use
    if (kind < 14) return `${set}basicauth ${star} {\nada ${HASH}\n}\n`
    if (kind < 34) return `${set}reverse_proxy ${use} 127.0.0.1:${pick(apps)}\n`
    if (kind < 40)
      return `${set}rewrite ${star} ${pick(['/a/b', '/b{uri}', '/x{path}', '/adm/x', '/zz?a=1', '{path}'])}\n`
    if (kind < 46) return `${set}uri ${use} strip_prefix ${pick(PREFIXES)}\n`
    if (kind < 50) return `${set}respond ${star} ${pick(['403', '"hi" 200', '404', '204'])}\n`
    if (kind < 53) return `${set}redir ${star} ${pick(['/zz', '/b{uri}', 'https://other.example.test{uri}'])}\n`
    if (kind < 55) return `${set}header ${star} X-C d\n`
    if (kind < 57) return `${set}uri ${star} replace ${pick(REPLACED)}\n`
    if (kind < 60) return `${set}method ${star} ${pick(['GET', 'POST'])}\n`
    const inner = block(depth + 1, 4)
    if (kind < 78) return `${set}handle ${use} {\n${inner}}\n`
    if (kind < 88) return `handle_path ${pick(['/a/*', '/a*', '/adm/*', '/b/*', '/x/y*'])} {\n${inner}}\n`
    return `${set}route ${use} {\n${inner}}\n`
  }

  const sites = HOSTS.map(host => {
    const last = chance(95) ? `reverse_proxy 127.0.0.1:${pick(apps)}\n` : ''
    const body = block(0, 4) + (chance(50) ? last : last === '' ? '' : `handle {\n${last}}\n`)
    return `http://${host}:${port} {\n${body}}\n`
  })
  return sites.join('')
}

/** A request to one of its sites, often in a spelling that nobody writes. */
export function makeRequest(random: Random, port: number): MadeRequest {
  const pick = <T>(list: readonly T[]): T => random.of(list) as T
  const chance = (percent: number): boolean => random.below(100) < percent
  const host = pick([
    'one.example.test',
    'one.example.test',
    'two.example.test',
    'two.example.test',
    'x.wild.example.test',
    'ONE.Example.test',
    'a.b.wild.example.test',
    'none.example.test',
  ])
  let path = pick(PATHS)
  if (chance(30)) path += pick(['/x', '/', '/b', '.css', '/mid', 'x', '/c'])
  for (let times = chance(45) ? 1 + random.below(2) : 0; times > 0; times--) path = misspell(path, random)
  const fields: (readonly [string, string])[] = []
  if (chance(35)) fields.push([pick(['X-A', 'x-a']), pick(['on', 'on1', 'x1', 'On', ''])])
  if (chance(20)) fields.push(['X-B', pick(['1', ''])])
  return {
    method: pick(['GET', 'GET', 'GET', 'GET', 'POST', 'DELETE', 'HEAD', 'PUT']),
    host: `${host}:${port}`,
    target: `${path}${pick(QUERIES)}`,
    fields,
  }
}

/** The same path as some program reads it, or one that looks like it. */
function misspell(path: string, random: Random): string {
  const at = random.below(path.length)
  const one = path.charCodeAt(at)
  const slash = Math.max(0, path.lastIndexOf('/', at))
  const insert = (text: string, where = at): string => path.slice(0, where) + text + path.slice(where)
  const forms = [
    () => `${path.slice(0, at)}%${one.toString(16)}${path.slice(at + 1)}`,
    () => `${path.slice(0, at)}${path.charAt(at).toUpperCase()}${path.slice(at + 1)}`,
    () => path.toUpperCase(),
    () => insert('/', slash),
    () => insert('/.', slash),
    () => insert('/q/..', slash),
    () => insert('/%2e%2e', slash),
    () => insert('/%2e', slash),
    () => path.replace(/(?!^)\//, '%2f'),
    () => path.replace(/(?!^)\//, '%5c'),
    () => insert(';x', path.length),
    () => insert('%00', path.length),
    () => insert('%20', path.length),
    () => insert('%252f', path.length),
    () => insert('/..', path.length),
    () => insert('/../a', path.length),
    () => insert('.', path.length),
    () => insert('%C5%BF', path.length),
  ]
  const form = random.of(forms)
  return form === undefined ? path : form()
}
