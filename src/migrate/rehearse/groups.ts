/** Groups requests of a log that are alike. */

import type { Judged } from './judge.ts'
import type { LoggedRequest } from './logged.ts'

/** What became of a request then. */
type Was =
  /** Answered by an application, as far as the log says. */
  | 'served'
  /** Sent elsewhere, by whom the log does not say. */
  | 'redirected'
  /** 401 or 403. */
  | 'refused'
  /** Answered by what stood before the application, such as its sign-in page. */
  | 'gate'
  /** Anything else: not found, broken. */
  | 'failed'

/** Requests to like places of which the same became, and would become. */
export interface Group extends Omit<Judged, 'path'> {
  /** First segments, with a star for each that is an id, and `/…` for what is below. */
  readonly path: string
  readonly was: Was
  /** Whether an application gave the answer; null where the log does not say. */
  readonly isForwarded: boolean | null
  readonly isAnonymous: boolean
  count: number
  /** In the order in which they were met, no more than `MOST_NAMES` of each. */
  readonly methods: string[]
  readonly users: string[]
  hasMoreUsers: boolean
  /** The first of them. */
  readonly example: Example
}

interface Example {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly status: number
  readonly client: string | null
  /** ISO 8601. */
  readonly at: string
}

export interface Groups {
  add(judged: Judged, request: LoggedRequest): void
  /** Largest first. */
  list(): readonly Group[]
  /** Whether any request to this host had a user. */
  hasUsers(host: string): boolean
}

const MOST_NAMES = 10

/** Beyond this number, new groups are counted only by host and route; beyond twice this number, by their result. */
const MOST_GROUPS = 5000
const MOST_HOSTS = 5000

/** Counts of a log of any length in a memory of bounded size. */
export function createGroups(mostGroups = MOST_GROUPS): Groups {
  const groups = new Map<string, Group>()
  const named = new Set<string>()

  function groupOf(judged: Judged, request: LoggedRequest): Group {
    const was = wasOf(request)
    const { isForwarded } = request
    const isAnonymous = request.user === null
    const end = [judged.route, judged.fate, judged.reason, was, isForwarded, isAnonymous].join(' ')
    const place = patternOf(judged.path)
    const [host, path] =
      groups.size < mostGroups ? [judged.host, place] : groups.size < 2 * mostGroups ? [judged.host, '/…'] : ['…', '/…']
    const key = `${judged.host} ${place} ${end}`
    const found = groups.get(key) ?? groups.get(`${host} ${path} ${end}`)
    if (found !== undefined) return found
    const { method, status, client, atMs } = request
    const example = { method, path: judged.path, status, client, at: new Date(atMs).toISOString() }
    const made = { count: 0, methods: [], users: [], hasMoreUsers: false, example }
    const group: Group = { ...judged, ...made, host, path, was, isForwarded, isAnonymous }
    groups.set(`${host} ${path} ${end}`, group)
    return group
  }

  return {
    add(judged, request) {
      const group = groupOf(judged, request)
      const { method, user } = request
      group.count++
      if (!group.methods.includes(method) && group.methods.length < MOST_NAMES) group.methods.push(method)
      if (user === null) return
      if (named.size < MOST_HOSTS) named.add(judged.host)
      if (group.users.includes(user)) return
      if (group.users.length < MOST_NAMES) group.users.push(user)
      else group.hasMoreUsers = true
    },
    list: () => [...groups.values()].sort((one, other) => other.count - one.count),
    hasUsers: host => named.has(host),
  }
}

function wasOf({ status, isForwarded }: LoggedRequest): Was {
  if (status === 401 || status === 403) return isForwarded === true ? 'failed' : 'refused'
  if (isForwarded === false) return 'gate'
  if (status === 101 || status === 304 || (status >= 200 && status < 300)) return 'served'
  return status >= 300 && status < 400 ? 'redirected' : 'failed'
}

const SEGMENTS = 2

/** Only the part of a path that distinguishes places: of `/users/4711/photos/9` `/users`, a star, and `/…`. */
export function patternOf(path: string): string {
  const segments = path.split('/', SEGMENTS + 2).slice(1)
  const shown = segments.slice(0, SEGMENTS).map(segment => (isId(segment) ? '*' : segment.slice(0, 60)))
  return `/${shown.join('/')}${segments.length > SEGMENTS ? '/…' : ''}`
}

/** Numbers, UUIDs, hashes, addresses and long names with digits in them. */
function isId(segment: string): boolean {
  if (/^\d+$/.test(segment) || segment.includes('@') || segment.includes('%40')) return true
  if (/^(?=.*\d)[0-9a-f-]{8,}$/i.test(segment)) return true
  return segment.length >= 20 && /\d/.test(segment)
}
