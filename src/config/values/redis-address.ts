/**
 * The address of a Redis or Valkey store: one server, several, sentinels that know which server is the primary, or the nodes of a cluster.
 *
 * `URL` refuses several ports, and a password from a manual is rarely percent-encoded: so this is a parser of our own.
 */

import { isIP } from 'node:net'
import { bad, good, type Parsed } from '../text/diagnostic.ts'

/** Where a server listens. */
export type RedisNode = { readonly host: string; readonly port: number } | { readonly path: string }

/** Empty where there is none: the server's user is `default` then. */
export interface RedisLogin {
  readonly user: string
  readonly password: string
}

export interface RedisAddress {
  /** What the addresses are of: servers of which one takes writes, sentinels that know which does, or some nodes of a cluster. */
  readonly topology: 'servers' | 'sentinel' | 'cluster'
  /** At least one. */
  readonly nodes: readonly RedisNode[]
  readonly isTls: boolean
  readonly login: RedisLogin
  readonly database: number
  /** What the sentinels call the primary, and how they are signed in to; null without sentinels. */
  readonly sentinel: { readonly primary: string; readonly login: RedisLogin } | null
  /** What each key begins with: without the colon. */
  readonly prefix: string
  /** For people: without a login and a query. */
  readonly shownAs: string
}

/** What keys begin with where the address says nothing. */
const USUAL_PREFIX = 'sallyport'

const DEFAULT_PORT = 6379
const SENTINEL_PORT = 26_379
const MOST_DATABASES = 9999

const SCHEME = /^(?:(unix):(?:\/\/)?|(redis|valkey)(s?)(?:\+(unix|sentinel|cluster))?:\/\/)/

const EXAMPLES = {
  servers: 'as in "redis://valkey:6379/0", or with a password "rediss://:${REDIS_PASSWORD}@valkey.example.com"',
  unix: 'as in "redis+unix:///run/valkey/valkey.sock", or with a database "redis+unix:///run/valkey/valkey.sock?db=1"',
  sentinel: 'as in "redis+sentinel://:${REDIS_PASSWORD}@s1:26379,s2:26379,s3:26379/mymaster"',
  cluster: 'as in "redis+cluster://:${REDIS_PASSWORD}@n1:6379,n2:6379,n3:6379"',
} as const

/** Whether a text is meant to be such an address. */
export function isRedisAddress(text: string): boolean {
  return /^(?:unix|(?:redis|valkey)s?(?:\+\w+)?):/.test(text)
}

/** Why it is none, and the part of the text that says so. */
class Fault extends Error {
  readonly mark: string | null

  constructor(message: string, mark: string | null = null) {
    super(message)
    this.mark = mark
  }
}

/**
 * `SCHEME://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…][/DATABASE][?OPTIONS]`, with sentinels `/PRIMARY[/DATABASE]`, with a socket
 * `redis+unix://[USER:PASSWORD@]/PATH[?db=N]`.
 *
 * Everything before the last @ is user and password, percent-encoded where it has to be; what was filled in is by now (`substitute`).
 * Messages never repeat it.
 */
export function parseRedisAddress(text: string): Parsed<RedisAddress> {
  const [scheme = '', socket, , secure = '', kind = socket] = SCHEME.exec(text) ?? []
  const topology = kind === 'sentinel' || kind === 'cluster' ? kind : 'servers'
  try {
    if (scheme === '')
      throw new Fault(
        'it begins with redis:// or valkey://, perhaps with an s for TLS, or with +unix, +sentinel or +cluster',
      )
    return good(
      parse(text.slice(scheme.length), scheme, { topology, isSocket: kind === 'unix', isTls: secure === 's' }),
    )
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return bad('store.invalid', error.message, EXAMPLES[kind === 'unix' ? 'unix' : topology], error.mark)
  }
}

interface Shape extends Pick<RedisAddress, 'topology' | 'isTls'> {
  readonly isSocket: boolean
}

