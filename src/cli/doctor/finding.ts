/** A finding of the doctor, its grade, and how sections of findings are printed. */

import { showUnseen } from '../../base/control-characters.ts'

/**
 * `warning` is for what works now, or may be intended; `bad` for what will not work; `unseen` for what only a sign-in
 * or another machine shows; `unknown` where it cannot be known yet whether it works at all.
 */
export type Grade = 'good' | 'unseen' | 'warning' | 'unknown' | 'bad'

/** One thing that was looked at. */
export interface Finding {
  readonly grade: Grade
  readonly what: string
  /** How to fix it; null where there is nothing to fix. */
  readonly hint: string | null
  /** Whether it is no question any more once somebody has signed in. */
  readonly isUntilSignIn?: true
}

/** What was found about one part of the set-up. */
export interface Section {
  readonly about: string
  readonly findings: readonly Finding[]
}

/** What is as it should be. */
export function good(what: string): Finding {
  return { grade: 'good', what, hint: null }
}

/** What is unknown before a sign-in, or from here; `hint` says how to see it. */
export function unseen(what: string, hint: string): Finding {
  return { grade: 'unseen', what, hint }
}

/** What decides whether it works at all, and cannot be known yet; `hint` says how to see it. */
export function unknown(what: string, hint: string): Finding {
  return { grade: 'unknown', what, hint }
}

/** What may be meant so, and may not; `hint` says what to do. */
export function warning(what: string, hint: string): Finding {
  return { grade: 'warning', what, hint }
}

/** What refuses or allows users by mistake; `hint` says how to fix it. */
export function bad(what: string, hint: string): Finding {
  return { grade: 'bad', what, hint }
}

const MARKS: Readonly<Record<Grade, { readonly text: string; readonly colour: string }>> = {
  good: { text: 'ok  ', colour: '32' },
  unseen: { text: 'note', colour: '36' },
  warning: { text: 'warn', colour: '33' },
  unknown: { text: 'warn', colour: '33' },
  bad: { text: 'FAIL', colour: '31' },
}

/**
 * The report for people: a heading for each part, a line for each finding, a hint below what needs one. A provider's own words are among
 * them: none of them can drive the terminal or add a line.
 */
export function renderSections(sections: readonly Section[], hasColour: boolean): string {
  const paint = (text: string, code: string) => (hasColour ? `\u001b[${code}m${text}\u001b[0m` : text)
  return sections
    .map(({ about, findings }) => {
      const lines = findings.map(({ grade, what, hint }) => {
        const mark = paint(MARKS[grade].text, MARKS[grade].colour)
        return `  ${mark}  ${showUnseen(what)}\n${hint === null ? '' : `        hint: ${showUnseen(hint)}\n`}`
      })
      return `${paint(showUnseen(about), '1')}\n${lines.join('')}`
    })
    .join('\n')
}

/** How many findings of all sections have this grade. */
export function countGrade(sections: readonly Section[], grade: Grade): number {
  return sections.flatMap(({ findings }) => findings).filter(finding => finding.grade === grade).length
}
