import type { Config } from '../config/types/config.ts'
import type { GuestLinksConfig } from '../config/types/portals.ts'
import type { RouteConfig } from '../config/types/routes.ts'
import { parseDuration } from '../config/values/duration.ts'
import { EXIT, parseArguments } from '../console/args.ts'
import { columns } from '../console/columns.ts'
import type { Io } from '../console/io.ts'
import { describeLink, type LinkPlace, linkAddress, parseLinkPlace } from '../portal/account/guest-link-address.ts'
import { momentOf } from '../portal/pages/time.tsx'
import { EN } from '../portal/words/en.ts'
import { compileRouteTable } from '../route/table.ts'
import { parseTarget } from '../route/target.ts'
import { takesGuests } from '../server/config/compile.ts'
import type { HeldGuestLink } from '../session/credentials/guest-links.ts'
import type { OpenSessions } from '../session/open.ts'
import { type StorePorts, withSessions } from './with-sessions.ts'

const USAGE = {
  text: `usage: sallyport guests create --url ADDRESS --name N [--uses 1] [--expires 1d] | guests list [--json] | guests revoke ID

Makes, lists and ends the links by which guests open one host and path without signing in, where a rule of routes.toml says
guest_link = true. They work at once on a running server, and what they opened is closed within a second of being revoked.

  create           makes one and shows it, this once
  --url ADDRESS    what it opens: this path and what is below it
  --name N         who it is for
  --uses 1         how often it can be opened, each time in another browser; at most what the portal's max_uses says
  --expires 1d     how long it is good; at most what the portal's max_lifetime says
  list             those that are good, newest first
  revoke ID        ends one
  --json           as JSON, for scripts
  --config FILE    another file than routes.toml
  exit code 0 done, 1 the file or the store could not be read or no guest may go there, 2 wrong usage`,
  options: {
    json: { type: 'boolean' },
    config: { type: 'string', short: 'c', default: 'routes.toml' },
    url: { type: 'string' },
    name: { type: 'string' },
    uses: { type: 'string', default: '1' },
    expires: { type: 'string', default: '1d' },
  },
  maxPositionals: 2,
} as const

/** What `create` was asked for, checked as far as it can be without the file. */
interface Wanted {
  readonly place: LinkPlace
  readonly name: string
  readonly uses: number
  readonly lifetimeMs: number
}

/** `sallyport guests`: answers the exit code. */
export async function runGuests(argv: readonly string[], io: Io, ports: StorePorts): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const { values, positionals } = parsed
  const [act, id] = positionals
  const isJson = values.json === true
  const wanted = act === 'create' && id === undefined ? parseWanted(values) : null
  if (typeof wanted === 'string') return wrong(wanted, io)
  if (wanted !== null) {
    return withSessions(values.config, io, ports, (config, sessions) => create(config, sessions, wanted, isJson, io))
  }
  if (act === 'list' && id === undefined) {
    return withSessions(values.config, io, ports, (config, sessions) => list(config, sessions, isJson, io))
  }
  if (act === 'revoke' && id !== undefined && id !== '') {
    return withSessions(values.config, io, ports, (config, sessions) => revoke(config, sessions, id, io))
  }
  return wrong('say create, list, or revoke with one ID', io)
}

function parseWanted(values: {
  readonly url?: string | undefined
  readonly name?: string | undefined
  readonly uses: string
  readonly expires: string
}): Wanted | string {
  const { url, name } = values
  if (!url) return 'say --url: what it opens'
  if (!name) return 'say --name: who it is for'
  const place = parseLinkPlace(url)
  if (place === null) return `--url: ${url} is no address of a page, or cannot be read in one way only`
  const uses = Number(values.uses)
  if (!Number.isInteger(uses) || uses < 1) return '--uses is a number from 1'
  const lifetime = parseDuration(values.expires)
  if (!lifetime.ok) return `--expires: ${lifetime.message} (${lifetime.hint})`
  return lifetime.value === 0 ? '--expires is more than nothing' : { place, name, uses, lifetimeMs: lifetime.value }
}

