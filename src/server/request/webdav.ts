/** WebDAV: whether the other addresses that a request names (Destination, If) are open to its user, too. */

import { GateError, toGateError } from '../../base/errors.ts'
import { isCallback } from '../../portal/paths.ts'
import type { SentFields } from '../../proxy/fields/request.ts'
import type { Mention } from '../../proxy/upstream/webdav-fields.ts'
import type { Match } from '../../route/table.ts'
import type { Target } from '../../route/target.ts'
import { type Mentions, parseMention, readConditions, readDestination } from '../../route/webdav-fields.ts'
import { type GatePortal, type GateRoute, upstreamPath } from '../config/snapshot.ts'
import type { Located } from './context.ts'
import { isAsked } from './verify/approve.ts'

/** Decides about a request that is not made, like any other: whether it would pass. May throw what refuses it. */
type MayPass = (there: Located) => Promise<boolean>

/** Whether a request may mention other addresses. */
export function mentionsOthers({ destination, if: conditions }: SentFields): boolean {
  return destination !== undefined || conditions?.includes('<') === true
}

/**
 * Checks every address that a request mentions against the rules of that address's route, as a request of the same
 * client there. Returns the fields for the application.
 *
 * The address in Destination is written to (RFC 4918 §9.8 and §9.9). So the method itself has to be allowed there, PUT
 * too, and DELETE unless `Overwrite: F` forbids overwriting; in this letter case, since some applications overwrite by
 * any other. The addresses in If are only read, as by GET. `asked` is the request as it came to its route. Throws
 * `access.denied`; `target.*` for an unreadable address; the errors of a session store.
 */
export async function judgeMentions(asked: Located, mayPass: MayPass): Promise<readonly Mention[]> {
  const { destination, if: conditions, overwrite } = asked.sent
  const found: Mention[] = []
  if (destination !== undefined) {
    const spares = overwrite === 'F'
    const methods = new Set([asked.target.method, 'PUT', ...(spares ? [] : ['DELETE'])])
    const field = { name: 'destination', methods, spares, ...readDestination(destination) } as const
    found.push(await judge(asked, mayPass, field))
  }
  if (conditions !== undefined) {
    const field = { name: 'if', methods: new Set(['GET']), spares: false, ...readConditions(conditions) } as const
    found.push(await judge(asked, mayPass, field))
  }
  return found
}

interface Field extends Mentions, Pick<Mention, 'name' | 'spares'> {
  readonly methods: ReadonlySet<string>
}

async function judge(asked: Located, mayPass: MayPass, field: Field): Promise<Mention> {
  const { name, texts, addresses, methods, spares } = field
  const paths: string[] = []
  // A request with many of them is judged once for each.
  if (addresses.length > MOST_ADDRESSES) throw refusal(name, 'too many addresses')
  for (const address of addresses) {
    let path = ''
    for (const method of methods) path = await judgeOne(asked, mayPass, { name, address, method })
    paths.push(path)
  }
  return { name, texts, paths, spares }
}

/** More than a client has ever had locks. */
const MOST_ADDRESSES = 16

interface One {
  readonly name: Mention['name']
  readonly address: string
  readonly method: string
}

/** The address as the application knows it: its path with the query. */
async function judgeOne(asked: Located, mayPass: MayPass, one: One): Promise<string> {
  const { name, address, method } = one
  const { target, portal, snapshot } = asked
  const there = parseMention(address, method, target)
  if (there === null) throw refusal(name, 'an address that is not on this host')
  const isOurs = there.isReserved || (portal !== null && isPage(portal, there))
  const match = isOurs ? null : snapshot.table.match(there)
  if (match === null || !isSameApplication(asked, match.value, match.also)) {
    throw refusal(name, 'an address that this application does not have')
  }
  const isAllowed = await isAllowedAt(() => mayPass(askedOf(asked, there, match)))
  if (!isAllowed) throw refusal(name, `an address where ${method} is not allowed`, match.value)
  return upstreamPath(match.value, there.path) + there.query
}

/** Whether the portal answers at an address of one of its hosts. */
function isPage({ config, compat }: GatePortal, target: Target): boolean {
  return isCallback({ portal: config, target }) || (compat !== null && compat.pages(target) !== null)
}

/**
 * Whether a mentioned address leads to the same application. For a question of a proxy in front, only that proxy knows
 * the upstream: then every route of the address has to be one that it asks about.
 */
function isSameApplication({ question, route }: Located, there: GateRoute, also: readonly GateRoute[]): boolean {
  return question !== null ? [there, ...also].every(isAsked) : there.upstream === route.upstream
}

/** The same client with its unchanged request, asking for the mentioned address. */
function askedOf(asked: Located, target: Target, match: Match<GateRoute>): Located {
  const { destination: _, if: __, ...sent } = asked.sent
  const { headers, signal } = asked.request
  const request = new Request(`http://host${target.path}`, { method: target.method, headers, signal })
  const found = { request, sent, session: null, isMention: true, target, match, route: match.value }
  return Object.assign(asked.copy(), found)
}

/** A refusal by an exception is one like any other; a failure of our own is not. */
async function isAllowedAt(mayPass: () => Promise<boolean>): Promise<boolean> {
  try {
    return await mayPass()
  } catch (thrown) {
    const error = toGateError(thrown)
    if (error.status >= 500) throw error
    return false
  }
}

function refusal(name: string, what: string, route?: GateRoute): GateError {
  return new GateError('access.denied', `${name === 'if' ? 'If' : 'Destination'} names ${what}`, {
    facts: { there: route?.config.id },
    hint: 'who asks needs PUT there, and DELETE unless Overwrite: F comes with it; a copy stays on its host and application',
  })
}
