/** PATCH of SCIM (RFC 7644 §3.5.2). */

import type { PushedGroup, PushedUser } from '../../session/scim/resource.ts'
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
import { GROUP_SCHEMA, parseMembers, type SaidGroup, type SaidUser, USER_SCHEMA } from './resources.ts'

const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'

const MOST_OPERATIONS = 1000

/** One change. `path` is null where `value` says by its members what is meant. */
interface Operation {
  readonly op: 'add' | 'replace' | 'remove'
  readonly path: string | null
  readonly value: unknown
}

/** A path: an attribute, with its schema before it or not; which of its values; what is below (RFC 7644 §3.5.2, figure 1). */
const PATH =
  /^((?:urn:[A-Za-z0-9:._-]+:)?)([A-Za-z$][A-Za-z0-9_$-]*)(?:\[([^[\]]*)\])?(?:\.([A-Za-z$][A-Za-z0-9_$-]*))?$/

/** Which members: by their value, and nothing else. */
const BY_VALUE = /^\s*value\s+eq\s+("(?:[^"\\]|\\.)*")\s*$/i

/**
 * Someone after a list of changes, all of which hold or none. What is changed of an attribute that is not kept here is nothing.
 *
 * Throws a refusal. Source: RFC 7644 §3.5.2.
 */
export function patchUser(body: JsonObject, before: PushedUser): SaidUser {
  let said: SaidUser = before
  for (const operation of parseOperations(body)) {
    for (const [name, value] of changesOf(operation, USER_SCHEMA)) said = changeUser(said, operation, name, value)
  }
  return said
}

function changeUser(said: SaidUser, { op }: Operation, name: string, value: unknown): SaidUser {
  const isRemoved = op === 'remove'
  switch (name) {
    case 'active': {
      const isActive = isRemoved ? null : asBoolean(value, 'active')
      if (isActive === null) throw new ScimRefusal(400, 'invalidValue', 'active is true or false')
      return { ...said, isActive }
    }
    case 'username':
      return { ...said, userName: needText(isRemoved ? null : value, 'userName') }
    case 'displayname':
      return { ...said, displayName: isRemoved ? null : asText(value, 'displayName') }
    case 'externalid':
      return { ...said, externalId: needText(isRemoved ? null : value, 'externalId') }
    default:
      return said
  }
}

export function patchGroup(body: JsonObject, before: PushedGroup): SaidGroup {
  let said: Omit<SaidGroup, 'members'> = before
  const members = new Set(before.members)
  for (const operation of parseOperations(body)) {
    for (const [name, value] of changesOf(operation, GROUP_SCHEMA)) {
      if (name === 'members') changeMembers(members, operation, value)
      else said = changeGroup(said, operation, name, value)
    }
  }
  return { ...said, members: [...members] }
}

function changeGroup<T extends Omit<SaidGroup, 'members'>>(
  said: T,
  operation: Operation,
  name: string,
  value: unknown,
): T {
  const isRemoved = operation.op === 'remove'
  switch (name) {
    case 'displayname':
      return { ...said, displayName: needText(isRemoved ? null : value, 'displayName') }
    case 'externalid':
      return { ...said, externalId: isRemoved ? null : asText(value, 'externalId') }
    default:
      return said
  }
}

/**
 * One change of members: its cost depends on the members that it names, not on the group's size. A removal without
 * names removes all.
 */
function changeMembers(members: Set<string>, { op, path }: Operation, value: unknown): void {
  const filter = path === null ? undefined : PATH.exec(path)?.[3]
  if (op === 'remove') {
    if (filter === undefined && value === undefined) members.clear()
    else for (const id of filter === undefined ? parseMembers(value) : [memberIn(filter)]) members.delete(id)
    return
  }
  if (filter !== undefined) throw new ScimRefusal(400, 'invalidPath', 'members are added and replaced as a list')
  const given = parseMembers(value)
  if (op === 'replace') members.clear()
  for (const id of given) members.add(id)
}

function memberIn(filter: string): string {
  const literal = BY_VALUE.exec(filter)?.[1]
  if (literal === undefined) throw new ScimRefusal(400, 'invalidFilter', 'members are found by value eq "…" alone')
  try {
    return String(JSON.parse(literal))
  } catch {
    throw new ScimRefusal(400, 'invalidFilter', 'the value of a member is not a text')
  }
}

function parseOperations(body: JsonObject): readonly Operation[] {
  needSchema(body, PATCH)
  const list = asList(memberOf(body, 'Operations'), 'Operations')
  if (list.length > MOST_OPERATIONS) throw new ScimRefusal(413, 'tooMany', 'there are too many operations')
  if (list.length === 0) throw new ScimRefusal(400, 'invalidValue', 'there is no operation')
  return list.map(raw => {
    const one = asObject(raw, 'an operation')
    const op = needText(memberOf(one, 'op'), 'op').toLowerCase()
    if (op !== 'add' && op !== 'replace' && op !== 'remove') {
      throw new ScimRefusal(400, 'invalidSyntax', 'op is none of add, replace and remove')
    }
    const path = asText(memberOf(one, 'path'), 'path')
    if (path === null && op === 'remove') throw new ScimRefusal(400, 'noTarget', 'remove needs a path')
    return { op, path, value: memberOf(one, 'value') }
  })
}

/** Which attributes an operation is about, in small letters, each with its value. */
function changesOf({ path, value }: Operation, schema: string): readonly (readonly [name: string, value: unknown])[] {
  if (path === null) return Object.entries(asObject(value, 'value')).map(([name, one]) => [nameIn(name, schema), one])
  const [, before, name, filter, below] = PATH.exec(path) ?? []
  if (before === undefined || name === undefined) throw new ScimRefusal(400, 'invalidPath', 'the path is none')
  const attribute = nameIn(before + name, schema)
  if (attribute === 'id' || attribute === 'meta') throw new ScimRefusal(400, 'mutability', 'id and meta are ours')
  const isPart = below !== undefined || (filter !== undefined && attribute !== 'members')
  if (isPart && KEPT.has(attribute)) throw new ScimRefusal(400, 'invalidPath', 'this attribute is kept as a whole')
  return [[attribute, value]]
}

/** Attributes of which a part cannot be changed; of what is not kept, anything can. */
const KEPT = new Set(['active', 'username', 'displayname', 'externalid', 'members'])

/** The name of an attribute in small letters, without its own schema; that of another schema stays whole, and is of nothing that is kept. */
function nameIn(text: string, schema: string): string {
  const name = text.toLowerCase()
  const own = `${schema.toLowerCase()}:`
  return name.startsWith(own) ? name.slice(own.length) : name
}
