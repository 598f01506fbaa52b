/** Collects what the admin page and `/status.json` show of this gate. */

import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Config } from '../../config/resolve/config.ts'
import { isCovered } from '../../config/values/certificate.ts'
import type { ProviderPool } from '../../identity/provider.ts'
import { describeRule } from '../../policy/describe.ts'
import type { DenialView, OriginView, Overview, RouteState, RouteView } from '../../portal/admin/overview.ts'
import type { Gates } from '../../session/gates.ts'
import type { KnownRefusals } from '../applications/known-refusals.ts'
import type { FileState } from '../config/file-state.ts'
import type { Live } from '../config/reload.ts'
import type { GateRoute } from '../config/snapshot.ts'
import { leadsTo } from '../preview/explain.ts'
import { keyOf, mergeViews, type ProcessView } from './process-view.ts'
import type { RouteUse } from './route-use.ts'
import { gatesNow } from './status.ts'

export interface OverviewTools {
  readonly live: Live
  fileState(): FileState
  readonly gates: Pick<Gates, 'view' | 'look'>
  readonly pool: Pick<ProviderPool, 'client'>
  readonly refusals: KnownRefusals
  now(): number
  /** In use now, and the hosts that wait for one. */
  certificates(): readonly { readonly names: readonly string[]; readonly expiresAtMs: number }[]
  awaited(): readonly string[]
  own(): MaybePromise<ProcessView>
  /** The other processes that share the work, with null for one that does not answer in time. */
  others(): MaybePromise<readonly (ProcessView | null)[]>
}

/**
 * What an admin of a portal may see of the gate. Where there are several portals, each admin sees what belongs to their own.
 */
export function createOverview({
  live,
  fileState,
  gates,
  pool,
  refusals,
  now,
  certificates,
  awaited,
  own,
  others,
}: OverviewTools): (portal: string) => Promise<Overview> {
  return async portal => {
    const [around, here] = await Promise.all([others(), own()])
    const heard = around.filter(view => view !== null)
    const { denials, origins, uses } = mergeViews([here, ...heard])
    const used = new Map(uses.map(use => [use.route, use]))
    const known = new Map(origins.map(origin => [keyOf(origin.upstream, origin.address), origin]))
    const { current, state } = live
    const { portals, providers } = current.config
    const isAlone = portals.size === 1
    const isSeen = (name: string | null) => name === portal || (name === null && isAlone)
    const file = fileState()
    const names = portals.get(portal)?.providers ?? []
    const seen = current.routes.filter(({ config }) => isSeen(config.portal))
    const refusing = seen.filter(route =>
      originsOf(route, known).some(({ refusedMs }) => refusedMs > now() - LATELY_MS),
    )
    const refused = await refusals.of(
      refusing.map(({ config }) => config),
      current.config,
    )
    return {
      processes: { all: around.length + 1, heard: heard.length + 1 },
      denials: groupDenials(denials.filter(denial => isSeen(denial.portal))),
      routes: seen.map(route => viewRoute(route, current.config, { known, used, refused })),
      certificates: certificates()
        .filter(({ names }) => isAlone || isForAny(names, seen))
        .map(({ names, expiresAtMs }) => ({ names, endsAtMs: expiresAtMs }))
        .sort((one, other) => one.endsAtMs - other.endsAtMs),
      awaited: awaited().filter(name => isAlone || isForAny([name], seen)),
      providers: names.flatMap(name => {
        const provider = providers.get(name)
        if (provider === undefined || provider.users !== null) return []
        return [{ label: provider.label, issuer: provider.issuer, state: pool.client(provider).state() }]
      }),
      config: {
        inForceSinceMs: state.inForceSinceMs,
        mistakeCount: state.mistakes.length,
        mistakes: isAlone ? state.mistakes : [],
        path: isAlone ? file.path : null,
        onDisk: file.onDisk,
        needsRestart: file.needsRestart,
        otherFiles: (await gatesNow(gates)).filter(({ isSameFile }) => !isSameFile),
      },
    }
  }
}