async function create(
  config: Config,
  sessions: OpenSessions,
  { place, name, uses, lifetimeMs }: Wanted,
  isJson: boolean,
  io: Io,
): Promise<number> {
  const where = `${place.host}${place.path}`
  const route = routeAt(config, place)
  const limits = route === null ? null : linksAt(config, route)
  if (route === null || route.portal === null || limits === null) {
    const hint = 'a rule of the route has to say so: allow = ["user", { guest_link = true }]'
    return failed(`no guest may go to ${where}: ${hint}`, io)
  }
  if (uses > limits.maxUses)
    return failed(`the portal lets a link be used ${limits.maxUses} times at most: max_uses`, io)
  if (lifetimeMs > limits.maxLifetimeMs) return failed('the portal lets no link last so long: max_lifetime', io)
  const { host, path, landing } = place
  const { text, held } = await sessions.links.create({
    ...{ portal: route.portal, name, host, path, landing, uses, lifetimeMs },
    by: null,
  })
  const address = linkAddress(place.origin, text)
  if (isJson) io.stdout(`${JSON.stringify({ ...describeLink(held), link: address }, null, 2)}\n`)
  else {
    io.stdout(`${address}\n`)
    io.stderr(`This is shown once. It is ${held.session.id}, good until ${momentOf(held.session.expiresAtMs, EN)}.\n`)
  }
  return EXIT.ok
}

/** The one route that an address is of, by every reading of its path. */
function routeAt({ routes }: Config, { host, path }: LinkPlace): RouteConfig | null {
  const table = compileRouteTable(
    routes.map(route => {
      const { isExact, isOneLabel } = route
      return { host: route.host, path: route.path, isExact, isOneLabel, value: route }
    }),
  )
  const match = table.match(parseTarget('GET', `http://host${path}`, host))
  return match === null || match.also.length > 0 ? null : match.value
}

function linksAt({ portals }: Config, route: RouteConfig): GuestLinksConfig | null {
  return takesGuests(route) ? (portals.get(route.portal ?? '')?.guestLinks ?? null) : null
}

async function list(config: Config, sessions: OpenSessions, isJson: boolean, io: Io): Promise<number> {
  const links = await allLinks(config, sessions)
  if (isJson) io.stdout(`${JSON.stringify(links.map(describeLink), null, 2)}\n`)
  else if (links.length === 0) io.stdout('There are no guest links.\n')
  else {
    const rows = links.map(({ session, grant, uses, used }) => [
      session.id,
      grant.name,
      `${grant.host}${grant.path}`,
      grant.maker.name,
      `${used} of ${uses}`,
      momentOf(session.expiresAtMs, EN),
    ])
    io.stdout(columns([['ID', 'FOR', 'OPENS', 'MADE BY', 'USED', 'UNTIL'], ...rows]))
  }
  return EXIT.ok
}

async function revoke(config: Config, sessions: OpenSessions, id: string, io: Io): Promise<number> {
  if (!(await allLinks(config, sessions)).some(({ session }) => session.id === id)) {
    return failed(`there is no guest link ${id}`, io)
  }
  await sessions.end(id)
  io.stdout(`${id} revoked\n`)
  return EXIT.ok
}

async function allLinks({ portals }: Config, { links }: OpenSessions): Promise<readonly HeldGuestLink[]> {
  const all: HeldGuestLink[] = []
  for (const portal of portals.keys()) all.push(...(await links.list(portal)))
  return all
}

function wrong(why: string, io: Io): number {
  io.stderr(`${why}\n${USAGE.text.split('\n')[0] ?? ''}\n`)
  return EXIT.usage
}

function failed(why: string, io: Io): number {
  io.stderr(`${why}\n`)
  return EXIT.failed
}
