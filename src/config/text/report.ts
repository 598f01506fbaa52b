/** Mistakes and warnings while a file is read, before each has its place in the text. */

import { withShownAddresses } from '../../base/shown-address.ts'
import type { DiagnosticCode, Severity } from './diagnostic.ts'
import type { Path } from './raw.ts'

/** A mistake before it is placed in the text. */
interface Problem {
  readonly severity: Severity
  readonly code: DiagnosticCode
  readonly message: string
  readonly hint: string
  readonly at: Path
  /** Whether the caret goes under the key's name or under its value. */
  readonly part: 'key' | 'value'
  /** A part of the value's source to underline instead of all of it. */
  readonly mark: string | null
  /** Where the thing is that came first, when two collide; its line is added to the hint. */
  readonly first: Path | null
}

interface ProblemDetails {
  readonly hint?: string
  readonly part?: 'key' | 'value'
  readonly mark?: string | null
  readonly first?: Path
}

/** Collects problems while the file is read; nothing stops at the first. */
export interface Report {
  readonly problems: readonly Problem[]
  mistake(at: Path, code: DiagnosticCode, message: string, details?: ProblemDetails): void
  warn(at: Path, code: DiagnosticCode, message: string, details?: ProblemDetails): void
}

/** An empty report. */
export function createReport(): Report {
  const problems: Problem[] = []
  const add =
    (severity: Severity) =>
    (at: Path, code: DiagnosticCode, message: string, details: ProblemDetails = {}) => {
      problems.push({
        severity,
        code,
        message: withShownAddresses(message),
        hint: withShownAddresses(details.hint ?? ''),
        at,
        part: details.part ?? 'value',
        mark: details.mark ?? null,
        first: details.first ?? null,
      })
    }
  return { problems, mistake: add('error'), warn: add('warning') }
}
