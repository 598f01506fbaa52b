import type { Config } from '../config/types.ts'
import type { Identity } from '../identity/identity.ts'
import type { Session } from './session.ts'

/** Someone at a portal, as a provider described them or as we did. */
type Someone = Pick<Session, 'portal' | 'identity'>

/** Whose word counts at which portal, by the file in force. */
export interface Vouchers {
  /** One for each provider of each portal, with its issuer; a key that is gone has been withdrawn. */
  readonly keys: ReadonlySet<string>
  /**
   * Whether the provider that vouched for someone is one of their portal's, under the name and with the issuer that it had then:
   * another issuer under an old name is another provider, whose `sub` may be another person's.
   */
  counts(someone: Someone): boolean
}

/** The providers of each portal. Issuers are as discovery has to repeat them, to the letter, so that nothing needs to be asked. */
export function vouchersOf({ portals, providers }: Pick<Config, 'portals' | 'providers'>): Vouchers {
  const keys = new Set<string>()
  for (const portal of portals.values()) {
    for (const name of portal.providers) {
      const issuer = providers.get(name)?.issuer
      if (issuer !== undefined) keys.add(keyOf(portal.name, name, issuer))
    }
  }
  return Object.freeze({
    keys,
    counts: ({ portal, identity }: Someone) => keys.has(keyOf(portal, identity.provider, identity.issuer)),
  })
}

/** Whether nobody's word is needed for this: a service's token, a guest, a name of a password file. No provider is without an issuer. */
export function needsNoVoucher({ issuer }: Pick<Identity, 'issuer'>): boolean {
  return issuer === ''
}

/** The portals that had a provider before which they have not now. */
export function portalsThatLost(before: Vouchers, now: Vouchers): readonly string[] {
  const lost = [...before.keys].filter(key => !now.keys.has(key))
  return [...new Set(lost.map(portalOf))]
}

function keyOf(portal: string, provider: string, issuer: string): string {
  return JSON.stringify([portal, provider, issuer])
}

function portalOf(key: string): string {
  return String((JSON.parse(key) as unknown[])[0])
}
