/** Opens sessions over a store: puts finding, starting, refreshing and ending together. */

import { NO_AUDIT, type OpenAudit } from '../audit/writer.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Ports } from '../base/ports.ts'
import { type Accounts, accountIdOf, createAccounts, type OwnAccounts } from './accounts/accounts.ts'
import { createEndOthers, type EndOthers } from './accounts/end-others.ts'
import { createInvitations, type Invitations } from './accounts/invitations.ts'
import { createPasskeys, type Passkeys } from './accounts/passkeys.ts'
import { BINDING_TIMES, type Bindings, type BindingTimes, createBindings } from './bound-sessions.ts'
import { createLackedRefresh, createSignInsSeen } from './client-notes.ts'
import { type ClockState, createClockWatch } from './clock-watch.ts'
import type { ApiTokens } from './credentials/api-tokens.ts'
import { isAccessId, isSignIn } from './credentials/credential-sessions.ts'
import type { GuestLinks } from './credentials/guest-links.ts'
import { createOwnerBoundTokens } from './credentials/owner-bound-tokens.ts'
import { ownerIdOf } from './credentials/owners.ts'
import { createDeferredEnds } from './deferred-ends.ts'
import { createEnds } from './end-sessions.ts'
import type { EndedMatch } from './ended.ts'
import { createFinder } from './find.ts'
import { type Gates, joinGates, type OwnGate, type RunFile, standAlone, watchGates } from './gates.ts'
import { createGrants, type Grants, keyOf, parseKey } from './grants/grants.ts'
import type { OfferedRoles } from './grants/offered.ts'
import { createLastUses } from './last-use.ts'
import { longestIdleMs, type SessionLimits } from './lifetimes.ts'
import { DEFAULT_TIMERS, type SessionTimers, startUpkeep } from './maintenance.ts'
import { createManagement } from './manage-sessions.ts'
import { createMemory } from './memory.ts'
import { createOnce } from './one-time.ts'
import { createProviderTokens, type ProviderTokens } from './provider-tokens.ts'
import { filesWithLess, type MembersAt, portalsWithOthers, withdrawnBetween } from './provider-trust.ts'
import { createRateLimits } from './rate-limits.ts'
import { type AskProvider, createRefreshes } from './refresh.ts'
import { createRevocations, type RevokeAtProvider } from './revoke-refresh-tokens.ts'
import { guarded } from './rows.ts'
import { createDirectories, type SessionDirectories } from './scim/directories.ts'
import { createScimDirectory } from './scim/scim-directory.ts'
import { createSignedOut } from './scim/signed-out.ts'
import type { Sealer } from './seal.ts'
import type { Session, Sessions } from './session.ts'
import { type ClientKeys, createClientKeys } from './signing/client-keys.ts'
import { createSigning, type Signing } from './signing/signing.ts'
import { createStart } from './start.ts'
import type { SessionStore } from './store.ts'
import { createTrustRevocation, type TrustRevocation } from './trust-revocation.ts'

