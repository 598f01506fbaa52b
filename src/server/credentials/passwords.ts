/** Names with passwords, and codes of a second factor: checked, counted and remembered. */

import { createHmac } from 'node:crypto'
import { type Facts, GateError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import type { PortalConfig } from '../../config/resolve/portals.ts'
import type { ProviderConfig, UsersConfig } from '../../config/resolve/providers.ts'
import type { UserEntry, Users } from '../../config/values/users-file.ts'
import type { Identity } from '../../identity/identity.ts'
import { parseBasic, passwordIdentity, verifyPassword } from '../../identity/passwords/password.ts'
import { passwordUsers, userIdentity } from '../../identity/passwords/users.ts'
import { passwordSession } from '../../session/credentials/credential-sessions.ts'
import type { RateLimitBucket, Session, Sessions } from '../../session/session.ts'
import { createGuesses, type GuessSessions, giveBack } from './guesses.ts'

/** People and programs that come with a name and a password of a portal's htpasswd file. */
export interface Passwords {
  /**
   * The user of an Authorization field at a portal; null where it is not Basic. Throws `access.password` for a name
   * and password that are not in the file, and `limit.rate` after too many of those from an address, or for one name.
   */
  find(authorization: string, portal: PortalConfig, client: string): MaybePromise<Session> | null
  /**
   * The user of a name and a password at a provider that is a users file; null for a user with a second factor, whose
   * code has to follow. Throws like `find`, with the same error for each mistake, and `session.store`. `browser`
   * identifies a browser in which this user has signed in before; null where there is none.
   */
  findUser(provider: ProviderConfig, given: Given, client: string, browser: string | null): Promise<Identity | null>
  /**
   * The user of a name and a code, once `findUser` has found the password right. Wrong codes count with wrong
   * passwords. Throws like `findUser`.
   */
  checkCode(provider: ProviderConfig, given: GivenCode, client: string, browser: string | null): Promise<Identity>
  /** Whether what a session stands on is still in the file; null for a session of another kind. */
  judge(session: Session): boolean | null
}

export interface PasswordTools {
  readonly ports: Pick<Ports, 'now' | 'random' | 'log'>
  readonly sessions: CodeSessions & GuessSessions
  /** The portal of this name in the current file. */
  portal(name: string): PortalConfig | undefined
  /** As for `createGuesses`. */
  readonly askAgainMs?: number | undefined
}

/** What somebody says who they are. */
interface Given {
  readonly name: string
  readonly password: string
}

/** Where somebody says so. */
interface PasswordSource {
  readonly client: string
  /** The portal or the provider that has the file. */
  readonly where: string
  readonly browser: string | null
}

/** What a session stands on. */
interface Ground {
  readonly name: string
  readonly entry: UserEntry
  readonly groups: readonly string[]
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
 * unchanged. An unknown name costs as much as one known name, always the same.
 *
 * Where wrong passwords cannot be counted, none is tried: uncounted guesses would be open to anyone. Remembered ones
 * still count.
 */
export function createPasswords({ ports, sessions, portal: portalOf, askAgainMs }: PasswordTools): Passwords {
  const key = ports.random(32)
  const remembered = new Map<string, Known>()
  const underWay = new Map<string, Promise<Session>>()
  const grounds = new WeakMap<Session, Ground>()
  const guesses = createGuesses(ports, sessions, askAgainMs)
  const codes = createCodes(ports, sessions)

  function find(authorization: string, portal: PortalConfig, client: string): MaybePromise<Session> | null {
    const given = parseBasic(authorization)
    if (given === null) return null
    if (given === 'malformed') throw refusal('the credentials cannot be read')
    const id = digest(`${portal.name}\0${given.name}\0${given.password}`)
    const before = remembered.get(id)
    if (before !== undefined) {
      if (ports.now() < before.untilMs && stands(before, portal)) return before.session
      remembered.delete(id)
    }
    const running = underWay.get(id)
    if (running !== undefined) return running
    const flight = check(given, portal, client, id).finally(() => underWay.delete(id))
    underWay.set(id, flight)
    return flight
  }

  async function check(given: Given, portal: PortalConfig, client: string, id: string): Promise<Session> {
    const place = { client, where: `portal ${portal.name}`, browser: null }
    const users = passwordUsers(portal)
    const entry = await verify(given, users.entries, place)
    return remember(id, { name: given.name, entry, groups: users.groups }, users, portal.name)
  }

  /**
   * The user with this password. Throws `access.password`, `limit.rate` and `session.store`.
   *
   * `isAll`: nothing else has to follow, so that the user is known where they are from now on.
   */
  async function verify(
    { name, password }: Given,
    entries: Users,
    { client, where, browser }: PasswordSource,
    isAll = true,
  ): Promise<UserEntry> {
    const known = entries.get(name)
    const hash = known?.hash ?? decoy(name, entries)
    if (hash === undefined) throw refusal('this portal has no passwords')
    const user = known === undefined ? null : name
    const guess = await guesses.begin({ client, who: `${where} ${name}`, user, browser })
    let isRight: boolean
    try {
      isRight = (await verifyPassword(password, hash)) && known !== undefined
      if (isRight) await guess.takeBack(isAll)
    } finally {
      guess.leave()
    }
    // An unknown name may be a password in the wrong field.
    if (!isRight || known === undefined)
      throw refusal('the name or the password is wrong', known === undefined ? {} : { user: name })
    return known
  }

  /** The identity of a user whose sign-in by the form is complete. */
  function complete(provider: ProviderConfig, name: string): Identity {
    const identity = userIdentity(provider, name, ports.now())
    if (identity === null) throw refusal('the name is not in the file')
    return identity
  }

  function remember(id: string, ground: Ground, users: UsersConfig, portal: string): Session {
    const nowMs = ports.now()
    const session = passwordSession(portal, passwordIdentity(users, ground.name, ground.entry), nowMs, ports.random)
    grounds.set(session, ground)
    if (remembered.size >= MOST_REMEMBERED) for (const oldest of remembered.keys()) if (remembered.delete(oldest)) break
    remembered.set(id, { ...ground, session, untilMs: nowMs + REMEMBERED_MS })
    return session
  }

  function digest(text: string): string {
    return createHmac('sha256', key).update(text).digest('base64url')
  }

  /** The hash of another user: always the same one for a name, so that the time reveals nothing. */
  function decoy(name: string, entries: Users): string | undefined {
    const hashes = Array.from(entries.values(), ({ hash }) => hash)
    const at = createHmac('sha256', key).update(`decoy\0${name}`).digest().readUInt32BE(0)
    return hashes[at % Math.max(1, hashes.length)]
  }

  return {
    find,
    async findUser(provider, given, client, browser) {
      const hasCode = provider.users?.totp.has(given.name) === true
      const place = { client, where: `provider ${provider.name}`, browser }
      await verify(given, provider.users?.entries ?? new Map(), place, !hasCode)
      return hasCode ? null : complete(provider, given.name)
    },
    async checkCode(provider, given, client, browser) {
      const { name } = given
      const guess = await guesses.begin({ client, who: `provider ${provider.name} ${name}`, user: name, browser })
      let reason: string | null
      try {
        reason = await codes.refusalOf(provider, given)
        if (reason === null) await guess.takeBack(true)
      } finally {
        guess.leave()
      }
      if (reason !== null) throw refusal('the code is wrong', { user: name, reason })
      return complete(provider, name)
    },
    judge(session) {
      const ground = grounds.get(session)
      if (ground === undefined) return null
      return ports.now() < session.expiresAtMs && stands(ground, portalOf(session.portal))
    },
  }
}

/** Whether the file still has what a session stands on. */
function stands({ name, entry, groups }: Ground, portal: PortalConfig | undefined): boolean {
  return (
    portal?.passwords?.get(name)?.mark === entry.mark &&
    portal.passwordGroups.length === groups.length &&
    groups.every((group, index) => group === portal.passwordGroups[index])
  )
}

function refusal(why: string, facts: Facts = {}): GateError {
  return new GateError('access.password', why, { facts })
}

/** The second factor of people of a file. */
interface Codes {
  /**
   * The error in this code of a user whose password was right; null where it is right. Throws `session.store`. A code
   * is accepted once, by all workers and machines.
   */
  refusalOf(provider: Pick<ProviderConfig, 'name' | 'users'>, given: GivenCode): Promise<string | null>
}

interface GivenCode {
  readonly name: string
  readonly code: string
}

/** What of Sessions is needed: all workers and machines share it. */
type CodeSessions = Pick<Sessions, 'putOneTime' | 'spend' | 'refund'>

/**
 * Wrong codes with the right password, from any address: ten, and one more every five minutes (RFC 4226 §7.3). At that
 * pace a code is guessed once in three years. An attacker who has the password can hold up its owner this way, and the
 * log shows it.
 */
const WRONG: RateLimitBucket = Object.freeze({ name: 'codes', intervalMs: 5 * 60_000, burst: 10 })

/** Checks codes, which only who gave the right password is asked for. */
export function createCodes(ports: Pick<Ports, 'now' | 'log'>, sessions: CodeSessions): Codes {
  return {
    async refusalOf({ name: provider, users }, { name, code }) {
      const secret = users?.totp.get(name)
      if (secret === undefined) return 'no second factor'
      // An empty field guesses nothing.
      if (code === '') return 'no code'
      // Loaded with what makes the codes, which most gates never check.
      const { CODE_LIFETIME_MS, totpStep } = await import('../../identity/passwords/totp.ts')
      // Any code counts until it is known to be right, so that none of many at once goes uncounted.
      if (!(await sessions.spend(WRONG, secret)).isAllowed) return 'too many wrong codes'
      const step = totpStep(secret, code, ports.now())
      if (step === null) return 'a wrong code'
      await giveBack(ports, sessions, { bucket: WRONG, whose: secret })
      const isFirst = await sessions.putOneTime(
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
