import { isIP } from 'node:net'
import type { Desk } from './desk.ts'
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
 * would be wherever the others are, so that it is closed.
 */
export function boundPlaces(desk: Desk, { options, sites }: Caddyfile): BoundPlaces {
  const general = options.find(({ name }) => name === 'default_bind')
  const bindOf = ({ block }: Site): Directive | undefined => block.find(({ name }) => name === 'bind') ?? general
  const asked = sites.map(site => bindOf(site)?.args ?? [])
  const [first = []] = asked
  const isCommon = first.length > 0 && asked.every(one => one.join(' ') === first.join(' ')) && first.every(isPlace)
  if (isCommon) {
    for (const bind of sites.map(bindOf)) {
      if (bind !== undefined && bind !== general) desk.notes.add('kept', 'bind', bind.line, 'listen in [server]')
    }
    return { listen: first.map(spellPlace), closedAt: () => null }
  }
  return {
    listen: EVERYWHERE,
    closedAt(site) {
      const bind = bindOf(site)
      if (bind === undefined || bind.args.every(place => place === '0.0.0.0' || place === '::')) return null
      desk.notes.add('closed', bind.name, bind.line, `the routes of its site let nobody in: ${INSTEAD.bind}`)
      return `${bind.name} in line ${bind.line}`
    },
  }
}

function isPlace(place: string): boolean {
  return place === 'localhost' || isIP(place.replace(/^\[|\]$/g, '')) !== 0
}

function spellPlace(place: string): string {
  const bare = place.replace(/^\[|\]$/g, '')
  return bare.includes(':') ? `[${bare}]` : bare === 'localhost' ? '127.0.0.1' : bare
}