/** Sessions together with what only their owner does: change limits, listen for ends and changes, close. */
export interface OpenSessions extends Sessions {
  /** Tokens of scripts and apps. To `end`, `onEnd` and `check` they are sessions. */
  readonly tokens: ApiTokens
  /** Guest links, of which the same holds: all guests of one are one session. */
  readonly links: GuestLinks
  /** What providers push of their people. */
  readonly directories: SessionDirectories
  /** What users of a file have set over their entries in it. */
  readonly accounts: Accounts & Pick<OwnAccounts, 'onChange'>
  /** Ends what else a user has, after a change of the account. */
  readonly endOthers: EndOthers
  /** Passkeys of users of a file, and the links by which they get one. */
  readonly passkeys: Passkeys
  readonly invitations: Invitations
  /** Sessions that are bound to a device. */
  readonly bindings: Bindings
  /** Roles that people ask for and are granted. */
  readonly grants: Grants
  /** Called once somebody's granted roles are others, here or in another process; their sessions and tokens have them by then. */
  onGrants(listener: () => void): void
  /** The session's user as of now, with the granted roles that count. */
  rejoined(session: Session): Session
  /** Whether this user may have a session at the portal; for a guest, whether the maker of the link may. */
  isMember(session: Pick<Session, 'portal' | 'identity' | 'maker'>): boolean
  /** The keys that sign assertions for applications. */
  readonly signing: Signing
  /** The keys by which our clients prove themselves to providers. */
  readonly clientKeys: ClientKeys
  /** Tokens of the provider, for applications that are to have them. */
  readonly providerTokens: ProviderTokens
  /** How many sign-ins are kept that have not come to their end. Throws `session.store`. */
  count(): MaybePromise<number>
  /** What is known of this machine's clock, by that of the store. */
  clock(): ClockState
  /** The memory that sessions take in front of the store, and may. */
  cacheSize(): { readonly bytes: number; readonly maxBytes: number }
  /** `fingerprint` is that of the file that says so, for other gates. */
  configure(limits: SessionLimits, fingerprint?: string): void
  /** The gates that share this store, with what each of them runs. */
  readonly gates: Pick<Gates, 'view' | 'look' | 'portals'>
  /** Ends at once, everywhere, the sessions of a provider, of which the file need not know. */
  endProvider: TrustRevocation['endProvider']
  /**
   * Ends what belongs to names that the files of users do not have, and what users set over other entries: they may have left while nothing ran. For a server that starts; a
   * command may be given another file. Never throws.
   */
  lookForLeftBehind(): Promise<void>
  /**
   * Takes over sessions that another worker could not end. So they end although that worker is gone, and no sign-in
   * continues them.
   */
  owe(ids: readonly string[]): void
  /** Called with what could not be ended here, since the store failed: it is tried again. */
  onOwed(listener: (ids: readonly string[]) => void): void
  /** Called with the id of every session that ends, here or in another process. */
  onEnd(listener: (sessionId: string) => void): void
  /** Called where any session may have ended without anybody having heard of it: what is under way has to be looked at. */
  onLookAgain(listener: () => void): void
  /** Called with the id of every owner of whom something else is true, as was heard here or in another process. */
  onOwner(listener: (ownerId: string) => void): void
  /** Called where providers say something else of people, here or in another process: whom they bar, and their groups. */
  onStanding(listener: () => void): void
  /** Called with the new value of every session whose person the provider now describes otherwise. */
  onChange(listener: (session: Session) => void): void
  /**
   * Whether a session may go on though nothing is requested of it, as for a stream that stays open: asks its provider when
   * that is due, and counts as use.
   */
  check(session: Session): Promise<boolean>
  /** The session of a token or guest link as of now; null where it is not valid any more, and for everything else. */
  follower(id: string): Promise<Session | null>
  /**
   * Waits for requests to providers that are under way, for at most this long (absent: not at all), writes what is
   * pending and closes the store.
   */
  close(waitMs?: number): Promise<void>
}

export interface SessionOptions {
  readonly store: SessionStore
  readonly sealer: Sealer
  readonly limits: SessionLimits
  readonly ports: Pick<Ports, 'now' | 'tick' | 'random' | 'log'>
  /** Records sessions that expire; maintained and closed with the sessions. Absent: none is recorded. */
  readonly audit?: OpenAudit
  /** How to ask a provider about a session again; absent: never. */
  readonly ask?: AskProvider
  /** How to revoke a refresh token that is not needed any more; absent: none is revoked. */
  readonly revoke?: RevokeAtProvider
  readonly timers?: Partial<SessionTimers> | undefined
  /** How long a proven device counts as such; sensible times when absent. */
  readonly bindingTimes?: BindingTimes
  /** Who this gate is to others of the same store, and which file it runs; absent: no gate, as a command is none. */
  readonly gate?: { readonly own: OwnGate; readonly fingerprint: string; readonly isAlone?: boolean }
}

const NOTHING_OFFERED: OfferedRoles = new Map()
const EVERYBODY: MembersAt = new Map()

/**
 * Sessions over a store: the LRU, the rules of lifetime, refreshes, hashing, sealing and the translation of the
 * store's errors. Pairs with `close`.
 *
 * Each use checks the current lifetimes, which costs comparisons of numbers.
 */
