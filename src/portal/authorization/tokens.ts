/** The token endpoint for MCP clients: redeems codes and refresh tokens for API tokens (`session/credentials`). */

import { createHash } from 'node:crypto'
import { sha256 } from '../../base/bytes.ts'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { repeatedName } from '../../identity/authorization-response.ts'
import type { ClockState } from '../../session/clock-watch.ts'
import type { ApiTokens, HeldApiToken } from '../../session/credentials/api-tokens.ts'
import { isSameGrantee } from '../../session/grants/document.ts'
import { createSealer } from '../../session/seal.ts'
import type { RateLimitBucket, Sessions } from '../../session/session.ts'
import { noteMade } from '../account/credential-page.ts'
import { openAnswer } from '../answer.ts'
import { type FormTools, readBody } from '../form.ts'
import { type AuditTools, askedFacts, type PortalRequest } from '../portal-request.ts'
import { cameAgain, takeCode } from './codes.ts'
import { SCOPE } from './metadata.ts'

export interface TokenTools extends FormTools, AuditTools {
  readonly ports: Pick<Ports, 'now' | 'random' | 'log'>
  readonly sessions: Pick<
    Sessions,
    'describe' | 'end' | 'putOneTime' | 'consumeOneTime' | 'peekOnce' | 'spend' | 'refund'
  > & {
    readonly tokens: ApiTokens
    clock(): ClockState
  }
}

/** How long an access token is good, how long a refresh token that is not used, and for how long a person agrees. */
const ACCESS_MS = 10 * 60_000
const REFRESH_MS = 30 * 24 * 60 * 60_000
const GRANT_MS = 90 * 24 * 60 * 60_000

/** How often one grant is renewed: an access token lasts ten minutes, and a client may be started again a few times meanwhile. */
const REFRESHES: RateLimitBucket = Object.freeze({ name: 'refreshes', intervalMs: 60_000, burst: 10 })

/**
 * For this long a used refresh token gets the same response again, until the client uses the token in that response:
 * responses get lost, and clients run twice.
 */
const AGAIN_MS = 10_000

const MAX_FORM_BYTES = 16 * 1024

/** The oldest goes beyond so many of one person: clients that forget theirs ask for new ones. */
const MOST_OF_ONE = 40

const REFRESH_PREFIX = 'spr_'

/** The errors that a client may get (RFC 6749 §5.2, RFC 8707 §2). */
type Refusal = 'invalid_request' | 'invalid_grant' | 'invalid_target' | 'unsupported_grant_type'

/**
 * The token endpoint (RFC 6749 §3.2): an access token and a refresh token for a code, or for a refresh token. Clients have no secret, so
 * that everything hangs on the code's own, and on PKCE. Throws `limit.rate`, `target.stalled`, `session.store`.
 */
export async function giveTokens(ctx: PortalRequest, tools: TokenTools): Promise<Response> {
  const form = await readForm(ctx, tools)
  if (form === null) return refuse('invalid_request')
  switch (form.get('grant_type')) {
    case 'authorization_code':
      return redeemCode(ctx, tools, form)
    case 'refresh_token':
      return refresh(ctx, tools, form)
    default:
      return refuse('unsupported_grant_type')
  }
}

async function readForm({ request }: PortalRequest, { formWaitMs }: TokenTools): Promise<URLSearchParams | null> {
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/x-www-form-urlencoded *(?:;|$)/i.test(type)) return null
  const body = await readBody(request, MAX_FORM_BYTES, formWaitMs)
  const form = body === null ? null : new URLSearchParams(body)
  return form === null || repeatedName(form) !== null ? null : form
}

