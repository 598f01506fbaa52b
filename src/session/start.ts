import { randomToken, sha256 } from '../base/bytes.ts'
import { GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { Identity } from '../identity/identity.ts'
import type { Followers } from './credentials/followers.ts'
import { expiryOf, lifetimesAt } from './life.ts'
import type { SessionMemory } from './memory.ts'
import type { SignedOut } from './pushed/signed-out.ts'
import { guarded, storedIdentity } from './rows.ts'
import type { Sealer } from './seal.ts'
import type { Sessions } from './session.ts'
import type { SessionStore, StoredSession } from './store.ts'

export interface StartTools {
  readonly store: Pick<SessionStore, 'insert' | 'addHandle' | 'remove'>
  readonly sealer: Sealer
  readonly ports: Pick<Ports, 'now' | 'random'>
  readonly memory: SessionMemory
  readonly followers: Pick<Followers, 'noteOwner'>
  /** Whether the provider says, by the store, that someone is not active. */
  isBarredNow(identity: Identity): Promise<boolean>
  readonly signedOut: SignedOut
}

/** How sessions begin, and come to further hosts. */
export function createStart({
  store,
  sealer,
  ports,
  memory,
  followers,
  isBarredNow,
  signedOut,
}: StartTools): Pick<Sessions, 'start' | 'join'> {
  /** Throws for whom their provider bars, or has signed out since they showed it who they are, by the store. */
  async function refuse(identity: Identity, shownAtS: number | null): Promise<void> {
    if (await isBarredNow(identity)) throw inactive(identity)
    if (shownAtS !== null) await signedOut.check(identity, shownAtS)
  }

  return {
    async start({ portal, host, identity, secrets, shownAtS = null, isRemembered = false, agent = '', client = '' }) {
      if (!memory.limits.vouchers.counts({ portal, identity })) {
        throw new GateError('sign_in.state', `the provider ${identity.provider} was taken from the portal meanwhile`)
      }
      await refuse(identity, shownAtS)
      const nowMs = ports.now()
      const token = randomToken(ports.random)
      const id = randomToken(ports.random)
      const expiresAtMs = expiryOf(lifetimesAt(memory.limits, portal), isRemembered, nowMs)
      const row: StoredSession = {
        id,
        portal,
        issuer: identity.issuer,
        subject: identity.subject,
        ...(await storedIdentity({ id, expiresAtMs }, identity, secrets, sealer)),
        agent,
        client,
        isRemembered,
        createdAtMs: nowMs,
        expiresAtMs,
        lastSeenMs: nowMs,
        checkedAtMs: nowMs,
      }
      await guarded(() => store.insert(row, { hash: sha256(token), sessionId: id, host }))
      // Between the look before and this, others may have ended all that they found of this person.
      try {
        await refuse(identity, shownAtS)
      } catch (thrown) {
        await guarded(() => store.remove(id))
        throw thrown
      }
      const held = memory.hold(row)
      if (held === null) throw new TypeError('a session that was just made is one of ours')
      memory.cache.add({ token, host, held, movedAtMs: nowMs })
      await followers.noteOwner(held.session, 'good', true)
      return { session: held.session, token }
    },
    async join(sessionId, host) {
      const token = randomToken(ports.random)
      return (await guarded(() => store.addHandle({ hash: sha256(token), sessionId, host }))) ? token : null
    },
  }
}

function inactive({ provider, subject }: Identity): GateError {
  return new GateError('provider.inactive', `${provider} says by SCIM that this person is not active`, {
    facts: { provider, user: subject },
    hint: 'activate them at the provider, and let it push that; without scim for the provider, what it has pushed counts for nothing',
  })
}
