import { expect } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { manualPage } from '../../.ci/release/manual.ts'
import { completedCommands } from '../../src/cli/completion.ts'
import { COMMANDS } from '../../src/cli/help/commands.ts'
import { TOPICS } from '../../src/cli/help/topics.ts'
import { run } from '../../src/cli/run.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { runIn } from '../kit/io.ts'
import { needs } from '../kit/needs.ts'
import { runToEnd } from '../kit/programs/ended.ts'

const RELEASE = { version: '1.2.3', time: 1_700_000_000 }

/** Text without how it is laid out. */
function flat(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}

const { test } = needs('man')

test('the manual page says what each command’s help says, word by word, and renders without a warning', async () => {
  using folder = temporaryFolder()
  const file = join(folder.path, 'sallyport.1')
  writeFileSync(file, await manualPage(RELEASE))
  const env = { ...process.env, MANWIDTH: '80', LC_ALL: 'C.UTF-8' }
  const { code, stdout, stderr } = await runToEnd(['man', '--warnings', '--local-file', file], { env })
  expect([code, stderr]).toEqual([0, ''])
  const said = flat(stdout)
  const left: string[] = []
  for (const { name, about } of COMMANDS) {
    const help = await runIn(folder.path, io => run([name, '--help'], io))
    expect([name, help.code]).toEqual([name, 0])
    if (!said.includes(` ${name} ${about}. ${flat(help.out)} `)) left.push(name)
  }
  expect(left).toEqual([])
  expect(TOPICS.filter(({ name, about }) => !said.includes(` ${name} ${flat(about)} `))).toEqual([])
  expect(said).toContain('Sallyport 1.2.3 2023-11-14 SALLYPORT(1)')
  expect(completedCommands().map(({ name }) => name)).toEqual(COMMANDS.map(({ name }) => name))
}, 300_000)
