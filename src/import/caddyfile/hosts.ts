import { STAND_IN_HOST } from '../blanks.ts'
import { type Context, spell } from './context.ts'
import { hostsIn, lowerHost, pathsIn } from './matcher.ts'
import type { Directive, Site } from './parse.ts'
import { type Placement, placementsIn } from './placements.ts'
import { judge, type Place } from './walk/place.ts'
import type { SiteWalk } from './walk/site.ts'
import { close, type Outcome, START } from './walk/way.ts'

/** A site that has been opened. */
export interface OpenSite {
  readonly site: Site
  readonly walk: SiteWalk
  /** Why nobody may pass there, whatever it says; null for most. */
  readonly closed: string | null
  /** Whether Caddy does TLS by itself for names, as it does unless the global options say otherwise. */
  readonly hasTls: boolean
}

/** A host with the sites that serve it. */
export interface Host {
  readonly name: string
  /** Whether people come by plain HTTP. */
  readonly isPlain: boolean
  readonly sites: readonly SiteOnHost[]
  readonly placements: readonly Placement[]
}

interface SiteOnHost extends OpenSite {
  readonly isPlain: boolean
  /** Whether people come by https for certain; where that cannot be told, neither holds. */
  readonly isSecure: boolean
  /** The path in the site's address; null: all of them. */
  readonly path: string | null
  /** Whether an address of the site names the host, and not a matcher in it. */
  readonly isOwn: boolean
}

interface Address {
  readonly name: string
  readonly isPlain: boolean
  readonly isSecure: boolean
  readonly path: string | null
  /** Whether it names no host, so that any may be meant. */
  readonly isAny: boolean
}

/** Every host of the file, with its sites: those of the addresses, and those that matchers of a wildcard's site name. */
export function hostsOf(context: Context, sites: readonly OpenSite[]): readonly Host[] {
  const found: { readonly name: string; readonly on: SiteOnHost }[] = []
  for (const open of sites) {
    const { site } = open
    const addresses = site.addresses.map(address => readAddress(context, address, site.line))
    const on = ({ isPlain, isSecure, path }: Address, isOwn: boolean): SiteOnHost => ({
      ...open,
      isPlain,
      isSecure: isSecure && open.hasTls,
      path,
      isOwn,
    })
    for (const address of addresses) found.push({ name: address.name, on: on(address, true) })
    for (const name of new Set(site.block.flatMap(hostsIn))) {
      const spelt = spell(context, name)
      if (addresses.some(address => address.name === spelt)) continue
      const at = addresses.find(address => address.isAny || isUnderWildcard(spelt, address.name))
      if (at !== undefined) found.push({ name: spelt, on: on(at, false) })
    }
  }
  return [...Map.groupBy(found, ({ name }) => name)].map(([name, all]) => {
    const own = all.some(({ on }) => on.isOwn) ? all.filter(({ on }) => on.isOwn) : all
    return mergeSites(
      context,
      name,
      own.map(({ on }) => on),
    )
  })
}

/** What a site of its own says for plain HTTP, beside another for HTTPS, is what is sent on to that. */
function mergeSites(context: Context, name: string, sites: readonly SiteOnHost[]): Host {
  const secure = sites.filter(({ isPlain }) => !isPlain)
  const kept = secure.length > 0 ? secure : sites
  for (const { site } of sites.filter(one => !kept.includes(one))) {
    const say = `${name} over plain HTTP: with [tls] it is sent to https, otherwise the TLS proxy in front does that`
    context.notes.add('changed', 'http://', site.line, say)
  }
  const placements = kept.flatMap(({ site }) => placementsIn(site.block))
  const here = placements.filter(({ hosts }) => hosts === null || hosts.includes(name))
  return { name, isPlain: secure.length === 0, sites: kept, placements: here }
}

/** What may become of a host's requests for a place: of sites with a path in their address, the longest first. */
export function outcomesAt({ sites }: Host, place: Place): readonly Outcome[] {
  const outcomes: Outcome[] = []
  const byPath = [...Map.groupBy(sites, ({ path }) => path)]
  for (const [path, own] of byPath.sort(([one], [other]) => (other?.length ?? 0) - (one?.length ?? 0))) {
    const { kind } = path === null ? { kind: 'yes' } : judge({ kind: 'path', patterns: [path] }, place)
    if (kind === 'no') continue
    for (const { walk, closed, isSecure } of own) {
      outcomes.push(...walk({ ...place, isSecure }, closed === null ? START : close(START, closed)))
    }
    if (kind === 'yes') return outcomes
  }
  return [...outcomes, { ...START, end: { kind: 'nothing' } }]
}

/** Every path that the sites of a host choose by, with those in front of it that are taken off before they are looked at. */
export function patternsOf({ sites }: Host): readonly string[] {
  return sites.flatMap(({ site, path }) => {
    const own = site.block.flatMap(pathsIn)
    const prefixes = site.block.flatMap(prefixesIn)
    return [
      ...(path === null ? [] : [path]),
      ...own,
      ...prefixes,
      ...prefixes.flatMap(before => own.map(one => before + one)),
    ]
  })
}

function prefixesIn({ name, args, block }: Directive): readonly string[] {
  const stripped =
    name === 'handle_path' ? args[0] : name === 'uri' && args.includes('strip_prefix') ? args.at(-1) : undefined
  const own = stripped === undefined ? [] : [stripped.replace(/\/?\*$/, '').replace(/\/+$/, '')]
  return [...own.filter(path => path.startsWith('/')), ...(block ?? []).flatMap(prefixesIn)]
}

function isUnderWildcard(name: string, wildcard: string): boolean {
  return wildcard.startsWith('*.') && name.endsWith(wildcard.slice(1)) && !name.startsWith('*')
}

/** `https://app.example.com:443/path`, `:8080`, `{$DOMAIN}` or `http://<domain>`. */
function readAddress(context: Context, address: string, line: number): Address {
  const [, scheme, rest = ''] = /^(?:(https?):\/\/)?(.*)$/s.exec(address) ?? []
  const authority = rest.replace(/\/.*$/s, '')
  const spelt = spell(context, lowerHost(authority) + rest.slice(authority.length))
  const place = spelt.replace(/\/.*$/, '')
  const path = spelt.slice(place.length)
  const name = place.replace(/:(?:\d+|\$\{\w+\})$/, '')
  if (name.startsWith('*.')) {
    context.notes.add('kept', address, line, 'one_label = true: its star is for one label, as there')
  }
  const found = {
    isPlain: scheme === 'http' || place.endsWith(':80'),
    isSecure: isSecure(scheme, authority),
    path: path === '' || path === '/' || path === '/*' ? null : path,
  }
  if (name !== '') return { name, isAny: false, ...found }
  context.notes.add(
    'decide',
    address,
    line,
    'write the host of its routes, or set APP_HOST: this address does not say it',
  )
  const meaning = `the host that ${address} in line ${line} is reached by`
  return { name: context.blanks.add('APP_HOST', meaning, STAND_IN_HOST), isAny: true, ...found }
}

/** A variable may hold `http://` as well, and at a port of its own it depends on the global options. */
function isSecure(scheme: string | undefined, authority: string): boolean {
  if (scheme !== undefined) return scheme === 'https'
  return authority.endsWith(':443') || /^[^:{<]+$/.test(authority)
}
