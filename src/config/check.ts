/** Checks a file from its text to a frozen Config: parse, shape, values, and how they fit together. */

import { dirname, relative, resolve } from 'node:path'
import { sha256 } from '../base/bytes.ts'
import { freezeDeep } from '../base/freeze.ts'
import { checkFolders } from './checks/answers.ts'
import { checkStated } from './checks/impossible-rules.ts'
import { checkPasswords } from './checks/passwords.ts'
import { checkBrands, checkPortals } from './checks/portals.ts'
import { checkProviders } from './checks/providers.ts'
import { checkApps, checkRoutes } from './checks/routes.ts'
import { checkDroppedFields } from './checks/rules.ts'
import { checkLimits, checkServer } from './checks/server.ts'
import { checkSessions } from './checks/sessions.ts'
import { checkTls } from './checks/tls.ts'
import { checkSelf, checkUpstreams } from './checks/upstreams.ts'
import { checkReplicas, readSurroundings } from './environment.ts'
import { hintToWrite } from './hidden/lines.ts'
import { type FilePlace, type Included, type Merged, mergeIncluded, readIncluded } from './includes.ts'
import { HOMES, type RootTable, root } from './keys/keys.ts'
import { buildConfig, type Config } from './resolve/config.ts'
import type { Diagnostic } from './text/diagnostic.ts'
import { createLocator } from './text/locate.ts'
import { parseToml } from './text/parse.ts'
import { formatPath, itemsOf, type Raw, showRaw } from './text/raw.ts'
import { createReport, type Report } from './text/report.ts'
import { type Sources, substitute } from './text/substitute.ts'
import { didYouMean } from './text/suggest.ts'
import { createConfigFiles } from './values/files.ts'

export interface CheckOptions extends Sources {
  /** The file's path: its folder is where relative paths start. */
  readonly file: string
  /** How diagnostics name the file, where that is not its path. */
  readonly shownAs?: string
  /** What the file includes, where that has been read already. */
  readonly included?: Included
}

interface CheckedText {
  /** Changes when the text changes, or a variable or file that it refers to. Safe to log. */
  readonly fingerprint: string
  /** The text of the file and of each that it includes, by the names that diagnostics give them. */
  readonly texts: ReadonlyMap<string, string>
  /** Absolute paths of the files that these refer to, and of what they include. */
  readonly files: readonly string[]
}

/** A checked file: its Config, or everything that is wrong with it. Frozen to the bottom. */
export type CheckResult =
  | ({
      readonly ok: true
      readonly config: Config
      readonly warnings: readonly Diagnostic[] /** Where each expectation says its verdict. */
      readonly expectedAt: readonly FilePlace[]
    } & CheckedText)
  | ({
      readonly ok: false
      /** In the order of the file; at least one is an error, warnings are among them. */
      readonly diagnostics: readonly Diagnostic[]
    } & CheckedText)

/**
 * Everything about the text of a routes.toml: all mistakes at once, or the Config.
 *
 * Never throws for any text. No diagnostic repeats a value that came from the environment or another file.
 */