export function openSessions(options: SessionOptions): OpenSessions {
  const { store, ports, audit = NO_AUDIT } = options
  const core = openCore(options)
  const judging = openJudging(options, core, async () => guarded(upkeep.hearOthers))
  const clock = createClockWatch(store, ports)
  // A store that cannot be asked yet is asked again, before anything is removed.
  void clock.look().catch(() => undefined)
  const lookers: (() => void)[] = []
  const lookAgain = () => {
    for (const look of lookers) look()
  }
  const { forget, endUnstored } = core.ends
  const tools = { ...core, ...options, audit, clock, directories: judging.directories, forget, endUnstored, lookAgain }
  const upkeep = startUpkeep(tools, { ...DEFAULT_TIMERS, ...options.timers })

  return {
    ...callsOf(options, core, judging),
    ...listenersOf(core, judging, lookers),
    clock: () => clock.state,
    async close(waitMs = 0) {
      const untilMs = performance.now() + waitMs
      // While the store can still be written: otherwise the result is lost. Tokens without a session are revoked, so
      // this waits for revocations last.
      await judging.refreshes?.close(waitMs)
      await core.revocations?.close(Math.max(0, untilMs - performance.now()))
      judging.trustRevocation.close()
      core.deferredEnds.close()
      await core.gates.close()
      await core.ends.close()
      await upkeep.close()
      await audit.close()
      await store.close()
    },
  }
}

/** What is kept in memory and in the store, and how it ends. */
function openCore(options: SessionOptions) {
  const { store, sealer, ports } = options
  const uses = createLastUses(store)
  const scimDirectory = createScimDirectory()
  const grants = createGrants(store, ports, options.limits.offeredRoles ?? NOTHING_OFFERED)
  const memory = createMemory({
    limits: options.limits,
    isAsking: options.ask !== undefined,
    scimDirectory,
    onEvict: uses.noteLeaving,
    log: ports.log,
    join: grants.join,
    doubt: () => store.doubt?.(),
  })
  const ownerBound = createOwnerBoundTokens({
    store,
    sealer,
    ports,
    maxBytes: () => memory.limits.cacheBytes / 4,
    restMs: portal => memory.limits.tokenRests?.get(portal) ?? Number.POSITIVE_INFINITY,
    trustedIdentity: memory.trustedIdentity,
  })
  const revocations = options.revoke === undefined ? null : createRevocations(sealer, ports, options.revoke)
  const ends = createEnds({ store, memory, uses, ownerBound, revocations, log: ports.log })
  uses.onGone(ends.forget)
  const gates = openGates(options)
  const deferredEnds = createDeferredEnds(gates, ports)
  gates.onHeard(() => void deferredEnds.tend())
  const accounts = createAccounts({ store, sealer, ports, deferredEnds, people: options.limits.people ?? [] })
  const signing = createSigning(store, sealer, ports)
  const once = createOnce(store, sealer, ports)
  runFile(options, gates, memory.limits, options.gate?.fingerprint)
  return {
    ...{ uses, scimDirectory, grants, memory, ownerBound, revocations, ends },
    ...{ gates, deferredEnds, accounts, signing, once },
  }
}

type Core = ReturnType<typeof openCore>

async function endEverywhere({ store }: SessionOptions, { ends }: Core, match: EndedMatch): Promise<number> {
  await guarded(() => store.tellEnded(match))
  return ends.endUnstored(match)
}

/** Who may have a session: by the file, by what providers say when they are asked and push, and by grants. */
function openJudging(options: SessionOptions, core: Core, hearOthers: () => Promise<void>) {
  const { store, sealer, ports, ask, audit = NO_AUDIT } = options
  const { uses, scimDirectory, grants, memory, ownerBound, revocations, ends, deferredEnds, once } = core
  const { forget, end, endBy, endCounted } = ends
  /** No user is signed out because of a group or role that another process learned a moment ago. */
  const isMemberNow = async (someone: Pick<Session, 'portal' | 'identity'>): Promise<boolean> => {
    if (memory.isMember(someone)) return true
    await hearOthers()
    await grants.hear()
    return memory.isMember(someone)
  }
  const { tokens, links, suspend, ownersAt } = ownerBound
  const trustRevocation = createTrustRevocation({
    ...{ store, ports, deferredEnds, audit, endBy, forget, isMemberNow, suspend, ownersAt, tokens, links, grants },
    end: endCounted,
    cameWith: memory.cameWith,
    revoke: ended => revocations?.revoke(ended),
    counts: someone => memory.limits.providerTrust.counts(someone) && memory.isMember(someone),
  })
  const refreshes =
    ask === undefined
      ? null
      : createRefreshes({
          ...{ store, sealer, ports, audit, ask, isMemberNow, forget, endBy },
          adopt: memory.adopt,
          endOutsider: trustRevocation.endOutsider,
          giveBack: (session, refreshToken) => revocations?.giveBack(session, refreshToken),
          note: ownerBound.noteOwner,
        })
  if (refreshes !== null) ends.onEnd(refreshes.drop)
  const signedOut = createSignedOut(once, ports)
  const management = createManagement({
    ...{ store, sealer, ports, end, signedOut },
    limits: () => memory.limits,
    trustedIdentity: memory.trustedIdentity,
    lastUseOf: id => Math.max(memory.cache.held(id)?.lastSeenMs ?? 0, uses.of(id)),
    endEverywhere: match => endEverywhere(options, core, match),
  })
  const directories = createDirectories({
    ...{ store, ports, audit, scimDirectory, memory, ownerBound, forget, hearOthers },
    endFor: management.endFor,
  })
  directories.configure(options.limits.directories ?? [])
  const state = { isConfiguring: false }
  /**
   * Users who are not members any more because of pushed groups or grants. `trustRevocation` handles changes of the file.
   */
  const endOutsiders = () => {
    if (state.isConfiguring) return
    for (const session of memory.outsiders()) void trustRevocation.endOutsider(session, 'file')
  }
  directories.onStanding(endOutsiders)
  const grantListeners: (() => void)[] = []
  grants.onChange(changed => {
    memory.rejoin(session => changed.includes(keyOf(session.portal, session.identity)))
    for (const key of changed) ownerBound.forgetOwner(ownerIdOf(parseKey(key)))
    endOutsiders()
    for (const listener of grantListeners) listener()
  })
  return { isMemberNow, refreshes, trustRevocation, signedOut, management, directories, grantListeners, state }
}

