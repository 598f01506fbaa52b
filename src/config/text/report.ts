/** Mistakes and warnings while a file is read, before each has its place in the text. */

import { withShownAddresses } from '../../base/shown-address.ts'
import type { DiagnosticCode, Severity } from './diagnostic.ts'
import type { Path, Raw } from './raw.ts'

/** What is said of a value of another kind where nothing better is known. */
export const TEXT_HINT = 'text goes in double quotes'
export const LIST_HINT = 'lists are written in brackets: ["a", "b"]'
export const NUMBER_HINT = 'numbers are written without quotes'
export const BOOLEAN_HINT = 'without quotes'

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

/** A table in which a key lives. */
export interface Home {
  /** As the table itself is called in messages. */
  readonly title: string
  /** How a hint calls it. */
  readonly said: string
  /** What to write, where its name alone does not say that; else empty. */
  readonly write: string
  /** Whether a value is good there. */
  takes(raw: Raw): boolean
}

/** The tables in which a key lives, by its name. */
export type Homes = ReadonlyMap<string, readonly Home[]>

interface ProblemDetails {
  readonly hint?: string
  readonly part?: 'key' | 'value'
  readonly mark?: string | null
  readonly first?: Path
}

/** Collects problems while the file is read; nothing stops at the first. */
export interface Report {
  readonly problems: readonly Problem[]
  /** Where keys of other tables belong. */
  readonly homes: Homes
  mistake(at: Path, code: DiagnosticCode, message: string, details?: ProblemDetails): void
  warn(at: Path, code: DiagnosticCode, message: string, details?: ProblemDetails): void
  /** Gives this hint to the problems from the one of this number on that say of this place that it is of another kind, or another word, and not what to write. */
  exemplify(from: number, at: Path, hint: string): void
}

/** Hints that are true of any value of a kind. */
const VAGUE = new Set(['', TEXT_HINT, LIST_HINT, NUMBER_HINT, BOOLEAN_HINT])

/** An empty report. */
export function createReport(homes: Homes = new Map()): Report {
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
  return {
    problems,
    homes,
    mistake: add('error'),
    warn: add('warning'),
    exemplify(from, at, hint) {
      for (const [index, problem] of problems.entries()) {
        const isKind = problem.code === 'key.type' || problem.code === 'choice.unknown'
        const isMeant = index >= from && isKind && problem.at.length === at.length
        if (isMeant && VAGUE.has(problem.hint)) problems[index] = { ...problem, hint: withShownAddresses(hint) }
      }
    },
  }
}
