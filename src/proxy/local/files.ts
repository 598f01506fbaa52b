/** Serves files of a folder (`files`). */

import { readdir, realpath, stat } from 'node:fs/promises'
import { GateError } from '../../base/errors.ts'
import { nextTurn } from '../../base/event-loop.ts'
import { compileStars } from '../../base/wildcard.ts'
import type { CacheRule, FilesAnswer } from '../../config/keys/files.ts'
import { prefersPage } from '../../route/page-load.ts'
import type { Compressor } from './compressor.ts'
import { answerFile, type Found } from './file-answer.ts'

interface FileRequest {
  readonly request: Request
  /** The canonical path below the folder, percent-encoded as it came. */
  readonly path: string
  /** What the client asked for: where a redirect to a folder's own address starts. */
  readonly shownPath: string
  readonly query: string
  /** Whether an address of the same host is closed to the client: then no other address leads to what is there. */
  readonly isClosed: (address: string) => boolean
}

/** A file or folder that was found, by its path below the folder that is served, and its own address. */
interface Named {
  readonly name: string
  readonly address: string
  readonly found: Found
}

/** Serves one folder. */
export type Files = (asked: FileRequest) => Promise<Response>

/**
 * Static files: GET and HEAD. It serves `index.html` for a folder or a list of its content, and one file for addresses
 * without a file. Before an upstream it serves only files. It serves nothing whose name begins with a dot, and nothing
 * outside of the folder, also through links.
 *
 * Rejects with `files.none` (no such file, or none that may be shown) and `files.folder` (the folder itself is
 * missing). Absent on purpose: several ranges at once, which get the whole file. A program that may write into the
 * folder is trusted not to exchange files for links between check and reading.
 */
export function compileFiles(answer: FilesAnswer, isForAll: boolean, compressor: Compressor): Files {
  const { folder, fallback, endings, isFirst, isCompressed } = answer
  const cacheControlOf = compileCacheControl(answer.cacheRules, isForAll)
  const isTaken = ({ method }: Request) => answer.takesAnyMethod || method === 'GET' || method === 'HEAD'

  /** `name` is its path below the folder, `address` its own address. */
  function send({ request, isClosed }: FileRequest, root: string, { name, address, found }: Named): Promise<Response> {
    if (!found.stats.isFile()) throw none(name)
    return answerFile(request, found, {
      cacheControl: cacheControlOf(`/${name}`),
      compressor: isCompressed ? compressor : null,
      async findBeside(ending) {
        const beside = await orNull(find(root, name + ending))
        return beside === null || isClosed(address + ending) ? null : beside
      },
    })
  }

  /** The file of a name, or of the first ending that makes it one. */
  async function findNamed({ shownPath, isClosed }: FileRequest, root: string, name: string): Promise<Named> {
    for (const ending of ['', ...endings]) {
      const found = await orNull(find(root, name + ending))
      const mayBeFolder = ending === '' && !isFirst
      if (found === null || !(mayBeFolder || found.stats.isFile())) continue
      const address = shownPath + ending
      if (ending === '' || !isClosed(address)) return { name: name + ending, address, found }
    }
    throw none(name)
  }

  /** A file that stands for another address than its own. Rejects like `find`, and where its own is closed. */
  async function findInstead({ isClosed }: FileRequest, root: string, name: string, address: string): Promise<Named> {
    const found = await find(root, name)
    if (isClosed(address)) throw none(name)
    return { name, address, found }
  }

  async function show(asked: FileRequest, root: string, names: readonly string[]) {
    const { request, path, shownPath, query } = asked
    if (isFirst && path.endsWith('/')) throw none(path)
    const named = await findNamed(asked, root, names.join('/'))
    if (isFirst && !isTaken(request)) return notTaken()
    if (!named.found.stats.isDirectory()) {
      if (path.endsWith('/')) throw none(path)
      return send(asked, root, named)
    }
    if (!path.endsWith('/')) return new Response(null, { status: 301, headers: { location: `${shownPath}/${query}` } })
    const index = [...names, 'index.html'].join('/')
    if (!answer.isListed || (await orNull(find(root, index))) !== null) {
      return send(asked, root, await findInstead(asked, root, index, `${withSlash(shownPath)}index.html`))
    }
    const headers = new Headers({ 'content-type': 'text/html; charset=utf-8', 'x-content-type-options': 'nosniff' })
    const cacheControl = cacheControlOf(`/${[...names, ''].join('/')}`)
    if (cacheControl !== null) headers.set('cache-control', cacheControl)
    // To HEAD Bun says how long it is, and sends nothing of it.
    return new Response(await listOf(asked, root, named.name), { headers })
  }

  return async asked => {
    const { request, path } = asked
    if (!isFirst && !isTaken(request)) return notTaken()
    const names = readNames(path)
    const root = await rootOf(folder)
    try {
      return await show(asked, root, names)
    } catch (error) {
      const isMissing = error instanceof GateError && error.code === 'files.none'
      if (!isMissing || fallback === null || !mayBePage(request, names)) throw error
      return send(asked, root, await findInstead(asked, root, fallback.slice(1), besideAddress(asked, fallback)))
    }
  }
}

