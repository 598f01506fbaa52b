/** An OAuth request for access, as the query of the page `authorize` has it: read and checked (RFC 6749 §4.1.1). */

import { GateError } from '../../base/errors.ts'
import type { Sealer } from '../../session/seal.ts'
import type { Session } from '../../session/session.ts'
import { type PortalRequest, type ProtectedResource, readQuery } from '../portal-request.ts'
import { type Client, findClient, mayReturnTo } from './clients.ts'
import { SCOPE } from './metadata.ts'
import type { Publications } from './publications.ts'

/** What a client asks a person for. */
export interface AuthorizationRequest {
  readonly client: Client
  readonly clientId: string
  readonly redirect: string
  readonly resource: ProtectedResource
  /** RFC 7636 §4.2, by S256. */
  readonly challenge: string
  readonly state: string | null
}

export interface RequestTools {
  readonly seal: Sealer
  readonly publications: Publications
  noteStart(clientAddress: string): void
}

const LONGEST_STATE = 2000

/**
 * The authorization request in the query of one of Sallyport's own addresses.
 *
 * Throws `oauth.request` with the error, for the user and the log to see. A mistake never redirects the user, even to
 * a registered address, since any client may register one (RFC 9700 §4.11.2).
 * Throws `access.denied` for a user who may not use the resource, and `limit.rate` where Sallyport has to fetch a
 * client's document.
 * Source: RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2.
 */
export async function readRequest(
  ctx: PortalRequest,
  tools: RequestTools,
  session: Session,
): Promise<AuthorizationRequest> {
  const query = readQuery(ctx)
  const clientId = query.get('client_id') ?? ''
  const redirect = query.get('redirect_uri') ?? ''
  if (query.get('response_type') !== 'code') throw refusal('response_type', 'is not code')
  if (query.get('code_challenge_method') !== 'S256') throw refusal('code_challenge_method', 'is not S256')
  const challenge = query.get('code_challenge') ?? ''
  if (!/^[A-Za-z0-9_-]{43}$/.test(challenge)) throw refusal('code_challenge', 'is no hash by S256')
  const scopes = (query.get('scope') ?? SCOPE).split(' ').filter(scope => scope !== '')
  if (scopes.some(scope => scope !== SCOPE && scope !== 'offline_access')) throw refusal('scope', `is not ${SCOPE}`)
  const state = query.get('state')
  if (state !== null && state.length > LONGEST_STATE) throw refusal('state', 'is too long')
  const resource = ctx.resources.at(query.get('resource') ?? '')
  if (resource === null) throw refusal('resource', 'is no MCP server of this portal')
  if (!resource.isOpenTo(session)) {
    throw new GateError('access.denied', 'a user was asked to let a program use what the user may not use', {
      facts: { user: session.identity.subject, resource: resource.address },
    })
  }
  // Last: nothing is fetched for what could not be granted.
  const client = await clientOf(ctx, tools, clientId, session)
  if (client === null) throw refusal('client_id', 'is of no client that has registered here')
  if (!mayReturnTo(client, redirect)) throw refusal('redirect_uri', 'is not registered for this client')
  return { client, clientId, redirect, resource, challenge, state }
}

/** By what is published at its id, where that is an address; by its registration otherwise. Null where there is none. */
async function clientOf(
  ctx: PortalRequest,
  { seal, publications, noteStart }: RequestTools,
  id: string,
  { portal, identity: { issuer, subject } }: Session,
): Promise<Client | null> {
  if (!id.startsWith('https:')) return findClient(ctx, seal, id)
  const who = JSON.stringify([portal, issuer, subject])
  const found = await publications.find(id, who, () => noteStart(ctx.clientAddress))
  if (typeof found === 'string') throw refusal('client_id', found)
  return found
}

function refusal(parameter: string, what: string): GateError {
  return new GateError('oauth.request', `an application asked for access, and its ${parameter} ${what}`, {
    facts: { parameter },
  })
}
