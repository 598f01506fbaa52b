/**
 * Checks what a route answers with (upstream, files, redirect, verify, a fixed answer), and which keys go together.
 */

import { dirname } from 'node:path'
import { compileExpression, isFault } from '../../base/regular-expression.ts'
import type { RootTable } from '../keys/keys.ts'
import { ROUTE, type RouteTable } from '../keys/routes.ts'
import { type Keys, TARGETS } from '../keys/table.ts'
import { quote, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { rightHint } from '../text/substitute.ts'
import { isForCachesAlone, isForSharedCaches } from '../values/cache-control.ts'
import type { ConfigFiles } from '../values/files.ts'

/** What a route says about where it leads, and how that fits together. */
export function checkAnswers(route: RouteTable, root: RootTable, report: Report): void {
  checkTarget(route, report)
  checkVerify(route, root, report)
  checkFiles(route, report)
  checkRewrite(route, report)
  checkRules(route, report)
  const { entries } = route.raw
  const status = entries.get('status')
  if (status !== undefined && !entries.has('redirect')) {
    const hint = 'the status of a fixed answer stands in respond = { status = … }'
    report.mistake(status.at, 'route.target', 'status belongs to redirect', { hint, part: 'key' })
  }
  const fixed = route.values.respond?.values
  const body = route.values.respond?.raw.entries.get('body')
  if (body !== undefined && fixed?.body && (fixed.status === 204 || fixed.status === 205 || fixed.status === 304)) {
    report.mistake(body.at, 'respond.body', `an answer with the status ${fixed.status} has no body`, { part: 'key' })
  }
}

/** A rewrite must result in a valid path, with any content of the groups. */
function checkRewrite({ values }: RouteTable, report: Report): void {
  const { from, to } = values.rewrite?.values ?? {}
  const raw = values.rewrite?.raw.entries.get('to')
  if (from === undefined || to === undefined || raw === undefined) return
  const compiled = compileExpression(from)
  const groups = isFault(compiled) ? 0 : compiled.groups
  const odd = [...to.matchAll(/\$(\d?)(\d?)/g)].find(
    ([, group, more]) => more !== '' || group === '' || Number(group) > groups,
  )
  if (odd === undefined && /^\/?[\w.~!$&'()*+,;=:@%/-]*$/.test(to)) return
  const hint = `a part of a path, with ${groups === 0 ? 'no group: from has none' : `$1 to $${groups} for the groups of from`}`
  report.mistake(raw.at, 'path.invalid', `${showRaw(raw)} is not what a path can become`, { hint })
}

function checkFiles({ values }: RouteTable, report: Report): void {
  const { files, allow, deny, shared_caches: isShared } = values
  const page = values.upstream ? files?.raw.entries.get('try_files') : undefined
  if (page !== undefined) {
    const hint = 'what is no file comes from the upstream: remove it'
    report.mistake(page.at, 'route.target', 'try_files has no meaning beside upstream', { hint, part: 'key' })
  }
  const raw = files?.raw.entries.get('cache_control')
  if (raw === undefined || allow === undefined || isShared || (allow.kind === 'public' && deny === null)) return
  for (const entry of raw.kind === 'table' ? raw.entries.values() : [raw]) {
    if (entry.kind !== 'text' || entry.text === null || !isForSharedCaches(entry.text)) continue
    const hint = 'say max-age alone: private is put before it; or shared_caches = true, if others may see them'
    const message = 'this route is not public, but caches on the way would serve these files to everybody'
    report.mistake(entry.at, 'files.cache_control', message, { hint })
  }
}

/** Where not everyone may pass, what a route says to shared caches is taken back. */
function checkRules({ values }: RouteTable, report: Report): void {
  const { response_headers: rules, allow, deny, shared_caches: isShared } = values
  if (!rules || allow === undefined || isShared || (allow.kind === 'public' && deny === null)) return
  for (const key of ['set', 'append']) {
    const fields = rules.raw.entries.get(key)
    if (fields?.kind !== 'table') continue
    for (const [name, entry] of fields.entries) {
      const isControl = name.toLowerCase() === 'cache-control'
      if (isControl && (entry.kind !== 'text' || entry.text === null || !isForSharedCaches(entry.text))) continue
      if (!isControl && !isForCachesAlone(name.toLowerCase())) continue
      const hint = 'set shared_caches = true if the answers are no secret; otherwise remove it'
      report.warn(
        entry.at,
        'shared_caches.needed',
        'this route is not public, so shared caches do not get this field',
        {
          hint,
        },
      )
    }
  }
}

function checkTarget(route: RouteTable, report: Report): void {
  const { entries } = route.raw
  const found = TARGETS.filter(name => entries.has(name))
  // Files may come before an upstream.
  const [first, second] = found.join() === 'upstream,files' ? ['upstream'] : found
  if (first === undefined) {
    // A misspelt key is one mistake, not also a missing one.
    if ([...entries.keys()].some(name => !Object.hasOwn(ROUTE, name))) return
    const hint = 'add it, for example: upstream = "http://app:3000"; or redirect, respond, files or verify in its place'
    report.mistake(route.at, 'key.missing', '[[routes]] needs the key upstream', { hint, part: 'key' })
  } else if (second !== undefined) {
    const at = entries.get(second)?.at ?? route.at
    const hint = `a route has one destination: keep ${first} or ${second}`
    report.mistake(at, 'route.target', `${second} is set beside ${first}`, { hint, part: 'key' })
  } else if (first !== 'upstream') {
    const keys: Keys = ROUTE
    for (const [name, entry] of entries) {
      if (keys[name]?.targets?.some(target => target === first) !== false) continue
      const hint = 'remove it: there is no application to tell'
      report.mistake(entry.at, 'route.target', `${name} has no meaning for ${first}`, { hint, part: 'key' })
    }
  }
}

/** A folder that is not there yet may still come: until then the route answers 404, and the others are served. */
export function checkFolders(root: RootTable, files: ConfigFiles, report: Report): void {
  for (const { values } of root.values.routes ?? []) {
    const folder = values.files?.values.folder
    const entry = values.files?.raw.entries.get('folder')
    if (folder === undefined || entry === undefined) continue
    const why = files.whyNoFolder(folder)
    if (why === null) continue
    const near = files.near(folder)
    const hint = `${near === null ? '' : `did you mean ${quote(near)}? `}${folderHint(why)}; until then this route answers 404`
    const what = why === 'is a file' ? showRaw(entry) : `the folder ${showRaw(entry)}`
    report.warn(entry.at, 'files.missing', `${what} ${why}`, { hint })
  }
  checkLogFolders(root, files, report)
}

/** A folder of a log may be made later: until then its lines go elsewhere. */
function checkLogFolders({ values: { log } }: RootTable, files: ConfigFiles, report: Report): void {
  for (const name of ['requests', 'events'] as const) {
    const entry = log?.raw.entries.get(name)
    const place = log?.values[name]?.('/')
    if (entry?.kind !== 'text' || entry.text === null || !place?.startsWith('/')) continue
    const why = files.whyNoFolder(dirname(entry.text))
    if (why === null) continue
    const instead = name === 'events' ? 'these lines go to standard error' : 'these lines are lost'
    const hint = `make it, for the user that Sallyport runs as; until then ${instead}`
    report.warn(entry.at, 'files.missing', `the folder of ${showRaw(entry)} ${why}`, { hint })
  }
}

function folderHint(why: string): string {
  if (why.startsWith('does not exist')) return FOLDER_HINT
  return why === 'is a file' ? 'name the folder that it is in' : rightHint('enter and read it', 'FOLDER')
}

const FOLDER_HINT =
  "make it, or name another: the path is absolute, or starts at the config file's folder, and in a container it is the container's"

/** A route that no proxy may ask about, or for which there is no `verify` listener, is open to no user. */
function checkVerify(route: RouteTable, root: RootTable, report: Report): void {
  const entry = route.raw.entries.get('verify')
  const server = root.values.server?.values
  if (entry === undefined || route.values.verify !== true || server === undefined) return
  const isServed = server.verify !== null
  const isTrusting = server.trusted_proxies?.length !== 0
  if (isServed && isTrusting) return
  const missing = [
    ...(isServed ? [] : ['verify = "127.0.0.1:9080", a place that the proxy in front reaches and its clients do not']),
    ...(isTrusting ? [] : ['trusted_proxies = ["127.0.0.1"], the address that this proxy comes from']),
  ]
  const what = isTrusting
    ? 'nothing is served where a proxy could ask about this route'
    : 'no proxy is trusted, so none may ask about this route'
  report.mistake(entry.at, 'route.verify', what, { hint: `add to [server]: ${missing.join('; and ')}`, part: 'key' })
}