/** What people call the application at a route or a host of a portal, by the file in force; null: there is none. */
export function createPlaceNames(inForce: () => Config): (portal: string, place: string) => string | null {
  const known = new WeakMap<Config, ReadonlyMap<string, string>>()

  function namesOf(config: Config): ReadonlyMap<string, string> {
    const before = known.get(config)
    if (before !== undefined) return before
    const names = new Map<string, string>()
    const isAlone = config.portals.size === 1
    for (const { id, host, path, name, portal } of config.routes) {
      for (const owner of portal === null && isAlone ? config.portals.keys() : [portal]) {
        names.set(`${owner} ${id}`, name)
        if (path === '/') names.set(`${owner} ${host}`, name)
      }
    }
    known.set(config, names)
    return names
  }

  return (portal, place) => namesOf(inForce()).get(`${portal} ${place}`) ?? null
}

/** Of equals the last one, with how many they are: something that asks every second must not hide everything else. */
function groupDenials(denials: ProcessView['denials']): readonly DenialView[] {
  const groups = new Map<string, DenialView>()
  for (const { portal: _, ...denial } of denials) {
    const { route, method, reason, user, client } = denial
    const key = JSON.stringify([route, method, reason, user, client])
    const last = groups.get(key)
    groups.set(key, last === undefined ? { ...denial, count: 1 } : { ...last, count: last.count + 1 })
  }
  return [...groups.values()]
}

type Known = ReadonlyMap<string, ProcessView['origins'][number]>

/** An application that has refused something since then is asked for its reason when an admin looks. */
const LATELY_MS = 60 * 60_000

function originsOf({ upstream }: GateRoute, known: Known): readonly ProcessView['origins'][number][] {
  return (upstream?.origins ?? []).flatMap(({ label }) => known.get(keyOf(upstream?.label ?? '', label)) ?? [])
}

/** Whether a certificate is for a host of any of these routes. */
function isForAny(names: readonly string[], routes: readonly GateRoute[]): boolean {
  const covered = new Set(names)
  return routes.some(({ config }) => isCovered(config.host, covered))
}

/** What is known of routes and their addresses. */
interface Seen {
  readonly known: Known
  readonly used: ReadonlyMap<string, RouteUse>
  readonly refused: Awaited<ReturnType<KnownRefusals['of']>>
}

function viewRoute(route: GateRoute, file: Config, { known, used, refused }: Seen): RouteView {
  const { config } = route
  const { id, name, allow, deny } = config
  const origins = originsOf(route, known)
  const state = stateOf(route, origins)
  const use = used.get(id)
  const balance = config.upstream === null || config.upstream.addresses.length === 1 ? null : config.upstream.balance
  return {
    id,
    host: config.host,
    name,
    place: config.host + (config.path === '/' ? '' : config.path),
    state,
    unknown: state !== 'unknown' ? null : route.upstream === null ? 'in front' : 'unasked',
    use: use === undefined ? null : { lastMs: use.lastMs, tookMs: use.tookMs, count: use.count },
    leadsTo: leadsTo(config, file),
    access: allow.kind === 'rules' ? { kind: 'rules', rules: allow.rules.map(describeRule) } : allow,
    deny: deny.map(describeRule),
    balance,
    origins: origins.map(({ address, health, inFlight, failures }) => {
      return { address, health, inFlight, failures: Math.max(failures, 0) }
    }),
    refusal: refused.get(config) ?? null,
  }
}

/** What answers itself has no state; what a proxy in front has, nobody here can ask. */
function stateOf({ config, upstream }: GateRoute, origins: readonly OriginView[]): RouteState {
  if (upstream === null) return config.answer?.kind === 'verify' ? 'unknown' : 'own'
  const failing = origins.filter(({ health }) => health === 'down').length
  if (failing > 0) return failing === origins.length ? 'down' : 'partly'
  return origins.some(({ health }) => health === 'up') ? 'up' : 'unknown'
}
