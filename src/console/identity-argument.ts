/** An identity from a command line: `sub=ada,groups=family`. */

import type { Config } from '../config/resolve/config.ts'
import { type Identity, makeIdentity } from '../identity/identity.ts'
import { userNameOf } from '../identity/passwords/users.ts'

/** Claims that are lists, however many entries are given. */
const LISTS = new Set(['groups', 'amr'])

/**
 * `sub=ada,groups=a,b` as an identity; a part without `=` continues the list before it. Where it names no provider, it is the first of
 * this portal; without a portal, the first of the file.
 */
export function identityFrom(text: string, config: Config, portal: string | null = null): Identity {
  const claims = new Map<string, string[]>()
  let last: string[] = []
  for (const part of text.split(',')) {
    const equals = part.indexOf('=')
    if (equals === -1) {
      last.push(part.trim())
      continue
    }
    last = [part.slice(equals + 1).trim()]
    claims.set(part.slice(0, equals).trim(), last)
  }
  const provider = claims.get('provider')?.[0] ?? firstProvider(config, portal)
  claims.delete('provider')
  const subject = claims.get('sub')?.[0] ?? 'someone'
  const verified: Record<string, unknown> = {}
  for (const [name, values] of claims) {
    verified[name] = LISTS.has(name) || values.length > 1 ? values : plainValue(name, values[0] ?? '')
  }
  const known = config.providers.get(provider)
  const identity = makeIdentity(provider, known?.issuer ?? '', subject, verified)
  // Roles were granted to the user whom the file has now, by the id.
  const userId = known?.users?.entries.get(userNameOf(subject) ?? '')?.id ?? null
  return userId === null ? identity : Object.freeze({ ...identity, userId })
}

/** Where somebody signed in who comes to this portal, as far as nobody says it; empty where there is no provider. */
export function firstProvider({ portals, providers }: Config, portal: string | null): string {
  const [first] = portals.get(portal ?? '')?.providers ?? providers.keys()
  return first ?? ''
}

function plainValue(name: string, text: string): unknown {
  if (name === 'auth_time' && /^\d+$/.test(text)) return Number(text)
  return text === 'true' ? true : text === 'false' ? false : text
}
