import { expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dir, '../..')

/** What `.ci/test` takes for the path in a line of test/slow.txt. */
const LINE = /^ *[0-9]+ +(test\/\S+\.test\.ts) +\S.*$/

const lines = readFileSync(join(ROOT, 'test/slow.txt'), 'utf8')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))
const files = lines.map(line => LINE.exec(line)?.[1])

test('each line of test/slow.txt is seconds, a file of tests that there is, and a reason; none twice', () => {
  expect(lines.filter(line => !LINE.test(line))).toEqual([])
  expect(files.filter(file => file === undefined || !existsSync(join(ROOT, file)))).toEqual([])
  expect(new Set(files).size).toBe(files.length)
})

test('npm test leaves out a fifth of the files of tests at most', () => {
  const all = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  expect(files.length).toBeGreaterThan(0)
  expect(files.length * 5).toBeLessThanOrEqual(all.filter(name => name.endsWith('.test.ts')).length)
})