type Judging = ReturnType<typeof openJudging>

/** What callers may ask for and do. */
function callsOf(options: SessionOptions, core: Core, judging: Judging) {
  const { store, sealer, ports, audit = NO_AUDIT } = options
  const { uses, scimDirectory, grants, memory, ownerBound, ends, gates, accounts, signing, once } = core
  const { isMemberNow, refreshes, trustRevocation, signedOut, management, directories } = judging
  const { tokens, links } = ownerBound
  const { end, endMoved, isOwed } = ends
  const finder = createFinder({ store, ports, memory, uses, refreshes })
  const files = () => memory.limits.providerTrust.files
  const everywhere = (match: EndedMatch) => endEverywhere(options, core, match)
  const endOthers = createEndOthers({ store, tokens, links, end, endEverywhere: everywhere, files })
  const times = options.bindingTimes ?? BINDING_TIMES
  const { describe } = management
  const { isBarredNow } = directories
  const { isCurrent } = accounts

  return {
    ...{ end, endEverywhere: everywhere, tokens, links, accounts, endOthers, grants, signing, directories, gates },
    find: finder.find,
    findAnywhere: finder.findAnywhere,
    renew: finder.renew,
    async endCookies() {
      await guarded(() => store.endCookies())
      memory.forgetAll()
    },
    passkeys: createPasskeys({ accounts, once, endOthers, ports, audit }),
    invitations: createInvitations(once, accounts, ports),
    bindings: createBindings({ store, once, sealer, ports, memory, times, describe }),
    rejoined(session: Session) {
      if (!isSignIn(session) && session.follows === undefined) return session
      const identity = grants.join(session.portal, session.identity)
      return identity === session.identity ? session : Object.freeze({ ...session, identity })
    },
    isMember: ({ portal, identity, maker }: Parameters<OpenSessions['isMember']>[0]) =>
      memory.isMember({ portal, identity }) && (maker === undefined || memory.isMember({ portal, identity: maker })),
    clientKeys: createClientKeys(store, sealer, ports),
    providerTokens: createProviderTokens({ store, sealer, ports, cache: memory.cache, refreshes }),
    ...createStart({
      ...{ store, once, sealer, ports, memory, ownerBound, isBarredNow, isMemberNow, signedOut, isCurrent },
      ...{ isOwed, end, endMoved },
    }),
    ...once,
    ...createLackedRefresh(store),
    ...createSignInsSeen(store, ports),
    ...createRateLimits(store, ports),
    ...management,
    cacheSize: () => ({ bytes: memory.cache.bytes, maxBytes: memory.cache.maxBytes }),
    count: () => guarded(() => store.countSessions(ports.now())),
    countAt: (portal: string) => guarded(() => store.countSessions(ports.now(), portal)),
    follower: ownerBound.current,
    async check({ id, expiresAtMs, identity }: Session) {
      if (isAccessId(id)) return ports.now() < expiresAtMs && !scimDirectory.isBarred(identity)
      return ownerBound.has(id) ? (await ownerBound.current(id)) !== null : finder.isGood(id)
    },
    async lookForLeftBehind() {
      await accounts.sweep()
      await trustRevocation.sweep(files())
    },
    endProvider: trustRevocation.endProvider,
    owe: ends.owe,
    configure: (limits: SessionLimits, fingerprint?: string) =>
      configure(options, core, judging, { limits, fingerprint }),
  }
}

