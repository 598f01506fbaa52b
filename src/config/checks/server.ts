/** Checks `[server]` as a whole, and with the routes: proxies in front, limits, workers. */

import type { RootTable } from '../keys/keys.ts'
import type { ALLOWANCE } from '../keys/limits.ts'
import type { OUTGOING } from '../keys/outgoing.ts'
import type { RouteTable } from '../keys/routes.ts'
import type { Table } from '../keys/table.ts'
import { itemsOf, type Path, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import type { ConfigFiles } from '../values/files.ts'
import { foldFieldName } from '../values/headers.ts'
import type { ListenAddress } from '../values/listen.ts'
import { fieldsAbout } from './identity.ts'
import { checkClientTls } from './upstreams.ts'

/** What the keys of `[server]` say about each other, and about the session store. */
export function checkServer(root: RootTable, files: ConfigFiles, report: Report): void {
  const { server, audit } = root.values
  if (root.raw.entries.has('audit') && audit?.raw.entries.size === 0) {
    const hint = 'add keep = "90d": how long the session store keeps a row of each event; or take the table out'
    report.warn(audit.at, 'audit.keep', '[audit] without keep keeps nothing', { hint, part: 'key' })
  }
  if (server === undefined) return
  const lines = root.values.log?.raw.entries.get('requests')
  if (server.values.access_log === false && lines !== undefined) {
    const hint = 'remove access_log = false from [server], or requests from [log]'
    report.warn(lines.at, 'log.unused', 'no line comes here, as access_log is false', { hint, part: 'key' })
  }
  const { listen, admin, verify, workers } = server.values
  const places: { readonly address: ListenAddress; readonly at: Path }[] = []
  const tls = root.values.tls
  const addresses = [
    ...itemsOf(server.raw.entries.get('listen')).map((raw, index) => ({ raw, address: listen?.[index] })),
    ...(tls ? itemsOf(tls.raw.entries.get('listen')) : []).map((raw, index) => ({
      raw,
      address: tls?.values.listen?.[index],
    })),
    ...itemsOf(server.raw.entries.get('admin')).map(raw => ({ raw, address: admin })),
    ...itemsOf(server.raw.entries.get('verify')).map((raw, index) => ({ raw, address: verify?.[index] })),
  ]
  for (const { raw, address } of addresses) {
    if (!address || (address.kind === 'tcp' && address.port === 0)) continue
    const first = places.find(place => isSamePlace(place.address, address))?.at
    if (first === undefined) places.push({ address, at: raw.at })
    else
      report.mistake(raw.at, 'listen.repeated', `${showRaw(raw)} is listened on twice`, { hint: 'remove one', first })
  }
  for (const [index, raw] of itemsOf(server.raw.entries.get('trusted_proxies')).entries()) {
    if (server.values.trusted_proxies?.[index]?.endsWith('/0')) {
      const hint = 'anyone can then name any client address; name the proxy in front'
      report.warn(raw.at, 'network.everyone', `${showRaw(raw)} trusts everyone`, { hint })
    }
  }
  if (listen?.length === 0) checkNoListener(root, report)
  checkTrustedFields(root, report)
  checkClientAddress(root, report)
  checkEdit(root, report)
  checkOutgoing(server.values.outgoing, report)
  if (workers !== undefined && workers !== 1) {
    const shared = [
      ...itemsOf(server.raw.entries.get('listen')).map((raw, index) => ({ raw, address: listen?.[index] })),
      ...itemsOf(server.raw.entries.get('verify')).map((raw, index) => ({ raw, address: verify?.[index] })),
    ]
    for (const { raw, address } of shared) {
      if (address?.kind === 'tcp' && address.port === 0) {
        const hint = 'each worker would get a different port: write the port'
        report.mistake(raw.at, 'workers.unshared', 'several workers cannot share a port that is chosen at start', {
          hint,
        })
      }
    }
    if (listen !== undefined && listen.length > 0 && listen.every(address => address.kind === 'unix')) {
      const hint = 'a local socket belongs to the first worker, so the others have nothing to do; listen on a port too'
      report.warn([...server.at, 'workers'], 'workers.unshared', 'several workers cannot share a local socket', {
        hint,
      })
    }
  }
  const isAsked = root.values.routes?.some(({ values }) => values.verify === true) ?? true
  if (verify && !isAsked) {
    const hint = 'remove it, or say verify = true in the routes whose applications a proxy in front has'
    report.warn([...server.at, 'verify'], 'verify.unused', 'no route has verify = true, so no proxy can ask here', {
      hint,
      part: 'key',
    })
  }
  checkStore(root, files, report)
}

/** Without plain HTTP there has to be another way in, and an authority needs none. */
function checkNoListener({ raw, values: { server, tls } }: RootTable, report: Report): void {
  const at = server?.raw.entries.get('listen')?.at
  const asksPlainly = tls?.values.acme != null && tls.values.acme.values.dns == null
  if (at === undefined || (raw.entries.has('tls') && !asksPlainly)) return
  const [message, hint] = asksPlainly
    ? ['the authority of acme asks by plain HTTP, which nothing takes', 'listen = "0.0.0.0:80", or dns in [tls.acme]']
    : ['nothing would be listened on', 'name an address, such as "0.0.0.0:8080"']
  report.mistake(at, 'list.empty', message, { hint, part: 'key' })
}

/** A field that a proxy sets is set by a proxy that is named, and is none that a route writes. */
function checkTrustedFields({ values: { server, routes } }: RootTable, report: Report): void {
  const fields = server?.values.trusted_fields ?? []
  if (server === undefined || fields.length === 0) return
  if (server.values.trusted_proxies?.length === 0) {
    const hint = 'name the proxy that sets them in trusted_proxies'
    report.mistake([...server.at, 'trusted_fields'], 'network.missing', 'trusted_fields without a trusted proxy', {
      hint,
      part: 'key',
    })
  }
  const written = new Set(routes?.flatMap(route => fieldsAbout(route)).map(foldFieldName))
  for (const [index, raw] of itemsOf(server.raw.entries.get('trusted_fields')).entries()) {
    const name = fields[index]
    if (name === undefined || !written.has(foldFieldName(name))) continue
    const hint = 'a route sends the user’s identity in this field: choose another name for one of the two'
    report.mistake(raw.at, 'header.owned', `${showRaw(raw)} cannot be a trusted field`, { hint })
  }
}

/** A field with the client's address does not hold the user's identity, and only trusted proxies send it. */
function checkClientAddress({ values: { server, routes } }: RootTable, report: Report): void {
  const raw = server?.raw.entries.get('client_address')
  const name = server?.values.client_address
  if (server === undefined || raw === undefined || name === undefined) return
  if (server.values.trusted_proxies?.length === 0) {
    const hint =
      'name the proxy that writes it in trusted_proxies; until then every client has the address it comes from'
    report.warn(raw.at, 'network.missing', 'client_address without a trusted proxy', { hint, part: 'key' })
  }
  const folded = foldFieldName(name)
  if (!routes?.some(route => fieldsAbout(route).some(written => foldFieldName(written) === folded))) return
  const hint = 'a route sends the user’s identity in this field: choose another name for one of the two'
  report.mistake(raw.at, 'header.owned', `${showRaw(raw)} cannot have the client’s address`, { hint })
}

/** Whether two listeners would have one port: that of every address has it on each, too. */
function isSamePlace(one: ListenAddress, other: ListenAddress): boolean {
  if (one.kind === 'unix' || other.kind === 'unix')
    return one.kind === 'unix' && other.kind === 'unix' && one.path === other.path
  if (one.port !== other.port) return false
  return one.host === other.host || isEverywhere(one.host, other.host) || isEverywhere(other.host, one.host)
}

function isEverywhere(all: string, host: string): boolean {
  return all === '0.0.0.0' ? !host.includes(':') : all === '::' && host.includes(':')
}

const STORE_PEM = { file: 'store.file', pem: 'store.pem', pair: 'store.pair' } as const

function checkStore({ values: { server, sessions } }: RootTable, files: ConfigFiles, report: Report): void {
  const store = sessions?.values.store?.('/')
  const workers = server?.values.workers
  if (server !== undefined && store?.kind === 'sqlite' && store.path === ':memory:' && workers && workers !== 1) {
    const hint = 'each worker would know only its own sign-ins: write a file into store'
    report.mistake([...server.at, 'workers'], 'store.memory', 'several workers cannot share sessions in memory', {
      hint,
    })
  }
  const tls = sessions?.values.store_tls
  if (tls && sessions?.values.store !== undefined && !(store?.kind === 'redis' && store.isTls)) {
    const hint = 'begin store with rediss:// or valkeys://, or remove store_tls'
    report.mistake(tls.at, 'store.scheme', 'store_tls is set, and store speaks no TLS', { hint, part: 'key' })
  }
  if (tls) checkClientTls(tls, STORE_PEM, files, report)
  if (sessions !== undefined && store?.kind === 'redis' && sessions.values.key === null) {
    report.mistake([...sessions.at, 'store'], 'sessions.key', 'sessions in Redis need a key that every machine has', {
      hint: 'make one with "openssl rand -base64 32 > sallyport.key", give it to each, and add key = "${file:sallyport.key}"',
    })
  }
}

/** An editor must be an admin, and the file must have only one portal: admins do not decide about another portal. */
function checkEdit({ values: { server, portals } }: RootTable, report: Report): void {
  if (server?.values.edit !== true || portals === undefined) return
  const [only, ...others] = portals.values()
  const whose = only === undefined || only.values.admin_role === null ? 'no portal has an admin_role' : ''
  const why = others.length > 0 ? 'the file has several portals' : whose
  if (why === '') return
  const hint =
    others.length > 0
      ? 'remove it: each admin could change rules for users of the other portals'
      : 'name the role of those who may: admin_role = "admin" in [portals.NAME]; or remove it'
  report.mistake([...server.at, 'edit'], 'server.edit', `the editor is off: ${why}`, { hint, part: 'key' })
}

/** A proxy's password needs a user name. */
function checkOutgoing(outgoing: Table<typeof OUTGOING> | null | undefined, report: Report): void {
  if (!outgoing || outgoing.values.user || !outgoing.raw.entries.has('password')) return
  if (outgoing.raw.entries.has('user')) return
  report.mistake([...outgoing.at, 'password'], 'outgoing.proxy', 'a password without a user is sent to no proxy', {
    hint: 'write user = "…" beside it',
  })
}

/** Checks limits together with the routes that have them: users are distinguished only where they can sign in. */
export function checkLimits(root: RootTable, report: Report): void {
  checkSignIns(root.values.server?.values.sign_in_rate, report)
  for (const route of root.values.routes ?? []) {
    checkRate(route, report)
    checkKept(route, 'keep_posts', 'no form is ever kept', report)
    checkKept(route, 'keep_fragment', 'no address is ever left', report)
  }
}

/** How many an address may begin at once, and in the hour that one may take: more of them are not kept (`session/one-time.ts`). */
const MOST_AT_ONCE = 6000
const MOST_AFTER = 14_000
const KEPT_MS = 3_600_000

function checkSignIns(rate: Table<typeof ALLOWANCE> | null | undefined, report: Report): void {
  if (!rate) return
  const { requests, per, burst } = rate.values
  const hint = 'more sign-ins would end those that have begun'
  const atOnce = burst ?? requests
  if (atOnce !== undefined && atOnce > MOST_AT_ONCE) {
    const key = burst === null ? 'requests' : 'burst'
    report.mistake([...rate.at, key], 'number.range', `at most ${MOST_AT_ONCE} sign-ins may begin at once`, { hint })
  } else if (requests !== undefined && per !== undefined && (requests * KEPT_MS) / per > MOST_AFTER) {
    const message = `at most ${MOST_AFTER} sign-ins may begin in an hour, after those at once`
    report.mistake([...rate.at, 'requests'], 'number.range', message, { hint })
  }
}

function checkRate({ values, at }: RouteTable, report: Report): void {
  if (values.rate?.values.by !== 'user' || values.portal !== null) return
  const hint = 'set by = "client", or add portal = "…": where people sign in'
  report.mistake([...at, 'rate', 'by'], 'rate.user', 'without a portal, the route has no users to tell apart', { hint })
}

/** What is kept while users sign in, on a route where no user does. */
function checkKept({ values, at }: RouteTable, key: 'keep_posts' | 'keep_fragment', so: string, report: Report): void {
  const { keep_posts: posts, keep_fragment: fragment, allow, deny, portal } = values
  if (key === 'keep_posts' ? !posts || posts === 'off' : fragment !== true) return
  const isOpen = allow?.kind === 'public' && deny === null
  if (!isOpen && portal !== null) return
  const hint = 'remove it: it is for routes where people sign in'
  report.mistake([...at, key], `${key}.unused`, `users never sign in here, so ${so}`, { hint, part: 'key' })
}
