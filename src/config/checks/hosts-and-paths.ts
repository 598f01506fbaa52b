/** Lists the hosts and paths of a file, each with where the file says it. */

import type { RootTable } from '../keys/keys.ts'
import type { RouteTable } from '../keys/routes.ts'
import { itemsOf, type Path, type Raw, showRaw, showValue } from '../text/raw.ts'

/** One of the addresses of a route's table. */
export interface RoutePlace {
  readonly host: string
  readonly path: string
  readonly isExact: boolean
  readonly table: RouteTable
  /** Where the file says the host and the path; null: it does not. */
  readonly raw: { readonly host: Raw | null; readonly path: Raw | null }
}

/** Every host of a table with every path of it, in the order of the file; none where either is mistaken. */
export function placesOf(table: RouteTable): readonly RoutePlace[] {
  const { host: hosts, path: paths, exact } = table.values
  if (hosts === undefined || paths === undefined || exact === undefined) return []
  const [hostsRaw, pathsRaw] = [itemsOf(table.raw.entries.get('host')), itemsOf(table.raw.entries.get('path'))]
  return hosts.flatMap((host, h) =>
    paths.map(({ path, isExact }, p) => ({
      host,
      path,
      isExact: exact || isExact,
      table,
      raw: { host: hostsRaw[h] ?? null, path: pathsRaw[p] ?? null },
    })),
  )
}

/** Where a message about a place points at: its path, unless the file has none. */
export function placeAt({ raw, table }: RoutePlace): Path {
  return (raw.path ?? raw.host)?.at ?? table.at
}

/** A place as the file has it. */
export function showPlace({ raw }: RoutePlace): string {
  const host = showRaw(raw.host ?? undefined)
  return raw.path === null ? host : `${host} with path ${showRaw(raw.path)}`
}

/** Finds the table that would serve a place, and with it what is right below its path, if the place were not there; undefined: none. */
export function createAround(places: readonly RoutePlace[]): (place: RoutePlace) => RouteTable | undefined {
  const below = new Map<string, RouteTable>()
  for (const { host, path, isExact, table } of places) {
    // A route that is only for some requests leaves the others to the route around it.
    if (!isExact && table.values.when == null) below.set(host + path, table)
  }
  return ({ host, path, isExact }) => {
    for (let at = isExact ? path : above(path); at !== null; at = above(at)) {
      const found = below.get(host + at)
      if (found !== undefined) return found
    }
    return undefined
  }
}

function above(path: string): string | null {
  return path === '/' ? null : path.slice(0, path.lastIndexOf('/')) || '/'
}

interface ServedHost {
  readonly host: string
  /** As diagnostics show it. */
  readonly shown: string
  readonly at: Path
}

/** The hosts that browsers reach by HTTPS, with where the file says so: of routes, and of portals that have their own. */
export function servedHosts(root: RootTable): readonly ServedHost[] {
  const routes = (root.values.routes ?? []).flatMap(({ at, raw, values: { host: hosts } }) => {
    const items = itemsOf(raw.entries.get('host'))
    return (hosts ?? []).map((host, index) => ({
      host,
      shown: showValue(host, items[index]),
      at: items[index]?.at ?? at,
    }))
  })
  const portals = [...(root.values.portals ?? new Map()).values()].flatMap(({ at, raw, values: { url } }) =>
    url?.scheme === 'https'
      ? [{ host: url.host, shown: showValue(url.host, raw.entries.get('url')), at: [...at, 'url'] }]
      : [],
  )
  return [...portals, ...routes]
}
