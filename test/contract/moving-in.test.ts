import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runImport } from '../../src/migrate/import.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { runIn } from '../kit/io.ts'
import { blocksOf, SET_UPS, setUpFor } from '../kit/set-ups.ts'

/** Lines that mean something, so that what a person reads and what the command writes can be compared. */
function meaning(text: string): readonly string[] {
  const lines = text.split('\n').map(line => line.replace(/\s+# .*$/, '').trimEnd())
  return lines.filter(line => line !== '' && !line.startsWith('#'))
}

/** What a report says, wherever its lines are broken. */
function words(report: string): readonly string[] {
  return report.split(/\s+/).filter(word => word !== '')
}

for (const setUp of SET_UPS) {
  describe(`docs/${setUp.chapter}.md`, () => {
    test('shows what comes of the file that it shows', async () => {
      const { code, out } = await setUp.importAs()
      expect(code).toBe(0)
      expect(meaning(out)).toEqual(meaning(setUp.made))
    })

    test('shows what is reported of it, in fewer lines than the file has', async () => {
      const { err } = await setUp.importAs()
      const [shown = ''] = blocksOf(setUp.chapter, 'text')
      expect(words(shown)).toEqual(words(err))
      expect(err.trimEnd().split('\n').length).toBeLessThan(setUp.old.trimEnd().split('\n').length)
    })

    test('has its commands read the new file where its variables are', async () => {
      const { err } = await setUp.importAs()
      const unset = [...err.matchAll(/^ {2}([A-Z][A-Z_]+) {2}/gm)].map(([, name = '']) => name)
      const lines = blocksOf(setUp.chapter, 'sh').flatMap(block => block.replaceAll('|\n', '| ').split('\n'))
      const reading = lines.filter(line => /\bsallyport (?:check|doctor|rehearse)\b/.test(line))
      expect([unset.length, reading.length]).toEqual([1, 3])
      // In a container they come from env_file.
      for (const line of reading.filter(one => !one.includes('docker compose run'))) {
        const before = lines.slice(0, lines.indexOf(line))
        expect(unset.filter(name => !before.some(one => one.endsWith(`export ${name}`)))).toEqual([])
      }
      const folder = /^sallyport import .* --out (\w+)\//m.exec(lines.join('\n'))?.[1]
      if (folder !== undefined) expect(lines).toContain(`mkdir -p ${folder}`)
    })
  })
}

test('the compose file of the chapter on oauth2-proxy says the same as the file that it names', async () => {
  const { chapter, file, old, made, options } = setUpFor('moving-in-from-oauth2-proxy')
  const [compose = ''] = blocksOf(chapter, 'yaml')
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'docker-compose.yml'), compose)
  writeFileSync(join(folder.path, file), old)
  const { code, out, err } = await runIn(folder.path, io => runImport(['docker-compose.yml', ...options], io))
  expect([code, meaning(out)]).toEqual([0, meaning(made)])
  expect(err).not.toContain('flags and OAUTH2_PROXY_*')
})
