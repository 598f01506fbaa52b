import { errorFacts, toGateError } from '../../base/errors.ts'
import { createTurns } from '../../base/steps.ts'
import { portalNotFound } from '../not-found.ts'
import { isPortalHost, ownPath, portalOrigin } from '../place.ts'
import type { PortalRequest } from '../portal.ts'
import { listAnswer, refusalAnswer, scimAnswer, wrongMethod } from './answer.ts'
import { resourceTypes, schemas, serviceProviderConfig } from './discovery.ts'
import { createGuard } from './guard.ts'
import type { JsonObject } from './json.ts'
import { notFound, ScimRefusal } from './refusal.ts'
import { answerAll, answerOne, type ScimRequest, type ScimTools } from './requests.ts'

/**
 * What providers ask below `/.sallyport/scim/v2/NAME` of their portal: SCIM 2.0 with a bearer token.
 *
 * Nobody is known here by a cookie, so that nothing can be done in anyone's name. Never throws. Source: RFC 7644.
 */
export function createScim(tools: ScimTools): (ctx: PortalRequest) => Response | Promise<Response> {
  const guard = createGuard(tools.ports, tools.audit)
  const turn = createTurns()

  return ctx => {
    const [name = '', ...steps] = ctx.target.path.slice(PREFIX.length).split('/')
    const isHere = ctx.target.path.startsWith(PREFIX) && isPortalHost(ctx) && ctx.portal.providers.includes(name)
    const scim = isHere ? (ctx.providers.get(name)?.scim ?? null) : null
    const directory = scim === null ? null : tools.sessions.directories.of(name)
    if (scim === null || directory === null) return portalNotFound(ctx)
    const stranger = guard(ctx, name, scim.token)
    if (stranger !== null) return stranger
    const base = `${portalOrigin(ctx)}${PREFIX}${name}`
    const query = new URLSearchParams(ctx.target.query)
    const asked: ScimRequest = { request: ctx.request, directory, base, query, turn }
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
    // What is not there is asked for all the time: by whoever looks before writing.
    if (status !== 404) log.warn('What a provider pushed was refused', { ...facts, status, scimType, error: message })
    return refusalAnswer(thrown)
  }
  const error = toGateError(thrown)
  log.error('What a provider pushed could not be taken; it has to push it again', { ...facts, ...errorFacts(error) })
  const retry: Record<string, string> =
    error.retryAfterS === undefined ? {} : { 'retry-after': String(error.retryAfterS) }
  return refusalAnswer(new ScimRefusal(error.status, null, error.say), retry)
}