/** RFC 6749 §4.1.3, RFC 7636 §4.6. A code that comes twice takes away what came of it (RFC 6749 §4.1.2). */
async function redeemCode(ctx: PortalRequest, tools: TokenTools, form: URLSearchParams): Promise<Response> {
  const { sessions, ports } = tools
  const text = form.get('code') ?? ''
  const use = await takeCode(tools, text)
  if (use === null) return refuse('invalid_grant')
  if (use.kind === 'again') {
    // Of one that was refused, nothing has come.
    const held = await sessions.tokens.describe(use.token)
    if (held === null) await sessions.end(use.token)
    else await endForReuse(ctx, tools, use.token, 'an authorization code')
    return refuse('invalid_grant')
  }
  const { code, token: id } = use
  if (code.client !== sha256(form.get('client_id') ?? '')) return refuse('invalid_grant')
  if (code.redirect !== form.get('redirect_uri')) return refuse('invalid_grant')
  if (code.challenge !== challengeOf(form.get('code_verifier') ?? '')) return refuse('invalid_grant')
  const resource = ctx.resources.at(form.get('resource') ?? '')
  if (resource === null || resource.address !== code.resource) return refuse('invalid_target')
  const session = (await sessions.describe(code.session))?.session ?? null
  if (session === null || !resource.isOpenTo(session)) return refuse('invalid_grant')
  await makeRoom(tools, session)
  const { host, path, address, route } = resource
  const { held } = await sessions.tokens.create({
    id,
    portal: session.portal,
    name: code.name,
    lifetimeMs: GRANT_MS,
    identity: session.identity,
    follows: true,
    limits: { host, path, methods: null, networks: null, resource: { route, address, client: code.client } },
  })
  if (await cameAgain(tools, text)) {
    await endForReuse(ctx, tools, id, 'an authorization code')
    return refuse('invalid_grant')
  }
  await noteMade({ fact: 'token', made: 'token.made' }, ctx, tools, session, id, { resource: address })
  ports.log.debug('A code was redeemed', { token: id })
  const answer = await give(ctx, tools, held, null)
  return answer === null ? refuse('invalid_grant') : openAnswer(answer)
}

/**
 * RFC 6749 §6. A refresh token is good once, and for a moment it has the same answer again. One that comes again after that was somebody
 * else's meanwhile, and ends all (RFC 9700 §4.14.2).
 */
async function refresh(ctx: PortalRequest, tools: TokenTools, form: URLSearchParams): Promise<Response> {
  const { sessions, seal } = tools
  const text = form.get('refresh_token') ?? ''
  if (!text.startsWith(REFRESH_PREFIX)) return refuse('invalid_grant')
  const opened = await seal.open(text.slice(REFRESH_PREFIX.length), purposeOf(ctx))
  if (typeof opened !== 'object' || opened === null || !('token' in opened)) return refuse('invalid_grant')
  const { token } = opened
  const turn = 'turn' in opened && typeof opened.turn === 'number' ? opened.turn : 0
  const held = typeof token === 'string' ? await sessions.tokens.describe(token) : null
  const bound = held?.limits.resource
  // At rest, or gone: it is not used up by that.
  if (held === null || bound === undefined) return refuse('invalid_grant')
  if (bound.client !== sha256(form.get('client_id') ?? '')) return refuse('invalid_grant')
  const resource = ctx.resources.at(bound.address)
  if (resource === null || resource.route !== bound.route || !resource.isOpenTo(held.session))
    return refuse('invalid_grant')
  const named = form.get('resource')
  if (named !== null && ctx.resources.at(named)?.address !== bound.address) return refuse('invalid_target')
  const used: UsedRefresh = { text, turn, key: turn === 0 ? text : keyOf(held, turn) }
  const known = await answerOf(tools, held, used)
  if (known !== null) return openAnswer(known)
  // Before the token is used up: a client that has to wait comes again with the same token.
  const spent = await sessions.spend(REFRESHES, held.session.id)
  const given = spent.isAllowed ? await give(ctx, tools, held, used) : null
  if (given !== null) return openAnswer(given)
  // Another process of the same client may have been the first a moment ago.
  const again = await answerOf(tools, held, used)
  if (spent.isAllowed) await sessions.refund(REFRESHES, held.session.id)
  if (again !== null) return openAnswer(again)
  if (!spent.isAllowed) {
    throw new GateError('limit.rate', 'a client renews its access token again and again', {
      facts: { token: held.session.id, client: ctx.clientAddress },
      retryAfterS: Math.ceil(spent.waitMs / 1000),
    })
  }
  await endForReuse(ctx, tools, held.session.id, 'a refresh token')
  return refuse('invalid_grant')
}

/** A refresh token that somebody brings: which one of its grant it is, the first being 0, and under which key it is good. */
interface UsedRefresh {
  readonly text: string
  readonly turn: number
  readonly key: string
}

