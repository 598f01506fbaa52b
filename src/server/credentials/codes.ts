import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/types/providers.ts'
import type { Allowance, Sessions } from '../../session/session.ts'
import { giveBack } from './guesses.ts'

/** The second factor of people of a file. */
export interface Codes {
  /**
   * What is wrong with this code of somebody's sign-in; null: nothing, also of whom no second factor is known, or whose password is
   * wrong. Throws `session.store`.
   *
   * A code is taken once, by all workers and machines, and only beside the right password, so that nobody else can use it up.
   */
  refusalOf(
    provider: Pick<ProviderConfig, 'name' | 'users'>,
    given: Given,
    isPasswordRight: boolean,
  ): Promise<string | null>
}

interface Given {
  readonly name: string
  readonly code: string
}

/** What of Sessions is needed: all workers and machines share it. */
export type CodeSessions = Pick<Sessions, 'putOnce' | 'spend' | 'refund'>

/**
 * Wrong codes beside the right password, from wherever: ten, and one more every five minutes (RFC 4226 §7.3). At that pace a code is
 * guessed once in three years. Whoever else has the password can hold its owner up by it, and is told of in the log.
 */
const WRONG: Allowance = Object.freeze({ name: 'codes', intervalMs: 5 * 60_000, burst: 10 })

/** What is counted of codes that count for nobody, so that the time taken does not tell whether the password was right. */
const FREE: Allowance = Object.freeze({ name: 'no codes', intervalMs: 1, burst: 10_000 })

/** Checks codes, whoever's they are: a name without a second factor, or of nobody, costs what any other costs. */
export function createCodes(ports: Pick<Ports, 'now' | 'random' | 'log'>, sessions: CodeSessions): Codes {
  let decoy: string | null = null

  return {
    async refusalOf({ name: provider, users }, { name, code }, isPasswordRight) {
      // Loaded with what makes the codes, which most gates never check.
      const { CODE_LIFETIME_MS, makeTotpSecret, totpStep } = await import('../../identity/passwords/totp.ts')
      const secret = users?.totp.get(name)
      decoy ??= makeTotpSecret(ports.random)
      const step = totpStep(secret ?? decoy, code, ports.now())
      const counts = isPasswordRight && secret !== undefined
      // An empty field guesses nothing.
      if (code === '') return counts ? 'no code' : null
      if (!counts) {
        await sessions.spend(FREE, decoy)
        return null
      }
      // Any code counts until it is known to be right, so that none of many at once goes uncounted.
      if (!(await sessions.spend(WRONG, secret)).isAllowed) return 'too many wrong codes'
      if (step === null) return 'a wrong code'
      await giveBack(ports, sessions, { allowance: WRONG, whose: secret })
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
