import type { Config } from '../config/types/config.ts'
import type { ProviderConfig } from '../config/types/providers.ts'
import { askedOfProvider } from '../policy/stated.ts'

/** Keys that hold only where a provider has what they need, which is in its discovery document and in no file of ours. */
export interface Untold {
  readonly provider: string
  readonly keys: readonly string[]
}

/** What of a good file only its OpenID providers could tell; those of which nothing depends on that are left out. */
export function untoldOf(config: Config): readonly Untold[] {
  return [...config.providers.values()]
    .filter(({ users, oauth2 }) => users === null && oauth2 === null)
    .map(provider => ({ provider: provider.name, keys: keysOf(provider, config) }))
    .filter(({ keys }) => keys.length > 0)
}

function keysOf({ name, par, accessTokens }: ProviderConfig, config: Config): readonly string[] {
  const { maxAge, acr } = askedOfProvider(config, name)
  const portals = [...config.portals.values()].filter(({ providers }) => providers.includes(name))
  const needed: Readonly<Record<string, boolean>> = {
    max_age: maxAge,
    acr,
    par: par === 'always',
    provider_logout: portals.some(({ providerLogout }) => providerLogout),
    introspect: accessTokens?.introspects === true,
  }
  return Object.keys(needed).filter(key => needed[key] === true)
}

/** The same for people, with the command that asks; a line for each provider. */
export function tellUntold(file: string, untold: readonly Untold[]): string {
  return untold
    .map(
      ({ provider, keys }) =>
        `sallyport doctor ${file} asks "${provider}" whether it has what ${list(keys)} need${keys.length === 1 ? 's' : ''}\n`,
    )
    .join('')
}

function list(keys: readonly string[]): string {
  const last = keys.at(-1) ?? ''
  return keys.length < 2 ? last : `${keys.slice(0, -1).join(', ')} and ${last}`
}
