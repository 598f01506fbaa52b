import type { Log } from '../base/ports.ts'
import type { CheckResult } from '../config/check.ts'
import type { Diagnostic } from '../config/text/diagnostic.ts'
import { renderDiagnostics } from '../config/text/render.ts'
import type { Config } from '../config/types/config.ts'
import { type Loaded, restartKeys } from '../server/config/reload.ts'

/** A file that is not taken, with its mistakes as text for people. */
export function refuse(
  path: string,
  { diagnostics, text, files }: Extract<CheckResult, { ok: false }>,
): Extract<Loaded, { ok: false }> {
  const errors = diagnostics.filter(({ severity }) => severity === 'error')
  return {
    ok: false,
    refusal: renderDiagnostics(diagnostics, new Map([[path, text]]), { colour: false }),
    mistakes: errors.map(({ line, message }) => `line ${line}: ${message}`),
    files: [path, ...files],
  }
}

/** Says what is questionable in a file that is taken all the same. */
export function tellWarnings(log: Log, warnings: readonly Diagnostic[]): void {
  for (const { message, file, line, hint } of warnings) log.warn(message, { at: `${file}:${line}`, hint })
}

/** Says that a changed file is in force, and which of its changes are not yet. */
export function tellTakenOver(
  log: Log,
  next: { readonly config: Config; readonly warnings: readonly Diagnostic[] },
  previous: Config,
): void {
  tellWarnings(log, next.warnings)
  log.info('The changed file is in force', { routes: next.config.routes.length })
  const restart = restartKeys(next.config, previous)
  if (restart.length > 0) log.warn('Some changes need a restart', { keys: restart })
}

/** Says why a changed file is not in force. */
export function tellRefused(log: Log, refusal: string): void {
  log.error(`The changed file has mistakes; the one before stays in force\n${refusal}`)
}
