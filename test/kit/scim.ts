import { type Fields, fetchFrom, type Listening } from './requests.ts'

export const SCIM_TOKEN = 'pushed-by-a-provider-in-tests'

/** What the file says of a provider that pushes its people. */
export const SCIM_KEY = `scim = { token = "${SCIM_TOKEN}" }`

const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'
const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group'
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'

/** What a push was answered. */
export interface Pushed {
  readonly status: number
  readonly fields: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: what a test reads of it, it says.
  readonly body: Record<string, any>
}

export interface PushOptions {
  readonly host?: string
  readonly provider?: string
  readonly token?: string | null
  readonly fields?: Fields
}

/** Asks the directory of a provider for something, as that provider does. A body that is text is sent as it is. */
export async function push(
  at: Listening,
  method: string,
  path: string,
  body?: object | string,
  { host = 'app.example', provider = 'id', token = SCIM_TOKEN, fields = {} }: PushOptions = {},
): Promise<Pushed> {
  const headers = {
    host,
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/scim+json' }),
    ...fields,
  }
  const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
  const answer = await fetchFrom(at, `/.sallyport/scim/v2/${provider}${path}`, headers, { method, ...sent })
  const text = await answer.text()
  return { status: answer.status, fields: answer.headers, text, body: text.startsWith('{') ? JSON.parse(text) : {} }
}

/** A user as a provider sends one. */
export function userOf(sub: string, more: object = {}): object {
  return { schemas: [USER], externalId: sub, userName: sub, active: true, ...more }
}

/** A group as a provider sends one. */
export function groupOf(displayName: string, members: readonly string[] = [], more: object = {}): object {
  return { schemas: [GROUP], displayName, members: members.map(value => ({ value })), ...more }
}

/** A list of changes. */
export function patchOf(...Operations: readonly object[]): object {
  return { schemas: [PATCH], Operations }
}
