/** The SCIM endpoint (RFC 7644): who may push, and which resource is meant. `session/scim` keeps what is pushed. */

import { timingSafeEqual } from 'node:crypto'
import type { Audit } from '../../audit/writer.ts'
import { sha256 } from '../../base/bytes.ts'
import { errorFacts, toGateError } from '../../base/errors.ts'
import { createTurns } from '../../base/event-loop.ts'
import { networkOf } from '../../base/net.ts'
import type { Ports } from '../../base/ports.ts'
import { decideRate, type FullAtMs, type Pace } from '../../base/token-bucket.ts'
import { portalNotFound } from '../error-page.tsx'
import { isPortalHost, ownPath, portalOrigin } from '../paths.ts'
import { askedFacts, type PortalRequest } from '../portal-request.ts'
import { BAD_TOKEN_CHALLENGE, BEARER_CHALLENGE } from '../problem.ts'
import { listAnswer, MOST_LISTED, refusalAnswer, scimAnswer, wrongMethod } from './answer.ts'
import { type JsonObject, notFound, ScimRefusal } from './json.ts'
import { answerAll, answerOne, type ScimRequest, type ScimTools } from './requests.ts'
import { GROUP_SCHEMA, USER_SCHEMA } from './resources.ts'

/**
 * What providers request below `/.sallyport/scim/v2/NAME` of their portal: SCIM 2.0 with a bearer token.
 *
 * No cookie identifies a user here, so no request can act in a user's name. Never throws. Source: RFC 7644.
 */
export function createScim(tools: ScimTools): (ctx: PortalRequest) => Response | Promise<Response> {
  const guard = createGuard(tools.ports, tools.audit)
  const turn = createTurns()

  return ctx => {
    const [name = '', ...steps] = ctx.target.path.slice(PREFIX.length).split('/')
    const isHere = ctx.target.path.startsWith(PREFIX) && isPortalHost(ctx)
    const scim = isHere ? ctx.scimOf(name) : null
    const directory = scim === null ? null : tools.sessions.directories.of(name)
    if (scim === null || directory === null) return portalNotFound(ctx)
    const stranger = guard(ctx, name, scim.token)
    if (stranger !== null) return stranger
    const base = `${portalOrigin(ctx)}${PREFIX}${name}`
    const query = new URLSearchParams(ctx.target.query)
    const mayStill = () => isToken(tokenOf(ctx), ctx.scimOf(name)?.token ?? null)
    const asked: ScimRequest = { request: ctx.request, directory, base, query, turn, mayStill }
    return answer(asked, steps, tools).catch((error: unknown) => failed(error, ctx, name, tools))
  }
}

const PREFIX = `${ownPath('scim')}/v2/`

async function answer(asked: ScimRequest, steps: readonly string[], tools: ScimTools): Promise<Response> {
  const [what, id, ...more] = steps
  if (more.length > 0) throw notFound()
  switch (what) {
    case 'Users':
    case 'Groups': {
      const kind = what === 'Users' ? 'user' : 'group'
      return id === undefined ? answerAll(asked, kind, tools) : answerOne(asked, kind, id, tools)
    }
    case 'ServiceProviderConfig':
      if (id !== undefined) throw notFound()
      return only(asked, () => scimAnswer(200, serviceProviderConfig(asked.base)))
    case 'ResourceTypes':
      return only(asked, () => described(resourceTypes(asked.base), id, asked))
    case 'Schemas':
      return only(asked, () => described(schemas(asked.base), id, asked))
    case 'Bulk':
    case 'Me':
    case '.search':
      throw new ScimRefusal(501, null, 'this part of SCIM is not spoken here')
    default:
      throw notFound()
  }
}

/** What can only be looked at. */
function only({ request: { method } }: ScimRequest, show: () => Response): Response {
  return method === 'GET' || method === 'HEAD' ? show() : wrongMethod('GET, HEAD')
}

/** One of these by its id, or all of them; filters are refused there (RFC 7644 §4). */
function described(all: readonly JsonObject[], id: string | undefined, { query }: ScimRequest): Response {
  if (query.has('filter')) throw new ScimRefusal(403, null, 'what can be done here is not filtered')
  if (id === undefined) return listAnswer(all, query, { show: one => one, membersOf: () => 0 })
  const one = all.find(each => each.id === id)
  if (one === undefined) throw notFound()
  return scimAnswer(200, one)
}

function failed(thrown: unknown, ctx: PortalRequest, provider: string, { ports: { log } }: ScimTools): Response {
  const facts = { id: ctx.requestId, client: ctx.clientAddress, provider, method: ctx.request.method }
  if (thrown instanceof ScimRefusal) {
    const { status, scimType, message } = thrown
    // Requests for missing resources are normal: providers look before they write.
    if (status !== 404) log.warn('What a provider pushed was refused', { ...facts, status, scimType, error: message })
    return refusalAnswer(thrown, status === 401 ? { 'www-authenticate': BAD_TOKEN_CHALLENGE } : {})
  }
  const error = toGateError(thrown)
  log.error('What a provider pushed could not be taken; it has to push it again', { ...facts, ...errorFacts(error) })
  const retry: Record<string, string> =
    error.retryAfterS === undefined ? {} : { 'retry-after': String(error.retryAfterS) }
  return refusalAnswer(new ScimRefusal(error.status, null, error.say), retry)
}

const SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Schema'
const RESOURCE_TYPE = 'urn:ietf:params:scim:schemas:core:2.0:ResourceType'
const CONFIG = 'urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'

/** What can be done here (RFC 7643 §5). */
function serviceProviderConfig(base: string): JsonObject {
  const no = { supported: false }
  return {
    schemas: [CONFIG],
    patch: { supported: true },
    bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
    filter: { supported: true, maxResults: MOST_LISTED },
    changePassword: no,
    sort: no,
    etag: no,
    authenticationSchemes: [
      {
        type: 'oauthbearertoken',
        name: 'OAuth Bearer Token',
        description: 'A token that both sides have agreed upon',
        specUri: 'https://www.rfc-editor.org/info/rfc6750',
      },
    ],
    meta: { resourceType: 'ServiceProviderConfig', location: `${base}/ServiceProviderConfig` },
  }
}

/** The kinds of resources (RFC 7643 §6). */
function resourceTypes(base: string): readonly JsonObject[] {
  return [
    ['User', '/Users', USER_SCHEMA],
    ['Group', '/Groups', GROUP_SCHEMA],
  ].map(([name, endpoint, schema]) => ({
    schemas: [RESOURCE_TYPE],
    id: name,
    name,
    endpoint,
    schema,
    meta: { resourceType: 'ResourceType', location: `${base}/ResourceTypes/${name}` },
  }))
}

/** What is kept of a resource, and so all that it has (RFC 7643 §7). */
function schemas(base: string): readonly JsonObject[] {
  const text = (name: string, more: JsonObject = {}): JsonObject => ({
    name,
    type: 'string',
    multiValued: false,
    required: false,
    caseExact: false,
    mutability: 'readWrite',
    returned: 'default',
    uniqueness: 'none',
    ...more,
  })
  const externalId = { caseExact: true, uniqueness: 'server' }
  const userAttributes = [
    text('userName', { required: true }),
    text('externalId', { ...externalId, required: true, mutability: 'immutable' }),
    text('displayName'),
    { ...text('active'), type: 'boolean' },
  ]
  const members = {
    ...text('members'),
    type: 'complex',
    multiValued: true,
    subAttributes: [
      text('value', { caseExact: true, mutability: 'immutable' }),
      { ...text('$ref'), type: 'reference', referenceTypes: ['User'], mutability: 'readOnly' },
      text('type', { canonicalValues: ['User'], mutability: 'readOnly' }),
    ],
  }
  const groupAttributes = [text('displayName', { required: true }), text('externalId', externalId), members]
  return [
    [USER_SCHEMA, 'User', userAttributes],
    [GROUP_SCHEMA, 'Group', groupAttributes],
  ].map(([id, name, attributes]) => ({
    schemas: [SCHEMA],
    id,
    name,
    attributes,
    meta: { resourceType: 'Schema', location: `${base}/Schemas/${id}` },
  }))
}

/** Ten wrong tokens at once, and one more every half minute, are more than a mistake. */
const WRONG: Pace = Object.freeze({ intervalMs: 30_000, burst: 10 })
const MOST_ADDRESSES = 10_000

const BEARER = /^bearer +([\x21-\x7e]+)$/i

function tokenOf({ request }: PortalRequest): string | null {
  return BEARER.exec(request.headers.get('authorization') ?? '')?.[1] ?? null
}

function isToken(given: string | null, token: string | null): boolean {
  return given !== null && token !== null && timingSafeEqual(Buffer.from(sha256(given)), Buffer.from(sha256(token)))
}

/** Refuses a client without the token of a provider; null for a client with it. */
type Guard = (ctx: PortalRequest, provider: string, token: string) => Response | null

/**
 * A guard that counts wrong tokens by address.
 *
 * The right token passes from any address at any time: a client behind the same address must not delay what ends
 * sign-ins. No attacker guesses a token of the length that `check` requires, at any pace. Compared as hashes, in constant
 * time.
 *
 * Absent on purpose: an exchange between workers. The count spares the log, and slows no guess.
 */
function createGuard({ now }: Pick<Ports, 'now'>, audit: Audit): Guard {
  /** In the order of their last use. */
  const wrong = new Map<string, FullAtMs>()

  return (ctx, provider, token) => {
    const given = tokenOf(ctx)
    if (isToken(given, token)) return null
    const address = networkOf(ctx.clientAddress)
    const decision = decideRate(WRONG, wrong.get(address) ?? 0, now())
    if (!decision.isAllowed) {
      wrong.set(address, decision.fullAtMs)
      const retry = { 'retry-after': String(Math.ceil(decision.waitMs / 1000)) }
      return refusalAnswer(new ScimRefusal(429, null, 'too many requests came without the right token'), retry)
    }
    wrong.delete(address)
    wrong.set(address, decision.fullAtMs)
    if (wrong.size > MOST_ADDRESSES) for (const oldest of wrong.keys()) if (wrong.delete(oldest)) break
    const hint = `the token of scim in [providers.${provider}] and the one at the provider have to be the same`
    audit.note('provider.push_refused', { ...askedFacts(ctx), provider }, { facts: { hint } })
    const challenge = given === null ? BEARER_CHALLENGE : BAD_TOKEN_CHALLENGE
    return refusalAnswer(new ScimRefusal(401, null, 'the token is missing or wrong'), { 'www-authenticate': challenge })
  }
}
