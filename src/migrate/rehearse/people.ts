/** Who the users of a log are: from a file with their claims, or by what the log says alone. */

import { isJsonObject } from '../../base/json.ts'
import type { Config } from '../../config/resolve/config.ts'
import { firstProvider, identityFrom } from '../../console/identity-argument.ts'
import { type Identity, makeIdentity } from '../../identity/identity.ts'
import { type Known, sketchOf } from '../../policy/partial-identity.ts'

/** Who they are whom a log names, as far as somebody said it: as they come to a portal, or where there is none. */
export type People = ReadonlyMap<string, (portal: string | null) => Identity>

/** What somebody said of people, or what is wrong with it. */
export type ReadPeople = { readonly ok: true; readonly people: People } | { readonly ok: false; readonly why: string }

/**
 * People from `NAME=claims` on the command line, claims as `explain --as` takes them, and from the text of a JSON file: an object
 * of objects of claims, by the names in the log.
 */
export function readPeople(given: readonly string[], text: string | null, config: Config): ReadPeople {
  const people = new Map<string, (portal: string | null) => Identity>()
  if (text !== null) {
    const table = parseTable(text)
    if (table === null) return refuse('--people takes a JSON object: names of the log, each with an object of claims')
    for (const [name, claims] of Object.entries(table)) {
      if (!isJsonObject(claims)) return refuse(`--people: what is said of "${name}" is no object of claims`)
      people.set(
        name,
        atEach(portal => fromClaims(claims, config, portal)),
      )
    }
  }
  for (const one of given) {
    const [, name = '', claims = ''] = /^([^=]+)=(.+)$/.exec(one) ?? []
    if (!claims.includes('=')) return refuse('--as takes NAME=claims, such as ada@example.com=sub=ada,groups=staff,ops')
    people.set(
      name,
      atEach(portal => identityFrom(claims, config, portal)),
    )
  }
  return { ok: true, people }
}

function refuse(why: string): ReadPeople {
  return { ok: false, why }
}

/** Makes somebody once for each portal. */
function atEach(make: (portal: string | null) => Identity): (portal: string | null) => Identity {
  const made = new Map<string | null, Identity>()
  return portal => {
    const identity = made.get(portal) ?? make(portal)
    made.set(portal, identity)
    return identity
  }
}

function fromClaims(claims: Readonly<Record<string, unknown>>, config: Config, portal: string | null): Identity {
  const { provider: named, ...verified } = claims
  const provider = typeof named === 'string' ? named : firstProvider(config, portal)
  const subject = typeof verified.sub === 'string' && verified.sub !== '' ? verified.sub : 'someone'
  return makeIdentity(provider, config.providers.get(provider)?.issuer ?? '', subject, verified)
}

function parseTable(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const parsed: unknown = JSON.parse(text)
    return isJsonObject(parsed) ? parsed : null
  } catch {
    return null
  }
}

/** Somebody of whom a log has only a name: as it is, and as it would be if the provider answered for their address. */
export interface Sketches {
  readonly now: Identity
  readonly verified: Identity
}

/** Logs have fewer people than this at a time. */
const MOST_KEPT = 2000

/**
 * Makes somebody of a name in a log, and keeps them: an address where it looks like one, else nothing is known. `provider` is the
 * only one that can have sent them; empty where there are several.
 */
export function createSketches(): (user: string, provider: string) => Sketches {
  const kept = new Map<string, Sketches>()
  return (user, provider) => {
    const key = `${provider}\n${user}`
    const before = kept.get(key)
    if (before !== undefined) return before
    const known: Known = { provider, subject: '', email: user.includes('@') ? user : null, isEmailVerified: null }
    const made = { now: sketchOf(known), verified: sketchOf({ ...known, isEmailVerified: true }) }
    if (kept.size >= MOST_KEPT) kept.clear()
    kept.set(key, made)
    return made
  }
}
