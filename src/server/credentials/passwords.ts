/** Names with passwords: checked, counted and remembered. */

import { createHmac } from 'node:crypto'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import type { PortalConfig } from '../../config/resolve/portals.ts'
import type { ProviderConfig, UsersConfig } from '../../config/resolve/providers.ts'
import type { UserEntry } from '../../config/values/users-file.ts'
import { parseBasic, passwordIdentity } from '../../identity/passwords/password.ts'
import { passwordUsers } from '../../identity/passwords/users.ts'
import { passwordSession } from '../../session/credentials/credential-sessions.ts'
import type { OpenSessions } from '../../session/open.ts'
import type { Session } from '../../session/session.ts'
import { createFormUsers, type FormUsers } from './form-users.ts'
import { createGuesses, type GuessSessions } from './password-guesses.ts'
import { type CodeSessions, createCodes } from './second-factor-codes.ts'
import { createUsersInForce } from './users-in-force.ts'
import { createStandIn, createVerify, type Given, refusal } from './verify-password.ts'

/** People and programs that come with a name and a password of a portal's htpasswd file. */
export interface Passwords extends FormUsers {
  /**
   * The user of an Authorization field at a portal; null where it is not Basic. Throws `access.password` for a name
   * and password that are not in the file, and `limit.rate` after too many of those from an address, or for one name.
   */
  find(authorization: string, portal: PortalConfig, client: string): MaybePromise<Session> | null
  /** Called where what people set has changed, of whom passwords are remembered: `judge` may say otherwise. */
  onChange(listener: () => void): void
  /** Whether what a session stands on is still in the file; null for a session of another kind. */
  judge(session: Session): boolean | null
}

export interface PasswordTools {
  readonly ports: Pick<Ports, 'now' | 'random' | 'log'>
  readonly sessions: CodeSessions & GuessSessions & Pick<OpenSessions, 'accounts'>
  /** The portal of this name in the current file. */
  portal(name: string): PortalConfig | undefined
  /** The providers of the current file. */
  providers(): Iterable<ProviderConfig>
  /** As for `createGuesses`. */
  readonly askAgainMs?: number | undefined
}

/** What a session stands on. */
interface Ground {
  readonly name: string
  readonly entry: UserEntry
  readonly groups: readonly string[]
  /** The accounts that lie over the entry, as far as they were known after so many changes. */
  readonly accounts: readonly string[]
  readonly changes: number
}

interface Known extends Ground {
  readonly session: Session
  readonly untilMs: number
}

/** How long a password that was right is not hashed again, and how many are remembered. */
const REMEMBERED_MS = 10 * 60_000
const MOST_REMEMBERED = 10_000

/**
 * Checks passwords, and remembers right ones for some minutes.
 *
 * It remembers keyed hashes, under a key of this process. A hash counts only while the user's entry in the file is
 * unchanged, and what the user has set over it. An unknown name costs as much as one known name, always the same.
 *
 * Where wrong passwords cannot be counted, none is tried: uncounted guesses would be open to anyone. Remembered ones
 * still count.
 */
