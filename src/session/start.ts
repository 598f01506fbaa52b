/** Starts sessions: a new row at a sign-in, or the browser’s own one again. */

import { randomToken, sha256 } from '../base/bytes.ts'
import { GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { AccountGround, Identity } from '../identity/identity.ts'
import type { OwnerBoundTokens } from './credentials/owner-bound-tokens.ts'
import { ownerIdOf } from './credentials/owners.ts'
import { keptOf } from './device-binding.ts'
import { expiryOf, lifetimesAt } from './lifetimes.ts'
import type { SessionMemory } from './memory.ts'
import type { Members } from './provider-trust.ts'
import { guarded, openSecrets, parseSession, sidOf, storedIdentity } from './rows.ts'
import { inactive } from './scim/inactive.ts'
import type { SignedOut } from './scim/signed-out.ts'
import type { Sealer } from './seal.ts'
import type { Brought, SessionSecrets, Sessions, SignIn } from './session.ts'
import { asShown, canGoOnBy, isShownLater, shownBy, trustOf, withShown } from './sign-in-claims.ts'
import type { ReplacedHandle, SessionStore, StoredSession } from './store.ts'
import { isDisconnected, isRefusedWrite } from './store-trouble.ts'

export interface StartTools {
  readonly store: Pick<SessionStore, 'insert' | 'signInAgain' | 'addHandle' | 'findById' | 'lease' | 'release' | 'fits'>
  readonly once: Pick<Sessions, 'putOneTime' | 'peekOnce'>
  readonly sealer: Sealer
  readonly ports: Pick<Ports, 'now' | 'random'>
  readonly memory: SessionMemory
  readonly ownerBound: Pick<OwnerBoundTokens, 'noteOwner'>
  /** Whether the provider says, by the store, that someone is not active. */
  isBarredNow(identity: Identity): Promise<boolean>
  /** Whether somebody may have a session, by what the store has of groups and roles. */
  isMemberNow(signIn: Pick<SignIn, 'portal' | 'identity'>): Promise<boolean>
  readonly signedOut: SignedOut
  /** Whether nothing that ends sign-ins has changed in the account that a sign-in stands on. */
  isCurrent(ground: AccountGround): Promise<boolean>
  /**
   * Whether a session should have ended but could not: it ends later, and a sign-in that continues it would end, too.
   */
  isOwed(sessionId: string): boolean
  /** Ends a session here and everywhere; throws where the store keeps it: then its end is owed. */
  end(sessionId: string): Promise<void>
  /** Ends one whose tokens another session has by now; where the store keeps it, its end is owed. */
  endMoved(sessionId: string): Promise<void>
}

/** How long a cookie still counts after a later sign-in, and how long sign-ins of one browser count as being at once. */
const TABS_MS = 30_000
/** So many sign-ins of one session may come between, and then something is wrong. */
const TRIES = 20

/** For this long no other process uses tokens that move from one row to the next. */
const TAKEN_MS = 10_000

interface TakenTokens {
  readonly secrets: SessionSecrets
  readonly release: (ofMs: number) => Promise<void>
}

type Started = Awaited<ReturnType<Sessions['start']>>

/** How sessions begin, go on by a later sign-in, and come to further hosts. */
export function createStart(tools: StartTools): Pick<Sessions, 'start' | 'join'> {
  const { store, once, ports, memory, ownerBound, isMemberNow, isOwed, end, endMoved } = tools

  const refuse = (signIn: SignIn) => refuseChanged(signIn, tools)

  /**
   * Throws for who is no member. That is their provider's newest word about them: what they had here by an earlier one is over, in this browser,
   * and their tokens and links rest.
   */
  async function refuseOutsider(signIn: SignIn): Promise<never> {
    const { portal, identity, brought = null } = signIn
    // Where the store keeps it, its end is owed.
    if (brought !== null && canGoOnBy(brought.session, signIn)) await end(brought.session.id).catch(() => undefined)
    await ownerBound.noteOwner(signIn, 'refused')
    throw outsider(portal, identity, memory.cameWith(signIn))
  }

  /** Between the look before and what was written, others may have ended all that they found of this person. */
  async function refuseAgain({ id }: StoredSession, signIn: SignIn): Promise<void> {
    try {
      await refuse(signIn)
    } catch (thrown) {
      // The client's answer does not depend on it: where the store does not remove it, it ends later.
      await end(id).catch(() => undefined)
      throw thrown
    }
  }

  async function admit(row: StoredSession, host: string, token: string, shown?: string): Promise<Started> {
    const held = memory.hold(row)
    if (held === null) throw new TypeError('a session that was just made is one of ours')
    const untilMs = Number.POSITIVE_INFINITY
    memory.cache.add({ token, host, held, untilMs, shown, as: null, movedAtMs: row.createdAtMs })
    const { session } = held
    await ownerBound.noteOwner(session, 'good', true)
    return { session: shown === undefined ? session : asShown(session, shown, false), token }
  }

  async function begin(signIn: SignIn): Promise<Started> {
    const { row, token } = await insertNew(signIn, tools)
    await refuseAgain(row, signIn)
    return admit(row, signIn.host, token)
  }

  /**
   * Continues the session with this id by a later sign-in of its user, with a new cookie. Null where it is gone,
   * belongs to another user, or depends on another password.
   *
   * The browser's present cookie counts a little longer, for requests under way. It and the cookies of other hosts
   * mean only what the user had shown before, so a stolen one gains nothing from the later sign-in.
   */
  async function goOn(id: string, signIn: SignIn): Promise<Started | null> {
    const { host, identity, brought = null } = signIn
    for (let tries = 0; tries < TRIES; tries++) {
      const row = memory.ending.has(id) || isOwed(id) ? null : await guarded(() => store.findById(id))
      const known = row === null ? null : parseSession(row)
      if (row === null || known === null || !canGoOnBy(known, signIn)) return null
      const { token, hash } = cookieOf(id, tools)
      // Each sign-in of a session has a different time, which identifies it.
      const nowMs = Math.max(ports.now(), row.createdAtMs + 1)
      const own = isBroughtLater(signIn) ? withShown(identity, brought?.session.identity.claims ?? {}) : identity
      const isLater = isShownLater(known.identity.claims, identity.claims)
      const kept = isLater ? await takeTokens(row, tools) : null
      const shownLater = isLater ? withShown(identity, known.identity.claims) : identity
      const later = kept === null ? shownLater : withSid(shownLater, known.identity)
      const made = await rowOf(
        id,
        { ...signIn, identity: later, secrets: kept?.secrets ?? signIn.secrets },
        nowMs,
        tools,
      )
      const next = row.bound === undefined ? made : { ...made, bound: row.bound }
      const { expiresAtMs } = next
      const [shown, most] = [own, later].map(one => shownBy({ createdAtMs: nowMs, expiresAtMs, identity: one }))
      const isAll = shown === most
      const handle = { hash, sessionId: id, host, ...(isAll ? {} : { shown }) }
      const { createdAtMs } = row
      const replaced = replacedBy(brought, id, nowMs)
      const before = { createdAtMs, shown: shownBy(known), nowMs, replaced, ownSid: sidOf(identity) }
      const isTaken = await guarded(() => store.signInAgain(next, handle, before))
      await kept?.release(isTaken ? nowMs : createdAtMs)
      if (!isTaken) continue
      await refuseAgain(next, signIn)
      // The row was read before: it may have been bound since, which the store keeps.
      const bound = next.bound ?? keptOf(memory.cache.held(id)?.session.bound)
      memory.takeOver(next)
      return admit({ ...next, bound }, host, token, isAll ? undefined : shown)
    }
    throw new GateError('session.store', 'others signed in again and again in the same session', { retryAfterS: 5 })
  }

  return {
    async start(signIn) {
      const { portal, identity, brought = null, browser = null } = signIn
      if (!memory.limits.providerTrust.counts({ portal, identity })) {
        throw new GateError('sign_in.state', `the provider ${identity.provider} was taken from the portal meanwhile`)
      }
      if (!(await isMemberNow(signIn))) await refuseOutsider(signIn)
      await refuse(signIn)
      const key = browser === null ? null : JSON.stringify([ownerIdOf(signIn), trustOf(identity), browser])
      const here = async () => {
        const begun = await begunBy(key, tools)
        return begun === signIn.unproven ? null : begun
      }
      const id = brought !== null && canGoOnBy(brought.session, signIn) ? brought.session.id : await here()
      const same = id === null ? null : await goOn(id, signIn)
      if (same !== null) return same
      const begun = await begin(signIn)
      const sessionId = begun.session.id
      const isFirst =
        key === null ||
        (await once.putOneTime('signed-in', key, { sessionId }, { lifetimeMs: TABS_MS, owner: sessionId }))
      const first = isFirst ? null : await here()
      const other = first === null ? null : await goOn(first, signIn)
      if (other === null) return begun
      // Two tabs at once: this one has not answered its browser yet.
      await endMoved(sessionId)
      return other
    },
    async join(sessionId, host, shown, brought = null) {
      for (let tries = 0; tries < TRIES; tries++) {
        const before = await shownNow(sessionId, tools)
        if (before === null) return null
        const { token, hash } = cookieOf(sessionId, tools)
        const handle = { hash, sessionId, host, ...(before === shown ? {} : { shown }) }
        const replaced = replacedBy(brought, sessionId, ports.now())
        if (!(await guarded(() => store.addHandle(handle, replaced)))) return null
        if (replaced !== null) memory.readCookiesAgain(sessionId)
        // A later sign-in in between did not know this cookie, which no browser has yet.
        if ((await shownNow(sessionId, tools)) === before) return token
      }
      return null
    },
  }
}

/**
 * Throws for whom their provider bars, or has signed out since they showed it who they are, and for a user of a file
 * whose account has changed since, by the store.
 */
async function refuseChanged(
  { identity, shownAtS = null }: SignIn,
  { isBarredNow, isCurrent, signedOut }: StartTools,
): Promise<void> {
  if (identity.account !== undefined && !(await isCurrent(identity.account))) {
    throw new GateError('access.password', 'the user’s account was changed while this sign-in was under way', {
      facts: { user: identity.subject },
    })
  }
  if (await isBarredNow(identity)) throw inactive(identity)
  if (shownAtS !== null) await signedOut.check(identity, shownAtS)
}

/**
 * Puts a new session into the store. Of a store that is divided among servers one may be away, or full: then the session
 * gets another id, by which it belongs to another. Nothing of the one before was sent, or kept.
 */
async function insertNew(
  signIn: SignIn,
  tools: StartTools,
): Promise<{ readonly row: StoredSession; readonly token: string }> {
  const { store, ports } = tools
  for (let tries = 1; ; tries++) {
    const row = await rowOf(randomToken(ports.random), signIn, ports.now(), tools)
    const { token, hash } = cookieOf(row.id, tools)
    try {
      await guarded(() => store.insert(row, { hash, sessionId: row.id, host: signIn.host }))
      return { row, token }
    } catch (error) {
      const cause = error instanceof GateError ? error.cause : null
      const isKeptElsewhere = store.fits !== undefined && (isDisconnected(cause) || isRefusedWrite(cause))
      if (!isKeptElsewhere || tries === MOST_PLACES) throw error
    }
  }
}

/** Where one server of three is away, a place at another is found but once in ten thousand times. */
const MOST_PLACES = 9

/** The value of a new cookie, and its hash, which its store can keep for this session. */
function cookieOf(sessionId: string, { store, ports }: StartTools): { readonly token: string; readonly hash: string } {
  for (let draws = 0; draws < MOST_DRAWS; draws++) {
    const token = randomToken(ports.random)
    const hash = sha256(token)
    if (store.fits === undefined || store.fits(hash, sessionId)) return { token, hash }
  }
  throw new TypeError('no cookie fits its session: its values are not random')
}

/** One in sixteen fits, in a cluster. */
const MOST_DRAWS = 5_000

/** The row of a sign-in, regardless of the row's previous user. */
async function rowOf(
  id: string,
  signIn: SignIn,
  nowMs: number,
  { memory, sealer }: StartTools,
): Promise<StoredSession> {
  const { portal, identity, secrets, isRemembered = false, agent = '', client = '' } = signIn
  const expiresAtMs = expiryOf(lifetimesAt(memory.limits, portal), isRemembered, nowMs)
  return {
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
}

/**
 * The tokens of an earlier sign-in of a session, for the next row. No other process uses them until they are
 * released with the time of their new sign-in. Null where they cannot be read, or a refresh with them is under way:
 * its answer has the next refresh token, and these are used up.
 */
async function takeTokens(
  { id, createdAtMs }: StoredSession,
  { store, sealer, ports }: StartTools,
): Promise<TakenTokens | null> {
  const nowMs = ports.now()
  const untilMs = nowMs + TAKEN_MS
  const lease = await guarded(() => store.lease(id, nowMs, untilMs))
  if (lease === null) return null
  // A process that asked before may have used up one without reporting the result.
  const release = async (ofMs: number) => guarded(() => store.release(id, untilMs, lease === 'left' ? ofMs : null))
  // Only now: what was read before may be used up since.
  const row = await guarded(() => store.findById(id))
  const secrets = row?.createdAtMs === createdAtMs ? await openSecrets(row, sealer) : null
  if (secrets !== null) return { secrets, release }
  await release(createdAtMs)
  return null
}

/** The session that this browser has just begun elsewhere, or this very moment at another worker; null: none. */
async function begunBy(key: string | null, { once }: StartTools): Promise<string | null> {
  const kept = key === null ? null : await once.peekOnce('signed-in', key)
  const id: unknown = typeof kept === 'object' && kept !== null ? Reflect.get(kept, 'sessionId') : null
  return typeof id === 'string' ? id : null
}

/** What somebody has shown by now whose session this is; null: it is gone. */
async function shownNow(sessionId: string, { store }: StartTools): Promise<string | null> {
  const row = await guarded(() => store.findById(sessionId))
  const session = row === null ? null : parseSession(row)
  return session === null ? null : shownBy(session)
}

/** The cookie that a new one takes the place of, where it is of the same session. */
function replacedBy(brought: Brought | null, sessionId: string, nowMs: number): ReplacedHandle | null {
  if (brought === null || brought.session.id !== sessionId) return null
  return { hash: sha256(brought.token), shown: shownBy(brought.session), nowMs, lastsMs: TABS_MS }
}

/**
 * Whether the session of the browser's cookie shows a later `auth_time` than this sign-in: then the new cookie gets
 * that.
 */
function isBroughtLater({ brought = null, identity }: SignIn): boolean {
  return brought !== null && isShownLater(brought.session.identity.claims, identity.claims)
}

/** The provider's session goes with what was shown in it, and with its tokens. */
function withSid(identity: Identity, { claims: { sid } }: Identity): Identity {
  return { ...identity, claims: { ...identity.claims, sid } }
}

/** A user whom the provider knows but who is not a member: the log gets their groups, and the page their account. */
function outsider(portal: string, identity: Identity, came: ReturnType<Members['cameWith']>): GateError {
  const { provider, subject, name, preferredUsername, email } = identity
  const account = email ?? preferredUsername ?? name ?? subject
  return new GateError('sign_in.member', 'members of the portal does not match this user', {
    facts: { provider, user: subject, account, ...came.facts },
    hint: came.hint ?? `to allow the user, add them to members of [portals.${portal}]`,
  })
}
