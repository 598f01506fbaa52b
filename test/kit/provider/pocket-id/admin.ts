import { plant } from '../../log/planted.ts'
import { type PocketIdClient, type PocketIdState, pocketIdClient } from './people.ts'

const MAX_NAME_LENGTH = 50

/** The key that an administrator has made. */
export const POCKET_ID_KEY = 'api-key-of-an-administrator'

/** Its API for administrators, as far as clients and groups go; null for any other address. */
export async function administer(
  state: PocketIdState,
  request: Request,
  path: string,
  query: URLSearchParams,
): Promise<Response | null> {
  const [, kind, id, part] = /^\/api\/(oidc\/clients|user-groups)(?:\/([^/]+)(?:\/([\w-]+))?)?$/.exec(path) ?? []
  if (kind === undefined) return null
  const client = id === undefined ? undefined : state.clients.get(decodeURIComponent(id))
  if (part === 'meta') return client === undefined ? notFound() : Response.json(metaOf(client))
  if (request.headers.get('x-api-key') !== POCKET_ID_KEY) {
    return Response.json({ error: 'You are not signed in' }, { status: 401 })
  }
  if (kind === 'user-groups') return listGroups(state, query)
  if (part === 'logo' && client !== undefined && request.method === 'POST') return takeLogo(state, client, request)
  const body: unknown = /^(?:POST|PUT)$/.test(request.method) ? await request.json().catch(() => ({})) : {}
  const given = typeof body === 'object' && body !== null ? body : {}
  if (id === undefined) return request.method === 'POST' ? make(state, given) : listClients(state, query)
  if (client === undefined) return notFound()
  if (part === undefined) return request.method === 'PUT' ? change(state, client, given) : describe(state, client)
  if (part === 'allowed-user-groups' && request.method === 'PUT') return allow(state, client, given)
  const place = state.version === '2.9' ? 'secret' : 'secrets'
  return part === place && request.method === 'POST' && state.givesSecrets ? giveSecret(state, client) : notFound()
}

function notFound(): Response {
  return Response.json({ error: 'Record not found' }, { status: 404 })
}

function make(state: PocketIdState, given: object): Response {
  const fault = faultOf(given)
  if (fault !== null) return fault
  const id = text(given, 'id') ?? crypto.randomUUID()
  const client = { ...pocketIdClient(id), ...settingsOf(state, given) }
  state.clients.set(id, client)
  return describe(state, client, 201)
}

function change(state: PocketIdState, client: PocketIdClient, given: object): Response {
  const fault = faultOf(given)
  if (fault !== null) return fault
  const changed = { ...client, ...settingsOf(state, given) }
  state.clients.set(client.id, changed)
  return describe(state, changed)
}

function faultOf(given: object): Response | null {
  const name = text(given, 'name') ?? ''
  if (name === '') return Response.json({ error: 'Name is required' }, { status: 400 })
  if (name.length <= MAX_NAME_LENGTH) return null
  return Response.json({ error: `Name must be at most ${MAX_NAME_LENGTH} characters long` }, { status: 400 })
}

/** Every setting that a request may make; what it leaves out is as if it had never been set. */
function settingsOf(
  { version }: PocketIdState,
  given: object,
): Omit<PocketIdClient, 'id' | 'secrets' | 'allowedUserGroups' | 'credentials' | 'hasLogo'> {
  return {
    name: text(given, 'name') ?? '',
    callbackURLs: texts(given, 'callbackURLs'),
    logoutCallbackURLs: texts(given, 'logoutCallbackURLs'),
    launchURL: text(given, 'launchURL'),
    description: version === '2.9' ? null : text(given, 'description'),
    isPublic: Reflect.get(given, 'isPublic') === true,
    pkceEnabled: Reflect.get(given, 'pkceEnabled') === true,
    requiresPushedAuthorizationRequests: Reflect.get(given, 'requiresPushedAuthorizationRequests') === true,
    isGroupRestricted: Reflect.get(given, 'isGroupRestricted') === true,
  }
}

