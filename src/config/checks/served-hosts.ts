import type { RootTable } from '../keys/keys.ts'
import { itemsOf, type Path } from '../text/raw.ts'

/** The hosts that browsers reach by HTTPS, with where the file says so: of routes, and of portals that have their own. */
export function servedHosts(root: RootTable): readonly { readonly host: string; readonly at: Path }[] {
  const routes = (root.values.routes ?? []).flatMap(({ at, raw, values: { host: hosts } }) => {
    const items = itemsOf(raw.entries.get('host'))
    return (hosts ?? []).map((host, index) => ({ host, at: items[index]?.at ?? at }))
  })
  const portals = [...(root.values.portals ?? new Map()).values()].flatMap(({ at, values: { url } }) =>
    url?.scheme === 'https' ? [{ host: url.host, at: [...at, 'url'] }] : [],
  )
  return [...portals, ...routes]
}
