/** The record of a finished request, of which the access log makes a line. */

/** One finished request. The query is absent on purpose, here and in `referer`: it may hold tokens. */
export interface AccessRecord {
  readonly atMs: number
  readonly id: string
  readonly client: string
  readonly method: string
  readonly host: string
  readonly path: string
  /** How the client reaches the host: `https` or `http`. */
  readonly scheme: string
  /** As in a request line: `HTTP/1.1`, or `HTTP/2.0`. */
  readonly protocol: string
  /** The route's id, `-` where none was found. */
  readonly route: string
  /** The address that was asked, as host:port or the path of a socket; null where none was. */
  readonly upstream: string | null
  /** The subject, or null without a user. */
  readonly user: string | null
  /** What `sessionMark` makes of the session, or null. */
  readonly session: string | null
  readonly status: number
  /** Why it was refused: a reason of a rule, or the code of an error. Null where it was not. */
  readonly reason: string | null
  /** Bytes of the body that were written to the client's connection; null where they are not counted. */
  readonly bytes: number | null
  /** Whether `bytes` is only the announced length: the body passed uncounted. */
  readonly isAnnounced: boolean
  /** Whole milliseconds from the request's head to the response's. */
  readonly tookMs: number
  /** The same to the end of the body. */
  readonly totalMs: number
  /** User-Agent and Referer, cut to `MOST_SAID`; null where the client sent none. */
  readonly agent: string | null
  readonly referer: string | null
}

/** Clients choose these as long as they like. */
const MOST_SAID = 256

/** What a client says of itself, as far as it is kept. */
export function agentOf(field: string | undefined): string | null {
  return field === undefined ? null : cut(field)
}

/** The page from which a request came: without query and fragment, and without a name and password. */
export function refererOf(field: string | undefined): string | null {
  if (field === undefined) return null
  const end = field.search(/[?#]/)
  const page = end === -1 ? field : field.slice(0, end)
  return cut(page.includes('@') ? page.replace(/^([^/]*\/\/)[^/]*@/, '$1') : page)
}

function cut(text: string): string {
  return text.length > MOST_SAID ? text.slice(0, MOST_SAID) : text
}
