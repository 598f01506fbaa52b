/** Keys that nobody changes on a page, such as paths and programs of this machine. */

import { createLocator } from '../../config/text/locate.ts'
import { parseToml } from '../../config/text/parse.ts'
import { formatPath, type Path, type Raw, type RawTable } from '../../config/text/raw.ts'
import type { Finding } from '../../portal/editor-interface.ts'

/** Keys of files and folders on this machine, and of a program that is run there. */
const OF_MACHINE: ReadonlySet<string> = new Set([
  'ca',
  'cert',
  'client_assertion_file',
  'client_key',
  'exec',
  'files',
  'folder',
  'htpasswd',
  'icon',
  'logo',
  'logo_dark',
  'totp',
  'users',
])

/** The same, where elsewhere a key of this name is something else. */
const OF_MACHINE_AT: readonly RegExp[] = [
  /^tls\.acme\.dns\.env\./,
  /^tls\.certificates\.key$/,
  /\.tls\.key$/,
  /^sessions\.store_tls\.key$/,
  /^log\.(?:requests|events)$/,
]

/** Places of a log that are no files. */
const STREAMS: ReadonlySet<string> = new Set(['stdout', 'stderr'])

/** Values that reach this machine under any key: a socket, a database, a secret in a file or in the environment. */
const LEADS_HERE = /^\s*(?:unix|(?:redis|valkey)s?\+unix|sqlite|file):|\$\{/i

/**
 * What a draft newly has that reaches this machine: a program, a file, a folder, a local socket, a reference to a
 * secret, or the outgoing proxy. A page must not set these, since a session may be stolen.
 *
 * `before` and `after` are whole texts; nothing is read or filled in. Empty for invalid TOML, which is not saved.
 */
export function guardedFindings(file: string, before: string, after: string): readonly Finding[] {
  const next = parseToml(after)
  if (!next.ok) return []
  const known = parseToml(before)
  const had = new Set(known.ok ? reachesOf(known.value).map(({ what }) => what) : [])
  const locator = createLocator(after)
  return reachesOf(next.value)
    .filter(({ what }) => !had.has(what))
    .map(({ at }) => {
      const { line, column } = locator.find(at, 'value')
      const message = `${formatPath(at)} reaches into this machine, and is not changed on a page`
      return { severity: 'error', file, line, column, message, hint: HINT }
    })
}

const HINT =
  'programs, files, folders, local sockets, references to secrets and the outgoing proxy are written in the file on the machine itself'

interface Reach {
  readonly at: Path
  /** Equal for equal values under keys of one name, in any table. */
  readonly what: string
}

function reachesOf(tree: RawTable): readonly Reach[] {
  const reaches: Reach[] = []
  function look(raw: Raw): void {
    if (isProgram(raw.at)) reaches.push(reachOf(raw))
    else if (raw.kind === 'table') for (const entry of raw.entries.values()) look(entry)
    else if (raw.kind === 'list') for (const item of raw.items) look(item)
    else if (raw.kind === 'text' && (isOfMachine(raw.at, raw.source) || LEADS_HERE.test(raw.source)))
      reaches.push(reachOf(raw))
  }
  look(tree)
  return reaches
}

/** A program with its arguments in their order; and the proxy to which all that leaves is handed. */
function isProgram(at: Path): boolean {
  return at.at(-1) === 'exec' || (at.length === 2 && at[0] === 'server' && at[1] === 'outgoing')
}

function isOfMachine(at: Path, source: string): boolean {
  const names = at.filter(step => typeof step === 'string')
  const name = names.join('.')
  if (OF_MACHINE.has(names.at(-1) ?? '')) return true
  return !STREAMS.has(source) && OF_MACHINE_AT.some(place => place.test(name))
}

function reachOf(raw: Raw): Reach {
  const name = raw.at.findLast(step => typeof step === 'string')
  return { at: raw.at, what: JSON.stringify([name, plain(raw)]) }
}

function plain(raw: Raw): unknown {
  if (raw.kind === 'list') return raw.items.map(plain)
  if (raw.kind === 'table') return [...raw.entries].map(([name, entry]) => [name, plain(entry)])
  if (raw.kind === 'text') return raw.source
  return raw.kind === 'date' ? raw.iso : raw.value
}
