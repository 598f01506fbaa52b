import { timingSafeEqual } from 'node:crypto'
import type { Audit } from '../../audit/writer.ts'
import { sha256 } from '../../base/bytes.ts'
import { networkOf } from '../../base/net.ts'
import type { Ports } from '../../base/ports.ts'
import { decideRate, type FullAtMs, type Pace } from '../../base/rate.ts'
import { askedFacts } from '../audit-facts.ts'
import type { PortalRequest } from '../portal.ts'
import { BAD_TOKEN_CHALLENGE, BEARER_CHALLENGE } from '../problem.ts'
import { refusalAnswer } from './answer.ts'
import { ScimRefusal } from './refusal.ts'

/** Ten wrong tokens at once, and one more every half minute, are told apart from a mistake. */
const WRONG: Pace = Object.freeze({ intervalMs: 30_000, burst: 10 })
const MOST_ADDRESSES = 10_000

const BEARER = /^bearer +([\x21-\x7e]+)$/i

/** Answers whoever does not bring the token of a provider; null for whoever does. */
export type Guard = (ctx: PortalRequest, provider: string, token: string) => Response | null

/**
 * A guard that counts wrong tokens by address.
 *
 * The right one passes from any address at any time: what ends sign-ins must not be held up by somebody who comes from behind the same
 * address, and a token of the length that `check` asks for is found by nobody at any pace. Compared as hashes, in constant time.
 *
 * Absent on purpose: an exchange between workers. The count spares the log, and holds up no guess.
 */
export function createGuard({ now }: Pick<Ports, 'now'>, audit: Audit): Guard {
  /** In the order of their last use. */
  const wrong = new Map<string, FullAtMs>()

  return (ctx, provider, token) => {
    const given = BEARER.exec(ctx.request.headers.get('authorization') ?? '')?.[1] ?? null
    if (given !== null && timingSafeEqual(Buffer.from(sha256(given)), Buffer.from(sha256(token)))) return null
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
