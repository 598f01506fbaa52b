/** One password against one hash, as a counted guess that tells nobody whether there is such a name. */

import { createHmac } from 'node:crypto'
import { type Facts, GateError } from '../../base/errors.ts'
import type { Users } from '../../config/values/users-file.ts'
import { verifyPassword } from '../../identity/passwords/password.ts'
import type { Guesses } from './password-guesses.ts'

/** What somebody says who they are. */
export interface Given {
  readonly name: string
  readonly password: string
}

/** Where somebody says so. */
export interface PasswordSource {
  readonly client: string
  /** The portal or the provider that has the file. */
  readonly where: string
  readonly browser: string | null
}

/**
 * Whether a password is the one of this hash; null: nobody has the name. Throws `access.password`, `limit.rate` and
 * `session.store`.
 *
 * `isAll`: nothing else has to follow, so that the user is known where they are from now on.
 */
export type Verify = (
  given: Given,
  own: string | null,
  entries: Users,
  source: PasswordSource,
  isAll?: boolean,
) => Promise<void>

/** `key` decides which hash stands in for that of an unknown name. */
export function createVerify(guesses: Guesses, key: Uint8Array): Verify {
  /** The hash of another user: always the same one for a name, so that the time reveals nothing. */
  function decoy(name: string, entries: Users): string | undefined {
    const hashes = Array.from(entries.values(), ({ hash }) => hash)
    const at = createHmac('sha256', key).update(`decoy\0${name}`).digest().readUInt32BE(0)
    return hashes[at % Math.max(1, hashes.length)]
  }

  return async ({ name, password }, own, entries, { client, where, browser }, isAll = true) => {
    const hash = own ?? decoy(name, entries)
    if (hash === undefined) throw refusal('this portal has no passwords')
    // An unknown name may be a password in the wrong field.
    const user = own === null ? null : name
    const guess = await guesses.begin({ client, who: `${where} ${name}`, user, browser })
    let isRight: boolean
    try {
      isRight = (await verifyPassword(password, hash)) && own !== null
      if (isRight) await guess.takeBack(isAll)
    } finally {
      guess.leave()
    }
    if (!isRight) throw refusal('the name or the password is wrong', user === null ? {} : { user })
  }
}

/** What is wrong, for the log: whoever asks hears the same of each mistake. */
export function refusal(why: string, facts: Facts = {}): GateError {
  return new GateError('access.password', why, { facts })
}
