import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { imported } from '../import/imported.ts'

const CHAPTER = readFileSync(join(import.meta.dir, '../../docs/moving-in.md'), 'utf8')

/** Lines that mean something, so that what a person reads and what the command writes can be compared. */
function meaning(text: string): readonly string[] {
  const lines = text.split('\n').map(line => line.replace(/\s+# .*$/, '').trimEnd())
  return lines.filter(line => line !== '' && !line.startsWith('#'))
}

for (const [kind, fence] of [
  ['oauth2-proxy', 'cfg'],
  ['caddyfile', 'caddyfile'],
] as const) {
  test(`what docs/moving-in.md shows of an imported ${kind} file is what comes of it`, async () => {
    const [, old = '', made = ''] =
      new RegExp(`\`\`\`${fence}\n([\\s\\S]*?)\`\`\`\n\n\`\`\`toml\n([\\s\\S]*?)\`\`\``).exec(CHAPTER) ?? []
    expect(old).toContain('client_secret')
    const { routes, code } = await imported(old, ['--from', kind])
    expect(code).toBe(0)
    expect(meaning(routes)).toEqual(meaning(made))
  })
}
