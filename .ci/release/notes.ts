import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Release } from './types.ts'

/** The part of CHANGELOG.md about this version, and how to take it; throws Error where there is none. */
export function notesOf({ root, version, commit }: Release): string {
  const text = readFileSync(join(root, 'CHANGELOG.md'), 'utf8')
  const [, ...parts] = text.split(/^## /m)
  const part = parts.find(one => one.startsWith(version)) ?? parts.find(one => one.startsWith('Unreleased'))
  if (part === undefined) throw new Error(`CHANGELOG.md has neither ${version} nor Unreleased`)
  const body = part.slice(part.indexOf('\n') + 1).trim()
  return `# Sallyport ${version}

Of commit ${commit}. How to change over without an outage, and the way back: docs/as-a-service.md.
Is it what it should be: \`sha256sum --check --ignore-missing SHA256SUMS\`.

${body}
`
}
