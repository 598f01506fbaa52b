import { describe, expect, test } from 'bun:test'
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startApp } from '../../kit/applications/app.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, PORTAL, startGate } from '../../kit/gate.ts'
import { FROM_SOURCE, freePort, startChild } from '../../kit/programs/child.ts'
import { signalOne } from '../../kit/programs/ended.ts'
import { routeTo } from '../../kit/toml.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { openWire, sendRaw, startRawUpstream, type Wire } from '../../kit/wire/wire.ts'

const FIXED = '[[routes]]\nhost = "fixed.example"\nrespond = { body = "fixed" }\nallow = "public"\n'

function ask(port: number, path = '/', host = 'fixed.example') {
  return sendRaw(port, rawRequest(`GET ${path}`, host))
}

test('a log that nobody reads any more costs no request, and the program still ends well', async () => {
  using folder = temporaryFolder()
  const port = await freePort()
  const config = join(folder.path, 'routes.toml')
  writeFileSync(config, `[server]\nlisten = ["127.0.0.1:${port}"]\naccess_log = true\nlog_level = "debug"\n${FIXED}`)
  const child = Bun.spawn(
    [
      'sh',
      '-c',
      `sh -c 'echo $$ > pid; exec "$0" "$@"' "$0" "$@" 2>&1 | head -c 20`,
      ...FROM_SOURCE,
      'serve',
      '--config',
      config,
    ],
    {
      cwd: folder.path,
      env: { PATH: process.env.PATH ?? '', HOME: folder.path },
      stdout: openSync('/dev/null', 'w'),
      stderr: 'ignore',
    },
  )
  const answers = () =>
    ask(port).then(
      response => response.status === 200,
      () => false,
    )
  await eventually(answers, 'it answers')
  for (let count = 0; count < 300; count++) expect((await ask(port)).status).toBe(200)
  expect((await ask(port, '/', 'nowhere.example')).status).toBe(404)
  signalOne(readFileSync(join(folder.path, 'pid'), 'utf8'), 'SIGTERM')
  await child.exited
  await eventually(async () => !(await answers()), 'it has ended')
}, 300_000)

test('a program that has run out of files takes new clients again once others have left', async () => {
  using folder = temporaryFolder()
  await using child = await startChild({
    command: ['sh', '-c', 'ulimit -n 100; exec "$0" "$@"', ...FROM_SOURCE],
    folder: folder.path,
    toml: FIXED,
    port: await freePort(),
  })
  const wires: Wire[] = []
  for (let count = 0; count < 150; count++) {
    const wire = await openWire(child.port)
    await wire.send('GET / HTTP/1.1\r\nHost: fixed.example\r\nX-Slow: ')
    wires.push(wire)
  }
  await Bun.sleep(300)
  for (const wire of wires) wire.close()
  await eventually(
    () =>
      ask(child.port).then(
        response => response.body.toString() === 'fixed',
        () => false,
      ),
    'it answers again',
  )
  expect(child.process.exitCode).toBeNull()
}, 300_000)

test('SIGTERM under load: whoever was let in has a whole answer, nobody else has half of one, and the exit code is 0', async () => {
  using folder = temporaryFolder()
  await using app = await startApp((_, response) => {
    response.writeHead(200, { 'content-length': '20000' })
    response.write('a'.repeat(10_000))
    setTimeout(() => response.end('b'.repeat(10_000)), 150)
  })
  await using child = await startChild({
    command: FROM_SOURCE,
    folder: folder.path,
    toml: routeTo(app, 'app.example', 'allow = "public"'),
    port: await freePort(),
  })
  const ends = { whole: 0, none: 0, half: 0 }
  let isOver = false
  async function client(): Promise<void> {
    while (!isOver) {
      const address = `http://127.0.0.1:${child.port}/`
      const response = await fetch(address, { headers: { host: 'app.example' }, keepalive: false }).catch(() => null)
      if (response === null) ends.none++
      const body = await response?.text().catch(() => '')
      if (body !== undefined) ends[response?.status === 200 && body.length === 20_000 ? 'whole' : 'half']++
      await Bun.sleep(5)
    }
  }
  const clients = Array.from({ length: 40 }, client)
  await eventually(() => ends.whole > 80, 'there is load')
  child.process.kill('SIGTERM')
  expect(await child.process.exited).toBe(0)
  isOver = true
  await Promise.all(clients)
  expect(ends.half).toBe(0)
}, 300_000)

describe('an error of our own', () => {
  test('is one 500 with a reference, in a line of the log, and everyone else is answered', async () => {
    let isBroken = false
    await using app = await startApp('fine')
    await using gate = await startGate(
      `${PORTAL}[[routes]]\nhost = "app.example"\nupstream = "http://127.0.0.1:${app.port}"\nallow = "public"\n${FIXED}`,
      {
        ports: {
          forward(address, init) {
            if (isBroken) throw new RangeError('a mistake of ours, with a SECRET in it')
            return fetch(address, init)
          },
        },
      },
    )
    isBroken = true
    const response = await ask(gate.port, '/', 'app.example')
    expect(response.status).toBe(500)
    expect(response.raw.toString()).not.toContain('SECRET')
    const { reference } = JSON.parse(response.body.toString())
    expect(gate.told(reference)).toHaveLength(1)
    expect((await ask(gate.port)).status).toBe(200)
    isBroken = false
    expect((await ask(gate.port, '/', 'app.example')).status).toBe(200)
  })
})

describe('a clock that is set back an hour', () => {
  let offsetMs = 0
  const now = () => Date.now() + offsetMs

  test('makes nobody wait an hour for a silent upstream', async () => {
    const upstream = await startRawUpstream(async connection => {
      await connection.receive({ until: () => false, timeoutMs: 300_000 })
    })
    await using gate = await startGate(routeTo(upstream, 'app.example', 'allow = "public"\ntimeout = "1s"'), {
      ports: { now },
    })
    offsetMs = 0
    const answer = ask(gate.port, '/', 'app.example')
    await eventually(() => upstream.connections.length > 0, 'the upstream is asked')
    offsetMs = -3_600_000
    expect((await answer).status).toBe(504)
    await upstream.close()
  })

  test('makes no session live longer than it may, and signs nobody out for less than an hour', async () => {
    offsetMs = 0
    await using gate = await startGate(
      `${PORTAL}[[routes]]\nhost = "app.example"\nrespond = { body = "in" }\nportal = "home"\nallow = ["user"]\n`,
      { ports: { now }, sessions: 'lifetime = "2h"\nidle = "2h"' },
    )
    const { cookie } = await gate.signIn('app.example')
    const status = async (shiftMs: number) => {
      offsetMs = shiftMs
      return (await sendRaw(gate.port, rawRequest('GET /', 'app.example', [`Cookie: ${cookie}`]))).status
    }
    expect(await status(0)).toBe(200)
    expect(await status(-3_500_000)).toBe(200)
    expect(await status(-3_700_000)).toBe(401)
    expect(await status(7_100_000)).toBe(200)
    expect(await status(7_300_000)).toBe(401)
  })
})
