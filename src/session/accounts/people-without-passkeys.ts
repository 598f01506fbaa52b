/** Users whom a new file costs a passkey or a sign-in, by what the store has. The file itself cannot say it. */

import { nextTurn } from '../../base/event-loop.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { peopleOf } from '../../identity/passwords/users.ts'
import type { Accounts } from './accounts.ts'

/** Users of one provider, by their names. */
export interface PasskeyFinding {
  readonly provider: string
  /**
   * `none`: they have no passkey, and the provider takes no passwords. `moved`: theirs are for `host`, where no portal of theirs is.
   * `gone`: no portal has the provider any more, so that their passkeys, own passwords and second factors end.
   */
  readonly kind: 'none' | 'moved' | 'gone'
  readonly host: string | null
  readonly names: readonly string[]
}

type Files = Pick<Config, 'portals' | 'providers'>

/** The providers that portals of a file have, by name. */
function inUse({ portals, providers }: Files): ReadonlyMap<string, ProviderConfig> {
  const used = new Set([...portals.values()].flatMap(portal => portal.providers))
  return new Map([...providers].filter(([name]) => used.has(name)))
}

async function findGone(
  inForce: Files,
  next: ReadonlyMap<string, ProviderConfig>,
  accounts: Pick<Accounts, 'of'>,
): Promise<PasskeyFinding[]> {
  const found: PasskeyFinding[] = []
  for (const [provider, before] of inUse(inForce)) {
    if (next.has(provider)) continue
    const names: string[] = []
    for (const [at, person] of peopleOf(before).entries()) {
      if (at % AT_ONCE === AT_ONCE - 1) await nextTurn()
      const { passkeys, password, factor } = await accounts.of(person)
      if (passkeys.length > 0 || password !== null || factor !== null) names.push(person.name)
    }
    if (names.length > 0) found.push({ provider, kind: 'gone', host: null, names })
  }
  return found
}

/** How many are read before others have their turn. */
const AT_ONCE = 100

/** Finds users whom a file leaves without a passkey that they need, or without what they have by the file `inForce`. Throws `session.store`. */
export async function checkPasskeys(
  { portals, providers }: Files,
  accounts: Pick<Accounts, 'of'>,
  inForce: Files | null = null,
): Promise<readonly PasskeyFinding[]> {
  const found = inForce === null ? [] : await findGone(inForce, inUse({ portals, providers }), accounts)
  for (const provider of providers.values()) {
    const own = [...portals.values()].filter(portal => portal.providers.includes(provider.name))
    const hosts = new Set(own.flatMap(({ rpId }) => rpId ?? []))
    const none: string[] = []
    const moved = new Map<string, string[]>()
    for (const [at, person] of peopleOf(provider).entries()) {
      if (at % AT_ONCE === AT_ONCE - 1) await nextTurn()
      const { passkeys } = await accounts.of(person)
      if (passkeys.some(({ rpId }) => hosts.has(rpId))) continue
      const [first] = passkeys
      if (first !== undefined) moved.set(first.rpId, [...(moved.get(first.rpId) ?? []), person.name])
      else if (!provider.takesPasswords) none.push(person.name)
    }
    const { name } = provider
    if (none.length > 0) found.push({ provider: name, kind: 'none', host: null, names: none })
    for (const [host, names] of moved) found.push({ provider: name, kind: 'moved', host, names })
  }
  return found
}

/** So many are named. */
const NAMED = 20

/** A finding in words, and what to do. */
export function sayPasskeys({ provider, kind, host, names }: PasskeyFinding): {
  readonly message: string
  readonly hint: string
} {
  const rest = names.length - NAMED
  const whose = names.slice(0, NAMED).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
  const many = names.length === 1 ? '1 user' : `${names.length} users`
  const hint = 'invite them: sallyport user invite NAME, or the page of users'
  if (kind === 'gone') {
    return {
      message: `no portal has the provider ${provider} any more: passkeys, own passwords and second factors of ${many} end, for good: ${whose}`,
      hint: `keep ${provider} among the providers of a portal for as long as they may come back`,
    }
  }
  return kind === 'none'
    ? { message: `${many} of ${provider} cannot sign in before they have a passkey: ${whose}`, hint }
    : {
        message: `the passkeys of ${many} of ${provider} are for ${host}, where no portal of theirs is: ${whose}`,
        hint: `a passkey cannot be moved to another host: keep the url of the portal at ${host}, or ${hint}`,
      }
}
