import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { REQUEST_LIMIT } from '../../src/console/reexec.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { childToml, freePort } from '../kit/programs/child.ts'
import { runToEnd } from '../kit/programs/ended.ts'
import { routeSaying } from '../kit/toml.ts'

const SOURCES = join(import.meta.dir, '../../src')
const SERVICE = join(SOURCES, 'process/signals.ts')

/** A service that cannot be handed on at first, as without descriptors, and is told to again. */
const PROGRAM = `
const { followSignals } = await import(${JSON.stringify(SERVICE)})
let count = 0
followSignals({
  manager: {},
  log: { error: (what, facts) => { console.log(what + ': ' + facts.error); process.kill(process.pid, 'SIGUSR2') } },
  others() {
    if (++count === 1) throw new Error('no descriptors')
    console.log('asked again')
    process.exit(0)
  },
})
process.on('unhandledRejection', error => { console.log('nobody told: ' + error); process.kill(process.pid, 'SIGUSR2') })
setTimeout(() => process.exit(3), 60_000)
process.kill(process.pid, 'SIGUSR2')
`

test('a service that could not be handed on says so, and is when it is told again', async () => {
  const { code, stdout } = await runToEnd([process.execPath, '-e', PROGRAM], { cwd: import.meta.dir })
  expect([code, stdout]).toEqual([
    0,
    'No other process took over; this one continues: Error: no descriptors\nasked again\n',
  ])
})

/** A service that is told to hand on in the very moment in which it no longer ignores that. */
const HANDED_ON_AT_ONCE = `
const { followSignals, ignoreStrays } = await import(${JSON.stringify(SERVICE)})
ignoreStrays({ info() {} })
for (const way of ['off', 'removeListener', 'removeAllListeners']) {
  const own = process[way].bind(process)
  process[way] = (...given) => {
    own(...given)
    process.kill(process.pid, 'SIGUSR2')
  }
}
followSignals({ manager: {}, others: () => process.exit(0) })
setTimeout(() => process.exit(3), 60_000)
`

test('a service is never ended by the signal that hands it on', async () => {
  const { code } = await runToEnd([process.execPath, '-e', HANDED_ON_AT_ONCE], { cwd: import.meta.dir })
  expect(code).toBe(0)
})

/** A service that is told to stop by the first who reads that it listens. */
const STOPPED_AT_ONCE = `
const { runServe } = await import(${JSON.stringify(join(SOURCES, 'cli/serve.ts'))})
const { processIo } = await import(${JSON.stringify(join(SOURCES, 'console/io.ts'))})
const stderr = text => {
  console.log(text)
  if (text.includes('Sallyport is listening')) process.kill(process.pid, 'SIGTERM')
}
process.exitCode = await runServe(['--config', 'routes.toml'], ['serve'], { ...processIo(), stderr })
`

test('a service that says that it listens can be stopped from then on', async () => {
  using folder = temporaryFolder()
  const toml = childToml(await freePort(), routeSaying('hello', 'a.example', 'allow = "public"'))
  writeFileSync(join(folder.path, 'routes.toml'), toml)
  const { code, stdout } = await runToEnd([process.execPath, '-e', STOPPED_AT_ONCE], {
    cwd: folder.path,
    env: { PATH: process.env.PATH, [REQUEST_LIMIT.name]: REQUEST_LIMIT.value },
  })
  expect(stdout).toContain('Sallyport is listening')
  expect(code).toBe(0)
})
