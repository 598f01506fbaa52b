import { BAD_TOKEN_CHALLENGE, BASIC_CHALLENGE, BEARER_CHALLENGE } from '../../../portal/problem.ts'
import { mayBeBrowser } from '../../../route/page-load.ts'
import { resourceChallenge } from '../mcp/resource.ts'
import type { Passage } from '../passage.ts'

/**
 * What WWW-Authenticate says of a 401, where `own` is what it says so far; null: nothing.
 *
 * A route that takes tokens says Bearer, without an error where nothing was sent (RFC 6750 §3). Whoever is no browser is asked for a name
 * and a password too, of which a token may be the one (RFC 7617 §2): git, curl and WebDAV clients send what they were given only
 * once they are asked. It comes first, for clients that look no further. A browser would ask its person by a prompt of its own, and
 * send what it was told for as long as it runs. On the route of an MCP server all of that is another.
 */
export function challengesOf(passage: Passage, own: string | null): string | null {
  const resource = resourceChallenge(passage, own)
  if (resource !== null) return resource
  const { tokens = false, passwords = false } = passage.route?.config ?? {}
  const stated = own ?? (tokens ? BEARER_CHALLENGE : null)
  const isOpen = own === null || (own === BAD_TOKEN_CHALLENGE && cameByBasic(passage))
  if (!isOpen || !(tokens || passwords) || !isProgram(passage)) return stated
  return stated === null ? BASIC_CHALLENGE : `${BASIC_CHALLENGE}, ${stated}`
}

function cameByBasic({ request }: Passage): boolean {
  return /^basic /i.test(request.headers.get('authorization') ?? '')
}

/** A proxy in front may keep what browsers say of themselves from us: there, only who says what they are is a program. */
function isProgram({ request, question }: Passage): boolean {
  return !mayBeBrowser(request) && (question === null || request.headers.has('user-agent'))
}
