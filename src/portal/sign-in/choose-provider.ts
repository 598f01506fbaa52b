import { GateError } from '../../base/errors.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { PortalRequest } from '../portal.ts'

/** The provider that was asked for, or the only one; null where there is a choice to make. Throws `route.none` for a stranger. */
export function chooseProvider({ portal, providers }: PortalRequest, name: string | null): ProviderConfig | null {
  const [only, ...others] = portal.providers
  const chosen = name ?? (others.length === 0 ? only : undefined)
  if (chosen === undefined) return null
  const provider = portal.providers.includes(chosen) ? providers.get(chosen) : undefined
  if (provider === undefined) throw new GateError('route.none', 'this portal has no such provider')
  return provider
}