/** New tokens, in place of the one that was used; null where that one is used up. */
async function give(
  ctx: PortalRequest,
  { sessions, seal, ports }: TokenTools,
  held: HeldApiToken,
  used: UsedRefresh | null,
): Promise<object | null> {
  const { id, expiresAtMs } = held.session
  const nowMs = ports.now()
  const storeMs = byStore(sessions, ports)()
  const lifetimeMs = Math.min(REFRESH_MS, expiresAtMs - nowMs)
  const turn = used === null ? 0 : used.turn + 1
  const sealed = await seal.seal({ token: id, turn, nonce: nowMs }, purposeOf(ctx), nowMs + lifetimeMs)
  const refreshToken = REFRESH_PREFIX + sealed
  const accessMs = Math.min(ACCESS_MS, expiresAtMs - nowMs)
  const access = await sessions.tokens.newShort(held, accessMs)
  const answer = {
    access_token: access.text,
    token_type: 'Bearer',
    expires_in: Math.floor(accessMs / 1000),
    refresh_token: refreshToken,
    scope: SCOPE,
  }
  if (used === null) await sessions.putOneTime('refresh', refreshToken, {}, { lifetimeMs, owner: id })
  else {
    const again = await answerSealer(used, sessions, ports).seal(answer, ANSWER, storeMs + AGAIN_MS)
    const options = { lifetimeMs, owner: id, inPlaceOf: used.key }
    if (!(await sessions.putOneTime('refresh', keyOf(held, turn), { again, atMs: storeMs }, options))) return null
  }
  // Only one request gets here, so simultaneous requests do not displace each other's token.
  await access.keep()
  return answer
}

/** The response that a refresh token got a moment ago, where no client has used that response yet; otherwise null. */
async function answerOf(
  { sessions, ports }: TokenTools,
  held: HeldApiToken,
  used: UsedRefresh,
): Promise<object | null> {
  const next = await sessions.peekOnce('refresh', keyOf(held, used.turn + 1))
  if (typeof next !== 'object' || next === null || !('again' in next && 'atMs' in next)) return null
  const { again, atMs } = next
  // By a clock that is behind, it would be kept for longer.
  if (typeof again !== 'string' || typeof atMs !== 'number' || byStore(sessions, ports)() < atMs - AGAIN_MS) return null
  const answer = await answerSealer(used, sessions, ports).open(again, ANSWER)
  return typeof answer === 'object' ? answer : null
}

/** The key of a grant's refresh token by its turn. The first token has a different key. */
function keyOf({ session }: HeldApiToken, turn: number): string {
  return `${session.id} ${turn}`
}

const ANSWER = 'the answer to a refresh token'

/** Who has the store, and our own key, does not have the refresh token by which an answer is sealed. */
function answerSealer({ text }: UsedRefresh, sessions: TokenTools['sessions'], ports: TokenTools['ports']) {
  const key = createHash('sha256').update(`${ANSWER} ${text}`).digest()
  return createSealer(key, { now: byStore(sessions, ports), random: ports.random })
}

/** The time by the store's clock, as far as that is known: those that answer and are asked again may be several machines. */
function byStore({ clock }: Pick<TokenTools['sessions'], 'clock'>, { now }: Pick<Ports, 'now'>): () => number {
  return () => now() - (clock().aheadMs ?? 0)
}

/** One client has the token of another: it is unknown which of them is honest. */
async function endForReuse(
  ctx: PortalRequest,
  { sessions, audit }: TokenTools,
  token: string,
  reason: string,
): Promise<void> {
  // It ends later where it cannot now, and nobody comes here by it again.
  try {
    await sessions.end(token)
  } finally {
    await audit.keep('token.repeated', { ...askedFacts(ctx), token, reason })
  }
}

async function makeRoom({ sessions }: TokenTools, session: HeldApiToken['session']): Promise<void> {
  const own = (await sessions.tokens.list(session.portal)).filter(
    ({ limits, session: { identity } }) => limits.resource !== undefined && isSameGrantee(identity, session.identity),
  )
  await sessions.end(...own.slice(MOST_OF_ONE - 1).map(held => held.session.id))
}

/** RFC 7636 §4.1 and §4.2: what is no verifier has no challenge. */
function challengeOf(verifier: string): string | null {
  return /^[A-Za-z0-9._~-]{43,128}$/.test(verifier) ? sha256(verifier) : null
}

function purposeOf({ portal }: PortalRequest): string {
  return `refresh token of ${portal.name}`
}

function refuse(error: Refusal): Response {
  return openAnswer({ error }, 400)
}
