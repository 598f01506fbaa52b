/** The messages between the supervisor and its workers, and the texts of the files in use, with which a worker starts. */

import { basename, dirname } from 'node:path'
import type { Sources } from '../config/text/substitute.ts'

/** What the supervisor may ask a worker: a method of its AdminSources, or what only this worker knows (`view`). */
export type Question = 'unready' | 'config' | 'metrics' | 'status' | 'view'

/** From the supervisor to a worker. */
export type Order =
  | { readonly kind: 'ask'; readonly id: number; readonly what: Question }
  | { readonly kind: 'reload' }
  /** As SIGHUP: metadata and keys of providers are fetched again, too. */
  | { readonly kind: 'renew' }
  | { readonly kind: 'stop' }
  /** Wants a sign of life. */
  | { readonly kind: 'beat' }
  /** Other processes have the same sockets from now on. */
  | { readonly kind: 'leave' }
  /** What the others said, with null for one that did not. */
  | { readonly kind: 'others'; readonly id: number; readonly values: readonly unknown[] }
  | Owe

/** What was to end at one worker, by the ids, while the session store failed: it is every worker's to end it. */
export interface Owe {
  readonly kind: 'owe'
  readonly ids: readonly string[]
}

/** From a worker to the supervisor. */
export type Report =
  | { readonly kind: 'listening' }
  /** A sign of life. */
  | { readonly kind: 'beat' }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  /** Wants the `view` of every other worker. */
  | { readonly kind: 'ask-others'; readonly id: number }
  | Owe

/** A message as an Order, or null for anything else: the other end is Sallyport, but maybe another version. */
export function parseOrder(raw: unknown): Order | null {
  if (typeof raw !== 'object' || raw === null || !('kind' in raw)) return null
  switch (raw.kind) {
    case 'reload':
      return { kind: 'reload' }
    case 'renew':
      return { kind: 'renew' }
    case 'stop':
      return { kind: 'stop' }
    case 'beat':
      return { kind: 'beat' }
    case 'leave':
      return { kind: 'leave' }
    case 'ask':
      return 'id' in raw && typeof raw.id === 'number' && 'what' in raw && isQuestion(raw.what)
        ? { kind: 'ask', id: raw.id, what: raw.what }
        : null
    case 'others':
      return 'id' in raw && typeof raw.id === 'number' && 'values' in raw && Array.isArray(raw.values)
        ? { kind: 'others', id: raw.id, values: raw.values }
        : null
    default:
      return parseOwe(raw)
  }
}

function parseOwe(raw: object): Owe | null {
  if (!('kind' in raw && raw.kind === 'owe' && 'ids' in raw && Array.isArray(raw.ids))) return null
  return { kind: 'owe', ids: raw.ids.filter(id => typeof id === 'string') }
}

/** A message as a Report, or null for anything else. */
export function parseReport(raw: unknown): Report | null {
  if (typeof raw !== 'object' || raw === null || !('kind' in raw)) return null
  if (raw.kind === 'listening') return { kind: 'listening' }
  if (raw.kind === 'beat') return { kind: 'beat' }
  if (raw.kind === 'answer' && 'id' in raw && typeof raw.id === 'number') {
    return { kind: 'answer', id: raw.id, value: 'value' in raw ? raw.value : undefined }
  }
  if (raw.kind === 'ask-others' && 'id' in raw && typeof raw.id === 'number') return { kind: 'ask-others', id: raw.id }
  return parseOwe(raw)
}

function isQuestion(raw: unknown): raw is Question {
  return raw === 'unready' || raw === 'config' || raw === 'metrics' || raw === 'status' || raw === 'view'
}

/** A file and each that it includes, by their absolute paths, as one line for another process. */
export function writeTexts(texts: ReadonlyMap<string, string>): string {
  return JSON.stringify([...texts])
}

/** The files that `writeTexts` wrote; none for nothing. Throws TypeError for anything else. */
export function parseTexts(text: string): ReadonlyMap<string, string> {
  const raw: unknown = text === '' ? [] : JSON.parse(text)
  if (!Array.isArray(raw) || !raw.every(isEntry)) throw new TypeError('these are not the files in use')
  return new Map(raw)
}

function isEntry(raw: unknown): raw is [string, string] {
  return Array.isArray(raw) && raw.length === 2 && raw.every(part => typeof part === 'string')
}

/** Files as they are on disk, but for some that are as they were: in their folders there is nothing else to include. */
export function withTexts<S extends Pick<Sources, 'readText' | 'listFolder'>>(
  sources: S,
  texts: ReadonlyMap<string, string>,
  isMeant: () => boolean,
): S {
  return {
    ...sources,
    readText: path => (isMeant() ? (texts.get(path) ?? sources.readText(path)) : sources.readText(path)),
    listFolder: path =>
      isMeant()
        ? [...texts.keys()].filter(one => dirname(one) === path).map(one => basename(one))
        : (sources.listFolder?.(path) ?? []),
  }
}
