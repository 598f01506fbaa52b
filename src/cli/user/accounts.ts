/** What users of a file have set on "Your account", for `sallyport user list` and `user reset`. */

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { count } from '../../config/render-diagnostics.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { Users } from '../../config/values/users-file.ts'
import { EXIT, failWith } from '../../console/args.ts'
import type { Io } from '../../console/io.ts'
import { type FilePerson, personOf, userSubject } from '../../identity/passwords/users.ts'
import { type Account, EMPTY } from '../../session/accounts/account.ts'
import { type StorePorts, withSessions } from '../with-sessions.ts'

/** Whose account to reset. */
export interface ResetWish {
  readonly name: string
  /** The provider, where several have the name; null: the only one. */
  readonly provider: string | null
  /** Whether API tokens and guest links end, too. */
  readonly endsTokens: boolean
  readonly config: string
}

/** Which users to look up, and by which routes.toml; null: the one here, if there is one. */
export interface SetWish {
  readonly entries: Users
  readonly config: string | null
}

/** What users of a file have set, by their names, in a few words; null where that is not known, and the reason is written. */
export async function setByUsers(
  { entries, config: named }: SetWish,
  io: Io,
  ports: StorePorts,
): Promise<ReadonlyMap<string, string> | null> {
  const file = named ?? 'routes.toml'
  if (named === null && !existsSync(resolve(io.cwd, file))) {
    io.stderr('What users have set themselves is not shown: there is no routes.toml here. --config FILE names one.\n')
    return null
  }
  const found = new Map<string, string>()
  const code = await withSessions(file, io, ports, async (config, sessions) => {
    for (const [name, { mark }] of entries) {
      const people = peopleNamed(config, name).filter(
        ({ provider }) => provider.users?.entries.get(name)?.mark === mark,
      )
      for (const { person } of people) {
        const text = sayAccount(await sessions.accounts.of(person))
        if (text !== '') found.set(name, text)
      }
    }
    return EXIT.ok
  })
  return code === EXIT.ok ? found : null
}

function sayAccount({ password, factor, recovery, passkeys }: Account): string {
  return [
    ...(password === null ? [] : ['password']),
    ...(factor === null ? [] : ['second factor']),
    ...(recovery.length === 0 ? [] : [count(recovery.length, 'recovery code')]),
    ...(passkeys.length === 0 ? [] : [count(passkeys.length, 'passkey')]),
  ].join(', ')
}

/** Drops all that a user has set, and ends the user's sessions; answers the exit code. */
export function runReset(
  { name, provider: wanted, endsTokens, config: file }: ResetWish,
  io: Io,
  ports: StorePorts,
): Promise<number> {
  return withSessions(file, io, ports, async (config, sessions, { audit }) => {
    if (wanted !== null && !config.providers.has(wanted)) return failWith(io, `the file has no provider ${wanted}`)
    const all = peopleNamed(config, name).filter(({ provider }) => wanted === null || provider.name === wanted)
    const [only, ...others] = all
    if (only === undefined) return failWith(io, `no users file of a provider has ${name}`)
    if (others.length > 0) {
      const names = all.map(({ provider }) => provider.name)
      return failWith(io, `${name} is in the files of several providers: say --provider ${names.join(' or ')}`)
    }
    const { provider, person } = only
    const entry = provider.users?.entries.get(name)
    const subject = userSubject(name)
    const id = entry?.id == null ? {} : { userId: entry.id }
    const had = sayAccount(await readable(() => sessions.accounts.of(person)))
    // Sessions end before, too: where the store fails at that, nothing has changed.
    const end = () => sessions.endOthers({ issuer: provider.issuer, subject, ...id }, { keep: null, endsTokens })
    const before = await end()
    const isDropped = await sessions.accounts.drop(person)
    // A newer invitation ends one that may be in other hands. Nobody is told this one.
    await sessions.invitations.make(person, { portal: '', by: '' })
    const after = await end()
    const ended = before.sessions + after.sessions
    const facts = { user: subject, name, provider: provider.name, by: 'operator', number: ended }
    await audit.keep('account.reset', { ...facts, ...(had === '' ? {} : { reason: had }) })
    io.stdout(
      `${isDropped ? `Removed what ${name} had set${had === '' ? '' : ` (${had})`}` : `${name} had set nothing`}; ${count(ended, 'session')} ended.\n`,
    )
    if (!endsTokens) io.stderr(`API tokens and guest links of ${name} go on: --end-tokens ends them, too.\n`)
    return EXIT.ok
  })
}

/** An account that cannot be read is dropped all the same. */
async function readable(read: () => Promise<Account>): Promise<Account> {
  try {
    return await read()
  } catch {
    return EMPTY
  }
}

interface Named {
  readonly provider: ProviderConfig
  readonly person: FilePerson
}

function peopleNamed({ providers }: Pick<Config, 'providers'>, name: string): readonly Named[] {
  return [...providers.values()].flatMap(provider => {
    const person = personOf(provider, name)
    return person === null ? [] : [{ provider, person }]
  })
}
