/** Collects what the admin page and `/status.json` show of this gate. */

import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { ProviderPool } from '../../identity/provider.ts'
import { describeRule } from '../../policy/describe.ts'
import type { DenialView, Overview, RouteView } from '../../portal/overview.ts'
import type { KnownRefusals } from '../applications/known-refusals.ts'
import type { FileState } from '../config/file-state.ts'
import type { Live } from '../config/reload.ts'
import type { GateRoute } from '../config/snapshot.ts'
import { keyOf, mergeViews, type ProcessView } from './process-view.ts'

export interface OverviewTools {
  readonly live: Live
  fileState(): FileState
  readonly pool: Pick<ProviderPool, 'client'>
  readonly refusals: KnownRefusals
  now(): number
  /** This process. */
  own(): ProcessView
  /** The other processes that share the work, with null for one that does not answer in time. */
  others(): MaybePromise<readonly (ProcessView | null)[]>
}

/**
 * What an admin of a portal may see of the gate. Where there are several portals, each admin sees what belongs to their own.
 */
export function createOverview({
  live,
  fileState,
  pool,
  refusals,
  now,
  own,
  others,
}: OverviewTools): (portal: string) => Promise<Overview> {
  return async portal => {
    const around = await others()
    const heard = around.filter(view => view !== null)
    const { denials, origins } = mergeViews([own(), ...heard])
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
      routes: seen.map(route => viewRoute(route, known, refused.get(route.config) ?? null)),
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
      },
    }
  }
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

function viewRoute(route: GateRoute, known: Known, refusal: RouteView['refusal']): RouteView {
  const { config } = route
  const { id, name, allow, deny } = config
  const balance = config.upstream === null || config.upstream.addresses.length === 1 ? null : config.upstream.balance
  return {
    id,
    host: config.host,
    name,
    access: allow.kind === 'rules' ? { kind: 'rules', rules: allow.rules.map(describeRule) } : allow,
    deny: deny.map(describeRule),
    balance,
    origins: originsOf(route, known).map(({ address, health, inFlight, failures }) => {
      return { address, health, inFlight, failures: Math.max(failures, 0) }
    }),
    refusal,
  }
}
