import { GateError } from '../../base/errors.ts'
import type { OAuth2Config, ProviderConfig } from '../../config/types/providers.ts'
import { bareError, type ProviderFetch } from '../http.ts'

/** How somebody is asked about. */
export interface PersonRequest {
  readonly config: ProviderConfig & { readonly oauth2: OAuth2Config }
  readonly scopes: readonly string[]
  readonly accessToken: string
  readonly fetch: ProviderFetch
}

export type Person = Readonly<Record<string, unknown>>

/**
 * What the user endpoint says of whoever gave this access token, in the provider's own names; with a preset, what that has elsewhere too:
 * `email` and `email_verified` are of GitHub's list of addresses, `groups` its organizations and teams, or Discord's servers. `groups` is
 * null where that cannot be told.
 *
 * Throws `provider.down`, and `provider.userinfo` for any answer that is no such thing, a redirect among them.
 */
export async function readPerson(request: PersonRequest): Promise<Person> {
  const { dialect, userEndpoint } = request.config.oauth2
  const said = await ask(request, userEndpoint, true)
  if (!isTable(said)) throw unusable(request, 200)
  switch (dialect) {
    case 'plain':
      return said
    case 'github':
      return { ...said, ...(await githubEmail(request)), groups: await githubGroups(request) }
    case 'discord':
      return { ...said, groups: await discordGroups(request) }
  }
}

/** The subject that a person's own member holds: a text, or a whole number; null for anything else, which could be two people's. */
export function subjectOf(person: Person, name: string): string | null {
  const value = Object.hasOwn(person, name) ? person[name] : undefined
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : null
  return typeof value === 'string' && value !== '' && value.length <= MAX_SUBJECT_LENGTH ? value : null
}

const MAX_SUBJECT_LENGTH = 255

/** The first address, where GitHub says that it is this account's and verified; none where it may not be asked. */
async function githubEmail(request: PersonRequest): Promise<Person> {
  const none = { email: null, email_verified: false }
  if (!request.scopes.some(scope => scope === 'user' || scope === 'user:email')) return none
  const list = await ask(request, `${request.config.oauth2.userEndpoint}/emails`)
  if (list === null) return none
  const primary = rows(request, list).find(row => row.primary === true)
  return typeof primary?.email === 'string' ? { email: primary.email, email_verified: primary.verified === true } : none
}

/** `acme` for an organization, `acme/ops` for a team of it. */
async function githubGroups(request: PersonRequest): Promise<readonly string[] | null> {
  if (!request.scopes.some(scope => /^(?:read|write|admin):org$/.test(scope))) return null
  const { userEndpoint } = request.config.oauth2
  const orgs = await askAll(request, `${userEndpoint}/orgs`)
  const teams = await askAll(request, `${userEndpoint}/teams`)
  if (orgs === null || teams === null) return null
  return [
    ...orgs.map(({ login }) => text(request, login)),
    ...teams.map(({ slug, organization }) => {
      return `${text(request, isTable(organization) ? organization.login : null)}/${text(request, slug)}`
    }),
  ]
}

/** The ids of servers: whoever runs one gives it any name. */
async function discordGroups(request: PersonRequest): Promise<readonly string[] | null> {
  if (!request.scopes.includes('guilds')) return null
  const list = await ask(request, `${request.config.oauth2.userEndpoint}/guilds`)
  return list === null ? null : rows(request, list).map(({ id }) => text(request, id))
}

const PER_PAGE = 100
const MOST_PAGES = 10

/** Every row of a list that comes by pages. More than are ever asked for are refused: half a list says nothing of who is not in it. */
async function askAll(request: PersonRequest, address: string): Promise<readonly Person[] | null> {
  const all: Person[] = []
  for (let page = 1; page <= MOST_PAGES; page++) {
    const list = await ask(request, `${address}?per_page=${PER_PAGE}&page=${page}`)
    if (list === null) return null
    const found = rows(request, list)
    all.push(...found)
    if (found.length < PER_PAGE) return all
  }
  throw unusable(request, 200)
}

/** The answer at an address; null where this token may not ask there, unless it has to. The token goes nowhere else: no redirect is followed. */
async function ask(request: PersonRequest, address: string, isNeeded = false): Promise<unknown> {
  const headers = { accept: 'application/json', authorization: `Bearer ${request.accessToken}` }
  const response = await request.fetch(address, { headers })
  const { status } = response
  if (status >= 500 || status === 429) {
    throw new GateError('provider.down', `${address} answered ${status}`, {
      facts: { address, status },
      retryAfterS: 5,
    })
  }
  if (!isNeeded && (status === 403 || status === 404)) return null
  if (status !== 200) throw unusable(request, status)
  try {
    return await response.json()
  } catch (thrown) {
    throw unusable(request, status, thrown)
  }
}

function rows(request: PersonRequest, list: unknown): readonly Person[] {
  if (!Array.isArray(list) || !list.every(isTable)) throw unusable(request, 200)
  return list
}

function text(request: PersonRequest, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw unusable(request, 200)
  return value
}

function unusable({ config }: PersonRequest, status: number, thrown?: unknown): GateError {
  return new GateError('provider.userinfo', `the user endpoint of ${config.name} gave no usable answer`, {
    hint: 'it has to answer with JSON, to whom has the access token alone; see user_endpoint, and the scopes of the client',
    facts: { provider: config.name, status },
    ...(thrown === undefined ? {} : { cause: bareError(thrown) }),
  })
}

function isTable(value: unknown): value is Person {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
