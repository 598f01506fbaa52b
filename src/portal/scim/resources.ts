/** Users and groups as SCIM writes them (RFC 7643): parsed and shown. */

import type { Pushed, PushedGroup, PushedUser } from '../../session/scim/resource.ts'
import {
  asBoolean,
  asList,
  asObject,
  asText,
  type JsonObject,
  memberOf,
  needSchema,
  needText,
  ScimRefusal,
} from './json.ts'

export const USER_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:User'
export const GROUP_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Group'

/** What a provider says of someone. Absent on purpose: names, addresses and all else that nothing here is decided by. */
export type SaidUser = Pick<PushedUser, 'externalId' | 'userName' | 'displayName' | 'isActive'>
export type SaidGroup = Pick<PushedGroup, 'externalId' | 'displayName' | 'members'>

/** Members of one group. */
export const MOST_MEMBERS = 20_000

/**
 * A user that was sent whole. Without `active` the user keeps the state from before, and a new user is active: only an
 * explicit value gives access again.
 *
 * Throws a refusal. Source: RFC 7643 §3.1 and §4.1, RFC 7644 §3.3 and §3.5.1.
 */
export function parseUser(body: JsonObject, before: PushedUser | null): SaidUser {
  needSchema(body, USER_SCHEMA)
  return {
    externalId: needText(memberOf(body, 'externalId'), 'externalId, which has to be the sub of sign-ins,'),
    userName: needText(memberOf(body, 'userName'), 'userName'),
    displayName: asText(memberOf(body, 'displayName'), 'displayName'),
    isActive: asBoolean(memberOf(body, 'active'), 'active') ?? before?.isActive ?? true,
  }
}

/** The same of a group (RFC 7643 §4.2). */
export function parseGroup(body: JsonObject): SaidGroup {
  needSchema(body, GROUP_SCHEMA)
  return {
    externalId: asText(memberOf(body, 'externalId'), 'externalId'),
    displayName: needText(memberOf(body, 'displayName'), 'displayName'),
    members: parseMembers(memberOf(body, 'members') ?? []),
  }
}

/** The ids of members, each once: from a list, or from a single one. */
export function parseMembers(value: unknown): readonly string[] {
  const list = Array.isArray(value) ? asList(value, 'members') : [value]
  if (list.length > MOST_MEMBERS) throw new ScimRefusal(413, 'tooMany', `a group has at most ${MOST_MEMBERS} members`)
  return [...new Set(list.map(one => needText(memberOf(asObject(one, 'a member'), 'value'), 'the value of a member')))]
}

/** A resource as its provider sees it, by the attributes that are shown; `base` is the address of its directory. */
export function showResource(one: Pushed, base: string, isShown: IsShown): JsonObject {
  return Object.fromEntries(Object.entries(wholeResource(one, base, isShown)).filter(([name]) => isShown(name)))
}

function wholeResource(one: Pushed, base: string, isShown: IsShown): JsonObject {
  const meta = {
    resourceType: one.kind === 'user' ? 'User' : 'Group',
    created: new Date(one.createdAtMs).toISOString(),
    lastModified: new Date(one.changedAtMs).toISOString(),
    location: locationOf(one, base),
  }
  const externalId = one.externalId === null ? {} : { externalId: one.externalId }
  if (one.kind === 'group') {
    const members = isShown('members')
      ? one.members.map(id => ({ value: id, $ref: `${base}/Users/${id}`, type: 'User' }))
      : []
    return { schemas: [GROUP_SCHEMA], id: one.id, ...externalId, displayName: one.displayName, members, meta }
  }
  const { id, userName, displayName, isActive } = one
  const shown = displayName === null ? {} : { displayName }
  return { schemas: [USER_SCHEMA], id, ...externalId, userName, ...shown, active: isActive, meta }
}

/** The address of a resource. */
export function locationOf({ kind, id }: Pushed, base: string): string {
  return `${base}/${kind === 'user' ? 'Users' : 'Groups'}/${id}`
}

/** Whether an attribute is to be in an answer. */
export type IsShown = (name: string) => boolean

/**
 * Only the requested attributes; `id` and `schemas` are always included (RFC 7644 §3.9). Only whole attributes are
 * distinguished.
 */
export function attributesIn(query: URLSearchParams): IsShown {
  const named = (name: string) => {
    const text = query.get(name)
    return text === null ? null : new Set(text.toLowerCase().split(',').map(rootOf))
  }
  const wanted = named('attributes')
  const unwanted = named('excludedAttributes')
  return name =>
    name === 'id' ||
    name === 'schemas' ||
    (wanted === null ? unwanted?.has(name.toLowerCase()) !== true : wanted.has(name.toLowerCase()))
}

/** The attribute that a name in small letters is of: without its schema, and without what is below it. */
function rootOf(name: string): string {
  return (name.trim().split(':').at(-1) ?? '').split('.')[0] ?? ''
}
