/** The answer to a request for a file: conditions, ranges and codings (RFC 9110 §8.4, §13, §14). */

import type { BigIntStats } from 'node:fs'
import type { Compressor } from './compressor.ts'

/** A file that may be shown. */
export interface Found {
  /** Where it is once every link was followed. */
  readonly path: string
  readonly stats: BigIntStats
}

/** How a file goes out. */
export interface Manner {
  readonly cacheControl: string | null
  /** Null: as it is. */
  readonly compressor: Compressor | null
  /** The file of this ending beside the one that is asked for, or null. */
  findBeside(ending: string): Promise<Found | null>
}

/** What is sent: the file itself, or its content in a coding. */
interface Representation {
  readonly coding: string | null
  readonly version: Version
  readonly body: Bun.BlobPart & Blob
}

/**
 * A file for GET and HEAD: single ranges, conditions, and a coding that the client accepts. Each representation has a
 * separate tag, and a request for a range is about the file itself.
 *
 * Source: RFC 9110 §8.8.3.3 (tags and codings), §12.5.3 (Accept-Encoding), §12.5.5 (Vary), §14.2 (Range).
 */
export async function answerFile(request: Request, found: Found, manner: Manner): Promise<Response> {
  const { type } = Bun.file(found.path)
  const mayVary = manner.compressor !== null && isCompressible(type)
  const coded = mayVary && !request.headers.has('range') ? await findCoded(request, found, manner) : null
  const { coding, version, body } = coded ?? itself(found)
  const headers = new Headers({
    etag: version.etag,
    'last-modified': new Date(version.modifiedMs).toUTCString(),
    'x-content-type-options': 'nosniff',
  })
  if (coding === null) headers.set('accept-ranges', 'bytes')
  if (mayVary) headers.set('vary', 'Accept-Encoding')
  if (manner.cacheControl !== null) headers.set('cache-control', manner.cacheControl)
  const outcome = decideOutcome(request.method, request.headers, version)
  switch (outcome.kind) {
    case 'not-modified':
      return new Response(null, { status: 304, headers })
    case 'failed':
      return new Response(null, { status: 412, headers })
    case 'unsatisfiable':
      headers.set('content-range', `bytes */${version.bytes}`)
      return new Response(null, { status: 416, headers })
    case 'part':
      headers.set('content-type', type)
      headers.set('content-range', `bytes ${outcome.from}-${outcome.until - 1}/${version.bytes}`)
      return new Response(body.slice(outcome.from, outcome.until), { status: 206, headers })
    case 'whole':
      headers.set('content-type', type)
      if (coding !== null) headers.set('content-encoding', coding)
      if (request.method === 'HEAD') {
        headers.set('content-length', String(version.bytes))
        return new Response(null, { headers })
      }
      // With Range, Bun 1.4.5 checks it and If-Range again, with the same result.
      return new Response(body, { headers })
  }
}

function itself({ path, stats }: Found): Representation {
  const version = { etag: `"${tagOf(stats)}"`, modifiedMs: modifiedMsOf(stats), bytes: Number(stats.size) }
  return { coding: null, version, body: Bun.file(path) }
}

/** A compressed file beside the original comes before one that has to be made. */
async function findCoded(request: Request, found: Found, manner: Manner): Promise<Representation | null> {
  const wanted = wantedCodings(request.headers.get('accept-encoding'))
  const modifiedMs = modifiedMsOf(found.stats)
  for (const { coding, ending } of wanted) {
    const beside = await manner.findBeside(ending)
    // An older one is of what the file was.
    if (beside === null || !beside.stats.isFile() || modifiedMsOf(beside.stats) < modifiedMs) continue
    const version = { etag: `"${tagOf(beside.stats)}-${coding}"`, modifiedMs, bytes: Number(beside.stats.size) }
    return { coding, version, body: Bun.file(beside.path) }
  }
  if (manner.compressor === null || wanted.every(({ coding }) => coding !== 'gzip')) return null
  const tag = tagOf(found.stats)
  const read = () => Bun.file(found.path).bytes()
  const made = await manner.compressor.gzip(`${tag} ${found.path}`, Number(found.stats.size), read)
  if (made === null) return null
  const version = { etag: `"${tag}-gzip"`, modifiedMs, bytes: made.length }
  return { coding: 'gzip', version, body: new Blob([made]) }
}

function tagOf({ mtimeNs, size }: BigIntStats): string {
  return `${mtimeNs.toString(36)}-${size.toString(36)}`
}

/** In whole seconds, as HTTP says it. */
function modifiedMsOf({ mtimeMs }: BigIntStats): number {
  return Math.floor(Number(mtimeMs) / 1000) * 1000
}

/** What identifies one version of a file. */
interface Version {
  /** A strong entity tag with its quotes. */
  readonly etag: string
  /** Milliseconds since the epoch, in whole seconds. */
  readonly modifiedMs: number
  readonly bytes: number
}

