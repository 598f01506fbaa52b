import { afterAll, beforeAll, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ownEnvironment } from '../../src/console/reexec.ts'
import { workerEnvironment } from '../../src/process/worker.ts'
import { spawnWorker } from '../../src/process/worker-process.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { childToml, FROM_SOURCE, freePort } from '../kit/programs/child.ts'
import { routeSaying } from '../kit/toml.ts'

/** As many as make a file long: it is checked in a thread, and a worker hears and does other things meanwhile. */
const ROUTES = 2000

const folder = temporaryFolder()
const config = join(folder.path, 'routes.toml')
const command = [...FROM_SOURCE, 'serve', config]
const quiet = { stdout: false, stderr: false }
const env = { ...ownEnvironment(), ...workerEnvironment({ index: 1, pseudonym: 'sallyport-test', terminal: quiet }) }
let port = 0

beforeAll(async () => {
  port = await freePort()
  const routes = Array.from({ length: ROUTES }, (_, index) =>
    routeSaying('hello', `app${index}.example`, 'allow = "public"'),
  )
  writeFileSync(config, childToml(port, routes.join('\n')))
})
afterAll(() => folder[Symbol.dispose]())

test.each(['stop', 'leave'] as const)('a worker that hears %s while it starts ends at once, and well', async order => {
  let said = ''
  const say = (lines: string) => {
    said += lines
  }
  const worker = spawnWorker({
    index: 1,
    command,
    env,
    sockets: [],
    input: '',
    stdout: say,
    stderr: say,
    others: async () => [],
    owe: () => undefined,
  })
  try {
    worker.tell(order)
    expect(await worker.listening).toBe(false)
    expect([await worker.exited, said]).toEqual([{ code: 0, signal: null }, ''])
  } finally {
    worker.kill()
    await worker.exited
  }
})

test('a worker whose supervisor is gone before it has started does not serve for ever', async () => {
  const child = Bun.spawn(command, { env, stdio: ['ignore', 'ignore', 'ignore'], ipc: () => undefined })
  try {
    child.disconnect()
    const isServing = () =>
      fetch(`http://127.0.0.1:${port}/`, { headers: { host: 'app1.example' } }).then(
        () => true,
        () => false,
      )
    await eventually(async () => child.exitCode !== null || (await isServing()), 'it ends')
    expect(child.exitCode).toBe(0)
  } finally {
    child.kill('SIGKILL')
    await child.exited
  }
})
