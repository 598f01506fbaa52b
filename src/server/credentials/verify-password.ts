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

/** What a password is held against. */
export interface Held {
  /** Undefined: nobody has a password. */
  readonly hash: string | undefined
  /** Whether it is that of the name; else the password is wrong, whatever it is. */
  readonly isOwn: boolean
}

/**
 * Whether a password is the one of this hash. Throws `access.password`, `limit.rate` and `session.store`.
 *
 * `isAll`: nothing else has to follow, so that the user is known where they are from now on.
 */
export type Verify = (given: Given, held: Held, source: PasswordSource, isAll?: boolean) => Promise<void>

/** Whose hash a password is held against: the name itself, or for an unknown one that of a user; undefined where there is none. */
export type StandIn = (name: string, entries: Users) => string | undefined

/**
 * Another user for an unknown name: always the same one, so that the time reveals nothing. The hash is theirs as it is in
 * force, read where theirs is read: what users set themselves may take another time than what is in the file. `key`
 * decides who it is.
 */
export function createStandIn(key: Uint8Array): StandIn {
  return (name, entries) => {
    if (entries.has(name)) return name
    const at = createHmac('sha256', key).update(`decoy\0${name}`).digest().readUInt32BE(0)
    return [...entries.keys()][at % Math.max(1, entries.size)]
  }
}

export function createVerify(guesses: Guesses): Verify {
  return async ({ name, password }, { hash, isOwn }, { client, where, browser }, isAll = true) => {
    if (hash === undefined) throw refusal('this portal has no passwords')
    // An unknown name may be a password in the wrong field.
    const user = isOwn ? name : null
    const guess = await guesses.begin({ client, who: `${where} ${name}`, user, browser })
    let isRight: boolean
    try {
      isRight = (await verifyPassword(password, hash)) && isOwn
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
