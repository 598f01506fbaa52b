/** What gates that share a session store know of each other: a fingerprint of the file that each of them runs. */

import { errorFacts } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import { oneAtATime } from '../base/repeat.ts'
import { guarded } from './rows.ts'
import type { SessionStore } from './store.ts'

/** This process among the gates of its store. */
export interface OwnGate {
  /** Of this process: one gate may have several. */
  readonly id: string
  /** What all processes of one gate have in common. */
  readonly gate: string
  /** For people, as that of its machine. */
  readonly name: string
}

/** What a process runs. */
export interface RunFile {
  /** The same for the same file with the same secrets; says nothing of either. */
  readonly file: string
  /** The same where the same people may have a session. */
  readonly trust: string
  readonly idleMs: number
  /** The names of its portals. */
  readonly portals: readonly string[]
}

/** One gate, as the others know it. */
export interface GateView {
  readonly name: string
  readonly isOwn: boolean
  /** Whether it runs the file that the one runs who asks. */
  readonly isSameFile: boolean
  /** Since when it has run that file, by the store's clock. */
  readonly sinceMs: number
}

export interface Gates {
  /** What this process runs from now on. Never throws: what cannot be written now is written later. */
  run(next: RunFile): void
  /**
   * Whether every gate lets in whom this one does, as far as is known by now; false where the store cannot be asked.
   */
  agree(): Promise<boolean>
  /** All gates by name, as they were last heard of: this one too. */
  view(): readonly GateView[]
  /** The same, asked for now, by a file of this fingerprint where no gate asks. Throws `session.store`. */
  look(fingerprint?: string): Promise<readonly GateView[]>
  /** The names of the portals of all gates, read now. Throws `session.store`. */
  portals(): Promise<readonly string[]>
  /** The longest `idle` of all gates. */
  longestIdleMs(ownMs: number): number
  /** Called each time that something was heard. */
  onHeard(listener: () => void): void
  /** Takes this process from the list. Never throws. */
  close(): Promise<void>
}

/** One process, as it is stored. */
interface Entry extends OwnGate, RunFile {
  readonly sinceMs: number
  /** When it last said so. */
  readonly atMs: number
}

type GateStore = Pick<SessionStore, 'clock' | 'changeRecord' | 'findRecord'>

/** A value of all gates: the list of them. */
const NAME = 'gates'

/** How often a process writes that it runs. */
const SAID_EVERY_MS = 10_000

/** A process that was silent for longer is gone: it was killed, or its machine is. */
const SILENT_MS = 45_000

/** What was heard so lately is not asked for again. */
const FRESH_MS = 1_000

/** Bounds the value. */
const MOST = 500

/** A gate that has its store to itself: there are no others to ask. */
export function standAlone({ name }: Pick<OwnGate, 'name'>, { now }: Pick<Ports, 'now'>): Gates {
  let file = ''
  let sinceMs = now()
  const view = () => [{ name, isOwn: true, isSameFile: true, sinceMs }]
  return {
    ...NOBODY,
    run(next) {
      if (next.file !== file) sinceMs = now()
      file = next.file
    },
    view,
    look: async () => view(),
  }
}

const NOBODY: Gates = Object.freeze({
  run: () => undefined,
  agree: async () => true,
  view: () => [],
  look: async () => [],
  portals: async () => [],
  longestIdleMs: (ownMs: number) => ownMs,
  onHeard: () => undefined,
  close: async () => undefined,
})

/** The gates of a store for who is none of them: a command. */
export function watchGates(
  store: GateStore,
  { now }: Pick<Ports, 'now'>,
  fileOf: (fingerprint: string) => string,
): Gates {
  const read = () => readEntries(store, now)
  return {
    ...NOBODY,
    async look(fingerprint) {
      return viewOf(await read(), null, fingerprint === undefined ? null : { file: fileOf(fingerprint) })
    },
    portals: async () => portalsOf(await read()),
  }
}

function portalsOf(entries: readonly Entry[]): readonly string[] {
  return [...new Set(entries.flatMap(({ portals }) => portals))]
}

/**
 * This process among the gates of a store.
 *
 * Each says every few seconds what it runs, in one value of the store, and hears so what the others run. Times are those of the
 * store's clock. A process that was silent for long has gone; but only if this process could read the store meanwhile: after the
 * store was away, all were silent for a while.
 */
