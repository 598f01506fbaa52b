/** The file of users for a gate without a provider, with its first user. */

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { bad, good } from '../../config/text/diagnostic.ts'
import { userNameFault } from '../../config/values/users-file.ts'
import { hashPassword } from '../../identity/passwords/password.ts'
import { makePassword, sayPasswordFault } from '../user/password.ts'
import { addTable, makeUserId } from '../user/tables.ts'
import type { Question } from './ask.ts'
import type { FrontFile } from './proxy-in-front.ts'
import type { AnswerQuestion, Init } from './usage.ts'

/** The file of people where there is no provider, as the new file names it. */
export const USERS_FILE = 'users.toml'

export interface FirstUser {
  readonly name: string
  readonly password: string
  /** Made here, so that it has to be shown. */
  readonly isMade: boolean
}

const NAME: Question = {
  flag: '--user',
  prompt: 'The name by which you will sign in',
  fallback: null,
  parse(text) {
    const fault = userNameFault(text)
    return fault === null ? good(text) : bad('text.empty', `the name ${fault}`, '')
  },
}

const PASSWORD: Question = {
  flag: '--user',
  prompt: 'A password for it',
  fallback: null,
  isSecret: true,
  parse(text) {
    const fault = sayPasswordFault(text)
    return fault === null ? good(text) : bad('text.empty', `the password is not taken: ${fault}`, '')
  },
}

/**
 * The first user of a users file: by flag with a generated password, otherwise by question. Null without a terminal,
 * and where there is such a file already.
 */
export async function findFirstUser(init: Init, answer: AnswerQuestion): Promise<FirstUser | null> {
  const { flags, ports, hasTerminal, out } = init
  if (flags.user !== undefined) {
    const name = await answer(NAME, flags.user)
    return { name, password: makePassword(ports.random), isMade: true }
  }
  if (!hasTerminal || flags.yes === true || existsSync(join(dirname(out), USERS_FILE))) return null
  const name = await answer(NAME, undefined)
  for (;;) {
    const password = await answer(PASSWORD, undefined)
    const again = await answer({ ...PASSWORD, prompt: 'Once more' }, undefined)
    if (password === again) return { name, password, isMade: false }
    init.io.stderr('  they differ\n')
  }
}

/** The users file, readable only by its owner; none without a first user. */
export async function peopleFiles(
  { ports }: Pick<Init, 'ports'>,
  first: FirstUser | null,
): Promise<readonly FrontFile[]> {
  if (first === null) return []
  const fields = { id: makeUserId(ports), hash: await hashPassword(first.password), created: new Date(ports.now()) }
  return [{ name: USERS_FILE, text: addTable(USERS_FILE, '', first.name, fields) }]
}
