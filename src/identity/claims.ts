/** Reads an identity out of claims, by the names that the file gives them. */

import { GateError } from '../base/errors.ts'
import { isJsonObject } from '../base/json.ts'
import type { Ports } from '../base/ports.ts'
import type { ClaimNames } from '../config/keys/oauth2.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import { type Bounds, boundClaims, isOthers } from './claim-bounds.ts'
import { type Identity, makeIdentity, ofThePerson } from './identity.ts'
import { type Kept, keepClaims, LIMITS_HINT } from './kept-claims.ts'

/**
 * A claim by its name, which may lead into nested claims: `realm_access.roles` is `roles` in `realm_access`.
 *
 * A name that contains dots comes first, at each step the longest: it finds `https://example.com/groups` directly, and
 * `resource_access.my.client.roles` where the client is called `my.client`. Undefined: there is no such claim. Null
 * (unknown): the outer claim is not an object.
 */
export function findClaim(claims: unknown, name: string): unknown {
  if (!isJsonObject(claims)) return null
  if (Object.hasOwn(claims, name)) return claims[name]
  let found: unknown
  for (let dot = name.lastIndexOf('.'); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
    const outer = name.slice(0, dot)
    if (!Object.hasOwn(claims, outer)) continue
    const inner = findClaim(claims[outer], name.slice(dot + 1))
    if (inner !== undefined && inner !== null) return inner
    if (inner === null) found = null
  }
  return found
}

/** What a table of the file says of how a provider's claims are read. */
export type Naming = Pick<ProviderConfig, 'name' | 'claims' | 'groupsForm' | 'hasRoleGroups' | 'namedClaims'> & Bounds

/**
 * Claims under the names that rules and applications know, where a provider has others for them.
 *
 * A claim that is named is the only one that counts: what the provider calls by the known name is then something else, and gone.
 * `email_verified` is about the claim `email` (OpenID Connect Core 1.0 §5.1), and says nothing of an address in another, of which only
 * a claim speaks that is named as well.
 */
function renameClaims(claims: Readonly<Record<string, unknown>>, names: ClaimNames): Record<string, unknown> {
  const renamed: Record<string, unknown> = { ...claims }
  if (names.email !== null && names.email !== 'email') delete renamed.email_verified
  for (const [known, own] of Object.entries(names)) {
    if (own === null) continue
    const value = findClaim(claims, own)
    if (value === undefined) delete renamed[known]
    else renamed[known] = value
  }
  return renamed
}

/**
 * The groups as a list for rules, from the provider's form. An entry in another form than the file names is not a
 * group.
 *
 * Null where the provider keeps them elsewhere, as Microsoft Entra does for users with many groups. Then no rule, also
 * in `deny`, takes the user to have no groups. Source: OpenID Connect Core 1.0 §5.6.2 (distributed claims).
 */
function readGroups(
  claims: Readonly<Record<string, unknown>>,
  stated: unknown,
  { claims: names, groupsForm: form }: Naming,
): unknown {
  if (stated === undefined) {
    const elsewhere = claims._claim_names
    return isJsonObject(elsewhere) && Object.hasOwn(elsewhere, names.groups ?? 'groups') ? null : undefined
  }
  if (form.kind === 'keys' && isJsonObject(stated)) return Object.keys(stated)
  if (form.kind !== 'text' || typeof stated !== 'string') return stated
  return stated
    .split(form.separator)
    .map(group => group.trim())
    .filter(group => group !== '')
}

/**
 * The same with Keycloak's roles as groups: those of the realm, and those of each client. No group is believed that is called as if it
 * were a role: who may make groups there need not be who gives roles.
 */
function withRoles(groups: unknown, claims: Readonly<Record<string, unknown>>): unknown {
  if (groups !== undefined && !Array.isArray(groups)) return groups
  const rolesIn = (table: unknown): readonly string[] => {
    const stated = isJsonObject(table) ? table.roles : undefined
    return Array.isArray(stated) ? stated.filter(role => typeof role === 'string') : []
  }
  const clients = isJsonObject(claims.resource_access) ? Object.entries(claims.resource_access) : []
  return [
    ...(groups ?? []).filter(group => typeof group !== 'string' || !group.startsWith('role:')),
    ...rolesIn(claims.realm_access).map(role => `role:${role}`),
    ...clients.flatMap(([client, table]) => rolesIn(table).map(role => `role:${client}:${role}`)),
  ]
}

