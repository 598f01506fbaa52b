/** Codes of a second factor, and recovery codes in their place: checked and counted. */

import type { Ports } from '../../base/ports.ts'
import { type Accounts, recoveryHash } from '../../session/accounts/accounts.ts'
import type { RateLimitBucket, Sessions } from '../../session/session.ts'
import { giveBack } from './password-guesses.ts'
import type { UserInForce } from './users-in-force.ts'

/** What came of a code: why it is refused, or null. `recoveryLeft`: it was a recovery code, of which so many are left. */
export interface CodeOutcome {
  readonly refusal: string | null
  readonly recoveryLeft: number | null
}

export interface Codes {
  /**
   * A code of a user whose password was right. A code of the second factor is accepted once, by all workers and
   * machines, and so is each recovery code. Throws `session.store`.
   */
  check(user: UserInForce, code: string): Promise<CodeOutcome>
  /** The same for a second factor that is about to be kept. */
  checkFactor(of: OwnedFactor, code: string): Promise<CodeOutcome>
}

interface OwnedFactor {
  readonly provider: string
  readonly name: string
  readonly secret: string
}

/** What of Sessions is needed: all workers and machines share it. */
export type CodeSessions = Pick<Sessions, 'putOneTime' | 'spend' | 'refund'> & {
  readonly accounts: Pick<Accounts, 'note'>
}

/**
 * Wrong codes with the right password, from any address: ten, and one more every five minutes (RFC 4226 §7.3). At that
 * pace a code is guessed once in three years. An attacker who has the password can hold up its owner this way, and the
 * log shows it.
 */
const WRONG: RateLimitBucket = Object.freeze({ name: 'codes', intervalMs: 5 * 60_000, burst: 10 })

/** As recovery codes are written, with or without what stands between their groups; no code of a second factor is so long. */
const RECOVERY = /^[a-z0-9]{16}$/

/** Checks codes, which only who gave the right password is asked for. */
export function createCodes(ports: Pick<Ports, 'now' | 'log'>, sessions: CodeSessions): Codes {
  /** Any code counts until it is known to be right, so that none of many at once goes uncounted. */
  async function counted(whose: string, check: () => Promise<CodeOutcome>): Promise<CodeOutcome> {
    if (!(await sessions.spend(WRONG, whose)).isAllowed) return refused('too many wrong codes')
    const outcome = await check()
    if (outcome.refusal !== WRONG_CODE) await giveBack(ports, sessions, { bucket: WRONG, whose })
    return outcome
  }

  async function checkFactor({ provider, name, secret }: OwnedFactor, code: string): Promise<CodeOutcome> {
    // An empty field guesses nothing.
    if (code === '') return refused('no code')
    // Loaded with what makes the codes, which most gates never check.
    const { CODE_LIFETIME_MS, totpStep } = await import('../../identity/passwords/totp.ts')
    return counted(secret, async () => {
      const step = totpStep(secret, code, ports.now())
      if (step === null) return refused(WRONG_CODE)
      const options = { lifetimeMs: CODE_LIFETIME_MS, owner: `${provider} ${name}` }
      const isFirst = await sessions.putOneTime('totp', `${secret} ${step}`, {}, options)
      return isFirst ? RIGHT : refused('a code that was used')
    })
  }

  return {
    async check({ person, factor }, code) {
      if (factor === null) return refused('no second factor')
      if (!RECOVERY.test(bare(code))) return checkFactor({ ...person, secret: factor }, code)
      return counted(factor, async () => {
        const hash = recoveryHash(person, code)
        const after = await sessions.accounts.note(person, account =>
          account.recovery.includes(hash)
            ? {
                ...account,
                recovery: account.recovery.filter(one => one !== hash),
                notices: [...account.notices, { what: 'recovery', atMs: ports.now() }],
              }
            : undefined,
        )
        return after === null ? refused(WRONG_CODE) : { refusal: null, recoveryLeft: after.recovery.length }
      })
    },
    checkFactor,
  }
}

const WRONG_CODE = 'a wrong code'

const RIGHT: CodeOutcome = { refusal: null, recoveryLeft: null }

function refused(refusal: string): CodeOutcome {
  return { refusal, recoveryLeft: null }
}

function bare(code: string): string {
  return code.toLowerCase().replaceAll(/[\s-]/g, '')
}
