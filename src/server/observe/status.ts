/** `/status.json`: the state of the gate, of one process or of several together. */

import { inTime } from '../../base/maybe-promise.ts'
import type { OriginView } from '../../portal/admin/overview.ts'
import type { Health } from '../../proxy/upstream/health.ts'
import type { Gates, GateView } from '../../session/gates.ts'
import { mergeViews, type ProcessView } from './process-view.ts'
import { STORE_MS } from './readiness.ts'

/** What one process says of the gate: plain values, which workers send each other. */
export interface StatusFacts {
  readonly applications: readonly {
    readonly id: string
    readonly name: string
    readonly host: string
    readonly upstream: string
  }[]
  readonly origins: ProcessView['origins']
  /** Null where the store could not say. */
  readonly sessions: number | null
  readonly certificates: readonly { readonly names: readonly string[]; readonly endsAtMs: number }[]
  /** Hosts that an authority has yet to give a certificate for. */
  readonly awaited: readonly string[]
  readonly providers: readonly { readonly name: string; readonly label: string; readonly state: ProviderWord }[]
  /** The gates that share the session store, as this process hears them; absent in what a process of before says. */
  readonly gates?: readonly GateView[]
  /** This machine's clock by that of the session store; absent in what a process of before says. */
  readonly clock?: { readonly aheadMs: number | null; readonly isTrusted: boolean }
}

type ProviderWord = 'answers' | 'fails' | 'unasked'

/** What the gate as a whole knows in addition. */
export interface StatusFrame {
  readonly version: string
  /** Which part is not ready, in words; null: all are. */
  readonly unready: string | null
  /** Processes that take requests, and how many there should be. */
  readonly workers: { readonly total: number; readonly listening: number }
  readonly config: { readonly in_force_since: string; readonly on_disk: string; readonly refused: boolean }
}

/** What `/status.json` answers; its names are API. */
export interface Status extends Omit<StatusFrame, 'unready'> {
  readonly status: 'ready' | 'not ready'
  readonly reason: string | null
  readonly applications: Counted<{
    readonly id: string
    readonly name: string
    readonly host: string
    readonly state: Health
  }>
  readonly upstreams: Counted<{
    readonly upstream: string
    readonly address: string
    readonly state: Health
    readonly in_flight: number
    readonly failures: number
  }>
  readonly sessions: { readonly alive: number | null }
  readonly clock: {
    /** `wrong`: it differs from the session store's, or was set a moment ago; nothing is removed from the store by it. */
    readonly state: 'good' | 'wrong'
    /** Seconds ahead of the store's clock, below 0 where it is behind; null where the store has none. */
    readonly ahead_s: number | null
  }
  readonly gates: {
    /** Those that share the session store, this one too. */
    readonly total: number
    /** Those of them that run another file than this one. */
    readonly other_file: number
    readonly list: readonly { readonly name: string; readonly same_file: boolean; readonly since: string }[]
  }
  readonly certificates: {
    readonly total: number
    readonly good: number
    readonly ended: number
    readonly awaited: number
    /** Days until the first one ends, rounded down; below 0 where one has; null where there is none. */
    readonly days_left: number | null
    readonly list: readonly {
      readonly names: readonly string[]
      readonly state: 'good' | 'ended' | 'awaited'
      readonly ends_at: string | null
      readonly days_left: number | null
    }[]
  }
  readonly providers: { readonly total: number; readonly failing: number; readonly list: StatusFacts['providers'] }
}

interface Counted<One> {
  readonly total: number
  readonly up: number
  readonly down: number
  readonly unknown: number
  readonly list: readonly One[]
}

const DAY_MS = 24 * 60 * 60 * 1000

/** The combined status of several processes. Each reports what only it has seen, and the file is the same for all. */
export function tellStatus(processes: readonly StatusFacts[], frame: StatusFrame, nowMs: number): Status {
  const { version, unready, workers, config } = frame
  const [first] = processes
  const { origins } = mergeViews(processes.map(facts => ({ denials: [], origins: facts.origins, uses: [] })))
  const upstreams = origins.map(({ upstream, address, health, inFlight, failures }) => {
    return { upstream, address, state: health, in_flight: inFlight, failures: Math.max(0, failures) }
  })
  const byUpstream = Map.groupBy(origins, ({ upstream }) => upstream)
  const applications = (first?.applications ?? []).map(({ id, name, host, upstream }) => {
    return { id, name, host, state: stateOf(byUpstream.get(upstream) ?? []) }
  })
  return {
    status: unready === null ? 'ready' : 'not ready',
    reason: unready,
    version,
    workers,
    config,
    applications: counted(applications),
    upstreams: counted(upstreams),
    sessions: { alive: most(processes.map(({ sessions }) => sessions)) },
    clock: clockOf(processes),
    gates: gatesOf(processes),
    certificates: certificatesOf(first, nowMs),
    providers: providersOf(processes),
  }
}

