/** What is done with users and groups that a SCIM client pushes, finds, changes and removes. */

import { randomToken } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import type { Directories } from '../../session/scim/directories.ts'
import {
  type Directory,
  type Kept,
  type Pushed,
  type PushedGroup,
  type PushedUser,
  resourceIdOf,
} from '../../session/scim/resource.ts'
import { type FormTools, readBody } from '../form.ts'
import type { AuditTools } from '../portal-request.ts'
import { listAnswer, scimAnswer, wrongMethod } from './answer.ts'
import { type JsonObject, notFound, parseBody, ScimRefusal } from './json.ts'
import { patchGroup, patchUser } from './patch.ts'
import {
  attributesIn,
  GROUP_SCHEMA,
  locationOf,
  MOST_MEMBERS,
  parseGroup,
  parseUser,
  type SaidGroup,
  type SaidUser,
  showResource,
  USER_SCHEMA,
} from './resources.ts'

export interface ScimTools extends AuditTools {
  readonly ports: Pick<Ports, 'now' | 'random' | 'log'>
  readonly sessions: { readonly directories: Directories }
  readonly formWaitMs: FormTools['formWaitMs']
}

/** A request of a provider for one of its resources, which has proven itself. */
export interface ScimRequest {
  readonly request: Request
  readonly directory: Directory
  /** The address of the directory. */
  readonly base: string
  readonly query: URLSearchParams
  /** Before what takes as long as a directory is large: others are answered in between, however much is asked at once. */
  readonly turn: () => Promise<void>
  /** Whether the token that it came with counts still: a body may take a while to arrive, and a turn to come. */
  readonly mayStill: () => boolean
}

/** A group of some ten thousand members. */
const MAX_BYTES = 1024 * 1024

/** Of one provider: users and groups, those that were deleted among them; members of all groups together; and what is kept of it all. */
const MOST_RESOURCES = 50_000
const MOST_MEMBERSHIPS = 250_000
const MOST_BYTES = 32 * 1024 * 1024

/** Somebody else may write the same resource at the same moment. */
const TRIES = 5

type Kind = Pushed['kind']

/** What is asked of all users or groups: to list them, and to take one more. */
export async function answerAll(asked: ScimRequest, kind: Kind, tools: ScimTools): Promise<Response> {
  switch (asked.request.method) {
    case 'GET':
    case 'HEAD':
      return list(asked, kind, tools)
    case 'POST':
      return create(asked, kind, tools)
    default:
      return wrongMethod('GET, HEAD, POST')
  }
}

/** What is asked of one of them. */
export async function answerOne(asked: ScimRequest, kind: Kind, id: string, tools: ScimTools): Promise<Response> {
  switch (asked.request.method) {
    case 'GET':
    case 'HEAD':
      await asked.turn()
      return show(asked, (await findOne(asked, kind, id, tools)).value, 200)
    case 'PUT':
    case 'PATCH':
      return change(asked, kind, id, tools)
    case 'DELETE':
      return remove(asked, kind, id, tools)
    default:
      return wrongMethod('GET, HEAD, PUT, PATCH, DELETE')
  }
}

/** RFC 7644 §3.4.2: oldest first, so that pages fit together. */
async function list({ directory, query, base, turn }: ScimRequest, kind: Kind, tools: ScimTools): Promise<Response> {
  const isMeant = parseFilter(query.get('filter'), kind)
  const isShown = attributesIn(query)
  await turn()
  const all = (await tools.sessions.directories.list(directory)).filter(
    one => one.kind === kind && !isGone(one) && isMeant(one),
  )
  return listAnswer(all, query, {
    show: one => showResource(one, base, isShown),
    membersOf: one => (one.kind === 'group' && isShown('members') ? one.members.length : 0),
  })
}

/** RFC 7644 §3.3. A user who was deleted and is pushed again is the same user as before, and as inactive. */
async function create(asked: ScimRequest, kind: Kind, tools: ScimTools): Promise<Response> {
  const { directories } = tools.sessions
  const { directory } = asked
  const body = await readResource(asked, tools)
  const stated = kind === 'user' ? parseUser(body, null) : parseGroup(body)
  const id = resourceIdOf(kind, stated.externalId ?? randomToken(tools.ports.random))
  const before = await directories.find(directory, id)
  if (before !== null && !isGone(before.value)) throw taken()
  const said = kind === 'user' && before?.value.kind === 'user' ? parseUser(body, before.value) : stated
  const nowMs = tools.ports.now()
  const one = await made(asked, said, { id, createdAtMs: nowMs, changedAtMs: nowMs }, tools)
  await holdToBounds(directory, before, one, tools)
  if (!(await directories.replace(directory, before, one))) throw taken()
  return show(asked, one, 201)
}

