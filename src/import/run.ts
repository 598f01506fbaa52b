import { readdirSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { whyUnreadable } from '../config/text/substitute.ts'
import { EXIT, parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { createBlanks } from './blanks.ts'
import { writeToml } from './draft.ts'
import { createNotes } from './notes.ts'
import { type Imported, isClosed, renderReport } from './report.ts'
import { checkDraft } from './self-check.ts'
import { findSource, KINDS, type Kind } from './sources.ts'

const USAGE = {
  text: `usage: sallyport import FILE [--from oauth2-proxy|caddyfile] [--host HOST] [--out routes.toml] [--json] [--verbose]

Makes a routes.toml of an oauth2-proxy.cfg, or of a Caddyfile with caddy-security. The new file goes to standard output, and a report
of what people will notice and what you have to decide to standard error. Secrets are not copied: the report says what to set. No network.
Exit code: 0 for a file that "sallyport check" takes, 1 for one that needs mending, could not be made, or lets nobody in where
something guarded the old one that is not carried over; 2 for a wrong command line.

  --from KIND   what FILE is, where that cannot be seen
  --host HOST   the application's host, which an oauth2-proxy.cfg often does not say
  --out FILE    write the new file there; an existing one is left alone. What a proxy in front needs goes beside it: FILE.nginx.conf
  --force       with --out: replace an existing one
  --json        the new file and the whole report as JSON on standard output
  --verbose     in the report, list what is carried over too`,
  options: {
    from: { type: 'string' },
    host: { type: 'string' },
    out: { type: 'string' },
    force: { type: 'boolean' },
    json: { type: 'boolean' },
    verbose: { type: 'boolean' },
  },
  maxPositionals: 1,
} as const

/** `sallyport import`: answers the exit code. */
export function runImport(argv: readonly string[], io: Io): number {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const { from, host, out, force, json, verbose } = parsed.values
  const [file] = parsed.positionals
  const fail = (message: string, code: number = EXIT.failed): number => {
    io.stderr(`${message}\n`)
    return code
  }
  if (file === undefined) return fail('import needs a file, such as oauth2-proxy.cfg or a Caddyfile', EXIT.usage)
  const kind = KINDS.find(name => name === from)
  if (from !== undefined && kind === undefined) {
    return fail(`--from ${from} is not known; there are ${KINDS.join(' and ')}`, EXIT.usage)
  }
  let text: string
  try {
    text = io.readText(resolve(io.cwd, file))
  } catch (error) {
    return fail(`${file} ${whyUnreadable(error)}`)
  }
  const made = importText(
    text,
    { file, kind: kind ?? null, host: host ?? null, target: resolve(io.cwd, out ?? 'routes.toml') },
    io,
  )
  if (typeof made === 'string') return fail(made.trimEnd())

  if (out !== undefined) {
    // The one beside it first: where that cannot be written, nothing is half done.
    for (const [path, text] of written(made, out).toReversed()) {
      const problem = save(resolve(io.cwd, path), path, text, force === true)
      if (problem !== null) return fail(problem)
    }
  }
  const isGood = made.checked.mistakes.length === 0 && !isClosed(made.notes)
  if (json === true) {
    io.stdout(`${JSON.stringify({ ok: isGood, from: file, ...made.shown }, null, 2)}\n`)
  } else {
    if (out === undefined) io.stdout(made.text)
    io.stderr(renderReport(made, { colour: io.colour.stderr, isVerbose: verbose === true }))
    if (out !== undefined)
      io.stderr(
        `Written to ${written(made, out)
          .map(([path]) => path)
          .join(' and ')}. Then: sallyport check ${out}\n`,
      )
    if (made.checked.mistakes.length === 0) io.stderr(`${tryText(out ?? 'routes.toml')}\n`)
  }
  return isGood ? EXIT.ok : EXIT.failed
}

/** How to see what the new file makes of the requests that the old one has had. */
function tryText(out: string): string {
  return `Try it on the log of what stands there now: sallyport rehearse access.log${out === 'routes.toml' ? '' : ` --config ${out}`}`
}

interface Task {
  readonly file: string
  /** Null: seen from the text. */
  readonly kind: Kind | null
  readonly host: string | null
  /** Where the new file is meant to be. */
  readonly target: string
}

/** The new file with its report, or what is wrong with the old one. */
function importText(
  text: string,
  { file, kind, host, target }: Task,
  io: Io,
): (Imported & { readonly shown: object }) | string {
  const files = { readText: io.readText, listFolder: (path: string) => readdirSync(path) }
  const source = findSource(text, { path: resolve(io.cwd, file), shownAs: file, files }, kind, io.colour.stderr)
  if (!source.ok) return source.why
  const notes = createNotes()
  const blanks = createBlanks()
  const { sections, beside } = source.convert({
    notes,
    blanks,
    host,
    readText: path => io.readText(resolve(io.cwd, path)),
  })
  const about = [
    `Made of ${file} by "sallyport import". Its report says what means something else now, and what is left to decide.`,
    '${NAME} is taken from the environment, ${file:/path} from a file.',
  ]
  const routes = writeToml(sections, about)
  const checked = checkDraft(routes, target, blanks.list, io)
  const { mistakes, unset, missingFiles } = checked
  const toSet = unset.map(({ name, meaning }) => ({ name, meaning }))
  const shown = { routes, notes: notes.list, mistakes, unset: toSet, missingFiles, beside }
  return { from: file, text: routes, notes: notes.list, checked, beside, shown }
}

/** What goes where. */
function written({ text, beside }: Imported, out: string): readonly (readonly [path: string, text: string])[] {
  if (beside === null) return [[out, text]]
  return [
    [out, text],
    [`${out.replace(/\.toml$/, '')}.${beside.ending}`, beside.text],
  ]
}

/** Answers what went wrong, or null. */
function save(path: string, shownAs: string, text: string, mayReplace: boolean): string | null {
  try {
    writeFileSync(path, text, { flag: mayReplace ? 'w' : 'wx' })
    return null
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST') return `${shownAs} exists already, and is left as it is; --force replaces it`
    return `${shownAs} cannot be written (${String(code)})`
  }
}