function allow(state: PocketIdState, client: PocketIdClient, given: object): Response {
  const changed = { ...client, allowedUserGroups: texts(given, 'userGroupIds') }
  state.clients.set(client.id, changed)
  return describe(state, changed)
}

/** Up to 2.9 a client has one secret, and a new one takes its place; later it may have several. */
function giveSecret(state: PocketIdState, client: PocketIdClient): Response {
  const secret = `secret-${crypto.randomUUID()}`
  plant(secret, 'secret that a provider made')
  const isOne = state.version === '2.9'
  state.clients.set(client.id, { ...client, secrets: isOne ? [secret] : [...client.secrets, secret] })
  if (isOne) return Response.json({ secret })
  return Response.json(
    { id: crypto.randomUUID(), prefix: secret.slice(0, 4), expiresAt: null, isActive: true, secret },
    { status: 201 },
  )
}

/** One file of a form, by what its name ends in. */
async function takeLogo(state: PocketIdState, client: PocketIdClient, request: Request): Promise<Response> {
  const file = (await request.formData().catch(() => null))?.get('file')
  if (!(file instanceof File)) return Response.json({ error: 'Something went wrong' }, { status: 500 })
  if (!/\.(?:svg|png|jpe?g|webp)$/.test(file.name) || !(await file.text()).startsWith('<svg ')) {
    return Response.json({ error: 'file type not supported' }, { status: 400 })
  }
  state.clients.set(client.id, { ...client, hasLogo: true })
  return new Response(null, { status: 204 })
}

function metaOf({ id, name, launchURL, hasLogo }: PocketIdClient): object {
  return { id, name, hasLogo, hasDarkLogo: false, launchURL, requiresReauthentication: false }
}

function describe({ groups, version }: PocketIdState, client: PocketIdClient, status = 200): Response {
  const { secrets: _, allowedUserGroups, description, ...settings } = client
  const later = version === '2.9' ? {} : { description }
  const allowed = allowedUserGroups.flatMap(id => groups.get(id) ?? [])
  return Response.json({ ...metaOf(client), ...settings, ...later, allowedUserGroups: allowed }, { status })
}

function listClients({ clients }: PocketIdState, query: URLSearchParams): Response {
  const found = [...clients.values()].filter(({ name }) => isFound(name, query))
  return page(
    found.map(({ secrets: _, allowedUserGroups, description: __, ...settings }) => ({
      ...settings,
      allowedUserGroupsCount: allowedUserGroups.length,
    })),
    query,
  )
}

function listGroups({ groups }: PocketIdState, query: URLSearchParams): Response {
  return page(
    [...groups.values()].filter(({ name, friendlyName }) => isFound(`${name} ${friendlyName}`, query)),
    query,
  )
}

/** It looks for a part of the name, whatever its case. */
function isFound(name: string, query: URLSearchParams): boolean {
  return name.toLowerCase().includes((query.get('search') ?? '').toLowerCase())
}

function page(found: readonly object[], query: URLSearchParams): Response {
  const limit = Number(query.get('pagination[limit]') ?? 20)
  const number = Number(query.get('pagination[page]') ?? 1)
  return Response.json({
    data: found.slice((number - 1) * limit, number * limit),
    pagination: {
      totalPages: Math.max(1, Math.ceil(found.length / limit)),
      totalItems: found.length,
      currentPage: number,
      itemsPerPage: limit,
    },
  })
}

function text(given: object, name: string): string | null {
  const value: unknown = Reflect.get(given, name)
  return typeof value === 'string' && value !== '' ? value : null
}

function texts(given: object, name: string): readonly string[] {
  const value: unknown = Reflect.get(given, name)
  return Array.isArray(value) ? value.filter(one => typeof one === 'string') : []
}
