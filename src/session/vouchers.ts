import type { PortalConfig } from '../config/types/portals.ts'
import type { ProviderConfig } from '../config/types/providers.ts'
import type { Identity } from '../identity/identity.ts'
import { isOwnSubject } from '../identity/own-subjects.ts'
import type { Session } from './session.ts'

/** Someone at a portal, as a provider described them or as we did. */
type Someone = Pick<Session, 'portal' | 'identity'>

/** What a file says of portals and their providers. */
interface Said {
  readonly portals: ReadonlyMap<string, Pick<PortalConfig, 'name' | 'providers'>>
  readonly providers: ReadonlyMap<string, Pick<ProviderConfig, 'issuer'>>
}

/** Whose word counts at which portal, by the file in force. */
export interface Vouchers {
  /** One for each provider of each portal, with its issuer; a key that is gone has been withdrawn. */
  readonly keys: ReadonlySet<string>
  /**
   * Whether the provider that vouched for someone is one of their portal's, under the name and with the issuer that it had then:
   * another issuer under an old name is another provider, whose `sub` may be another person's. No provider's word makes anybody
   * one of our own.
   */
  counts(someone: Someone): boolean
}

/** The providers of each portal. Issuers are as discovery has to repeat them, to the letter, so that nothing needs to be asked. */
export function vouchersOf({ portals, providers }: Said): Vouchers {
  const keys = new Set<string>()
  for (const portal of portals.values()) {
    for (const name of portal.providers) {
      const issuer = providers.get(name)?.issuer
      if (issuer !== undefined) keys.add(keyOf(portal.name, name, issuer))
    }
  }
  return Object.freeze({
    keys,
    counts: ({ portal, identity }: Someone) =>
      keys.has(keyOf(portal, identity.provider, identity.issuer)) && !isOwnSubject(identity.subject),
  })
}

/** Whether nobody's word is needed for this: a service's token, a guest, a name of a password file. No provider is without an issuer. */
export function needsNoVoucher({ issuer }: Pick<Identity, 'issuer'>): boolean {
  return issuer === ''
}

/** What a change of the file has taken away. */
export interface Withdrawn {
  /** Portals that have lost a provider. */
  readonly portals: readonly string[]
  /** Whether someone was vouched for by a provider that is gone. */
  includes(someone: Someone): boolean
}

/** What counted before and does not now. */
export function withdrawnBetween(before: Vouchers, now: Vouchers): Withdrawn {
  const lost = new Set([...before.keys].filter(key => !now.keys.has(key)))
  return {
    portals: [...new Set(Array.from(lost, portalOf))],
    includes: ({ portal, identity }) => lost.has(keyOf(portal, identity.provider, identity.issuer)),
  }
}

function keyOf(portal: string, provider: string, issuer: string): string {
  return JSON.stringify([portal, provider, issuer])
}

function portalOf(key: string): string {
  return String((JSON.parse(key) as unknown[])[0])
}
