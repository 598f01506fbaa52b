import type { BigIntStats } from 'node:fs'
import type { Compressor } from './compressor.ts'
import { decideOutcome, type Version } from './conditions.ts'
import { isCompressible, wantedCodings } from './encodings.ts'

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
 * A file for GET and HEAD: single ranges, conditions, and a coding that the client takes. Each representation has a tag of its own, and
 * a request for a range is about the file itself.
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
      // Where Range is there, Bun 1.4.5 looks at it and at If-Range once more, and comes to the same.
      return new Response(body, { headers })
  }
}

function itself({ path, stats }: Found): Representation {
  const version = { etag: `"${tagOf(stats)}"`, modifiedMs: modifiedMsOf(stats), bytes: Number(stats.size) }
  return { coding: null, version, body: Bun.file(path) }
}

/** What lies beside the file comes before what has to be made. */
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