export function joinGates(
  own: OwnGate,
  store: GateStore,
  { now, tick = now, log }: Pick<Ports, 'now' | 'tick' | 'log'>,
  everyMs = SAID_EVERY_MS,
): Gates {
  let running: RunFile | null = null
  let entries: readonly Entry[] = []
  /** Since when this process has heard the others without a break, by the store's clock; null: it does not now. */
  let hearsSinceMs: number | null = null
  let heardAtTick = Number.NEGATIVE_INFINITY
  let isClosed = false
  const listeners: (() => void)[] = []

  async function say(): Promise<void> {
    const file = running
    if (file === null || isClosed) return
    try {
      const atMs = (await guarded(() => store.clock())) ?? now()
      let told: readonly Entry[] = []
      let sinceMs = atMs
      await guarded(() =>
        store.changeRecord('shared', { id: NAME }, before => {
          const all = parseEntries(before?.value ?? null, atMs)
          const known = all.find(({ id }) => id === own.id)
          const isSteady = hearsSinceMs !== null && known !== undefined && atMs - known.atMs < SILENT_MS
          sinceMs = isSteady ? Math.min(hearsSinceMs ?? atMs, atMs) : atMs
          const entry: Entry = { ...own, ...file, sinceMs: known?.file === file.file ? known.sinceMs : atMs, atMs }
          // A store that has lost the list knows nobody until they speak.
          const heard = hearsSinceMs !== null && known === undefined ? [...all, ...missingFrom(all, entries)] : all
          const others = heard.filter(one => one.id !== own.id && atMs - Math.max(one.atMs, sinceMs) < SILENT_MS)
          told = [entry, ...others].slice(0, MOST)
          return { id: NAME, value: JSON.stringify(told) }
        }),
      )
      hearsSinceMs = sinceMs
      entries = told
      heardAtTick = tick()
    } catch (error) {
      hearsSinceMs = null
      throw error
    }
    for (const listener of listeners) listener()
  }

  let saying: Promise<void> = Promise.resolve()
  /** One after the other: each says the file of its time. */
  function sayInTurn(): Promise<void> {
    const said = saying.then(say)
    saying = said.catch(() => undefined)
    return said
  }

  const repeat = oneAtATime({ what: 'tell the other gates which file runs here', work: sayInTurn, log })
  const timer = setInterval(repeat, everyMs)
  timer.unref()

  const isFresh = () =>
    tick() - heardAtTick < FRESH_MS && entries.some(({ id, file }) => id === own.id && file === running?.file)

  return {
    run(next) {
      running = next
      // Where that fails, the next one says so.
      sayInTurn().catch(() => undefined)
    },
    async agree() {
      try {
        if (!isFresh()) await sayInTurn()
        return running === null || entries.every(({ trust }) => trust === running?.trust)
      } catch {
        return false
      }
    },
    view: () => viewOf(entries, own, running),
    async look() {
      if (!isFresh()) await sayInTurn()
      return viewOf(entries, own, running)
    },
    portals: async () => portalsOf(await readEntries(store, now)),
    longestIdleMs: ownMs => Math.max(ownMs, ...entries.map(({ idleMs }) => idleMs)),
    onHeard(listener) {
      listeners.push(listener)
    },
    async close() {
      isClosed = true
      clearInterval(timer)
      await saying
      if (running === null) return
      try {
        await guarded(() =>
          store.changeRecord('shared', { id: NAME }, before => {
            const others = parseEntries(before?.value ?? null, Number.POSITIVE_INFINITY).filter(
              ({ id }) => id !== own.id,
            )
            return others.length === 0 ? null : { id: NAME, value: JSON.stringify(others) }
          }),
        )
      } catch (error) {
        log.debug('The other gates could not be informed that this one stops', errorFacts(error))
      }
    },
  }
}

function missingFrom(all: readonly Entry[], before: readonly Entry[]): readonly Entry[] {
  return before.filter(({ id }) => !all.some(one => one.id === id))
}

/** What the processes of a store last said. Throws `session.store`. */
async function readEntries(store: GateStore, now: () => number): Promise<readonly Entry[]> {
  const atMs = (await guarded(() => store.clock())) ?? now()
  const found = await guarded(() => store.findRecord('shared', { id: NAME }))
  return parseEntries(found?.value ?? null, atMs).filter(one => atMs - one.atMs < SILENT_MS)
}

/** A gate with several processes runs another file where any of them does. */
function viewOf(
  entries: readonly Entry[],
  own: Pick<OwnGate, 'gate'> | null,
  running: Pick<RunFile, 'file'> | null,
): readonly GateView[] {
  const views = [...Map.groupBy(entries, ({ gate }) => gate)].map(
    ([gate, processes]): GateView & { readonly gate: string } => {
      const others = processes.filter(({ file }) => file !== running?.file)
      const told = others.length === 0 ? processes : others
      const sinceMs = Math.max(...told.map(one => one.sinceMs))
      return {
        gate,
        name: processes[0]?.name ?? '',
        isOwn: gate === own?.gate,
        isSameFile: others.length === 0,
        sinceMs,
      }
    },
  )
  const names = views.map(({ name }) => name)
  return views
    .map(({ gate, name, ...rest }) => ({
      name: names.indexOf(name) === names.lastIndexOf(name) ? name : `${name} (${gate})`,
      ...rest,
    }))
    .sort((one, other) => (one.name < other.name ? -1 : 1))
}

/** Nothing of it is in the future: the clock of a store may be another one since a failover. */
function parseEntries(text: string | null, nowMs: number): readonly Entry[] {
  const raw = parseList(text)
  return raw.flatMap(one => {
    if (typeof one !== 'object' || one === null) return []
    const { id, gate, name, file, trust, idleMs, portals, sinceMs, atMs } = one as Record<keyof Entry, unknown>
    const texts = [id, gate, name, file, trust]
    const numbers = [idleMs, sinceMs, atMs]
    if (!texts.every(isText) || !numbers.every(Number.isFinite) || !Array.isArray(portals)) return []
    const entry = one as Entry
    return [
      {
        ...entry,
        sinceMs: Math.min(entry.sinceMs, nowMs),
        atMs: Math.min(entry.atMs, nowMs),
        portals: portals.filter(isText),
      },
    ]
  })
}

function parseList(text: string | null): readonly unknown[] {
  try {
    const raw: unknown = text === null ? [] : JSON.parse(text)
    return Array.isArray(raw) ? raw : []
  } catch {
    return []
  }
}

function isText(raw: unknown): raw is string {
  return typeof raw === 'string'
}
