/** `sallyport import`: chooses the reader of an old file, and writes routes.toml and the report. */

import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { showJson, showUnseen } from '../base/control-characters.ts'
import { renderDiagnostics } from '../config/render-diagnostics.ts'
import { whyUnreadable } from '../config/text/substitute.ts'
import { EXIT, parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { replaceFile, whyUnwritten } from '../console/replace-file.ts'
import { findProgram } from '../console/run-program.ts'
import { columns } from '../console/terminal.ts'
import {
  type Adapting,
  adaptCaddyfile,
  askRunning,
  type CaddyJson,
  isCaddyJson,
  parseCaddyJson,
  REFUSED,
  seeNamed,
} from './caddy/adapt.ts'
import { convertCaddyJson } from './caddy/convert.ts'
import { type BesideFile, CLOSING, type Draft, type Tools, withoutSecrets, writeToml } from './draft.ts'
import { createNotes, type Note, type Outcome } from './notes.ts'
import { convertOauth2Proxy } from './oauth2-proxy/convert.ts'
import { readInputs, seeInput } from './oauth2-proxy/inputs.ts'
import { type OldText, splitWords, Unreadable } from './oauth2-proxy/old-texts.ts'
import { tellOther } from './others.ts'
import { type Checked, checkDraft } from './self-check.ts'
import { createBlanks } from './variables-to-set.ts'

export const USAGE = {
  text: `usage: sallyport import FILE... [--from oauth2-proxy|caddyfile|caddy] [--host HOST] [--caddy COMMAND] [--out routes.toml] [--json] [-- --FLAG...]

Makes a routes.toml from the configuration of oauth2-proxy, or of a Caddy with caddy-security.
For oauth2-proxy, FILE is its cfg or --alpha-config, a file of OAUTH2_PROXY_* variables, a compose file, manifests of Kubernetes, a
systemd unit, or a file with a command line. Flags may follow "--". With several of them, flags win over variables, and variables over files.
For Caddy, FILE is what "caddy adapt" prints, the autosave.json that Caddy writes at every load (/config/caddy in a container,
/var/lib/caddy/.config/caddy in Debian), the address of its admin API on this machine (http://localhost:2019), or a Caddyfile. A Caddyfile
is read by the caddy on the PATH, or by COMMAND, which needs the same plugins.
The new file goes to standard output, the report to standard error. Secrets are not copied: the report says what to set. No other network
is used.
Exit code: 0 for a file that "sallyport check" accepts, 1 if it needs a correction, could not be made, or keeps a route closed because a
guard of the old one is not carried over, 2 for a wrong command line, or without a Caddy.

  --from KIND       the kind of FILE, if it cannot be recognised
  --host HOST       the application's host, which an oauth2-proxy.cfg often does not name
  --caddy COMMAND   the command that runs Caddy, such as "docker exec -i caddy caddy"; without a shell
  --out FILE        write the new file there, if there is none. The file for a proxy in front goes beside it: FILE.nginx.conf
  --force           with --out: replace an existing file
  --json            the new file and the whole report as JSON on standard output
  --verbose         the report also lists what is carried over`,
  options: {
    from: { type: 'string' },
    host: { type: 'string' },
    out: { type: 'string' },
    force: { type: 'boolean' },
    json: { type: 'boolean' },
    verbose: { type: 'boolean' },
    caddy: { type: 'string' },
  },
  maxPositionals: Number.POSITIVE_INFINITY,
} as const

export async function runImport(argv: readonly string[], io: Io): Promise<number> {
  const end = argv.indexOf('--')
  const parsed = parseArguments(end === -1 ? argv : argv.slice(0, end), USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const { from, host, out, force, json, verbose, caddy } = parsed.values
  const named = parsed.positionals
  const flags = end === -1 ? [] : argv.slice(end + 1)
  const fail = (message: string, code: number = EXIT.failed): number => {
    io.stderr(`${message}\n`)
    return code
  }
  const wrong = (message: string) => fail(message, EXIT.usage)
  if (named.length === 0 && flags.length === 0)
    return wrong('import needs a file, such as oauth2-proxy.cfg, a Caddyfile or the JSON that Caddy makes of it')
  const kind = KINDS.find(name => name === from)
  const kinds = `${KINDS.slice(0, -1).join(', ')} and ${KINDS.at(-1)}`
  if (from !== undefined && kind === undefined) return wrong(`--from ${from} is not known; there are ${kinds}`)
  const texts: OldText[] = []
  let running: OldSetUp['running'] = null
  for (const file of named) {
    const seen = seeNamed(file)
    if (seen.kind === 'refused' || running !== null) return wrong(`${file} ${REFUSED}`)
    if (seen.kind === 'caddy') {
      running = { url: seen.url, shownAs: file }
      continue
    }
    const path = resolve(io.cwd, file)
    try {
      texts.push({ text: io.readText(path), path, shownAs: file })
    } catch (error) {
      return fail(`${file} ${whyUnreadable(error)}`)
    }
  }
  const here = { command: caddy ?? null, installed: findProgram('caddy', io.env('PATH')), cwd: io.cwd, env: io.env }
  const asked = { texts, flags, kind: kind ?? null, readText: io.readText, running, caddy: here }
  const source = await findSource(asked, io.colour.stderr)
  if (!source.ok) return fail(source.why.trimEnd(), source.isUsage === true ? EXIT.usage : EXIT.failed)
  const whence = named.length === 0 ? 'the flags' : named.join(' and ')
  const made = importFrom(source, whence, host ?? null, resolve(io.cwd, out ?? 'routes.toml'), io)
  const files = out === undefined ? [] : filesOf(made, out)
  if (force !== true) {
    const [taken] = files.find(([path]) => existsSync(resolve(io.cwd, path))) ?? []
    if (taken !== undefined) return fail(isTaken(taken))
  }
  // The one beside it first: where that cannot be written, nothing is half done.
  for (const [path, text] of files.toReversed()) {
    const problem = save(resolve(io.cwd, path), path, text, force === true)
    if (problem !== null) return fail(problem)
  }
  const isGood = made.checked.mistakes.length === 0 && !isClosed(made.notes)
  if (json === true) {
    io.stdout(`${showJson({ ok: isGood, from: whence, ...made.shown }, 2)}\n`)
  } else {
    if (out === undefined) io.stdout(made.text)
    io.stderr(renderReport(made, { colour: io.colour.stderr, isVerbose: verbose === true }))
    const paths = files.map(([path]) => path).join(' and ')
    if (out !== undefined) io.stderr(`Written to ${paths}. Then: sallyport check ${out}\n`)
    const config = out === undefined || out === 'routes.toml' ? '' : ` --config ${out}`
    const hint = `Try it on the log of what stands there now: sallyport rehearse access.log${config}`
    if (made.checked.mistakes.length === 0) io.stderr(`${hint}\n`)
  }
  return isGood ? EXIT.ok : EXIT.failed
}

/** `target`: where the new file is meant to be. */
function importFrom(source: Source & { readonly ok: true }, from: string, host: string | null, target: string, io: Io) {
  const notes = createNotes()
  const blanks = createBlanks()
  const readText = (path: string) => io.readText(resolve(io.cwd, path))
  const { sections, beside } = source.convert({ notes, blanks, host, readText })
  const about = [
    `Made of ${from} by "sallyport import". Its report says what means something else now, and what is left to decide.`,
    '${NAME} is taken from the environment, ${file:/path} from a file.',
  ]
  const routes = writeToml(withoutSecrets(sections, blanks), about)
  const checked = checkDraft(routes, target, blanks.list, io)
  const { mistakes, unset, missingFiles } = checked
  const toSet = unset.map(({ name, meaning }) => ({ name, meaning }))
  const shown = { routes, notes: notes.list, mistakes, unset: toSet, missingFiles, beside }
  return { from, text: routes, notes: notes.list, checked, beside, shown }
}

function filesOf({ text, beside }: Imported, out: string): readonly (readonly [path: string, text: string])[] {
  const more = beside === null ? [] : [[`${out.replace(/\.toml$/, '')}.${beside.ending}`, beside.text] as const]
  return [[out, text], ...more]
}

/** Answers what went wrong, or null. */
function save(path: string, shownAs: string, text: string, mayReplace: boolean): string | null {
  try {
    // At once: a server may follow it, and what it says is kept where the new one cannot be written.
    if (mayReplace && existsSync(path)) replaceFile(path, text)
    else writeFileSync(path, text, { flag: 'wx' })
    return null
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST') return isTaken(shownAs)
    return `${shownAs} ${whyUnwritten(shownAs, error)}`
  }
}

function isTaken(shownAs: string): string {
  return `${shownAs} exists already, and is left as it is; --force replaces it`
}

/** What can be imported. */
const KINDS = ['oauth2-proxy', 'caddyfile', 'caddy'] as const
type Kind = (typeof KINDS)[number]

/** All that is imported at once. */
interface OldSetUp {
  readonly texts: readonly OldText[]
  /** Flags of oauth2-proxy. */
  readonly flags: readonly string[]
  /** Null: seen from the texts. */
  readonly kind: Kind | null
  /** What the texts may name. */
  readText(path: string): string
  /** The Caddys of this machine that may be run; `command` is what --caddy says. */
  readonly caddy: Pick<Adapting, 'cwd' | 'env' | 'installed'> & { readonly command: string | null }
  /** A running Caddy that was named: where it is asked, and how it was written. */
  readonly running: { readonly url: string; readonly shownAs: string } | null
}

/** Files that can be read, as what makes the new one; or why they cannot. */
type Source =
  | { readonly ok: true; readonly convert: (tools: Tools) => Draft }
  | { readonly ok: false; readonly why: string; readonly isUsage?: boolean }

/** Reads the syntax of the old files, as what they are said or seen to be. */
async function findSource(setUp: OldSetUp, colour: boolean): Promise<Source> {
  const { texts, flags, running } = setUp
  // An operator who names a Caddy has a Caddyfile.
  const isNamed = setUp.caddy.command !== null && !texts.some(one => isCaddyJson(one.text))
  const kind = setUp.kind ?? (isNamed ? 'caddyfile' : null)
  for (const one of kind === null ? texts : []) {
    const why = await tellOther(one)
    if (why !== null) return { ok: false, why, isUsage: true }
    if (seeKind(one) === null) {
      const why = `${one.shownAs} looks like neither a file of oauth2-proxy nor a Caddyfile nor Caddy's JSON; say which it is with --from`
      return { ok: false, why }
    }
  }
  const kinds = new Set(kind === null ? texts.map(seeKind) : [kind])
  const [first, ...others] = texts
  const isAlone = others.length === 0 && flags.length === 0
  if (running !== null && first === undefined && isAlone) {
    return fromCaddy(await askRunning(running.url, running.shownAs))
  }
  if (running === null && !kinds.has('caddyfile') && !kinds.has('caddy')) return readOauth2Proxy(setUp, colour)
  if (running !== null || first === undefined || !isAlone) {
    return {
      ok: false,
      why: "a Caddyfile or Caddy's JSON is imported by itself: what a Caddyfile imports is read along with it",
    }
  }
  if (kinds.has('caddy')) return fromCaddy(parseCaddyJson(first.text, first.shownAs))
  return readCaddyfile(first, setUp)
}

function seeKind(one: OldText): Kind | null {
  if (isCaddyJson(one.text)) return 'caddy'
  if (seeInput(one) !== null) return 'oauth2-proxy'
  return /(?:^|\/)[^/]*Caddyfile[^/]*$/i.test(one.path) || /\{\s*(?:#.*)?$/m.test(one.text) ? 'caddyfile' : null
}

async function readOauth2Proxy({ texts, flags, readText }: OldSetUp, colour: boolean): Promise<Source> {
  try {
    const inputs = await readInputs(texts, flags, readText, colour)
    return { ok: true, convert: tools => convertOauth2Proxy(inputs, tools) }
  } catch (error) {
    if (error instanceof Unreadable) return { ok: false, why: error.message }
    throw error
  }
}

async function readCaddyfile({ text, path, shownAs }: OldText, { caddy }: OldSetUp): Promise<Source> {
  const command = caddy.command === null ? null : splitWords(caddy.command).map(word => word.text)
  return fromCaddy(await adaptCaddyfile({ ...caddy, command, text, path, shownAs }))
}

/** What Caddy's own JSON says. */
function fromCaddy(read: CaddyJson): Source {
  if (!read.ok) return read
  const convert = (tools: Tools) => {
    for (const { option, line, say } of read.said) tools.notes.add('changed', option, line, say)
    return { sections: convertCaddyJson(tools, read.json), beside: null }
  }
  return { ok: true, convert }
}

const TITLES: readonly (readonly [outcome: Outcome, title: string])[] = [
  ['closed', 'Closed until you decide'],
  ['people', 'People will notice'],
  ['decide', 'To decide'],
  ['changed', 'Changed'],
  ['left', 'Not carried over'],
]

/** How wide the report is. Beyond that a terminal breaks lines where it likes. */
const WIDTH = 100

/** What is known once a file is imported. */
interface Imported {
  /** The imported file, as it was named. */
  readonly from: string
  /** The new file's text. */
  readonly text: string
  readonly notes: readonly Note[]
  readonly checked: Checked
  readonly beside: BesideFile | null
}

/**
 * The report for people: what those behind the gate notice and what needs a decision comes first, each with its line of the imported
 * file; what is carried over is one line, so that the report is shorter than the file.
 */
function renderReport(
  { from, text, notes, checked, beside }: Imported,
  { colour, isVerbose }: { readonly colour: boolean; readonly isVerbose: boolean },
): string {
  const strong = (title: string) => (colour ? `\x1b[1m${title}\x1b[0m` : title)
  const block = (title: string, rows: readonly string[]) =>
    rows.length === 0 ? [] : [`${strong(title)}\n${rows.map(row => `${hang(row)}\n`).join('')}`]
  const { unset, missingFiles, mistakes } = checked
  const table = columns(unset.map(({ name, meaning }) => [name, meaning]))
  const blocks = [
    ...TITLES.flatMap(([outcome, title]) => block(title, rowsOf(notes, outcome))),
    ...(beside === null ? [] : [beside, beside.also]).map(
      ({ title, changes }) => `${strong(title)}\n${changes.replace(/^/gm, '    ')}\n`,
    ),
    ...block('To set in the environment, or to write into routes.toml', table.split('\n').filter(Boolean)),
    ...block('Files that have to be there', missingFiles),
  ]
  if (mistakes.length > 0) {
    const shown = renderDiagnostics(mistakes, new Map([['routes.toml', text]]), { colour })
    blocks.push(`${strong('To fix in routes.toml before it can be served')}\n\n${shown}`)
  }
  const kept = rowsOf(notes, 'kept')
  if (isVerbose) blocks.push(...block('Carried over', kept))
  const count = notes.filter(({ outcome }) => outcome === 'kept').length
  const carried = isVerbose || count === 0 ? '' : `Carried over from ${from}: ${count} more; --verbose lists them.\n`
  blocks.push(`${carried}${conclusion(checked, isClosed(notes), text.includes(CLOSING))}\n`)
  return blocks.join('\n')
}

/** Whether something that was guarded is closed, as what guarded it is not carried over. */
function isClosed(notes: readonly Note[]): boolean {
  return notes.some(({ outcome }) => outcome === 'closed')
}

/** One row for each thing that is said, in the order of the file, with every option that it is said of. */
function rowsOf(notes: readonly Note[], outcome: Outcome): readonly string[] {
  const own = notes
    .filter(note => note.outcome === outcome)
    .toSorted((one, other) => (one.line ?? 0) - (other.line ?? 0))
  return [...Map.groupBy(own, ({ say }) => say)].map(([say, said]) => {
    const lines = [...new Set(said.flatMap(({ line, file }) => (line === null || file !== null ? [] : line)))]
    const places = [
      ...new Set(said.flatMap(({ line, file }) => (line === null || file === null ? [] : `${file}:${line}`))),
    ]
    const own = lines.length === 0 ? [] : [`line${lines.length === 1 ? '' : 's'} ${lines.join(', ')}`]
    const where = [...own, ...places].map(place => `${place}  `).join('')
    return `${where}${[...new Set(said.map(({ option }) => option))].join(', ')}: ${say}`
  })
}

function conclusion({ mistakes, unset, missingFiles }: Checked, hasClosed: boolean, hasLine: boolean): string {
  if (mistakes.length > 0) return 'The new file is not good yet: see above.'
  const until = unset.length + missingFiles.length > 0 ? ' once the missing parts above exist' : ''
  if (!hasClosed) return `The new file is good${until}.`
  const way = hasLine ? 'until you remove the line for everyone from its deny' : 'until you write who may, or remove it'
  return `The new file can be served${until}.\nWhat is closed above stays closed ${way}.`
}

/** A row of a block; text that does not fit continues below it, indented further. */
function hang(row: string): string {
  return `  ${Bun.wrapAnsi(showUnseen(row), WIDTH - 6).replaceAll('\n', '\n      ')}`
}