/** RFC 7644 §3.5.1 and §3.5.2. */
async function change(asked: ScimRequest, kind: Kind, id: string, tools: ScimTools): Promise<Response> {
  const body = await readResource(asked, tools)
  for (let tries = 0; tries < TRIES; tries++) {
    const before = await findOne(asked, kind, id, tools)
    const said = saidOf(asked, body, before.value)
    if (kind === 'user' && said.externalId !== before.value.externalId) {
      throw new ScimRefusal(400, 'mutability', 'externalId is the sub of sign-ins, and stays')
    }
    const { createdAtMs } = before.value
    const one = await made(asked, said, { id, createdAtMs, changedAtMs: tools.ports.now() }, tools)
    await holdToBounds(asked.directory, before, one, tools)
    if (await tools.sessions.directories.replace(asked.directory, before, one)) return show(asked, one, 200)
  }
  throw new ScimRefusal(409, null, 'others are changing the same resource at this moment')
}

function saidOf({ request }: ScimRequest, body: JsonObject, before: Pushed): SaidUser | SaidGroup {
  if (before.kind === 'user') return request.method === 'PUT' ? parseUser(body, before) : patchUser(body, before)
  return request.method === 'PUT' ? parseGroup(body) : patchGroup(body, before)
}

/** RFC 7644 §3.6. Of a user it is kept that they are gone. */
async function remove(asked: ScimRequest, kind: Kind, id: string, tools: ScimTools): Promise<Response> {
  for (let tries = 0; tries < TRIES; tries++) {
    const before = await tools.sessions.directories.find(asked.directory, id)
    if (before === null || before.value.kind !== kind) throw notFound()
    const { value } = before
    if (isGone(value)) {
      // What could not be ended the first time is ended now.
      await tools.sessions.directories.replace(asked.directory, before, value)
      throw notFound()
    }
    const after = value.kind === 'user' ? { ...value, isGone: true, changedAtMs: tools.ports.now() } : null
    if (await tools.sessions.directories.replace(asked.directory, before, after)) return scimAnswer(204, null)
  }
  throw new ScimRefusal(409, null, 'others are changing the same resource at this moment')
}

/** The pushed resource, as it is kept. Throws where a member does not exist in this directory. */
async function made(
  { directory }: ScimRequest,
  said: SaidUser | SaidGroup,
  times: Pick<Pushed, 'id' | 'createdAtMs' | 'changedAtMs'>,
  { sessions }: ScimTools,
): Promise<Pushed> {
  if ('userName' in said) {
    const { externalId, userName, displayName, isActive } = said
    return { kind: 'user', ...times, externalId, userName, displayName, isActive, isGone: false } satisfies PushedUser
  }
  const { externalId, displayName, members } = said
  if (members.length > MOST_MEMBERS) {
    throw new ScimRefusal(413, 'tooMany', `a group has at most ${MOST_MEMBERS} members`)
  }
  if (members.length > 0 && !(await sessions.directories.hasUsers(directory, members))) {
    throw new ScimRefusal(400, 'invalidValue', 'a member is no user here')
  }
  return { kind: 'group', ...times, externalId, displayName, members } satisfies PushedGroup
}

/**
 * That a directory does not become more than this gate can keep in memory and answer from. What makes it less is taken even where it is
 * more than that already.
 */
async function holdToBounds(
  directory: Directory,
  before: Kept | null,
  after: Pushed,
  { sessions }: ScimTools,
): Promise<void> {
  const { resources, members, bytes } = await sessions.directories.size(directory)
  const membersOf = (one: Pushed | undefined) => (one?.kind === 'group' ? one.members.length : 0)
  const moreMembers = membersOf(after) - membersOf(before?.value)
  const moreBytes = Buffer.byteLength(JSON.stringify(after)) - Buffer.byteLength(before?.text ?? '')
  const isOver = (more: number, number: number, most: number) => more > 0 && number + more > most
  if (isOver(before === null ? 1 : 0, resources, MOST_RESOURCES)) {
    throw new ScimRefusal(403, null, `one provider may push ${MOST_RESOURCES} users and groups`)
  }
  if (isOver(moreMembers, members, MOST_MEMBERSHIPS)) {
    throw new ScimRefusal(403, null, `the groups of one provider have at most ${MOST_MEMBERSHIPS} members together`)
  }
  if (isOver(moreBytes, bytes, MOST_BYTES)) {
    throw new ScimRefusal(403, null, `what one provider pushes has at most ${MOST_BYTES} bytes`)
  }
}

