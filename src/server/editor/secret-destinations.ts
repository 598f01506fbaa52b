/** Where secrets of a configuration go, so that a draft sends none to another place. */

import { PROVIDER } from '../../config/keys/providers.ts'
import { ROUTE } from '../../config/keys/routes.ts'
import { SESSIONS } from '../../config/keys/sessions.ts'
import { freeIn } from '../../config/keys/table.ts'
import { TELEMETRY } from '../../config/keys/telemetry.ts'
import { TLS } from '../../config/keys/tls.ts'
import { UPSTREAM } from '../../config/keys/upstreams.ts'
import type { Path, Raw, RawTable, RawText } from '../../config/text/raw.ts'

/** One of the files that are one configuration together. */
export interface Part {
  readonly file: string
  readonly tree: RawTable
  /** Whether a text contains something that its author does not see here: a hidden secret, or a reference. */
  isKept(text: RawText): boolean
}

/** A secret, and where it goes. */
export interface Sending {
  readonly file: string
  readonly at: Path
  /** The same for the same secret that goes to the same place in the same way. */
  readonly what: string
}

/** The tables that send what is in them, and the keys of each that do not say where: all others do, known or not. */
const SENDERS: ReadonlyMap<string, { readonly depth: number; readonly free: readonly string[] }> = new Map([
  ['providers', { depth: 2, free: freeIn(PROVIDER) }],
  ['upstreams', { depth: 2, free: freeIn(UPSTREAM) }],
  ['routes', { depth: 2, free: freeIn(ROUTE) }],
  ['telemetry', { depth: 1, free: freeIn(TELEMETRY) }],
  ['sessions', { depth: 1, free: freeIn(SESSIONS) }],
  ['tls', { depth: 1, free: freeIn(TLS) }],
])

/**
 * Keys of a route whose values go to its application. Values of all other keys may reach users whom the route allows.
 */
const INWARD: ReadonlySet<string> = new Set(['host', 'path', 'request_headers', 'upstream'])

/** Files by which the client authenticates: what is made from them is as good as a secret for its receiver. */
const PROOFS: ReadonlySet<string> = new Set(['client_assertion_file', 'client_key'])

/** Each table with each key in it that may change beside a secret. */
export function freeKeys(): readonly (readonly [table: string, key: string])[] {
  return [...SENDERS].flatMap(([table, { free }]) => free.map(key => [table, key] as const))
}

/** The secrets that would go where they did not go before, in any of the files, in their order. */
export function movedSecrets(before: readonly Part[], after: readonly Part[]): readonly Sending[] {
  const known = new Set(sendingsOf(before).map(({ what }) => what))
  return sendingsOf(after).filter(({ what }) => !known.has(what))
}

/** Whether where secrets go may be for other files to say, or may have changed for theirs. */
export function reachesOthers(before: readonly Part[], after: readonly Part[]): boolean {
  const [old, next] = [before, after].map(parts => parts.map(({ tree }) => tree.entries.get('upstreams')))
  const own = next?.flatMap(table => (table?.kind === 'table' ? [...table.entries.keys()] : [])) ?? []
  if (JSON.stringify(old?.map(plain)) !== JSON.stringify(next?.map(plain))) return true
  return after
    .flatMap(({ tree }) => textsIn(tree))
    .filter(({ at }) => at[0] === 'routes' && at.length === 3 && at[2] === 'upstream')
    .some(text => text.source.includes('${') || (isNamed(text) && !own.includes(text.source.slice(1))))
}

interface Upstream {
  readonly table: Raw
  readonly secrets: readonly string[]
}

function sendingsOf(parts: readonly Part[]): readonly Sending[] {
  const upstreams = new Map<string, Upstream>()
  for (const part of parts) {
    const named = part.tree.entries.get('upstreams')
    if (named?.kind !== 'table') continue
    for (const [name, table] of named.entries) {
      upstreams.set(name, { table, secrets: keptIn(table, part).map(({ source }) => source) })
    }
  }
  return parts.flatMap(part =>
    [...part.tree.entries.values()].flatMap(entry => textsIn(entry)).flatMap(text => sendingOf(text, part, upstreams)),
  )
}