export function checkConfig(text: string, options: CheckOptions): CheckResult {
  const shownAs = options.shownAs ?? options.file
  const included = options.included ?? readIncluded(text, { ...options, shownAs })
  const directory = resolve(dirname(options.file))
  // The same wherever the folder is: gates of several machines compare it.
  const contents = included.files.flatMap(({ path, text: own }) => [relative(directory, path), own ?? ''])
  const parsed = parseToml(text)
  if (!parsed.ok) {
    const { refusal, line, column, write } = parsed
    const place = createLocator(text).fromUnits(line, column)
    const { code, message } = refusal
    const hint = write === undefined ? refusal.hint : hintToWrite(text, line, write)
    const diagnostic: Diagnostic = { severity: 'error', code, message, hint, path: '', file: shownAs, ...place }
    const texts = new Map([[shownAs, text]])
    return freezeDeep<CheckResult>({
      ok: false,
      diagnostics: [diagnostic],
      fingerprint: sha256(text),
      texts,
      files: [],
    })
  }

  const report = createReport(HOMES)
  const merged = mergeIncluded({ text, shownAs, tree: parsed.value }, included)
  const { texts } = merged
  const { tree, files: referred, filled } = substitute(merged.tree, directory, options, report)
  const configFiles = createConfigFiles(directory, options)
  const values = root.read(tree, report)
  if (values === undefined) throw new TypeError('the root of a TOML document is a table')
  checkServer(values, configFiles, report)
  checkSessions(values, report)
  checkProviders(values, configFiles, report)
  checkPortals(values, report)
  checkRoutes(values, report)
  checkLimits(values, report)
  checkDroppedFields(values, report)
  checkTls(values, configFiles, options.now?.() ?? null, report)
  checkUpstreams(values, configFiles, report)
  checkSelf(values, report)
  checkFolders(values, configFiles, report)
  checkPasswords(values, configFiles, report)
  checkStated(values, configFiles, report)
  checkBrands(values, configFiles, report)
  checkApps(values, configFiles, report)
  checkExpectations(values, report)
  checkReplicas(values, options.env, report)
  const around = readSurroundings(options.env, directory, report)
  const fingerprint = sha256(JSON.stringify([text, ...contents, ...filled, ...configFiles.contents]))
  const files = [...included.watched, ...referred, ...configFiles.paths]

  const diagnostics = inOrder([...merged.mistakes, ...placeProblems(report, merged)], texts)
  if (diagnostics.some(diagnostic => diagnostic.severity === 'error')) {
    return freezeDeep<CheckResult>({ ok: false, diagnostics, fingerprint, texts, files })
  }
  return freezeDeep<CheckResult>({
    ok: true,
    config: buildConfig(values, directory, configFiles, around),
    warnings: diagnostics,
    expectedAt: (values.values.expect ?? []).map(({ at }) => merged.find([...at, 'verdict'], 'value')),
    fingerprint,
    texts,
    files,
  })
}

function placeProblems(report: Report, { find }: Merged): readonly Diagnostic[] {
  return report.problems.map(({ severity, code, message, hint, at, part, mark, first }): Diagnostic => {
    const place = find(at, part, mark)
    const parts = [hint, first === null ? '' : otherText(find(first, 'key'), place)].filter(text => text !== '')
    return { severity, code, message, hint: parts.join('; '), path: formatPath(at), ...place }
  })
}

function otherText(other: FilePlace, place: FilePlace): string {
  return `the other is ${other.file === place.file ? '' : `in ${other.file} `}at line ${other.line}`
}

/** File by file, and each from top to bottom. */
function inOrder(diagnostics: readonly Diagnostic[], texts: ReadonlyMap<string, string>): readonly Diagnostic[] {
  const files = [...texts.keys()]
  return diagnostics.toSorted(
    (one, other) =>
      files.indexOf(one.file) - files.indexOf(other.file) || one.line - other.line || one.column - other.column,
  )
}

/** What expectations name has to be there: they would hold, or not, for the wrong reason. */
function checkExpectations(root: RootTable, report: Report): void {
  const { providers, portals, expect } = root.values
  const roles = new Set([...(portals?.values() ?? [])].flatMap(portal => [...(portal.values.roles?.keys() ?? [])]))
  for (const { values } of expect ?? []) {
    const entries = values.as?.raw.entries
    const told = (raw: Raw, what: 'provider' | 'role', known: readonly string[]) => {
      if (raw.kind !== 'text' || raw.text === null || known.includes(raw.text)) return
      report.mistake(raw.at, `${what}.undefined`, `there is no ${what} ${showRaw(raw)}`, {
        hint: raw.isFilled ? '' : didYouMean(raw.text, known),
      })
    }
    for (const raw of itemsOf(entries?.get('provider'))) told(raw, 'provider', [...(providers?.keys() ?? [])])
    for (const raw of itemsOf(entries?.get('roles'))) told(raw, 'role', [...roles])
  }
}
