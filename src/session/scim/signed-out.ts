/** Logouts at a provider that overtake a sign-in which is still on its way. */

import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { Identity } from '../../identity/identity.ts'
import type { Sessions } from '../session.ts'

/** For so long after it was given a code may come: as long as one may last (RFC 6749 §4.1.2), and what clocks and our own questions take. */
const CODE_MS = 12 * 60_000

/** Whom a provider signs out, as its logout token says. */
type Named = Pick<Parameters<Sessions['endFor']>[0], 'issuer' | 'providers' | 'subject' | 'sid'>

/** Whom providers have signed out so lately that they may be on their way here all the same. Throws `session.store`. */
export interface SignedOut {
  note(named: Named, saidAtS: number): Promise<void>
  /** Throws `sign_in.state` for whom their provider has signed out since they showed it who they are. */
  check(identity: Identity, shownAtS: number): Promise<void>
}

/**
 * The provider's logouts, kept as one-time records. Of two about the same session the later one counts, in any order.
 */
export function createSignedOut(once: Pick<Sessions, 'putOneTime' | 'peekOnce'>, ports: Pick<Ports, 'now'>): SignedOut {
  async function lastWord(issuer: string, provider: string, name: Readonly<Record<string, string>>) {
    const kept = await once.peekOnce('signed-out', keyOf(issuer, provider, name))
    return typeof kept === 'object' && kept !== null ? (kept as Partial<Word>) : {}
  }

  return {
    async note({ issuer, providers, subject, sid }, saidAtS) {
      const lifetimeMs = saidAtS * 1000 + CODE_MS - ports.now()
      const name = sid !== null ? { sid } : subject !== null ? { subject } : null
      if (name === null || lifetimeMs <= 0) return
      const word: Word = { saidAtS, subject }
      for (const provider of providers) {
        const options = { lifetimeMs, owner: issuer, isLatest: true }
        await once.putOneTime('signed-out', keyOf(issuer, provider, name), word, options)
      }
    },
    async check({ issuer, provider, subject, claims: { sid } }, shownAtS) {
      const words = [
        await lastWord(issuer, provider, { subject }),
        ...(typeof sid === 'string' ? [await lastWord(issuer, provider, { sid })] : []),
      ]
      for (const word of words) {
        const isTheirs = (word.subject ?? subject) === subject
        if (typeof word.saidAtS !== 'number' || !isTheirs || shownAtS > word.saidAtS) continue
        throw new GateError(
          'sign_in.state',
          `${provider} has signed this person out since they showed it who they are`,
          {
            facts: { check: 'signed_out', provider, user: subject },
            hint: 'let them sign in again, at the provider too',
          },
        )
      }
    },
  }
}

interface Word {
  readonly saidAtS: number
  /** Whose session it was; null where that was not said. */
  readonly subject: string | null
}

function keyOf(issuer: string, provider: string, name: Readonly<Record<string, string>>): string {
  return JSON.stringify([issuer, provider, name])
}
