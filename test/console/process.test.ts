import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram } from '../../src/console/process.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { isAlive } from '../kit/programs/ended.ts'

const SHELL = ['/bin/sh', '-c'] as const
const env = { PATH: '/usr/bin:/bin' }

test('a program is run with its arguments as they are, an environment of its own, and answers how it ended', async () => {
  using folder = temporaryFolder()
  const file = join(folder.path, 'said')
  const say = 'printf "%s|%s|%s" "$1" "$TOKEN" "$' + '{HOME-none}" > "$2"; exit 7'
  const command = [...SHELL, say, 'sh', '$(id); "x"', file]
  expect(await runProgram(command, { env: { ...env, TOKEN: 'one' }, timeoutMs: 10_000 })).toBe(7)
  expect(readFileSync(file, 'utf8')).toBe('$(id); "x"|one|none')
  expect(await runProgram(['/bin/true'], { env, timeoutMs: 10_000 })).toBe(0)
})

test('a program that takes too long ends with all that it has started', async () => {
  using folder = temporaryFolder()
  const file = join(folder.path, 'pid')
  const command = [...SHELL, 'sleep 60 & echo $! > "$1"; wait', 'sh', file]
  writeFileSync(file, '')
  // A busy machine may take long to come as far as that.
  for (let timeoutMs = 500; readFileSync(file, 'utf8') === ''; timeoutMs *= 2)
    expect(await runProgram(command, { env, timeoutMs })).toBeNull()
  const pid = Number(readFileSync(file, 'utf8'))
  expect(pid).toBeGreaterThan(1)
  await eventually(() => !isAlive(pid), 'what it started has ended')
})

test('a program that is not there, or may not be run, throws', async () => {
  await expect(runProgram(['/nowhere/at/all'], { env, timeoutMs: 1_000 })).rejects.toThrow()
  await expect(runProgram(['/etc/passwd'], { env, timeoutMs: 1_000 })).rejects.toThrow()
})
