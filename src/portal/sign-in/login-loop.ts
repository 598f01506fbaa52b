/** Stops login loops: a browser that keeps no cookie would sign in again and again. */

import { sha256 } from '../../base/bytes.ts'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { cookieName, readCookie, writeCookie } from '../../session/cookie.ts'
import type { Sealer } from '../../session/seal.ts'
import { isSecure } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'
import { FailedSignIn } from './destination.ts'

interface LoopTools {
  readonly ports: Pick<Ports, 'now'>
  readonly seal: Sealer
}

/** One address of this host, and how often a sign-in has just ended there. */
type LoginCount = readonly [path: string, count: number]

const MOST_LOGINS = 3
const WINDOW_MS = 60_000
const MOST_PATHS = 4

/**
 * The Set-Cookie that notes a sign-in that has just ended at this path.
 *
 * Nothing is kept here: the count travels sealed with the browser, for a minute, and each path of a host has its own, so that
 * tabs do not count for each other.
 */
export async function countLogin(ctx: PortalRequest, { ports, seal }: LoopTools, path: string): Promise<string> {
  const counts = await readCounts(ctx, seal)
  const key = keyOf(path)
  const others = counts.filter(([other]) => other !== key).slice(1 - MOST_PATHS)
  const count = countOf(counts, key) + 1
  const sealed = await seal.seal({ rounds: [...others, [key, count]] }, purposeOf(ctx), ports.now() + WINDOW_MS)
  return writeCookie(cookieName('rounds', isSecure(ctx)), sealed, isSecure(ctx), WINDOW_MS)
}

/**
 * Throws `sign_in.loop` where someone is about to be sent to sign in for a path again, though that has just happened three
 * times, each within a minute of the one before. fact `reason` says what can be seen of why.
 */
export async function refuseLoginLoop(ctx: PortalRequest, seal: Sealer, path: string): Promise<void> {
  if (countOf(await readCounts(ctx, seal), keyOf(path)) < MOST_LOGINS) return
  const cause = causeOfLoop(ctx)
  const error = new GateError('sign_in.loop', `signing in did not last, ${MOST_LOGINS} times in a row`, {
    hint: HINTS[cause],
    facts: { reason: cause },
  })
  throw new FailedSignIn(error, { kind: 'here', path }, false)
}

/** The Set-Cookie that restarts the count. */
export function forgetLogins(ctx: PortalRequest): string {
  return writeCookie(cookieName('rounds', isSecure(ctx)), '', isSecure(ctx), 0)
}

/** What can be seen of why a sign-in does not last. */
type LoopCause = 'cookie' | 'plain_http' | 'session' | 'rule'

/**
 * Why this browser came without a cookie that it got a moment ago.
 *
 * Browsers send Sec-Fetch-Mode only over https, and over plain HTTP they keep no Secure cookie.
 */
export function causeOfNoCookie(ctx: PortalRequest): 'cookie' | 'plain_http' {
  return isSecure(ctx) && !ctx.request.headers.has('sec-fetch-mode') ? 'plain_http' : 'cookie'
}

function causeOfLoop(ctx: PortalRequest): LoopCause {
  if (ctx.session !== null) return 'rule'
  const cookie = readCookie(ctx.request.headers.get('cookie'), cookieName('session', isSecure(ctx)))
  return cookie === null ? causeOfNoCookie(ctx) : 'session'
}

const HINTS: Readonly<Record<LoopCause, string>> = {
  cookie:
    'the browser sends no session cookie: it blocks cookies, or something on the way removes Set-Cookie or Cookie',
  plain_http: 'the browser seems to use plain HTTP, where it keeps no Secure cookie: serve this host over https only',
  session:
    'the cookie comes back, but its session is not known: several servers without a common store, or a wrong clock?',
  rule: 'the route needs a new sign-in, but the provider’s answer is not new or strong enough: look at its max_age, acr and amr',
}

async function readCounts(ctx: PortalRequest, seal: Sealer): Promise<readonly LoginCount[]> {
  const sealed = readCookie(ctx.request.headers.get('cookie'), cookieName('rounds', isSecure(ctx)))
  return sealed === null ? [] : parseCounts(await seal.open(sealed, purposeOf(ctx)))
}

function parseCounts(value: unknown): readonly LoginCount[] {
  if (typeof value !== 'object' || value === null || !('rounds' in value) || !Array.isArray(value.rounds)) return []
  return value.rounds.flatMap((one: unknown): readonly LoginCount[] => {
    if (!Array.isArray(one)) return []
    const [path, count]: readonly unknown[] = one
    return typeof path === 'string' && typeof count === 'number' ? [[path, count]] : []
  })
}

function countOf(counts: readonly LoginCount[], key: string): number {
  return counts.find(([path]) => path === key)?.[1] ?? 0
}

function keyOf(path: string): string {
  return sha256(path).slice(0, 12)
}

function purposeOf({ portal, target }: PortalRequest): string {
  return `rounds at ${portal.name} on ${target.host}`
}