/** The address of another path below the folder, as far as addresses are only longer than these. */
function besideAddress({ path, shownPath }: FileRequest, other: string): string {
  const shown = path.endsWith('/') ? withSlash(shownPath) : shownPath
  return shown.endsWith(path) ? shown.slice(0, -path.length) + other : other
}

/** A folder's own address: a prefix that is taken off may be all that was asked for. */
function withSlash(address: string): string {
  return address.endsWith('/') ? address : `${address}/`
}

function notTaken(): Response {
  return new Response(null, { status: 405, headers: { allow: 'GET, HEAD' } })
}

/** How many names of a folder are judged in one turn of the event loop. */
const NAMES_AT_ONCE = 256

/** A page of links to what may be shown of a folder to this client. */
async function listOf({ shownPath, isClosed }: FileRequest, root: string, folder: string): Promise<string> {
  const entries = await readdir(`${root}/${folder}`, { withFileTypes: true })
  const shown = await Promise.all(
    entries.map(async entry => {
      const { name } = entry
      if (!isShowable(name)) return []
      // Only a link may lead elsewhere: asking the disk about each file of a long folder takes seconds.
      if (entry.isDirectory()) return [`${name}/`]
      if (entry.isFile()) return [name]
      const found = await orNull(find(root, folder === '' ? name : `${folder}/${name}`))
      return found === null ? [] : [found.stats.isDirectory() ? `${name}/` : name]
    }),
  )
  const links: string[] = []
  for (const [index, name] of shown.flat().sort().entries()) {
    if (index % NAMES_AT_ONCE === NAMES_AT_ONCE - 1) await nextTurn()
    const address = name.split('/').map(encodeURIComponent).join('/')
    if (!isClosed(shownPath + address))
      links.push(`<a href="./${Bun.escapeHTML(address)}">${Bun.escapeHTML(name)}</a>\n`)
  }
  return `<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n${links.join('')}</pre>\n`
}

/**
 * Whether the application's own page may be meant: by a page load of a browser, or by a client without a stated
 * preference that names no file extension. A missing script or picture is not answered with a page.
 */
function mayBePage(request: Request, names: readonly string[]): boolean {
  return prefersPage(request) || (!request.headers.has('sec-fetch-dest') && names.at(-1)?.includes('.') !== true)
}

/** What Cache-Control says of a path below the folder; `private` is put to it where the request is known. */
function compileCacheControl(rules: readonly CacheRule[], isForAll: boolean): (path: string) => string | null {
  const usual = isForAll ? null : 'private, no-cache'
  const compiled = rules.map(({ pattern, value }) => ({ holds: compileStars(pattern), value }))
  return path => compiled.find(({ holds }) => holds(path))?.value ?? usual
}

/** The decoded names of a path; anything that could name something else than a plain file or folder is nothing. */
function readNames(path: string): readonly string[] {
  const segments = path.replace(/^\//, '').replace(/\/$/, '')
  if (segments === '') return []
  return segments.split('/').map(segment => {
    const name = decode(segment)
    if (!isShowable(name)) throw none(path)
    return name
  })
}

function isShowable(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  return name !== '' && !name.startsWith('.') && !/[/\\\u0000-\u001f\u007f]/.test(name)
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

/** The real path after every link, if it is still within the root and has no hidden part. */
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

/** Null for what is not there, or may not be shown. */
function orNull(found: Promise<Found>): Promise<Found | null> {
  return found.catch(() => null)
}

function none(path: string): GateError {
  return new GateError('files.none', `nothing is shown at ${path}`)
}
