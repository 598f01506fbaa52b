/**
 * Members that an answer may leave out, and whether what is there instead says anything (RFC 6749 §5.1). A text that is of another
 * shape altogether is no slip, and the library's to refuse.
 */
const OPTIONAL: Readonly<Record<string, (value: unknown) => boolean>> = {
  expires_in: value => typeof value === 'number' && Number.isFinite(value) && value >= 0,
  refresh_token: isNotEmpty,
  scope: isNotEmpty,
  id_token: isNotEmpty,
}

function isNotEmpty(value: unknown): boolean {
  return value !== null && value !== ''
}

/** A token endpoint's answer, with what counts as absent because it is not what it has to be. */
export interface TidiedResponse {
  readonly response: Response
  /** Names of members that were left out. */
  readonly odd: readonly string[]
  /** The ID token, not yet looked at; null where there is none. */
  readonly idToken: string | null
}

/**
 * Leaves out of an answer with tokens what it need not have and says nothing, such as `expires_in` as a text, negative or null: the
 * tokens are good all the same, and the library would refuse all of it. Any other answer stays as it is.
 *
 * `response` is complete (`createProviderFetch`), and read where it is not the one that comes back.
 */
export async function tidyResponse(response: Response): Promise<TidiedResponse> {
  if (response.status !== 200) return { response, odd: [], idToken: null }
  let body: unknown
  try {
    body = await response.clone().json()
  } catch {
    return { response, odd: [], idToken: null }
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return { response, odd: [], idToken: null }
  const odd = Object.entries(OPTIONAL).flatMap(([name, saysSomething]) =>
    Object.hasOwn(body, name) && !saysSomething(Reflect.get(body, name)) ? [name] : [],
  )
  const idToken = 'id_token' in body && typeof body.id_token === 'string' ? body.id_token : null
  if (odd.length === 0) return { response, odd, idToken }
  const kept = Object.entries(body).filter(([name]) => !odd.includes(name))
  const { status, headers } = response
  return { response: new Response(JSON.stringify(Object.fromEntries(kept)), { status, headers }), odd, idToken }
}
