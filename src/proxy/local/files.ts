import type { BigIntStats } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { GateError } from '../../base/errors.ts'
import { decideOutcome, type Version } from './conditions.ts'

/** A request for a file. */
export interface FileRequest {
  readonly request: Request
  /** The canonical path below the folder, percent-encoded as it came. */
  readonly path: string
  /** What the client asked for: where a redirect to a folder's own address starts. */
  readonly shownPath: string
  readonly query: string
}

/** Serves one folder. */
export type Files = (asked: FileRequest) => Promise<Response>

/**
 * Static files: GET and HEAD, single ranges, conditions, `index.html` for a folder. No listings, nothing whose name begins
 * with a dot, and nothing outside of the folder, whatever links lead there.
 *
 * Rejects with `files.none` (nothing there, or nothing that may be shown) and `files.folder` (the folder itself is not there).
 * Absent on purpose: compression, and several ranges at once, which are answered with the whole file.
 * What may write into the folder is trusted not to exchange files for links within the moment between check and reading.
 */
export function compileFiles(folder: string, isPublic: boolean): Files {
  return async ({ request, path, shownPath, query }) => {
    const { method } = request
    if (method !== 'GET' && method !== 'HEAD')
      return new Response(null, { status: 405, headers: { allow: 'GET, HEAD' } })
    const names = readNames(path)
    const root = await rootOf(folder)
    const found = await find(root, names.join('/'))
    if (!found.stats.isDirectory()) {
      if (path.endsWith('/')) throw none(path)
      return send(request, found, isPublic)
    }
    if (!path.endsWith('/')) return new Response(null, { status: 301, headers: { location: `${shownPath}/${query}` } })
    const index = await find(root, [...names, 'index.html'].join('/'))
    if (!index.stats.isFile()) throw none(path)
    return send(request, index, isPublic)
  }
}

interface Found {
  readonly path: string
  readonly stats: BigIntStats
}

/** The decoded names of a path; anything that could name something else than a plain file or folder is nothing. */
function readNames(path: string): readonly string[] {
  const segments = path.replace(/^\//, '').replace(/\/$/, '')
  if (segments === '') return []
  return segments.split('/').map(segment => {
    const name = decode(segment)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
    if (name === '' || name.startsWith('.') || /[/\\\u0000-\u001f\u007f]/.test(name)) throw none(path)
    return name
  })
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch (cause) {
    throw new GateError('files.none', 'a name is not UTF-8', { cause })
  }
}

async function rootOf(folder: string): Promise<string> {
  try {
    return await realpath(folder)
  } catch (cause) {
    throw new GateError('files.folder', `the folder ${folder} cannot be read`, {
      cause,
      hint: 'check that files in routes.toml names a folder that this user may read',
    })
  }
}

/** What is there once every link was followed, if that is still within the root and hides nothing. */
async function find(root: string, relative: string): Promise<Found> {
  try {
    const path = await realpath(`${root}/${relative}`)
    const base = root === '/' ? '' : root
    const rest = path === root ? '' : path.slice(base.length)
    const isInside = path === root || path.startsWith(`${base}/`)
    if (!isInside || rest.includes('/.')) throw none(relative)
    return { path, stats: await stat(path, { bigint: true }) }
  } catch (cause) {
    throw cause instanceof GateError ? cause : new GateError('files.none', `there is no file ${relative}`, { cause })
  }
}

function send(request: Request, { path, stats }: Found, isPublic: boolean): Response {
  if (!stats.isFile()) throw none(path)
  const version: Version = {
    etag: `"${stats.mtimeNs.toString(36)}-${stats.size.toString(36)}"`,
    modifiedMs: Math.floor(Number(stats.mtimeMs) / 1000) * 1000,
    bytes: Number(stats.size),
  }
  const file = Bun.file(path)
  const headers = new Headers({
    etag: version.etag,
    'last-modified': new Date(version.modifiedMs).toUTCString(),
    'accept-ranges': 'bytes',
    'x-content-type-options': 'nosniff',
  })
  // What is for some must not be kept for all by a cache on the way.
  if (!isPublic) headers.set('cache-control', 'private, no-cache')
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
      headers.set('content-type', file.type)
      headers.set('content-range', `bytes ${outcome.from}-${outcome.until - 1}/${version.bytes}`)
      return new Response(file.slice(outcome.from, outcome.until), { status: 206, headers })
    case 'whole':
      headers.set('content-type', file.type)
      if (request.method === 'HEAD') {
        headers.set('content-length', String(version.bytes))
        return new Response(null, { headers })
      }
      // Where Range is there, Bun 1.4.5 looks at it and at If-Range once more, and comes to the same.
      return new Response(file, { headers })
  }
}

function none(path: string): GateError {
  return new GateError('files.none', `nothing is shown at ${path}`)
}