function parse(rest: string, scheme: string, shape: Shape): RedisAddress {
  const { topology, isSocket, isTls } = shape
  if (isSocket && isTls) throw new Fault('a socket of this machine has no TLS', scheme)
  const at = rest.lastIndexOf('@')
  const [place = '', query = ''] = splitOnce(rest.slice(at + 1), '?')
  const options = parseOptions(query, shape)
  const [hosts = '', ...path] = isSocket ? [''] : place.split('/')
  const nodes = isSocket
    ? [parseSocket(place)]
    : parseNodes(hosts, topology === 'sentinel' ? SENTINEL_PORT : DEFAULT_PORT)
  const primary = topology === 'sentinel' ? (path.shift() ?? '') : null
  if (primary !== null && !/^[\w.-]+$/.test(primary)) {
    throw new Fault('after the addresses of the sentinels comes what they call the primary, as in "/mymaster"')
  }
  const [rawDatabase = '', ...more] = path
  if (more.length > 0) throw new Fault('after the addresses comes one number: the database')
  const database = parseDatabase(isSocket ? (options.get('db') ?? '') : rawDatabase)
  if (topology === 'cluster' && database !== 0) throw new Fault('a cluster has one database: number 0')
  const prefix = options.get('prefix') ?? USUAL_PREFIX
  if (!/^[\w.-]{1,64}$/.test(prefix)) {
    throw new Fault('the prefix of a store is up to 64 letters, digits, points, hyphens and underscores')
  }
  const shownNodes = nodes.map(showNode).join(',')
  const number = isSocket ? (database === 0 ? '' : `?db=${database}`) : topology === 'cluster' ? '' : `/${database}`
  return {
    topology,
    nodes,
    isTls,
    login: parseLogin(at === -1 ? '' : rest.slice(0, at)),
    database,
    sentinel:
      primary === null
        ? null
        : {
            primary,
            login: { user: options.get('sentinel_user') ?? '', password: options.get('sentinel_password') ?? '' },
          },
    prefix,
    shownAs: `${scheme}${shownNodes}${primary === null ? '' : `/${primary}`}${number}`,
  }
}

/** As a config file writes it. */
export function showNode(node: RedisNode): string {
  if ('path' in node) return node.path
  return `${isIP(node.host) === 6 ? `[${node.host}]` : node.host}:${node.port}`
}

/** The first that is wrong is told by its place, since without an @ it may be a part of a password. */
function parseNodes(hosts: string, defaultPort: number): readonly RedisNode[] {
  const texts = hosts.split(',')
  const nodes = texts.map((text, index) => {
    const which = texts.length === 1 ? 'the address' : `address ${index + 1} of ${texts.length}`
    if (text === '') throw new Fault(texts.length === 1 ? 'it names no server' : `${which} is empty`)
    const [, bracketed, name, port = `${defaultPort}`] =
      /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?$/.exec(text) ?? []
    const host = bracketed ?? name
    const mark = /^[\w.:[\]-]+$/.test(text) ? text : null
    if (host === undefined || (bracketed !== undefined && isIP(bracketed) !== 6)) {
      throw new Fault(`${which} is none of a Redis or Valkey server, which is HOST:PORT`, mark)
    }
    if (Number(port) < 1 || Number(port) > 65_535) throw new Fault(`${which} has a port over 65535, or 0`, mark)
    return { host, port: Number(port) }
  })
  const shown = nodes.map(node => showNode(node))
  const twice = shown.findIndex((node, index) => shown.indexOf(node) !== index)
  if (twice !== -1) throw new Fault(`address ${twice + 1} of ${texts.length} is repeated`, texts[twice] ?? null)
  return nodes
}

function parseSocket(path: string): RedisNode {
  if (!path.startsWith('/') || path.endsWith('/')) throw new Fault('it names no socket: a path that begins with /')
  return { path: decode(path) }
}

function parseDatabase(text: string): number {
  const number = Number(text)
  if (!/^[0-9]*$/.test(text) || number > MOST_DATABASES) {
    throw new Fault(`the database is a number from 0 to ${MOST_DATABASES}`)
  }
  return number
}

function parseLogin(login: string): RedisLogin {
  const [user = '', password = ''] = splitOnce(login, ':')
  // Without a colon it is a password, as it always was here.
  return login.includes(':')
    ? { user: decode(user), password: decode(password) }
    : { user: '', password: decode(login) }
}

const OPTIONS: Readonly<Record<'any' | 'socket' | 'sentinel', readonly string[]>> = {
  any: ['prefix'],
  socket: ['db'],
  sentinel: ['sentinel_user', 'sentinel_password'],
}

function parseOptions(query: string, { topology, isSocket }: Shape): ReadonlyMap<string, string> {
  const known = [
    ...OPTIONS.any,
    ...(isSocket ? OPTIONS.socket : []),
    ...(topology === 'sentinel' ? OPTIONS.sentinel : []),
  ]
  const found = new Map<string, string>()
  for (const pair of query === '' ? [] : query.split('&')) {
    const [name = '', value = ''] = splitOnce(pair, '=')
    if (!known.includes(name)) throw new Fault(`after the ? there may be ${known.join(', ')}, and nothing else`)
    if (value === '' || found.has(name)) throw new Fault(`${name} has one value, and it is not empty`)
    found.set(name, decode(value))
  }
  return found
}

function splitOnce(text: string, mark: string): readonly [string, string?] {
  const at = text.indexOf(mark)
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

/** A text that is percent-encoded, or not. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
