/** Reading what a SCIM client sends: JSON whose names have no case, or a refusal. */

import { isDeeper, isJsonObject } from '../../base/json.ts'

/** What is wrong with a request, in the words of RFC 7644 §3.12 (table 9). */
type ScimType =
  | 'invalidFilter'
  | 'invalidPath'
  | 'invalidSyntax'
  | 'invalidValue'
  | 'mutability'
  | 'noTarget'
  | 'tooMany'
  | 'uniqueness'

/** A refused request of a provider. The provider gets `message`, so it holds nothing that the provider has not sent. */
export class ScimRefusal extends Error {
  readonly status: number
  readonly scimType: ScimType | null

  constructor(status: number, scimType: ScimType | null, detail: string) {
    super(detail)
    this.name = 'ScimRefusal'
    this.status = status
    this.scimType = scimType
  }
}

/** 404, for an address that leads to none. */
export function notFound(): ScimRefusal {
  return new ScimRefusal(404, null, 'there is no such resource')
}

/** A JSON object with case-insensitive member names (RFC 7643 §2.1). */
export type JsonObject = Readonly<Record<string, unknown>>

/** Objects and lists within each other: a resource has four, a list of operations one more. */
const DEEPEST = 10

/** Of a text, in characters. */
const LONGEST = 1000

/** A body as an object. Throws a refusal for what is none, or is nested deeper than anything that makes sense. */
export function parseBody(text: string): JsonObject {
  if (isDeeper(Buffer.from(text), DEEPEST)) throw new ScimRefusal(400, 'invalidSyntax', 'the body is nested too deeply')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new ScimRefusal(400, 'invalidSyntax', 'the body is not JSON')
  }
  return asObject(value, 'the body')
}

/** The value as an object. Throws ScimRefusal (400, `invalidSyntax`) for anything else; `what` names it. */
export function asObject(value: unknown, what: string): JsonObject {
  if (isJsonObject(value)) return value
  throw new ScimRefusal(400, 'invalidSyntax', `${what} is not an object`)
}

/** The value as a list. Throws ScimRefusal (400, `invalidValue`) for anything else; `what` names it. */
export function asList(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw new ScimRefusal(400, 'invalidValue', `${what} is not a list`)
}

/**
 * A member, by its name in any case; undefined where there is none. Throws where the object has the name in two
 * spellings: the meant one is unknown.
 */
export function memberOf(object: JsonObject, name: string): unknown {
  const wanted = name.toLowerCase()
  const names = Object.keys(object).filter(one => one.toLowerCase() === wanted)
  if (names.length > 1) throw new ScimRefusal(400, 'invalidSyntax', `${name} is defined twice`)
  return names[0] === undefined ? undefined : object[names[0]]
}

/** Text of some length; null where there is none. An attribute that is null is one that is not there (RFC 7643 §2.5). */
export function asText(value: unknown, what: string): string | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'string' && value !== '' && value.length <= LONGEST && !/\p{Cc}/u.test(value)) return value
  throw new ScimRefusal(400, 'invalidValue', `${what} is not a text of up to ${LONGEST} characters`)
}

/** The same, where it has to be there. */
export function needText(value: unknown, what: string): string {
  const text = asText(value, what)
  if (text === null) throw new ScimRefusal(400, 'invalidValue', `${what} is missing`)
  return text
}

/** A truth value, or its name, as Microsoft Entra writes it; null where there is none. */
export function asBoolean(value: unknown, what: string): boolean | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'boolean') return value
  const word = typeof value === 'string' ? value.toLowerCase() : ''
  if (word === 'true' || word === 'false') return word === 'true'
  throw new ScimRefusal(400, 'invalidValue', `${what} is neither true nor false`)
}

/** Checks that a resource names its own schema (RFC 7643 §3: `schemas` is required). */
export function needSchema(object: JsonObject, schema: string): void {
  const schemas = asList(memberOf(object, 'schemas'), 'schemas')
  const isThere = schemas.some(one => typeof one === 'string' && one.toLowerCase() === schema.toLowerCase())
  if (!isThere) throw new ScimRefusal(400, 'invalidSyntax', `schemas does not name ${schema}`)
}