export function createPasswords(tools: PasswordTools): Passwords {
  const { ports, sessions, portal: portalOf, askAgainMs } = tools
  const key = ports.random(32)
  const remembered = new Map<string, Known>()
  const underWay = new Map<string, Promise<Session>>()
  const grounds = new WeakMap<Session, Ground>()
  const guesses = createGuesses(ports, sessions, askAgainMs)
  const verify = createVerify(guesses)
  const standIn = createStandIn(key)
  const users = createUsersInForce(sessions.accounts)
  const changes = countChanges(sessions.accounts)

  function find(authorization: string, portal: PortalConfig, client: string): MaybePromise<Session> | null {
    const given = parseBasic(authorization)
    if (given === null) return null
    if (given === 'malformed') throw refusal('the credentials cannot be read')
    const id = digest(`${portal.name}\0${given.name}\0${given.password}`)
    const before = remembered.get(id)
    if (before !== undefined && ports.now() < before.untilMs && stands(before, portal, changes)) return before.session
    const running = underWay.get(id)
    if (running !== undefined) return running
    const flight = check(given, portal, client, id).finally(() => underWay.delete(id))
    underWay.set(id, flight)
    return flight
  }

  async function check(given: Given, portal: PortalConfig, client: string, id: string): Promise<Session> {
    const place = { client, where: `portal ${portal.name}`, browser: null }
    const { name } = given
    const { entries, groups } = passwordUsers(portal)
    const before = changes.count
    const entry = entries.get(name)
    const whose = standIn(name, entries)
    const held = whose === undefined ? undefined : entries.get(whose)
    const over =
      whose === undefined || held === undefined ? null : await users.overEntry(tools.providers(), whose, held)
    // Basic has no place for a code.
    const isOwn = entry !== undefined && over?.hasFactor !== true
    await verify(given, { hash: over?.hash ?? held?.hash, isOwn }, place)
    if (entry === undefined) throw refusal('the name is not in the file')
    const ground = { name, entry, groups, accounts: over?.accounts ?? [], changes: before }
    const now = portalOf(portal.name)
    if (stands(ground, now, changes)) return remember(id, ground, passwordUsers(portal), portal.name)
    // It has waited for its turn, up to half a minute: meanwhile the file, or the user, may have set another password.
    if (now === undefined) throw refusal('the portal left the file meanwhile')
    return check(given, now, client, id)
  }

  function remember(id: string, ground: Ground, users: UsersConfig, portal: string): Session {
    const nowMs = ports.now()
    const session = passwordSession(portal, passwordIdentity(users, ground.name, ground.entry), nowMs, ports.random)
    grounds.set(session, ground)
    changes.watch(ground)
    // Who renews goes to the end, and needs no room.
    remembered.delete(id)
    if (remembered.size >= MOST_REMEMBERED) for (const oldest of remembered.keys()) if (remembered.delete(oldest)) break
    remembered.set(id, { ...ground, session, untilMs: nowMs + REMEMBERED_MS })
    return session
  }

  function digest(text: string): string {
    return createHmac('sha256', key).update(text).digest('base64url')
  }

  return {
    find,
    ...createFormUsers({ ports, guesses, verify, standIn, users, codes: createCodes(ports, sessions) }),
    onChange: changes.onChange,
    judge(session) {
      const ground = grounds.get(session)
      if (ground === undefined) return null
      return ports.now() < session.expiresAtMs && stands(ground, portalOf(session.portal), changes)
    },
  }
}

/** Whether the file still has what a session stands on, and no account over it has changed since. */
function stands(ground: Ground, portal: PortalConfig | undefined, changes: Changes): boolean {
  const { name, entry, groups } = ground
  return (
    portal?.passwords?.get(name)?.mark === entry.mark &&
    portal.passwordGroups.length === groups.length &&
    groups.every((group, index) => group === portal.passwordGroups[index]) &&
    changes.isSame(ground)
  )
}

/** Which accounts have changed, by the number of the change. */
interface Changes {
  readonly count: number
  isSame(ground: Pick<Ground, 'accounts' | 'changes'>): boolean
  watch(ground: Pick<Ground, 'accounts'>): void
  /** Called once an account has changed that is watched. */
  onChange(listener: () => void): void
}

const MOST_CHANGED = 10_000

function countChanges(accounts: Pick<OpenSessions['accounts'], 'onChange'>): Changes {
  let count = 0
  /** Up to this one, any account may have changed. */
  let all = 0
  const changed = new Map<string, number>()
  const watched = new Set<string>()
  const listeners: (() => void)[] = []
  accounts.onChange(id => {
    count++
    if (id !== null && changed.size < MOST_CHANGED) changed.set(id, count)
    else {
      changed.clear()
      all = count
    }
    if (id === null ? watched.size > 0 : watched.has(id)) for (const listener of listeners) listener()
  })
  return {
    get count() {
      return count
    },
    isSame: ({ accounts: ids, changes }) =>
      ids.length === 0 || (all <= changes && ids.every(id => (changed.get(id) ?? 0) <= changes)),
    watch(ground) {
      for (const id of ground.accounts) watched.add(id)
    },
    onChange(listener) {
      listeners.push(listener)
    },
  }
}