/** Up where any address is, down where all are. */
function stateOf(origins: readonly OriginView[]): Health {
  if (origins.some(({ health }) => health === 'up')) return 'up'
  return origins.length > 0 && origins.every(({ health }) => health === 'down') ? 'down' : 'unknown'
}

function counted<One extends { readonly state: Health }>(list: readonly One[]): Counted<One> {
  const count = (state: Health) => list.filter(one => one.state === state).length
  return { total: list.length, up: count('up'), down: count('down'), unknown: count('unknown'), list }
}

function certificatesOf(facts: StatusFacts | undefined, nowMs: number): Status['certificates'] {
  const held = (facts?.certificates ?? []).map(({ names, endsAtMs }) => ({
    names,
    state: nowMs < endsAtMs ? ('good' as const) : ('ended' as const),
    ends_at: new Date(endsAtMs).toISOString(),
    days_left: Math.floor((endsAtMs - nowMs) / DAY_MS),
  }))
  const awaited = (facts?.awaited ?? []).map(name => {
    return { names: [name], state: 'awaited' as const, ends_at: null, days_left: null }
  })
  return {
    total: held.length,
    good: held.filter(({ state }) => state === 'good').length,
    ended: held.filter(({ state }) => state === 'ended').length,
    awaited: awaited.length,
    days_left: held.length === 0 ? null : Math.min(...held.map(({ days_left }) => days_left)),
    list: [...held, ...awaited],
  }
}

/** All of one machine have one clock; of what they say, the worst counts. */
function clockOf(processes: readonly StatusFacts[]): Status['clock'] {
  const clocks = processes.flatMap(({ clock }) => clock ?? [])
  const ahead = clocks.flatMap(({ aheadMs }) => aheadMs ?? [])
  const [worst] = ahead.sort((one, other) => Math.abs(other) - Math.abs(one))
  return {
    state: clocks.every(({ isTrusted }) => isTrusted) ? 'good' : 'wrong',
    ahead_s: worst === undefined ? null : Math.round(worst / 1000),
  }
}

/** As the process hears them that knows most of others. */
function gatesOf(processes: readonly StatusFacts[]): Status['gates'] {
  const [list = []] = processes
    .flatMap(({ gates }) => (gates === undefined ? [] : [gates]))
    .sort((one, other) => differing(other) - differing(one) || other.length - one.length)
  return {
    total: list.length,
    other_file: differing(list),
    list: list.map(({ name, isSameFile, sinceMs }) => {
      return { name, same_file: isSameFile, since: new Date(sinceMs).toISOString() }
    }),
  }
}

/** How many of these run another file. */
export function differing(gates: readonly GateView[]): number {
  return gates.filter(({ isSameFile }) => !isSameFile).length
}

/** The gates by what they say now; as they were last heard of where the store does not answer in time. */
export async function gatesNow({ look, view }: Pick<Gates, 'look' | 'view'>): Promise<readonly GateView[]> {
  try {
    return (await inTime(look(), STORE_MS, null)) ?? view()
  } catch {
    return view()
  }
}

/** A provider fails where any process was failed by it when it last asked. */
function providersOf(processes: readonly StatusFacts[]): Status['providers'] {
  const states = new Map<string, StatusFacts['providers'][number]>()
  for (const provider of processes.flatMap(({ providers }) => providers)) {
    const before = states.get(provider.name)
    if (before === undefined || WORST.indexOf(provider.state) < WORST.indexOf(before.state)) {
      states.set(provider.name, provider)
    }
  }
  const list = [...states.values()]
  return { total: list.length, failing: list.filter(({ state }) => state === 'fails').length, list }
}

const WORST: readonly ProviderWord[] = ['fails', 'answers', 'unasked']

function most(numbers: readonly (number | null)[]): number | null {
  const known = numbers.filter(number => number !== null)
  return known.length === 0 ? null : Math.max(...known)
}

/** StatusFacts as another process sent them, or null for anything else: it may be of another version. */
export function parseStatusFacts(raw: unknown): StatusFacts | null {
  if (typeof raw !== 'object' || raw === null) return null
  const facts = raw as Partial<Record<keyof StatusFacts, unknown>>
  const { applications, origins, sessions, certificates, awaited, providers } = facts
  const isWhole =
    [applications, origins, certificates, awaited, providers].every(Array.isArray) &&
    (sessions === null || typeof sessions === 'number')
  return isWhole ? (facts as StatusFacts) : null
}