async function findOne({ directory }: ScimRequest, kind: Kind, id: string, { sessions }: ScimTools): Promise<Kept> {
  const found = await sessions.directories.find(directory, id)
  if (found === null || found.value.kind !== kind || isGone(found.value)) throw notFound()
  return found
}

function isGone(one: Pushed): boolean {
  return one.kind === 'user' && one.isGone
}

/** RFC 7644 §3.1 and §3.8: SCIM's own type, or JSON's. */
async function readResource({ request, turn, mayStill }: ScimRequest, { formWaitMs }: ScimTools): Promise<JsonObject> {
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/(?:scim\+)?json\s*(?:;|$)/i.test(type)) {
    throw new ScimRefusal(415, null, 'the body has to be application/scim+json')
  }
  const text = await readBody(request, MAX_BYTES, formWaitMs)
  if (text === null) throw new ScimRefusal(413, null, `a body has at most ${MAX_BYTES} bytes`)
  const body = parseBody(text)
  await turn()
  if (!mayStill()) throw new ScimRefusal(401, null, 'the token does not count any more')
  return body
}

function show({ base, query }: ScimRequest, one: Pushed, status: 200 | 201): Response {
  const location = locationOf(one, base)
  return scimAnswer(status, showResource(one, base, attributesIn(query)), { location })
}

function taken(): ScimRefusal {
  return new ScimRefusal(409, 'uniqueness', 'this externalId is here already')
}

/** Of a filter, in characters, and in comparisons: each is made with every user or group. */
const LONGEST = 2000
const MOST_COMPARISONS = 10

/** One comparison: an attribute, with its schema before it or not, and a JSON text or truth value. */
const COMPARISON = /^\s*([A-Za-z][A-Za-z0-9:._-]{0,200})\s+eq\s+("(?:[^"\\]|\\.)*"|true|false)\s*/i
const AND = /^and\s+/i

/** Whether a resource is meant. */
type Filter = (one: Pushed) => boolean

/**
 * A filter of comparisons with `eq`, joined by `and`: what providers look people and groups up by.
 *
 * Throws `invalidFilter` for everything else. Letters of externalId and id count as they are, those of names do not (RFC 7643 §3.1 and
 * §4.1.1). Nothing of it becomes part of a query anywhere. Source: RFC 7644 §3.4.2.2.
 */
export function parseFilter(text: string | null, kind: Pushed['kind']): Filter {
  if (text === null) return () => true
  if (text.length > LONGEST) throw new ScimRefusal(400, 'invalidFilter', 'the filter is too long')
  const all: Filter[] = []
  for (let rest = text; ; ) {
    const found = COMPARISON.exec(rest)
    if (found?.[1] === undefined || found[2] === undefined) throw unknown()
    if (all.length === MOST_COMPARISONS) throw new ScimRefusal(400, 'invalidFilter', 'the filter compares too much')
    all.push(comparison(found[1], found[2], kind))
    rest = rest.slice(found[0].length)
    if (rest === '') return one => all.every(holds => holds(one))
    const and = AND.exec(rest)
    if (and === null) throw unknown()
    rest = rest.slice(and[0].length)
  }
}

function comparison(attribute: string, literal: string, kind: Pushed['kind']): Filter {
  const schema = `${kind === 'user' ? USER_SCHEMA : GROUP_SCHEMA}:`.toLowerCase()
  const name = attribute.toLowerCase()
  const value = parseLiteral(literal)
  const exact =
    (of: (one: Pushed) => string | boolean | null): Filter =>
    one =>
      of(one) === value
  const loose = (of: (one: Pushed) => string | null): Filter => {
    const wanted = typeof value === 'string' ? value.toLowerCase() : value
    return one => of(one)?.toLowerCase() === wanted
  }
  switch (name.startsWith(schema) ? name.slice(schema.length) : name) {
    case 'id':
      return exact(({ id }) => id)
    case 'externalid':
      return exact(({ externalId }) => externalId)
    case 'displayname':
      return loose(({ displayName }) => displayName)
    case 'username':
      if (kind === 'user') return loose(one => (one.kind === 'user' ? one.userName : null))
      break
    case 'active':
      if (kind === 'user') return exact(one => one.kind === 'user' && one.isActive)
      break
  }
  throw unknown()
}

function parseLiteral(literal: string): string | boolean {
  try {
    const value: unknown = JSON.parse(literal.startsWith('"') ? literal : literal.toLowerCase())
    if (typeof value === 'string' || typeof value === 'boolean') return value
  } catch {
    throw unknown()
  }
  throw unknown()
}

function unknown(): ScimRefusal {
  const known = 'id, externalId, userName, displayName or active eq a value, joined by and'
  return new ScimRefusal(400, 'invalidFilter', `the filter is none that is known here: ${known}`)
}
