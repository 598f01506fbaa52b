/** What Caddy answers itself: `static_response` and `file_server`. */

import { resolve } from 'node:path'
import { compileExpression, isFault } from '../../base/regular-expression.ts'
import { type Context, isDynamic, spell } from './context.ts'
import { NO_CHANGES, UNCHANGED } from './fields.ts'
import { onlyTexts, type Table, tableOf, textOf, textsOf, unknownKey } from './json.ts'
import { globExpression } from './patterns.ts'
import type { RouteAnswer } from './reverse-proxy.ts'
import { isBelow } from './route-place.ts'

const OWN: Omit<RouteAnswer, 'entries' | 'isRefusal'> = {
  headers: {},
  requestHeaders: UNCHANGED,
  fields: NO_CHANGES,
  hidden: [],
}

/** A `static_response`; null for what cannot be said. */
export function readStaticResponse(context: Context, handler: Table, where: string): RouteAnswer | null {
  const { status_code: stated = 200, body = '', headers } = handler
  const status = Number(stated)
  const fields = Object.entries(tableOf(headers))
  const to = fields.find(([name]) => name.toLowerCase() === 'location')
  if (to !== undefined && status >= 300 && status < 400) return readRedirect(context, textsOf(to[1]), status, where)
  const type = fields.find(([name]) => name.toLowerCase() === 'content-type')
  const types = type === undefined ? [] : (onlyTexts(type[1]) ?? [''])
  // Braces around anything but a name are braces.
  const isFilled = (text: string) => /\{[\w.|:-]+\}/.test(text.replace(/\{env\.\w+\}/g, ''))
  const isSaid =
    status >= 200 &&
    status < 600 &&
    typeof body === 'string' &&
    fields.length === types.length &&
    types.length < 2 &&
    ![body, ...types].some(isFilled) &&
    unknownKey(handler, ['handler', 'status_code', 'body', 'headers', 'close']) === null
  if (!isSaid) {
    context.notes.add('decide', where, null, 'write it as respond = { status = …, body = "…" }')
    return null
  }
  context.notes.add('kept', where, null, 'respond of a route')
  const value = {
    status,
    ...(body === '' ? {} : { body: spell(context, body) }),
    ...(types[0] === undefined ? {} : { content_type: types[0] }),
  }
  return { ...OWN, entries: [{ key: 'respond', value }], isRefusal: status >= 400 }
}

function readRedirect(
  context: Context,
  [to = '', ...more]: readonly string[],
  status: number,
  where: string,
): RouteAnswer | null {
  const named = to
    .replaceAll('{http.request.uri}', '{path}{query}')
    .replaceAll('{http.request.uri.path}', '{path}')
    .replaceAll('{http.request.host}', '{host}')
    .replaceAll('?{http.request.uri.query}', '{query}')
    .replaceAll('{http.request.uri.prefixed_query}', '{query}')
  const spelt = spell(context, named)
  const isKnown = ![301, 302, 303, 307, 308].includes(status) || more.length > 0 || to === ''
  if (isKnown || /(?<!\$)\{(?!(?:host|path|query)\})/.test(spelt)) {
    context.notes.add('decide', where, null, 'write it as redirect = "…", with {host}, {path} and {query}')
    return null
  }
  context.notes.add('kept', where, null, 'redirect of a route')
  return {
    ...OWN,
    entries: [
      { key: 'redirect', value: spelt },
      { key: 'status', value: status === 302 ? null : status },
    ],
    isRefusal: false,
  }
}

/** Keys of a `file_server` that hide nothing. */
const FILES = [
  'browse',
  'canonical_uris',
  'etag_file_extensions',
  'handler',
  'hide',
  'index_names',
  'precompressed',
  'precompressed_order',
  'root',
]

/** A `file_server`, with its current folder and error page for missing files; null where no client gets it. */
export function readFileServer(
  context: Context,
  handler: Table,
  where: string,
  { root: inForce, page }: { readonly root: string | null; readonly page: string | null },
): RouteAnswer | null {
  const closed = (what: string, say: string) => {
    context.notes.add('closed', what === '' ? where : `${what} in ${where}`, null, say)
    return null
  }
  const other = unknownKey(handler, FILES)
  if (other !== null)
    return closed(other, 'this folder stays closed, because this option is not carried over: write files = "…"')
  const root = textOf(handler.root) ?? inForce
  if (root === null || isDynamic(root)) {
    context.notes.add('decide', where, null, 'write files = "…": nothing here says which folder')
    return null
  }
  const hidden = (onlyTexts(handler.hide ?? []) ?? ['{']).map(name => hiddenBelow(name, root))
  if (hidden.includes(null))
    return closed('hide', 'this folder stays closed: all of it was hidden, or it is not clear which part')
  const folder = spell(context, root, '/')
  const say = 'files of a route: for GET and HEAD alone, with ranges and index.html, without listings'
  context.notes.add(handler.browse === undefined ? 'kept' : 'changed', where, null, say)
  const value = page === null ? folder : { folder, try_files: page }
  return {
    ...OWN,
    hidden: hidden.flatMap(one => (one === null || one === '' ? [] : one)),
    entries: [{ key: 'files', value }],
    isRefusal: false,
  }
}

/**
 * The expression that hides a name of `hide`: every file or folder of that name, and everything below it, at any
 * depth. Empty where it is not needed here, as for names that begin with a dot. Null where a part of the folder's own
 * path has that name, or where that cannot be determined.
 */
function hiddenBelow(stated: string, root: string): string | null {
  const name = stated.replace(/\/+$/, '').split('/').at(-1) ?? ''
  const expression = globExpression(name)
  if (name === '' || name.includes('{') || expression === null) return null
  const isName = compileExpression(`^(?:${expression})$`)
  if (isFault(isName) || root.split('/').some(part => isName.test(part))) return null
  if (/^\.[^*?[]+$/.test(name)) return ''
  const isElsewhere =
    /^\/[^*?[{]*$/.test(stated) && /^\/[^*?[{]*$/.test(root) && !isBelow(resolve(stated), resolve(root))
  return isElsewhere ? '' : `(?:^|/)${expression}(?:/|$)`
}
