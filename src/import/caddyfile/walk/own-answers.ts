import { dirname, resolve } from 'node:path'
import { type Context, spell } from '../context.ts'
import { NO_CHANGES } from '../fields.ts'
import type { Directive } from '../parse.ts'
import { type Answer, UNCHANGED } from '../services.ts'

/** `respond [BODY] [STATUS]`; null for what cannot be said. */
export function readRespond(context: Context, { args, line, block }: Directive): Answer | null {
  const [first = '', second] = args
  const isStatus = second === undefined && /^[2-5]\d\d$/.test(first)
  const body = isStatus ? '' : first
  const status = Number(isStatus ? first : (second ?? 200))
  // A variable that stands alone may be a status.
  const isUnclear = second === undefined && first.startsWith('{$')
  // Braces around anything but a name are braces.
  const isFilled = /\{(?!\$)[\w.|:-]+\}/.test(body)
  if (block !== null || isUnclear || !(status >= 200 && status < 600) || isFilled) {
    context.notes.add('decide', 'respond', line, 'write it as respond = { status = …, body = "…" }')
    return null
  }
  context.notes.add('kept', 'respond', line, 'respond of a route')
  return {
    entries: [{ key: 'respond', value: { status, ...(body === '' ? {} : { body: spell(context, body) }) } }],
    headers: {},
    requestHeaders: UNCHANGED,
    fields: NO_CHANGES,
    isRefusal: status >= 400,
  }
}

const REDIRECTS: Readonly<Record<string, number>> = {
  permanent: 301,
  temporary: 302,
  '301': 301,
  '302': 302,
  '303': 303,
  '307': 307,
  '308': 308,
}

/** `redir TO [CODE]`; null for what cannot be said. */
export function readRedir(context: Context, { args, line }: Directive): Answer | null {
  const [to = '', code = '302'] = args
  const spelt = spell(context, to).replaceAll('{uri}', '{path}{query}')
  const status = REDIRECTS[code]
  if (status === undefined || /(?<!\$)\{(?!(?:host|path|query)\})/.test(spelt)) {
    context.notes.add('decide', 'redir', line, 'write it as redirect = "…", with {host}, {path} and {query}')
    return null
  }
  context.notes.add('kept', 'redir', line, 'redirect of a route')
  return {
    entries: [
      { key: 'redirect', value: spelt },
      { key: 'status', value: status === 302 ? null : status },
    ],
    headers: {},
    requestHeaders: UNCHANGED,
    fields: NO_CHANGES,
    isRefusal: false,
  }
}

/** What directives before a `file_server` say of it. */
interface FilesInForce {
  readonly root: string | null
  /** The file of `try_files`; null for none. */
  readonly page: string | null
}

/** Lines of a `file_server` that hide nothing. */
const FILES = ['root', 'browse', 'index', 'precompressed', 'etag_file_extensions', 'disable_canonical_uris']

/** `file_server`, with the `root` and `try_files` that are in force; null without a root. */
export function readFileServer(
  context: Context,
  { args, line, block }: Directive,
  { root: inForce, page }: FilesInForce,
): Answer | null {
  const lines = block ?? []
  const other = lines.find(({ name }) => !FILES.includes(name))
  if (other !== undefined) {
    context.notes.add(
      'closed',
      `file_server ${other.name}`,
      other.line,
      'nobody gets this folder, as one is served as a whole: put what may be seen into a folder of its own',
    )
    return null
  }
  const unread = args.find(word => word !== 'browse')
  if (unread !== undefined) {
    const say = `nobody gets this folder: write files = "…", as what ${unread} stands for cannot be told`
    context.notes.add('closed', 'file_server', line, say)
    return null
  }
  const root = lines.find(({ name }) => name === 'root')?.args[0] ?? inForce
  if (root === null) {
    context.notes.add('decide', 'file_server', line, 'write files = "…": no root directive here says which folder')
    return null
  }
  // Caddy serves none of its own files.
  const place = resolve(dirname(context.oldFiles[0] ?? '/'), root)
  const isOver = context.oldFiles.some(path => `${path}/`.startsWith(place === '/' ? '/' : `${place}/`))
  if (isOver) {
    const say = 'the Caddyfile is in this folder, and was hidden: nobody gets the folder; serve one without it'
    context.notes.add('closed', 'file_server', line, say)
    return null
  }
  const folder = spell(context, root, '/')
  const isBrowsed = args.includes('browse')
  context.notes.add(
    isBrowsed ? 'changed' : 'kept',
    'file_server',
    line,
    'files of a route: for GET and HEAD alone, with ranges and index.html, without listings',
  )
  return {
    entries: [{ key: 'files', value: page === null ? folder : { folder, try_files: page } }],
    headers: {},
    requestHeaders: UNCHANGED,
    fields: NO_CHANGES,
    isRefusal: false,
  }
}
