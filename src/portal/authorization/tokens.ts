import { sha256 } from '../../base/bytes.ts'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { repeatedName } from '../../identity/answer.ts'
import type { ApiTokens, HeldApiToken } from '../../session/credentials/api-tokens.ts'
import { isSameGrantee } from '../../session/grants/document.ts'
import type { Allowance, Sessions } from '../../session/session.ts'
import { noteMade } from '../account/credential-page.ts'
import { openAnswer } from '../answer.ts'
import { type AuditTools, askedFacts } from '../audit-facts.ts'
import { type FormTools, readBody } from '../form.ts'
import type { PortalRequest } from '../portal.ts'
import { cameAgain, takeCode } from './codes.ts'
import { SCOPE } from './metadata.ts'

export interface TokenTools extends FormTools, AuditTools {
  readonly ports: Pick<Ports, 'now' | 'random' | 'log'>
  readonly sessions: Pick<Sessions, 'describe' | 'end' | 'putOnce' | 'takeOnce' | 'peekOnce' | 'spend'> & {
    readonly tokens: ApiTokens
  }
}

/** How long an access token is good, how long a refresh token that is not used, and for how long a person agrees. */
const ACCESS_MS = 10 * 60_000
const REFRESH_MS = 30 * 24 * 60 * 60_000
const GRANT_MS = 90 * 24 * 60 * 60_000

/** How often one grant is renewed: an access token lasts ten minutes, and a client may be started again a few times meanwhile. */
const REFRESHES: Allowance = Object.freeze({ name: 'refreshes', intervalMs: 60_000, burst: 10 })

const MAX_FORM_BYTES = 16 * 1024

/** The oldest goes beyond so many of one person: clients that forget theirs ask for new ones. */
const MOST_OF_ONE = 40

const REFRESH_PREFIX = 'spr_'

/** What a client may be told (RFC 6749 §5.2, RFC 8707 §2). */
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
  await noteMade({ many: 'tokens', fact: 'token' }, ctx, tools, session, id, { resource: address })
  ports.log.debug('A code was redeemed', { token: id })
  return give(ctx, tools, held)
}

/** RFC 6749 §6. A refresh token is good once; one that comes again was somebody else's meanwhile, and ends all (RFC 9700 §4.14.2). */
async function refresh(ctx: PortalRequest, tools: TokenTools, form: URLSearchParams): Promise<Response> {
  const { sessions, seal } = tools
  const text = form.get('refresh_token') ?? ''
  if (!text.startsWith(REFRESH_PREFIX)) return refuse('invalid_grant')
  const opened = await seal.open(text.slice(REFRESH_PREFIX.length), purposeOf(ctx))
  if (typeof opened !== 'object' || opened === null || !('token' in opened)) return refuse('invalid_grant')
  const { token } = opened
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
  // Before it is used up: whoever is told to wait comes again with the same one.
  const spent = await sessions.spend(REFRESHES, held.session.id)
  if (!spent.isAllowed) {
    throw new GateError('limit.rate', 'a client renews its access token again and again', {
      facts: { token: held.session.id, client: ctx.clientAddress },
      retryAfterS: Math.ceil(spent.waitMs / 1000),
    })
  }
  if ((await sessions.takeOnce('refresh', text)) === null) {
    await endForReuse(ctx, tools, held.session.id, 'a refresh token')
    return refuse('invalid_grant')
  }
  return give(ctx, tools, held)
}

async function give(ctx: PortalRequest, { sessions, seal, ports }: TokenTools, held: HeldApiToken): Promise<Response> {
  const { id, expiresAtMs } = held.session
  const nowMs = ports.now()
  const lifetimeMs = Math.min(REFRESH_MS, expiresAtMs - nowMs)
  const sealed = await seal.seal({ token: id, nonce: nowMs }, purposeOf(ctx), nowMs + lifetimeMs)
  const refreshToken = REFRESH_PREFIX + sealed
  await sessions.putOnce('refresh', refreshToken, {}, { lifetimeMs, owner: id })
  const accessMs = Math.min(ACCESS_MS, expiresAtMs - nowMs)
  return openAnswer({
    access_token: await sessions.tokens.createShort(held, accessMs),
    token_type: 'Bearer',
    expires_in: Math.floor(accessMs / 1000),
    refresh_token: refreshToken,
    scope: SCOPE,
  })
}

/** Somebody has what is another's: nobody knows which of them is honest. */
async function endForReuse(
  ctx: PortalRequest,
  { sessions, audit }: TokenTools,
  token: string,
  reason: string,
): Promise<void> {
  await sessions.end(token)
  await audit.keep('token.repeated', { ...askedFacts(ctx), token, reason })
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
