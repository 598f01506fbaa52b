import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runHealth } from '../../src/cli/health.ts'
import { startAnswering } from '../kit/applications/answering.ts'
import { freePort } from '../kit/programs/child.ts'

const folder = mkdtempSync(join(tmpdir(), 'health-'))
const socket = join(folder, 'admin.sock')
let isReady = true
const asked: string[] = []
function answer(request: Request): Response {
  asked.push(`${request.method} ${new URL(request.url).pathname}`)
  return new Response(isReady ? 'ready\n' : 'session store: does not answer\n', { status: isReady ? 200 : 503 })
}
const admin = startAnswering(answer)
const unixAdmin = Bun.serve({ unix: socket, fetch: answer })
afterAll(async () => {
  await Promise.all([admin.stop(true), unixAdmin.stop(true)])
  rmSync(folder, { recursive: true })
})

async function health(
  argv: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; err: string }> {
  let err = ''
  const code = await runHealth(argv, {
    stdout() {},
    stderr(text) {
      err += text
    },
    colour: { stdout: false, stderr: false },
    terminal: { stdout: false, stderr: false },
    cwd: folder,
    env: name => env[name],
    readText: () => '',
    readBytes: () => new Uint8Array(),
  })
  return { code, err }
}

test('a ready server is 0, and nothing is said', async () => {
  expect(await health([`127.0.0.1:${admin.port}`])).toEqual({ code: 0, err: '' })
  expect(asked.at(-1)).toBe('GET /readyz')
})

test('with --alive it asks whether the server lives, wherever that stands', async () => {
  for (const argv of [
    ['--alive', `127.0.0.1:${admin.port}`],
    [`127.0.0.1:${admin.port}`, '--alive'],
  ]) {
    expect(await health(argv)).toEqual({ code: 0, err: '' })
    expect(asked.at(-1)).toBe('GET /healthz')
  }
  expect((await health(['--alive'], { SALLYPORT_ADMIN: '127.0.0.1:9' })).code).toBe(1)
})

test('the address may come from the environment, and may be a socket', async () => {
  expect((await health([], { SALLYPORT_ADMIN: `unix:${socket}` })).code).toBe(0)
})

test('a server that is not ready is 1, with its answer', async () => {
  isReady = false
  const { code, err } = await health([`127.0.0.1:${admin.port}`])
  isReady = true
  expect(code).toBe(1)
  expect(err).toContain('503 (session store: does not answer)\n')
})

test('no server is 1', async () => {
  const { code, err } = await health([`127.0.0.1:${await freePort()}`])
  expect([code, err]).toEqual([1, expect.stringContaining('nothing listens there; does Sallyport run')])
  expect((await health([`unix:${folder}/no.sock`])).err).toContain('nothing listens there')
})

test('what is no address is 2, with a hint', async () => {
  const { code, err } = await health(['http://127.0.0.1:1'])
  expect(code).toBe(2)
  expect(err).toContain('hint:')
})
