/** `sallyport requests`: lists requests for access, and grants, denies or revokes them. */

import type { AuditEvent } from '../audit/events.ts'
import type { Audit } from '../audit/writer.ts'
import { showJson } from '../base/control-characters.ts'
import type { Config } from '../config/resolve/config.ts'
import { parseDuration } from '../config/values/duration.ts'
import { EXIT, failWith, namedFileAmong, parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { columns } from '../console/terminal.ts'
import { usageLines } from '../console/usage.ts'
import { momentOf } from '../portal/layout/time.tsx'
import { EN } from '../portal/words/en.ts'
import type { RoleGrant, RoleRequest } from '../session/grants/document.ts'
import type { Grants } from '../session/grants/grants.ts'
import { type StorePorts, withSessions } from './with-sessions.ts'

export const USAGE = {
  text: `usage: sallyport requests list [--json]
       sallyport requests grant ID --for 1h|1d|always
       sallyport requests deny ID
       sallyport requests revoke ID

Lists and decides requests for access. Users ask on a 403 page, if their portal in routes.toml has requests. A running server follows
a decision within a second.
An argument with a dot or a slash is the file, as with --config.
Exit code: 0 done, 1 the file or the store could not be read or there is no such request, 2 for a wrong command line.

  list           open requests, and granted roles
  grant ID       grants the request
  --for 1d       for how long; always: until it is revoked
  deny ID        declines it: the user cannot ask again on the same day
  revoke ID      takes a granted role back
  --json         as JSON, for scripts
  --config FILE  another file than routes.toml`,
  options: {
    json: { type: 'boolean' },
    config: { type: 'string', short: 'c' },
    for: { type: 'string' },
  },
  maxPositionals: 3,
} as const

/** `sallyport requests`: answers the exit code. */
export async function runRequests(argv: readonly string[], io: Io, ports: StorePorts): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const named = namedFileAmong(parsed, USAGE, io)
  if (!named.ok) return named.exitCode
  const { values } = parsed
  const [act, id = '', surplus] = named.others
  const wrong = (why: string): number => {
    return failWith(io, `${why}\n${usageLines(USAGE.text)}`, EXIT.usage)
  }
  const withGrants = (run: (grants: Grants, portals: readonly string[], audit: Audit) => Promise<number>) =>
    withSessions(named.file, io, ports, (config, { grants }, { audit }) => run(grants, portalsOf(config), audit))
  if (surplus !== undefined) return wrong(`unexpected argument "${surplus}"`)
  if (act === 'list' && id === '') {
    return withGrants((grants, portals) => list(grants, portals, values.json === true, io))
  }
  if ((act !== 'grant' && act !== 'deny' && act !== 'revoke') || id === '') {
    return wrong('say list, or grant, deny or revoke with one ID')
  }
  const what = act === 'grant' ? parseTerms(values.for) : act
  if (typeof what === 'object' && 'mistake' in what) return wrong(what.mistake)
  return withGrants(async (grants, portals, audit) => {
    for (const portal of portals) {
      const done = await decide(grants, audit, portal, id, what)
      if (done === null) continue
      io.stdout(`${done}\n`)
      return EXIT.ok
    }
    return failWith(io, `there is nothing with the id ${id} to ${act}, or its role is not to be had any more`)
  })
}

function portalsOf({ portals }: Config): readonly string[] {
  return [...portals.values()].flatMap(({ name, requests }) => (requests === null ? [] : [name]))
}

/** For how long something is granted, or what is wrong with that. */
function parseTerms(raw: string | undefined): { readonly forMs: number | null } | { readonly mistake: string } {
  if (raw === undefined) return { mistake: 'say --for: 1h, 1d, or always' }
  if (raw === 'always') return { forMs: null }
  const duration = parseDuration(raw)
  if (!duration.ok) return { mistake: `--for: ${duration.message} (${duration.hint}, or always)` }
  return duration.value === 0 ? { mistake: '--for is more than nothing' } : { forMs: duration.value }
}

/** What was done, in words; null where the portal has nothing with this id. */
async function decide(
  grants: Grants,
  audit: Audit,
  portal: string,
  id: string,
  what: 'deny' | 'revoke' | { readonly forMs: number | null },
): Promise<string | null> {
  const tell = (event: AuditEvent, { who, role }: RoleRequest | RoleGrant, until?: string) =>
    audit.keep(event, { user: who.subject, portal, by: 'operator', request: id, role, until })
  if (what === 'deny') {
    const request = await grants.decline(portal, id)
    if (request === null) return null
    await tell('role.declined', request)
    return `${request.role} declined for ${request.name}`
  }
  if (what === 'revoke') {
    const grant = await grants.revoke(portal, id)
    if (grant === null) return null
    await tell('role.revoked', grant)
    return `${grant.role} taken from ${grant.name}`
  }
  const grant = await grants.grant(portal, id, { forMs: what.forMs, by: '' })
  if (grant === null) return null
  await tell('role.granted', grant, grant.untilMs === null ? undefined : new Date(grant.untilMs).toISOString())
  return `${grant.role} granted to ${grant.name} ${untilText(grant)} (${grant.id})`
}

async function list(grants: Grants, portals: readonly string[], isJson: boolean, io: Io): Promise<number> {
  const requests: (RoleRequest & { readonly portal: string })[] = []
  const granted: (RoleGrant & { readonly portal: string })[] = []
  for (const portal of portals) {
    const found = await grants.list(portal)
    requests.push(...found.requests.map(one => ({ portal, ...one })))
    granted.push(...found.grants.map(one => ({ portal, ...one })))
  }
  if (isJson) {
    const described = { requests: requests.map(describe), grants: granted.map(describeGrant) }
    io.stdout(`${showJson(described, 2)}\n`)
    return EXIT.ok
  }
  if (requests.length + granted.length === 0) io.stdout('There are no requests and no granted roles.\n')
  if (requests.length > 0) {
    const rows = requests.map(({ id, name, who, role, route, atMs, text }) => {
      return [id, `${name} (${who.provider}: ${who.subject})`, role, route, momentOf(atMs, EN), shown(text)]
    })
    io.stdout(columns([['ID', 'WHO', 'ASKS FOR', 'AT', 'SINCE', 'SAYS'], ...rows]))
  }
  if (granted.length > 0) {
    const rows = granted.map(grant => {
      const { id, name, who, role, by } = grant
      return [id, `${name} (${who.provider}: ${who.subject})`, role, untilText(grant), by === '' ? 'an operator' : by]
    })
    io.stdout(columns([['ID', 'WHO', 'HAS', 'UNTIL', 'GRANTED BY'], ...rows]))
  }
  return EXIT.ok
}

/** Other people's text on a terminal: nothing in it drives that. */
function shown(text: string): string {
  return text.replace(/\p{C}/gu, ' ')
}

function untilText({ untilMs }: RoleGrant): string {
  return untilMs === null ? 'for good' : `until ${momentOf(untilMs, EN)}`
}

function describe({
  portal,
  id,
  who,
  name,
  role,
  route,
  text,
  atMs,
}: RoleRequest & { readonly portal: string }): object {
  return { id, portal, ...who, name, role, route, text, at: new Date(atMs).toISOString() }
}

function describeGrant({
  portal,
  id,
  who,
  name,
  role,
  by,
  atMs,
  untilMs,
}: RoleGrant & { readonly portal: string }): object {
  const until = untilMs === null ? null : new Date(untilMs).toISOString()
  return { id, portal, ...who, name, role, by: by === '' ? null : by, at: new Date(atMs).toISOString(), until }
}
