/** `sallyport import`: chooses the reader of an old file, and writes routes.toml and the report. */

import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { showJson } from '../base/control-characters.ts'
import { whyUnreadable } from '../config/text/substitute.ts'
import { EXIT, parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { whyUnwritten } from '../console/replace-file.ts'
import { findProgram } from '../console/run-program.ts'
import { REFUSED, seeNamed } from './caddy/adapt.ts'
import { writeToml } from './draft.ts'
import { createNotes } from './notes.ts'
import type { OldText } from './oauth2-proxy/old-texts.ts'
import { type Imported, isClosed, renderReport } from './report.ts'
import { checkDraft } from './self-check.ts'
import { findSource, KINDS, type OldSetUp, type Source } from './sources.ts'
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
  const routes = writeToml(sections, about)
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
    writeFileSync(path, text, { flag: mayReplace ? 'w' : 'wx' })
    return null
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST') return `${shownAs} exists already, and is left as it is; --force replaces it`
    return `${shownAs} ${whyUnwritten(shownAs, error)}`
  }
}