/** The result of a conditional request; `until` is not included. */
type Outcome =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly from: number; readonly until: number }
  | { readonly kind: 'not-modified' }
  | { readonly kind: 'failed' }
  | { readonly kind: 'unsatisfiable' }

/**
 * What a GET or HEAD gets, in the order of RFC 9110 §13.2.2. Malformed dates and ranges count as absent, and several ranges
 * as none (§14.2 lets a server ignore them).
 */
function decideOutcome(method: string, headers: Headers, version: Version): Outcome {
  const ifMatch = headers.get('if-match')
  const unmodifiedSince = dateOf(headers.get('if-unmodified-since'))
  if (
    ifMatch !== null ? !listsTag(ifMatch, version.etag, 'strong') : version.modifiedMs > (unmodifiedSince ?? Infinity)
  ) {
    return { kind: 'failed' }
  }
  const ifNoneMatch = headers.get('if-none-match')
  const modifiedSince = dateOf(headers.get('if-modified-since'))
  const isKnown =
    ifNoneMatch !== null
      ? listsTag(ifNoneMatch, version.etag, 'weak')
      : modifiedSince !== null && version.modifiedMs <= modifiedSince
  if (isKnown) return { kind: 'not-modified' }
  const range = method === 'GET' ? headers.get('range') : null
  if (range === null || !mayBePart(headers.get('if-range'), version)) return { kind: 'whole' }
  return readRange(range, version.bytes)
}

/** RFC 9110 §13.1.5: a strong tag that is the same, or exactly the date. */
function mayBePart(ifRange: string | null, version: Version): boolean {
  return ifRange === null || ifRange === version.etag || dateOf(ifRange) === version.modifiedMs
}

/** RFC 9110 §14.1.2. */
function readRange(range: string, bytes: number): Outcome {
  const [, first, last] = /^bytes=[ \t]*([0-9]{0,15})-([0-9]{0,15})[ \t]*$/i.exec(range) ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return { kind: 'whole' }
  if (first === '') {
    const length = Math.min(Number(last), bytes)
    return length === 0 ? { kind: 'unsatisfiable' } : { kind: 'part', from: bytes - length, until: bytes }
  }
  const from = Number(first)
  if (last !== '' && Number(last) < from) return { kind: 'whole' }
  if (from >= bytes) return { kind: 'unsatisfiable' }
  return { kind: 'part', from, until: last === '' ? bytes : Math.min(Number(last) + 1, bytes) }
}

/** RFC 9110 §8.8.3.2. Ours is strong. */
function listsTag(field: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (field.trim() === '*') return true
  const tags = field.match(/(?:W\/)?"[^"]*"/g) ?? []
  return tags.some(tag => tag === etag || (comparison === 'weak' && tag === `W/${etag}`))
}

function dateOf(field: string | null): number | null {
  // Only what HTTP writes: Date.parse takes much more.
  if (
    field === null ||
    !/^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/.test(field)
  ) {
    return null
  }
  const ms = Date.parse(field)
  return Number.isNaN(ms) ? null : ms
}

/** Codings that files lie in, the one that is mostly the shortest first: as Accept-Encoding names them, and as their names end. */
const CODINGS = [
  { coding: 'br', ending: '.br' },
  { coding: 'zstd', ending: '.zst' },
  { coding: 'gzip', ending: '.gz' },
] as const

type Coding = (typeof CODINGS)[number]

/**
 * The codings that a client takes and does not like less than none, the most wanted first.
 *
 * Absent on purpose: a client that takes no identity either gets it all the same, which RFC 9110 §12.5.3 leaves to a server.
 */
export function wantedCodings(accept: string | null): readonly Coding[] {
  if (accept === null) return []
  const weights = new Map<string, number>()
  for (const item of accept.toLowerCase().split(',')) {
    const [name = '', ...parameters] = item.split(';').map(part => part.trim())
    const [, weight] =
      parameters.map(part => /^q=([01](?:\.[0-9]{0,3})?)$/.exec(part)).find(found => found !== null) ?? []
    if (name !== '') weights.set(name, weight === undefined ? 1 : Number(weight))
  }
  const weightOf = (coding: string) => weights.get(coding) ?? weights.get('*') ?? 0
  const least = weights.get('identity') ?? 0
  return CODINGS.filter(({ coding }) => weightOf(coding) > 0 && weightOf(coding) >= least).sort(
    (one, other) => weightOf(other.coding) - weightOf(one.coding),
  )
}

/** Whether a media type is of what gets much shorter; pictures, sound and archives are compressed by themselves. */
export function isCompressible(type: string): boolean {
  return /^(?:text\/|application\/(?:json|javascript|xml|wasm|[^;]+\+(?:json|xml))|image\/(?:svg\+xml|bmp|x-icon)|font\/(?:ttf|otf))/.test(
    type,
  )
}
