/** Answers of the SCIM endpoint (RFC 7644 §3.12): resources, lists and errors. */

import { ScimRefusal } from './json.ts'

const ERROR = 'urn:ietf:params:scim:api:messages:2.0:Error'
const LIST = 'urn:ietf:params:scim:api:messages:2.0:ListResponse'

/**
 * A response only for programs, which no cache keeps and no page of any origin reads. Without a value it has no body.
 */
export function scimAnswer(
  status: number,
  value: object | null,
  fields: Readonly<Record<string, string>> = {},
): Response {
  return new Response(value === null ? null : `${JSON.stringify(value)}\n`, {
    status,
    headers: {
      ...(value === null ? {} : { 'content-type': 'application/scim+json' }),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      ...fields,
    },
  })
}

/** RFC 7644 §3.12: the status is text, and `scimType` exists where the table of that section has a word for it. */
export function refusalAnswer(refusal: ScimRefusal, fields: Readonly<Record<string, string>> = {}): Response {
  const { status, scimType, message } = refusal
  const type = scimType === null ? {} : { scimType }
  return scimAnswer(status, { schemas: [ERROR], status: String(status), ...type, detail: message }, fields)
}

/**
 * The response for a wrong method, with the methods that the address accepts (RFC 9110 §15.5.6). No header overrides
 * the method.
 */
export function wrongMethod(allow: string): Response {
  return refusalAnswer(new ScimRefusal(405, null, 'this method is not allowed here'), { allow })
}

/** The maximum of one page, also where the request asks for more. */
export const MOST_LISTED = 200

/** Members of all groups on one page; a group with more gets a page without other groups. */
const MOST_MEMBERS_LISTED = 20_000

/** How what is listed is shown. */
export interface Listed<T> {
  show(one: T): object
  /** How many members that shows. */
  membersOf(one: T): number
}

/**
 * A page of a list. Sallyport builds only the entries of that page. `startIndex` counts from 1; a lower one is 1, and
 * a `count` below 0 is 0. A page may have fewer entries than requested: a client continues by `itemsPerPage` (RFC 7644
 * §3.4.2.4).
 *
 * Throws a refusal for a value that is not a number.
 */
export function listAnswer<T>(all: readonly T[], query: URLSearchParams, { show, membersOf }: Listed<T>): Response {
  const startIndex = Math.max(1, numberOf(query, 'startIndex') ?? 1)
  const count = Math.min(MOST_LISTED, Math.max(0, numberOf(query, 'count') ?? MOST_LISTED))
  const resources: object[] = []
  let members = 0
  for (const one of all.slice(startIndex - 1, startIndex - 1 + count)) {
    members += membersOf(one)
    if (members > MOST_MEMBERS_LISTED && resources.length > 0) break
    resources.push(show(one))
  }
  return scimAnswer(200, {
    schemas: [LIST],
    totalResults: all.length,
    startIndex,
    itemsPerPage: resources.length,
    Resources: resources,
  })
}

function numberOf(query: URLSearchParams, name: string): number | null {
  const text = query.get(name)
  if (text === null) return null
  if (!/^-?\d{1,9}$/.test(text)) throw new ScimRefusal(400, 'invalidValue', `${name} is not a number`)
  return Number(text)
}
