import { beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort, startChild } from '../../kit/programs/child.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers, routeTo, SILENT } from '../../kit/toml.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const ROOT = join(import.meta.dir, '../../..')
const TARGETS = ['linux-arm64', 'linux-x64-musl', 'darwin-arm64']

const executable = (target: string): string => join(ROOT, 'dist', `sallyport-${target}`)

beforeAll(async () => {
  const command = [process.execPath, '.ci/build.ts', ...TARGETS.flatMap(name => ['--target', name])]
  const build = Bun.spawn(command, { cwd: ROOT, stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' })
  const [code, said] = await Promise.all([build.exited, new Response(build.stderr).text()])
  if (code !== 0) throw new Error(`the executables were not built: ${said}`)
  // It may have three Buns to fetch first.
}, 900_000)

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'from upstream')]))

needs('qemu-aarch64').describe('the executable for 64-bit ARM, on an emulated machine', () => {
  const command = ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu', executable('linux-arm64')]

  test('says what it is', () => {
    const { stdout, exitCode } = Bun.spawnSync([...command, 'version'])
    expect([exitCode, stdout.toString()]).toEqual([0, expect.stringContaining('linux-arm64')])
  }, 300_000)

  test('forwards, and asks for a sign-in where one is due; without execve it says what is missing', async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    const toml = [
      providerTable(SILENT),
      portalTable(EVERYONE),
      routeTo(upstream, 'open.example', 'allow = "public"'),
      routeForUsers(upstream, 'closed.example'),
    ].join('\n')
    await using child = await startChild({ command, folder: folder.path, toml, port })
    const ask = (host: string) => sendRaw(port, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    const { status, body } = await ask('open.example')
    expect([status, body.toString()]).toEqual([200, 'from upstream'])
    expect((await ask('closed.example')).status).toBe(401)
    // The emulator cannot start its own executable anew.
    expect(child.output()).toContain('BUN_CONFIG_MAX_HTTP_REQUESTS=65535')
  }, 300_000)
})

test('the executables for Alpine and for macOS are of their kind', () => {
  const head = (target: string) => readFileSync(executable(target)).subarray(0, 4096)
  expect(head('linux-x64-musl').toString('latin1')).toContain('/lib/ld-musl-x86_64.so.1')
  // mach-o/loader.h: MH_MAGIC_64, then CPU_TYPE_ARM64.
  expect([head('darwin-arm64').readUInt32LE(0), head('darwin-arm64').readUInt32LE(4)]).toEqual([0xfeedfacf, 0x0100000c])
})
