/** OpenID Connect Front-Channel Logout. */

import { GateError } from '../../base/errors.ts'
import { frameAnswer } from '../answer.ts'
import { type PortalRequest, readQuery } from '../portal-request.ts'
import { type BackChannelTools, providersOf, tellEnded } from './backchannel.ts'

/**
 * The page that a provider loads in a frame on its sign-out page: ends the sessions that come from its session `sid`.
 *
 * `iss` and `sid` are both required, though the specification lets a provider leave them out: browsers send no cookie
 * in another site's frame, and no stranger knows a `sid`. Only that provider may frame the page. A request that ended
 * nothing leaves no row in the audit trail, and counts against its network.
 *
 * Throws `limit.rate`, and `target.malformed` where either is missing, and for an issuer that is not one of this
 * portal's.
 * Source: OpenID Connect Front-Channel Logout 1.0 §2 and §3.
 */
export async function frontChannelLogout(ctx: PortalRequest, tools: BackChannelTools): Promise<Response> {
  const query = readQuery(ctx)
  const [issuer, sid] = [query.get('iss'), query.get('sid')]
  if (issuer === null || sid === null || sid === '') throw malformed('it needs iss and sid')
  const providers = providersOf(ctx).filter(provider => provider.issuer === issuer)
  if (providers.length === 0) throw malformed('its iss is none of this portal’s providers')
  const names = providers.map(({ name }) => name)
  const giveBack = tools.chargeLogout(ctx.clientAddress)
  const number = await tools.sessions.endFor({ issuer, providers: names, subject: null, sid, isVerified: false })
  await tellEnded(ctx, tools, { provider: names.join(', '), reason: 'front-channel', number }, giveBack)
  return frameAnswer('<title>Signed out</title>', new URL(issuer).origin)
}

function malformed(why: string): GateError {
  return new GateError('target.malformed', `a front-channel logout was refused: ${why}`)
}