/**
 * Who someone is by what a provider states, in its own names. Throws `provider.userinfo` for more than can be kept, and
 * `provider.subject` for a subject that applications would take for another provider's.
 */
export type ReadIdentity = (issuer: string, subject: string, verified: Readonly<Record<string, unknown>>) => Identity

/** How one provider's claims are read. The log says which claims are left out, only by their names. */
export function createIdentityReader(naming: Naming, { log }: Pick<Ports, 'log'>): ReadIdentity {
  const told = new Set<string>()

  function tell({ unnamed, tooLarge }: Kept, subject: string): void {
    const news = told.size < MOST_TOLD ? unnamed.filter(name => !told.has(name)) : []
    for (const name of news) told.add(name)
    if (news.length > 0) {
      log.info('A provider states claims that nothing in the file names: they are not kept', {
        provider: naming.name,
        claims: news.map(shownName),
      })
    }
    if (tooLarge.length > 0) {
      log.warn('A provider states more claims than Sallyport keeps: rules by these claims do not match', {
        provider: naming.name,
        subject,
        claims: tooLarge.map(shownName),
        hint: LIMITS_HINT,
      })
    }
  }

  /** Names that a user has come with, or that were logged. */
  const known = new Set<string>()

  /** Once for each name that no user has come with so far: the provider may lack a mapper. */
  function tellAbsent(claims: Readonly<Record<string, unknown>>): void {
    const absent: string[] = []
    for (const name of naming.namedClaims) {
      if (known.has(name)) continue
      known.add(name)
      if (!isStated(claims, name)) absent.push(name)
    }
    if (absent.length === 0) return
    log.info('A provider does not state claims that the file names: no rule that asks for them holds', {
      provider: naming.name,
      claims: absent.map(shownName),
      hint: 'where people have them, let the provider put them into the ID token or userinfo; else see how they are spelled',
    })
  }

  function tellOthers(names: readonly string[], subject: string): void {
    log.warn('A provider states names that begin like those of another one: they do not count', {
      provider: naming.name,
      subject,
      claims: names,
      hint: 'a prefix in [providers] says how the names of that provider begin: choose another one, where these are to count',
    })
  }

  return (issuer, subject, verified) => {
    if (isOthers(subject, naming.othersPrefixes)) throw othersSubject(naming, subject)
    const { groups: stated, ...claims } = renameClaims(verified, naming.claims)
    const own = readGroups(verified, stated, naming)
    const groups = naming.hasRoleGroups ? withRoles(own, verified) : own
    const kept = keepClaims(ofThePerson(groups === undefined ? claims : { ...claims, groups }), naming.namedClaims)
    tell(kept, subject)
    tellAbsent(verified)
    const bounded = boundClaims(kept.claims, naming)
    const others = ['preferred_username', 'groups'].filter(name => !Object.is(bounded[name], kept.claims[name]))
    if (naming.prefix === '' && others.length > 0) tellOthers(others, subject)
    const identity = makeIdentity(naming.name, issuer, subject, bounded)
    const { prefix, othersPrefixes } = naming
    if (prefix !== '') return Object.freeze({ ...identity, prefix })
    return othersPrefixes.length === 0 ? identity : Object.freeze({ ...identity, othersPrefixes })
  }
}

function othersSubject({ name }: Naming, subject: string): GateError {
  return new GateError('provider.subject', 'the provider states a sub that begins like those of another one', {
    hint: 'a prefix in [providers] says how the subjects of that provider begin for applications: choose another prefix',
    facts: { provider: name, subject, check: 'sub' },
  })
}

/** How many names are logged for one provider, until the next reload. */
const MOST_TOLD = 1000

const shownName = (name: string) => name.slice(0, 100)

/** Whether somebody's groups are kept elsewhere by their provider, so that nothing is known of them. */
export function lacksGroups({ claims }: Identity): boolean {
  return claims.groups === null
}

/** Whether a claim exists by its name in the file, where a dot leads into a table. */
function isStated(claims: Readonly<Record<string, unknown>>, name: string): boolean {
  if (Object.hasOwn(claims, name)) return true
  for (let at = name.indexOf('.'); at > 0; at = name.indexOf('.', at + 1)) {
    const inner = Object.hasOwn(claims, name.slice(0, at)) ? claims[name.slice(0, at)] : undefined
    if (isJsonObject(inner) && isStated(inner, name.slice(at + 1))) return true
  }
  return false
}
