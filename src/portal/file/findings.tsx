/** @jsxImportSource hono/jsx */
import type { Finding } from '../desk.ts'

/** What `check` says, as it says it: each with its place and how to mend it. */
export function Findings({ findings, main }: { readonly findings: readonly Finding[]; readonly main: string }) {
  return (
    <ul class="findings" id="findings" lang="en" aria-live="polite">
      {findings.map(finding => (
        <li class={finding.severity}>{sayFinding(finding, main)}</li>
      ))}
    </ul>
  )
}

/** One of them as a sentence; the file is named where it is not the main one. */
export function sayFinding({ severity, file, line, message, hint }: Finding, main: string): string {
  const place = `${file === main ? '' : `${file}, `}line ${line}`
  return `${severity === 'warning' ? 'warning, ' : ''}${place}: ${message}${hint === '' ? '' : ` (${hint})`}`
}