function sendingOf(text: RawText, part: Part, upstreams: ReadonlyMap<string, Upstream>): readonly Sending[] {
  const { at, source } = text
  const kind = String(at[0])
  const sender = SENDERS.get(kind)
  const lent = isNamed(text) ? (upstreams.get(source.slice(1))?.secrets ?? []) : []
  if (!isKept(text, part) && lent.length === 0) return []
  const said = (where: unknown) => [{ file: part.file, at, what: JSON.stringify([kind, source, lent, where]) }]
  if (sender === undefined) return said(namesOf(at))
  const own = namesOf(at.slice(sender.depth))
  const free = kind === 'routes' && !INWARD.has(own[0] ?? '') ? [] : sender.free
  const table = tableAt(part.tree, at.slice(0, sender.depth))
  const place = (raw: Raw) => placeOf(raw, [], { free, text })
  return said([own, place(table), kind === 'routes' ? namedBy(table, upstreams, place) : null])
}

/** The upstream that a route names; for a hidden name, every upstream that it may mean. */
function namedBy(route: Raw, upstreams: ReadonlyMap<string, Upstream>, place: (raw: Raw) => unknown): unknown {
  const upstream = route.kind === 'table' ? route.entries.get('upstream') : undefined
  if (upstream?.kind !== 'text') return null
  // Below a route's own key, so that the same keys of it may change.
  const shown = ({ table }: Upstream) => place(under('upstream', table))
  if (isNamed(upstream)) {
    const one = upstreams.get(upstream.source.slice(1))
    return one === undefined ? null : shown(one)
  }
  if (!upstream.source.includes('${')) return null
  return [...upstreams].map(([name, one]) => [name, shown(one)])
}

function under(name: string, raw: Raw): RawTable {
  return { kind: 'table', at: [], entries: new Map([[name, raw]]) }
}

function isNamed({ at, source }: RawText): boolean {
  return at[0] === 'routes' && at.length === 3 && at[2] === 'upstream' && source.startsWith('@')
}

function isKept(text: RawText, part: Part): boolean {
  return part.isKept(text) || (text.at[0] === 'providers' && PROOFS.has(String(text.at.at(-1))))
}

function keptIn(raw: Raw, part: Part): readonly RawText[] {
  return textsIn(raw).filter(text => isKept(text, part))
}

function textsIn(raw: Raw): readonly RawText[] {
  if (raw.kind === 'text') return [raw]
  if (raw.kind === 'table') return [...raw.entries.values()].flatMap(textsIn)
  return raw.kind === 'list' ? raw.items.flatMap(textsIn) : []
}

function tableAt(tree: RawTable, at: Path): Raw {
  return at.reduce<Raw>((raw, step) => {
    const below =
      raw.kind === 'table' ? raw.entries.get(String(step)) : raw.kind === 'list' ? raw.items[Number(step)] : undefined
    if (below === undefined) throw new TypeError('a text is in no table of its tree')
    return below
  }, tree)
}

function namesOf(at: Path): readonly string[] {
  return at.filter(step => typeof step === 'string')
}

function plain(raw: Raw | undefined): unknown {
  return raw === undefined ? null : placeOf(raw, [], { free: [], text: null })
}

/** What says where a text of a table goes: all that is in the table but itself, and what is known to say nothing of it. */
function placeOf(
  raw: Raw,
  names: readonly string[],
  { free, text }: { readonly free: readonly string[]; readonly text: RawText | null },
): unknown {
  if (raw === text) return null
  switch (raw.kind) {
    case 'table':
      return [...raw.entries]
        .map(([name, entry]) => ({ name, entry, own: [...names, name] }))
        .filter(({ own }) => !free.includes(own.join('.')))
        .map(({ name, entry, own }) => [name, placeOf(entry, own, { free, text })] as const)
        .toSorted(([one], [other]) => (one < other ? -1 : 1))
    case 'list':
      return raw.items.map(item => placeOf(item, names, { free, text }))
    case 'text':
      return ['text', raw.source]
    case 'date':
      return ['date', raw.iso]
    default:
      return raw.value
  }
}
