import { isIP } from 'node:net'
import type { Context } from './context.ts'
import { INSTEAD } from './directives.ts'
import type { Caddyfile, Directive, Site } from './parse.ts'

/** Where the new file listens, and which sites must not be reached there. */
export interface BoundPlaces {
  /** Addresses without ports. */
  readonly listen: readonly string[]
  /** Why a site is closed; null: it is not. */
  closedAt(site: Site): string | null
}

const EVERYWHERE = ['0.0.0.0']

/**
 * `bind` and `default_bind`: where all sites are at the same addresses, so are they here. Otherwise a site that was only at some
 * would be wherever the others are, so that it is closed; so is one at a port of its own.
 */
export function boundPlaces(context: Context, { options, sites }: Caddyfile): BoundPlaces {
  const atPort = sitesAtOtherPorts(options, sites)
  const portOf = (site: Site): string | null => {
    const port = atPort.get(site)
    if (port === undefined) return null
    const say = `the routes of its site let nobody in: it was reachable at port ${port} alone, and all of them are at one here; give it a Sallyport of its own, or a rule with networks`
    context.notes.add('closed', site.addresses.join(', '), site.line, say)
    return `port ${port} in line ${site.line}`
  }
  const general = options.find(({ name }) => name === 'default_bind')
  const bindOf = ({ block }: Site): Directive | undefined => block.find(({ name }) => name === 'bind') ?? general
  const asked = sites.map(site => bindOf(site)?.args ?? [])
  const [first = []] = asked
  const isCommon = first.length > 0 && asked.every(one => one.join(' ') === first.join(' ')) && first.every(isPlace)
  if (isCommon) {
    for (const bind of sites.map(bindOf)) {
      if (bind !== undefined && bind !== general) context.notes.add('kept', 'bind', bind.line, 'listen in [server]')
    }
    return { listen: first.map(spellPlace), closedAt: portOf }
  }
  return {
    listen: EVERYWHERE,
    closedAt(site) {
      const bind = bindOf(site)
      if (bind === undefined || bind.args.every(place => place === '0.0.0.0' || place === '::')) return portOf(site)
      context.notes.add('closed', bind.name, bind.line, `the routes of its site let nobody in: ${INSTEAD.bind}`)
      return `${bind.name} in line ${bind.line}`
    },
  }
}

/**
 * Sites with a host that is only at a port of its own, by that port: who may come there may be for a firewall to say.
 * None where every address is at the same port.
 */
function sitesAtOtherPorts(options: readonly Directive[], sites: readonly Site[]): ReadonlyMap<Site, string> {
  const stated = options.flatMap(({ name, args }) => (/^https?_port$/.test(name) ? args.slice(0, 1) : []))
  const usual = new Set(['80', '443', ...stated])
  const places = sites.flatMap(site =>
    site.addresses.map(address => {
      const authority = address.replace(/^https?:\/\//, '').replace(/\/.*$/, '')
      const port = /:(\d+|\{[^}]*\}|<[^>]*>)$/.exec(authority)?.[1] ?? '443'
      const host = authority.replace(/:(?:\d+|\{[^}]*\}|<[^>]*>)$/, '').toLowerCase()
      return { site, host, port: usual.has(port) ? 'usual' : port }
    }),
  )
  if (new Set(places.map(({ port }) => port)).size <= 1) return new Map()
  const isUsual = (host: string, site: Site) =>
    places.some(one => one.host === host && one.site === site && one.port === 'usual')
  return new Map(
    places
      .filter(({ port, host, site }) => port !== 'usual' && !isUsual(host, site))
      .map(({ site, port }) => [site, port]),
  )
}

function isPlace(place: string): boolean {
  return place === 'localhost' || isIP(place.replace(/^\[|\]$/g, '')) !== 0
}

function spellPlace(place: string): string {
  const bare = place.replace(/^\[|\]$/g, '')
  return bare.includes(':') ? `[${bare}]` : bare === 'localhost' ? '127.0.0.1' : bare
}
