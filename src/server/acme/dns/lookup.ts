/** Looks records up at the servers of a zone, without any cache. */

import { promises } from 'node:dns'
import type { Ports } from '../../../base/ports.ts'
import type { NameServer } from '../../../config/keys/acme.ts'
import { dnsFailure, type TxtRecord } from './message.ts'

const ASK_MS = 3_000
const MOST_ALIASES = 8

/** Never uses a cache: a resolver's cached answer may be older than the change. */
function resolver(servers: readonly string[]): InstanceType<typeof promises.Resolver> {
  const made = new promises.Resolver({ timeout: ASK_MS, tries: 2 })
  if (servers.length > 0) made.setServers(servers)
  return made
}

/** A server by each of its addresses. Throws `acme.dns` where its name leads nowhere. */
export async function addressesOf(
  { host, port }: NameServer,
  { resolve }: Pick<Ports, 'resolve'>,
): Promise<readonly NameServer[]> {
  if (/^[0-9.]+$|:/.test(host)) return [{ host, port }]
  try {
    return (await resolve(host)).map(address => ({ host: address, port }))
  } catch (error) {
    throw dnsFailure(`the name server ${host} is nowhere`, 'look at its name in [tls.acme.dns]', error)
  }
}

/** The same as resolvers are named. */
async function placesOf(server: NameServer, ports: Pick<Ports, 'resolve'>): Promise<readonly string[]> {
  return (await addressesOf(server, ports)).map(({ host, port }) =>
    host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
  )
}

/** A look by some servers, or by those of the system where there are none. */
export interface Lookup {
  /** Where a record of this name belongs: the name itself, or that of the last CNAME on from it. Throws `acme.dns` for what is no name. */
  follow(name: string): Promise<string>
  zoneOf(name: string): Promise<string>
}

/** Throws `acme.dns` where no server answers, or only with an error. */
export async function lookBy(servers: readonly NameServer[], ports: Pick<Ports, 'resolve'>): Promise<Lookup> {
  const places = (await Promise.all(servers.map(server => placesOf(server, ports)))).flat()

  return {
    async follow(name) {
      let at = name
      for (let aliases = 0; aliases < MOST_ALIASES; aliases++) {
        const [next] = (await orNone(() => resolver(places).resolveCname(at), at)) ?? []
        if (next === undefined) return at
        at = next.replace(/\.$/, '').toLowerCase()
        if (!NAME.test(at)) throw dnsFailure(`${name} is an alias of what is no name`, 'look at its CNAME records')
      }
      throw dnsFailure(`${name} is a chain of too many DNS aliases`, 'look at its CNAME records')
    },
    async zoneOf(name) {
      for (let at = name; at.includes('.'); at = at.slice(at.indexOf('.') + 1)) {
        if ((await orNone(() => resolver(places).resolveSoa(at), at)) !== null) return at
      }
      throw dnsFailure(`no zone is found that ${name} is in`, 'name it: zone in [tls.acme.dns]')
    },
  }
}

/**
 * Characters of record names (RFC 1123 §2.1, RFC 8552 §1.1). A CNAME may contain anything, and its author need not own
 * the name: a program would take a name with a leading dash for an option.
 */
const NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)+$/

const NONE = new Set(['ENOTFOUND', 'ENODATA', 'NOTFOUND', 'NODATA'])

/** What is found, or null where there surely is none. */
async function orNone<T>(ask: () => Promise<T>, name: string): Promise<T | null> {
  try {
    return await ask()
  } catch (error) {
    if (NONE.has(codeOf(error))) return null
    const hint = 'look at resolvers in [tls.acme.dns], or at the name servers of this machine'
    throw dnsFailure(`${name} cannot be looked up`, hint, error)
  }
}

function codeOf(error: unknown): string {
  const { code } = Object(error)
  return typeof code === 'string' ? code : ''
}

/** The servers that are asked for a record: the given ones, or those of its zone. */
export async function witnessesOf(
  name: string,
  servers: readonly NameServer[],
  ports: Pick<Ports, 'resolve'>,
): Promise<readonly string[]> {
  if (servers.length > 0) return (await Promise.all(servers.map(server => placesOf(server, ports)))).flat()
  const zone = await (await lookBy([], ports)).zoneOf(name)
  const names = (await orNone(() => resolver([]).resolveNs(zone), zone)) ?? []
  const found = await Promise.all(names.map(host => placesOf({ host, port: 53 }, ports).catch(() => [])))
  return found.flat()
}

/** How many of these show a record, and how many have an answer without it; the rest is silent. */
export async function countSeen(
  { name, text }: TxtRecord,
  witnesses: readonly string[],
): Promise<{ readonly shown: number; readonly lacking: readonly string[] }> {
  const looks = await Promise.all(
    witnesses.map(async witness => {
      try {
        const records = await resolver([witness]).resolveTxt(name)
        return records.some(parts => parts.join('') === text)
      } catch (error) {
        return NONE.has(codeOf(error)) ? false : null
      }
    }),
  )
  return {
    shown: looks.filter(look => look === true).length,
    lacking: witnesses.filter((_, index) => looks[index] === false),
  }
}
