/** OpenID Connect Back-Channel Logout: checks a logout token, and ends the sessions that it names. */

import type { AuditFacts } from '../../audit/record.ts'
import { errorFacts, GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { type LogoutToken, peekToken } from '../../identity/logout-token.ts'
import type { ProviderPool } from '../../identity/provider.ts'
import type { Sessions } from '../../session/session.ts'
import { doneAnswer, jsonAnswer } from '../answer.ts'
import { type FormTools, readBody } from '../form.ts'
import { type AuditTools, askedFacts, type PortalRequest } from '../portal-request.ts'

export interface BackChannelTools extends AuditTools {
  readonly ports: Pick<Ports, 'now' | 'log'>
  readonly sessions: Sessions
  readonly pool: ProviderPool
  readonly formWaitMs: FormTools['formWaitMs']
  /** Charges the network of an address for one of these requests; the answer gives it back. Throws `limit.rate`. */
  chargeLogout(clientAddress: string): () => void
}

const MAX_BYTES = 32 * 1024

/**
 * Takes a provider's logout token for a user who has signed out there: ends the sessions that the token names, in
 * every process.
 *
 * 200 when it is done, whether or not there was a session; 400 for a refused token, and then no session ends. A
 * request that ended nothing leaves no row in the audit trail, and counts against its network.
 *
 * Throws `limit.rate`; `provider.down` or `session.store` where the token could not be checked or the sessions not
 * ended; and `target.stalled` where it came too slowly. The provider may send the token again.
 * Source: OpenID Connect Back-Channel Logout 1.0 §2.5 to §2.8.
 */
export async function backChannelLogout(ctx: PortalRequest, tools: BackChannelTools): Promise<Response> {
  const giveBack = tools.chargeLogout(ctx.clientAddress)
  try {
    const { token, provider } = await readToken(ctx, tools)
    const number = await endOnce(ctx, tools, token, provider)
    const user = token.subject ?? undefined
    await tellEnded(ctx, tools, { provider: provider.name, user, reason: 'back-channel', number }, giveBack)
    return doneAnswer()
  } catch (thrown) {
    if (!(thrown instanceof GateError) || thrown.code !== 'provider.logout_token') throw thrown
    const { check } = thrown.facts
    const reason = typeof check === 'string' ? { reason: check } : {}
    tools.audit.note('provider.logout_refused', { ...askedFacts(ctx), ...reason }, { facts: errorFacts(thrown) })
    return jsonAnswer({ error: 'invalid_request', error_description: thrown.say }, 400)
  }
}

/** Reports the sessions that a provider ended. If there were none, it only logs that at debug. */
export async function tellEnded(
  ctx: PortalRequest,
  { audit, ports }: BackChannelTools,
  ended: Pick<AuditFacts, 'provider' | 'user' | 'reason' | 'number'>,
  giveBack: () => void,
): Promise<void> {
  const facts = { ...askedFacts(ctx), ...ended, by: 'provider' }
  if (ended.number === 0) return ports.log.debug('A provider signed out a user without a session here', facts)
  giveBack()
  await audit.keep('sign_out.by_provider', facts)
}

async function readToken(
  ctx: PortalRequest,
  { pool, formWaitMs }: BackChannelTools,
): Promise<{ readonly token: LogoutToken; readonly provider: ProviderConfig }> {
  const type = ctx.request.headers.get('content-type') ?? ''
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type)) throw refusal('content_type')
  const body = await readBody(ctx.request, MAX_BYTES, formWaitMs)
  const [text, ...more] = new URLSearchParams(body ?? '').getAll('logout_token')
  if (text === undefined || more.length > 0) throw refusal('logout_token')
  const claimed = peekToken(text)
  if (claimed === null) throw refusal('format')
  const ofIssuer = providersOf(ctx).filter(({ issuer }) => issuer === claimed.issuer)
  if (ofIssuer.length === 0) throw refusal('iss')
  const provider = ofIssuer.find(({ clientId }) => claimed.audiences.includes(clientId))
  if (provider === undefined) throw refusal('aud')
  return { token: await pool.client(provider).readLogoutToken(text), provider }
}

async function endOnce(
  ctx: PortalRequest,
  { ports, sessions }: BackChannelTools,
  token: LogoutToken,
  provider: ProviderConfig,
): Promise<number> {
  const { issuer, clientId } = provider
  const name = `${issuer} ${token.id}`
  if ((await sessions.peekOnce('logout-token', name)) !== null) throw refusal('jti')
  const same = [...ctx.providers.values()].filter(one => one.issuer === issuer && one.clientId === clientId)
  const number = await sessions.endFor({
    issuer,
    providers: same.map(one => one.name),
    subject: token.subject,
    sid: token.sid,
    isVerified: true,
    saidAtS: token.saidAtS,
  })
  // Only now: where the store fails at any of this, the same token, sent again, must not pass for a replay.
  const lifetimeMs = token.expiresAtMs - ports.now()
  if (!(await sessions.putOneTime('logout-token', name, {}, { lifetimeMs, owner: issuer }))) throw refusal('jti')
  return number
}

/** The providers of the portal that was asked. */
export function providersOf({ portal, providers }: PortalRequest): readonly ProviderConfig[] {
  return portal.providers.flatMap(name => {
    const provider = providers.get(name)
    return provider === undefined || provider.users !== null ? [] : [provider]
  })
}

function refusal(check: string): GateError {
  return new GateError('provider.logout_token', `the logout token was refused: ${check} does not hold`, {
    facts: { check },
  })
}
