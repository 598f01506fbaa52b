import { dirname, resolve } from 'node:path'
import { sha256 } from '../base/bytes.ts'
import { freezeDeep } from '../base/freeze.ts'
import { buildConfig } from './build/build.ts'
import { checkFolders } from './checks/answers.ts'
import { checkApps } from './checks/apps.ts'
import { checkBrands } from './checks/brand.ts'
import { checkLimits } from './checks/limits.ts'
import { checkPasswords } from './checks/passwords.ts'
import { checkPortals } from './checks/portals.ts'
import { checkProviders } from './checks/providers.ts'
import { checkRoutes } from './checks/routes.ts'
import { checkSelf } from './checks/self.ts'
import { checkServer } from './checks/server.ts'
import { checkSessions } from './checks/sessions.ts'
import { checkTls } from './checks/tls.ts'
import { checkUpstreams } from './checks/upstreams.ts'
import { readSurroundings } from './environment.ts'
import { root } from './keys/keys.ts'
import type { Diagnostic } from './text/diagnostic.ts'
import { createLocator, type Locator } from './text/locate.ts'
import { parseToml } from './text/parse.ts'
import { formatPath } from './text/raw.ts'
import { createReport, type Report } from './text/report.ts'
import { type Sources, substitute } from './text/substitute.ts'
import type { Config } from './types/config.ts'
import { createConfigFiles } from './values/files.ts'

export interface CheckOptions extends Sources {
  /** The file's path: its folder is where relative paths start. */
  readonly file: string
  /** How diagnostics name the file, where that is not its path. */
  readonly shownAs?: string
}

interface CheckedText {
  /** Changes when the text changes, or a variable or file that it refers to. Safe to log. */
  readonly fingerprint: string
  /** The text that was checked, for the frames of its diagnostics. */
  readonly text: string
  /** Absolute paths of the files that the text refers to. */
  readonly files: readonly string[]
}

/** A checked file: its Config, or everything that is wrong with it. Frozen to the bottom. */
export type CheckResult =
  | ({ readonly ok: true; readonly config: Config; readonly warnings: readonly Diagnostic[] } & CheckedText)
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
  const parsed = parseToml(text)
  if (!parsed.ok) {
    const { refusal, line, column } = parsed
    const place = createLocator(text).fromUnits(line, column)
    const { code, message, hint } = refusal
    const diagnostic: Diagnostic = { severity: 'error', code, message, hint, path: '', file: shownAs, ...place }
    return freezeDeep<CheckResult>({ ok: false, diagnostics: [diagnostic], fingerprint: sha256(text), text, files: [] })
  }

  const report = createReport()
  const directory = resolve(dirname(options.file))
  const { tree, files: referred, filled } = substitute(parsed.value, directory, options, report)
  const configFiles = createConfigFiles(directory, options)
  const values = root.read(tree, report)
  if (values === undefined) throw new TypeError('the root of a TOML document is a table')
  checkServer(values, report)
  checkSessions(values, report)
  checkProviders(values, configFiles, report)
  checkPortals(values, report)
  checkRoutes(values, report)
  checkLimits(values, report)
  checkTls(values, configFiles, options.now?.() ?? null, report)
  checkUpstreams(values, configFiles, report)
  checkSelf(values, report)
  checkFolders(values, configFiles, report)
  checkPasswords(values, configFiles, report)
  checkBrands(values, configFiles, report)
  checkApps(values, configFiles, report)
  const around = readSurroundings(options.env, directory, report)
  const fingerprint = sha256(JSON.stringify([text, ...filled, ...configFiles.contents]))
  const files = [...referred, ...configFiles.paths]

  const routes = parsed.value.entries.get('routes')
  const locator = createLocator(text, routes?.kind === 'list' ? routes.items.length : 0)
  const diagnostics = placeProblems(report, locator, shownAs)
  if (diagnostics.some(diagnostic => diagnostic.severity === 'error')) {
    return freezeDeep<CheckResult>({ ok: false, diagnostics, fingerprint, text, files })
  }
  return freezeDeep<CheckResult>({
    ok: true,
    config: buildConfig(values, directory, configFiles, around),
    warnings: diagnostics,
    fingerprint,
    text,
    files,
  })
}

function placeProblems(report: Report, locator: Locator, file: string): readonly Diagnostic[] {
  const diagnostics = report.problems.map(({ severity, code, message, hint, at, part, mark, first }): Diagnostic => {
    const origin = first === null ? '' : `the other is at line ${locator.find(first, 'key').line}`
    const parts = [hint, origin].filter(sentence => sentence !== '')
    return {
      severity,
      code,
      message,
      hint: parts.join('; '),
      path: formatPath(at),
      file,
      ...locator.find(at, part, mark),
    }
  })
  return diagnostics.sort((left, right) => left.line - right.line || left.column - right.column)
}
