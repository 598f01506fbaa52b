import { describe, expect, test } from 'bun:test'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { childToml, FROM_SOURCE, freePort, startChild } from '../../kit/programs/child.ts'
import { routeSaying } from '../../kit/toml.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const ROUTE = routeSaying('here', 'a.localhost', 'allow = "public"')

test('two workers write one file, follow its rename and a save, and go on where there is no place for it', async () => {
  using folder = temporaryFolder()
  const port = await freePort()
  const file = join(folder.path, 'access.log')
  const toml = (log: string) => `log_level = "info"\nworkers = 2\n${ROUTE}\n[log]\n${log}\n`
  const command = FROM_SOURCE
  const child = await startChild({ command, folder: folder.path, port, toml: toml('requests = "./access.log"') })
  await using _ = child
  const ask = async (path: string, times = 20) => {
    for (let time = 0; time < times; time++) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
        headers: { host: 'a.localhost', connection: 'close' },
      })
      expect(await answer.text()).toBe('here')
    }
  }
  const has = (path: string, what: string | RegExp, count: number) => () => {
    try {
      const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
      return lines.filter(line => line.match(what) !== null).length === count
    } catch {
      return false
    }
  }
  await ask('/first')
  await eventually(has(file, '"path":"/first"', 20), 'the lines of both workers')
  renameSync(file, `${file}.1`)
  await ask('/second')
  await eventually(has(file, '"path":"/second"', 20), 'lines in a new file')
  for (const line of readFileSync(`${file}.1`, 'utf8').trimEnd().split('\n'))
    expect(JSON.parse(line).path).toBe('/first')

  const save = (log: string) => writeFileSync(join(folder.path, 'routes.toml'), childToml(port, toml(log)))
  save('format = "combined"\nrequests = "./later/access.log"')
  await eventually(async () => {
    await ask('/third', 4)
    return child.output().split('The log cannot be written').length - 1 === 2
  }, 'that both say that the folder is not there')
  expect(child.output()).toContain('error')
  mkdirSync(join(folder.path, 'later'))
  await ask('/fourth')
  const later = join(folder.path, 'later/access.log')
  await eventually(
    has(later, /^127\.0\.0\.1 - - \[[^\]]+\] "GET \/fourth HTTP\/1\.1" 200 4 "-" "[^"]+"$/, 20),
    'combined lines',
  )
})

test('that the fields of a proxy are dropped which nobody trusts is said once of each, and of no more than a few', async () => {
  await using gate = await startGate(ROUTE)
  const ask = (...fields: string[]) => sendRaw(gate.port, rawRequest('GET /', 'a.localhost', fields))
  await ask()
  await ask('X-Real-IP: 203.0.113.9')
  expect(gate.told('X-Forwarded-*')).toEqual([])
  for (let time = 0; time < 3; time++) await ask('X-Forwarded-For: 203.0.113.9')
  const told = gate.told('X-Forwarded-*')
  expect(told).toHaveLength(1)
  expect(JSON.parse(told[0] ?? '')).toMatchObject({
    level: 'warn',
    peer: '127.0.0.1',
    hint: expect.stringContaining('trusted_proxies'),
  })
  expect(told[0]).not.toContain('203.0.113.9')
})

test('of a trusted proxy nothing is said', async () => {
  await using gate = await startGate(ROUTE, { server: 'trusted_proxies = ["127.0.0.1"]' })
  await sendRaw(gate.port, rawRequest('GET /', 'a.localhost', ['X-Forwarded-For: 203.0.113.9']))
  expect(gate.told('X-Forwarded-*')).toEqual([])
})

describe('the lines of requests, which are written in batches', () => {
  const TOML = `log_level = "info"\n${ROUTE}\n`
  const ask = async (port: number, path: string): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { host: 'a.localhost' } })
    expect(await answer.text()).toBe('here')
  }
  const linesOf = (output: string, path: string): number => output.split(`"path":"${path}"`).length - 1

  test('are all there once a process that is told to stop has ended', async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    await using child = await startChild({ command: FROM_SOURCE, folder: folder.path, port, toml: TOML })
    await Promise.all(Array.from({ length: 40 }, () => ask(port, '/last')))
    child.process.kill('SIGTERM')
    expect(await child.process.exited).toBe(0)
    await eventually(() => linesOf(child.output(), '/last') === 40, 'every line')
  })

  test('are all there after an error that nobody caught, and so are those of later requests', async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    const stray = join(folder.path, 'stray.ts')
    writeFileSync(stray, "process.on('SIGWINCH', () => setTimeout(() => { throw new Error('a stray') }))\n")
    const [bun = '', ...main] = FROM_SOURCE
    const command = [bun, '--preload', stray, ...main]
    // With it set, the process does not begin again as one without that file.
    const env = { BUN_CONFIG_MAX_HTTP_REQUESTS: '65535' }
    await using child = await startChild({ command, folder: folder.path, port, toml: TOML, env })
    await ask(port, '/before')
    child.process.kill('SIGWINCH')
    await eventually(() => child.output().includes('An unexpected error was caught'), 'that it was caught')
    await eventually(() => linesOf(child.output(), '/before') === 1, 'the line from before')
    await ask(port, '/after')
    await eventually(() => linesOf(child.output(), '/after') === 1, 'a line from after')
  })
})
