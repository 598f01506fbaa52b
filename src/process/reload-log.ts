/** What is said of a reload, in the log and in the audit trail. */

import { tellEvent } from '../audit/record.ts'
import type { Audit } from '../audit/writer.ts'
import { errorFacts } from '../base/errors.ts'
import type { Log } from '../base/ports.ts'
import type { CheckResult } from '../config/check.ts'
import { renderDiagnostics } from '../config/render-diagnostics.ts'
import type { Config } from '../config/resolve/config.ts'
import type { Diagnostic } from '../config/text/diagnostic.ts'
import { type Loaded, restartKeys, type StartValues, startValues } from '../server/config/reload.ts'
import type { Accounts } from '../session/accounts/accounts.ts'
import { checkPasskeys, sayPasskeys } from '../session/accounts/people-without-passkeys.ts'
import type { WorkerPart } from './serve-options.ts'

/** A file that is not taken, with its mistakes as text for people. */
export function refuse(
  path: string,
  { diagnostics, texts, files }: Extract<CheckResult, { ok: false }>,
): Extract<Loaded, { ok: false }> {
  const render = (colour: boolean) => renderDiagnostics(diagnostics, texts, { colour })
  const errors = diagnostics.filter(({ severity }) => severity === 'error')
  return {
    ok: false,
    refusal: render(false),
    show: render,
    mistakes: errors.map(({ file, line, message }) => `${file === path ? '' : `${file} `}line ${line}: ${message}`),
    files: [path, ...files],
  }
}

/** Says what is questionable in a file that is taken all the same. */
export function tellWarnings(log: Log, warnings: readonly Diagnostic[]): void {
  for (const { message, file, line, hint } of warnings) log.warn(message, { at: `${file}:${line}`, hint })
}

/**
 * Logs that a changed file is in use, and which changes need a restart: those in which it differs from what was
 * `started`.
 */
export function tellTakenOver(
  log: Log,
  audit: Pick<Audit, 'note'>,
  next: { readonly config: Config; readonly warnings: readonly Diagnostic[] },
  previous: Config,
  started: StartValues,
): void {
  tellWarnings(log, next.warnings)
  audit.note('config.loaded', {}, { facts: { routes: next.config.routes.length } })
  const keys = restartKeys(startValues(next.config), started)
  if (keys.length > 0) log.warn('Some changes need a restart', { keys })
  else if (restartKeys(startValues(previous), started).length > 0) log.info('No restart is needed any more')
}

/**
 * Logs whom a file leaves without a way in: nothing is refused for it, since somebody may just be invited. Never throws: what the store
 * does not say now, a sign-in says.
 */
export async function tellPasskeys(
  log: Log,
  config: Pick<Config, 'portals' | 'providers'>,
  accounts: Pick<Accounts, 'of'>,
): Promise<void> {
  try {
    for (const finding of await checkPasskeys(config, accounts)) {
      const { message, hint } = sayPasskeys(finding)
      log.warn(message, { provider: finding.provider, hint })
    }
  } catch (error) {
    log.warn('Passkeys cannot be read', errorFacts(error))
  }
}

/** Logs why a changed file is not used. */
export function tellRefused(audit: Pick<Audit, 'note'>, { show, mistakes }: Extract<Loaded, { ok: false }>): void {
  audit.note('config.refused', { number: mistakes.length }, { lines: show })
}

/** Logs that an invalid file is valid again; `tellTakenOver` logs whether it has changes. */
export function tellMended(log: Log): void {
  log.info('The file is good again')
}

/** Says that a file can be changed no more from where this process looks at it. */
export function tellLost(log: Log, path: string): void {
  log.warn('The file was replaced by another, and here it stays as it was: no save will be seen', {
    file: path,
    hint: 'it is a mount of its own (Docker: -v ./routes.toml:…): mount its folder, and restart',
  })
}

/** Records what happens to the file. */
export type FileAudit = Pick<Audit, 'note'>

/** For a process with the file but without a store: only the log line. */
export function audited(log: Log): FileAudit {
  return { note: (event, facts, besides) => tellEvent(log, event, facts, besides) }
}

/** Of several workers, which all take the file over, the first writes the rows; the supervisor has the lines. */
export function auditOfFile(audit: Audit, worker: WorkerPart | undefined): FileAudit {
  if (worker === undefined) return audit
  if (worker.index !== 1) return audited(worker.fileLog)
  return { note: (event, facts, besides) => audit.note(event, facts, { ...besides, isSilent: true }) }
}
