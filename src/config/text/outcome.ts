import type { DiagnosticCode } from './diagnostic.ts'

/** Why a text is not what its key takes. */
export interface Refusal {
  readonly ok: false
  readonly code: DiagnosticCode
  readonly message: string
  /** Empty where the message says it all. */
  readonly hint: string
  /** The part of the text that the caret should underline; null for all of it. */
  readonly mark: string | null
}

/** A checked value, or why there is none. Mistakes in the file are values here, so that all of them can be collected. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | Refusal

/** A checked value. */
export function good<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value }
}

/** A refusal; `mark` narrows the caret to a part of the text. */
export function bad(code: DiagnosticCode, message: string, hint = '', mark: string | null = null): Refusal {
  return { ok: false, code, message, hint, mark }
}
