import type { Config } from '../../config/types/config.ts'
import { restartKeys, startValues } from '../config/reload.ts'
import { canonical } from './canonical.ts'

/** What became of something besides the routes: `server`, `portals.home`, `portals.home.roles.admin`, `providers.id`. */
export interface SettingChange {
  readonly key: string
  readonly change: 'added' | 'removed' | 'changed'
}

/** What differs besides the routes, by name; never what it says. */
export function settingChanges(before: Config, after: Config): readonly SettingChange[] {
  const [old, next] = [settingsOf(before), settingsOf(after)]
  const changes = [...old].flatMap(([key, text]): SettingChange[] => {
    const now = next.get(key)
    if (now === text) return []
    return [{ key, change: now === undefined ? 'removed' : 'changed' }]
  })
  return [...changes, ...[...next.keys()].filter(key => !old.has(key)).map(key => ({ key, change: 'added' as const }))]
}

/** The keys that differ and are read at start only. */
export function restartNeeds(before: Config, after: Config): readonly string[] {
  return restartKeys(startValues(after), startValues(before))
}

function settingsOf({ routes: _, expectations, providers, portals, ...whole }: Config): ReadonlyMap<string, string> {
  const settings = new Map<string, unknown>(Object.entries(whole).filter(([, value]) => value !== null))
  if (expectations.length > 0) settings.set('expect', expectations)
  for (const [name, provider] of providers) settings.set(`providers.${name}`, provider)
  for (const [name, { roles, ...portal }] of portals) {
    settings.set(`portals.${name}`, portal)
    for (const [role, rules] of roles) settings.set(`portals.${name}.roles.${role}`, rules)
  }
  return new Map([...settings].map(([key, value]) => [key, canonical(value)]))
}
