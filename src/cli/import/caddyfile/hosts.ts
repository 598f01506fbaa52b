import { STAND_IN_HOST } from '../blanks.ts'
import { type Desk, spell } from './desk.ts'
import type { Site } from './parse.ts'
import { type Placement, readSite, type Service } from './site.ts'

/** A host with what it serves. */
export interface Host {
  readonly name: string
  /** Whether people come by plain HTTP. */
  readonly isPlain: boolean
  /** Those that are for this host alone come first. */
  readonly services: readonly Service[]
  readonly placements: readonly Placement[]
}

/** A site's hosts: those of its addresses, or those that its matchers name. */
export function hostsOf(desk: Desk, site: Site): readonly Host[] {
  const { services, placements } = readSite(desk, site)
  const hosts = site.addresses.map(address => readAddress(desk, address, site.line))
  const isPlain = hosts.every(host => host.isPlain)
  for (const name of new Set([...services, ...placements].flatMap(({ hosts: own }) => own ?? []))) {
    if (!hosts.some(host => host.name === name)) hosts.push({ name: spell(desk, name), isPlain })
  }
  return hosts
    .map(host => {
      const own = services.filter(service => service.hosts?.includes(host.name) === true)
      const any = services.filter(service => service.hosts === null)
      const isHere = (placement: Placement) => placement.hosts === null || placement.hosts.includes(host.name)
      return { ...host, services: [...own, ...any], placements: placements.filter(isHere) }
    })
    .filter(host => host.services.length + host.placements.length > 0)
}

/** Each host once. What a site of its own says for plain HTTP, beside another for HTTPS, is what is sent on to that. */
export function mergeHosts(desk: Desk, hosts: readonly Host[]): readonly Host[] {
  const byName = Map.groupBy(hosts, ({ name }) => name)
  return [...byName].map(([name, sites]) => {
    const secure = sites.filter(({ isPlain }) => !isPlain)
    const kept = secure.length > 0 ? secure : sites
    for (const { services } of sites.filter(site => !kept.includes(site))) {
      for (const { line } of services) {
        const say = `${name} over plain HTTP: with [tls] it is sent to https, otherwise the TLS proxy in front does that`
        desk.notes.add('changed', 'http://', line, say)
      }
    }
    return {
      name,
      isPlain: secure.length === 0,
      services: kept.flatMap(({ services }) => services),
      placements: kept.flatMap(({ placements }) => placements),
    }
  })
}

/** `https://app.example.com:443`, `:8080`, `{$DOMAIN}` or `http://<domain>`. */
function readAddress(desk: Desk, address: string, line: number): { readonly name: string; readonly isPlain: boolean } {
  const [, scheme, rest = ''] = /^(?:(https?):\/\/)?(.*)$/s.exec(address) ?? []
  const place = spell(desk, rest).replace(/\/.*$/, '')
  const name = place.replace(/:(?:\d+|\$\{\w+\})$/, '')
  const isPlain = scheme === 'http' || place.endsWith(':80')
  if (name !== '') return { name, isPlain }
  desk.notes.add('decide', address, line, 'a route names its host, which this address does not say: write it')
  const meaning = `the host that ${address} in line ${line} is reached by`
  return { name: desk.blanks.add('APP_HOST', meaning, STAND_IN_HOST), isPlain }
}
