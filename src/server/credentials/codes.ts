import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/types/providers.ts'
import { CODE_LIFETIME_MS, makeTotpSecret, totpStep } from '../../identity/passwords/totp.ts'
import { decideRate, type FullAtMs, type Rate } from '../../policy/rate.ts'
import type { Sessions } from '../../session/session.ts'

/** The second factor of people of a file. */
export interface Codes {
  /**
   * What is wrong with this code of somebody's sign-in; null: nothing, also of whom no second factor is known, or whose password is
   * wrong. Throws `session.store`.
   *
   * A code is taken once, by all workers and machines, and only beside the right password, so that nobody else can use it up.
   */
  refusalOf(provider: ProviderConfig, given: Given, isPasswordRight: boolean): Promise<string | null>
}

interface Given {
  readonly name: string
  readonly code: string
}

/**
 * Wrong codes beside the right password, from wherever: ten, and one more every five minutes (RFC 4226 §7.3). At that pace a code is
 * guessed once in three years. Whoever else has the password can hold its owner up by it, and is told of in the log.
 */
const WRONG: Rate = Object.freeze({ name: 'codes', by: 'client', intervalMs: 5 * 60_000, burst: 10 })

/** Checks codes, whoever's they are: a name without a second factor, or of nobody, costs what any other costs. */
export function createCodes(ports: Pick<Ports, 'now' | 'random'>, sessions: Pick<Sessions, 'putOnce'>): Codes {
  const decoy = makeTotpSecret(ports.random)
  /** By secret, which the file bounds. */
  const wrong = new Map<string, FullAtMs>()

  return {
    async refusalOf({ name: provider, users }, { name, code }, isPasswordRight) {
      const secret = users?.totp.get(name)
      const step = totpStep(secret ?? decoy, code, ports.now())
      if (!isPasswordRight || secret === undefined) return null
      const decision = decideRate(WRONG, wrong.get(secret) ?? 0, ports.now())
      if (!decision.isAllowed) return 'too many wrong codes'
      if (step === null) {
        // An empty field guesses nothing.
        if (code !== '') wrong.set(secret, decision.fullAtMs)
        return code === '' ? 'no code' : 'a wrong code'
      }
      const isFirst = await sessions.putOnce(
        'totp',
        `${secret} ${step}`,
        {},
        {
          lifetimeMs: CODE_LIFETIME_MS,
          owner: `${provider} ${name}`,
        },
      )
      return isFirst ? null : 'a code that was used'
    },
  }
}