/** What callers may listen for. */
function listenersOf(
  { memory, ownerBound, ends }: Core,
  { directories, grantListeners }: Judging,
  lookers: (() => void)[],
) {
  return {
    onGrants(listener: () => void) {
      grantListeners.push(listener)
    },
    onOwed(listener: (ids: readonly string[]) => void) {
      ends.onOwing(ids => {
        if (ids.length > 0) listener(ids)
      })
    },
    onEnd: ends.onEnd,
    onLookAgain(listener: () => void) {
      lookers.push(listener)
    },
    onOwner: ownerBound.onOwner,
    onStanding: directories.onStanding,
    onChange: memory.onChange,
  }
}

/** Everybody is judged by another file from now on; who does not count any more is ended. */
function configure(
  options: SessionOptions,
  { memory, gates, grants, ends, ownerBound, accounts }: Core,
  { directories, trustRevocation, state }: Judging,
  { limits, fingerprint }: { readonly limits: SessionLimits; readonly fingerprint: string | undefined },
): void {
  state.isConfiguring = true
  directories.configure(limits.directories ?? [])
  const { providerTrust, members = EVERYBODY } = memory.limits
  const withdrawn = withdrawnBetween(providerTrust, limits.providerTrust)
  const others = portalsWithOthers(members, limits.members ?? EVERYBODY)
  const less = filesWithLess(providerTrust.files, limits.providerTrust.files)
  trustRevocation.hurry(filesWithLess(limits.providerTrust.files, providerTrust.files))
  memory.configure(limits)
  runFile(options, gates, limits, fingerprint)
  grants.configure(limits.offeredRoles ?? NOTHING_OFFERED)
  state.isConfiguring = false
  // Streams of these sessions end. For requests the new limits already refuse them.
  for (const id of memory.unvouched()) ends.forget(id)
  ownerBound.forgetAll()
  void trustRevocation.run({
    portals: [...new Set([...withdrawn.portals, ...others])],
    includes: someone => withdrawn.includes(someone) || others.includes(someone.portal),
  })
  void trustRevocation.sweep(less)
  void accounts.configure(limits.people ?? [])
}

/** Says to other gates which file this one runs from now on. */
function runFile({ gate, sealer }: SessionOptions, gates: Gates, limits: SessionLimits, fingerprint?: string): void {
  if (fingerprint === undefined || gate === undefined) return
  // No other gate asks, and the key of a database that cannot be opened yet is not known.
  const alone = { file: fingerprint, trust: '', idleMs: 0, portals: [] }
  gates.run(gate.isAlone === true ? alone : runFileOf(limits, fingerprint, sealer))
}

/** What other gates see of a file: a fingerprint. It reveals nothing of the file, and is the same only with the same key. */
function runFileOf(limits: SessionLimits, fingerprint: string, sealer: Pick<Sealer, 'mark'>): RunFile {
  const { providerTrust, members = EVERYBODY, people = [] } = limits
  const files = providerTrust.files.map(({ names, ...file }) => ({ ...file, names: [...names].sort() }))
  const marks = [...members].map(([portal, one]) => [portal, one.mark])
  const entries = people.map(person => `${accountIdOf(person)} ${person.over}`).sort()
  const trust = JSON.stringify([[...providerTrust.keys].sort(), files, marks, entries])
  return {
    file: fileMark(fingerprint, sealer),
    trust: sealer.mark(trust, 'whom a gate lets in'),
    idleMs: longestIdleMs(limits),
    portals: [...(limits.portals?.keys() ?? [])],
  }
}

function fileMark(fingerprint: string, { mark }: Pick<Sealer, 'mark'>): string {
  return mark(fingerprint, 'the file of a gate')
}

function openGates({ store, sealer, ports, gate, timers }: SessionOptions): Gates {
  if (gate === undefined) return watchGates(store, ports, fingerprint => fileMark(fingerprint, sealer))
  return gate.isAlone === true ? standAlone(gate.own, ports) : joinGates(gate.own, store, ports, timers?.gatesMs)
}
