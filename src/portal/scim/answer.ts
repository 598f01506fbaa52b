import { ScimRefusal } from './json.ts'

const ERROR = 'urn:ietf:params:scim:api:messages:2.0:Error'
const LIST = 'urn:ietf:params:scim:api:messages:2.0:ListResponse'

/** An answer for programs alone, which no cache keeps and no page of any origin reads. Without a value it has no body. */
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

/** RFC 7644 §3.12: the status is text, and `scimType` is there where the table of that section has a word for it. */
export function refusalAnswer(refusal: ScimRefusal, fields: Readonly<Record<string, string>> = {}): Response {
  const { status, scimType, message } = refusal
  const type = scimType === null ? {} : { scimType }
  return scimAnswer(status, { schemas: [ERROR], status: String(status), ...type, detail: message }, fields)
}

/** What an address takes, to whoever asked for something else (RFC 9110 §15.5.6). No field names another method than the method. */
export function wrongMethod(allow: string): Response {
  return refusalAnswer(new ScimRefusal(405, null, 'this method is not allowed here'), { allow })
}

/** The most of one page, whatever was asked for. */
export const MOST_LISTED = 200

/** Members of all groups on one page; a group that has more is a page by itself. */
const MOST_MEMBERS_LISTED = 20_000

/** How what is listed is shown. */
export interface Listed<T> {
  show(one: T): object
  /** How many members that shows. */
  membersOf(one: T): number
}

/**
 * A page of a list: nothing is made of what is not on it. `startIndex` counts from 1; what is less than that is 1, and a `count` below 0
 * is 0. A page may have less than was asked for: whoever reads on does so by `itemsPerPage` (RFC 7644 §3.4.2.4).
 *
 * Throws a refusal for what is no number.
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
