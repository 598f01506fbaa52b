import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCheck as runCheckWith } from '../../src/cli/check.ts'
import { runSchema } from '../../src/cli/schema.ts'
import type { Io } from '../../src/console/io.ts'
import { quietPorts } from '../kit/clock.ts'
import { ROOT_TABLES } from '../kit/toml.ts'

const GOOD = `
[providers.id]
issuer = "https://id.example.com"
client_id = "gate"
client_secret = "\${file:secret}"
[portals.home]
url = "https://auth.example.com"
providers = ["id"]
roles.user = { any = true }
[[routes]]
host = "app.example.com"
upstream = "http://app:3000"
portal = "home"
allow = ["user"]
[[routes]]
host = "app.example.com"
path = "/hook"
upstream = "http://app:3000"
allow = "public"
`

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-check-'))
  writeFileSync(join(folder, 'secret'), 's3cret\n')
  writeFileSync(join(folder, 'routes.toml'), GOOD)
  writeFileSync(join(folder, 'warned.toml'), GOOD.replace('[portals.home]', '[sessions]\nidle = "24h"\n[portals.home]'))
  const asking = GOOD.replace('url = "https', 'provider_logout = true\nurl = "https')
    .replace('[portals.home]', 'par = "always"\n[providers.id.access_tokens]\nintrospect = true\n[portals.home]')
    .replace('allow = ["user"]', 'allow = [{ roles = ["user"], max_age = "5m", acr = ["gold"] }]')
  writeFileSync(join(folder, 'asking.toml'), asking)
  const users = asking.replace(/\[providers\.id\][\s\S]*\[portals/, '[providers.id]\nusers = "people"\n[portals')
  writeFileSync(join(folder, 'people'), `ada:${Bun.password.hashSync('secret', { algorithm: 'bcrypt', cost: 4 })}\n`)
  writeFileSync(join(folder, 'users.toml'), users.replace('provider_logout = true', '').replace(', acr = ["gold"]', ''))
  writeFileSync(join(folder, 'bad.toml'), GOOD.replace('upstream', 'upsteam'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const runCheck = (argv: string[], io: Io) => runCheckWith(argv, io, { ...io, ...quietPorts({ now: Date.now }) })

/** Runs a command in the folder, with real files. */
function run(
  command: (argv: string[], io: Io) => number | Promise<number>,
  ...argv: string[]
): { code: number; out: string; err: string } {
  let out = ''
  let err = ''
  const io: Io = {
    stdout: text => {
      out += text
    },
    stderr: text => {
      err += text
    },
    colour: { stdout: false, stderr: false },
    terminal: { stdout: false, stderr: false },
    cwd: folder,
    env: () => undefined,
    readText: path => readFileSync(path, 'utf8'),
    readBytes: path => readFileSync(path),
  }
  const code = command(argv, io)
  if (typeof code !== 'number') throw new TypeError('without --diff it answers at once')
  return { code, out, err }
}

describe('sallyport check', () => {
  test('says in one line that a file is good', () =>
    expect(run(runCheck)).toEqual({
      code: 0,
      out: 'routes.toml is good: 2 routes on 1 host, 1 portal, 1 provider\n',
      err: '',
    }))

  test('takes the file by --config too, as every command does, but names one alone', () => {
    for (const option of ['--config', '-c'])
      expect(run(runCheck, option, 'bad.toml')).toEqual(run(runCheck, 'bad.toml'))
    const { code, err } = run(runCheck, 'warned.toml', '-c', 'routes.toml')
    expect([code, err]).toEqual([2, expect.stringContaining('"warned.toml" and --config routes.toml: name one file')])
  })

  test('shows warnings of a good file, and still exits 0', () => {
    const { code, out, err } = run(runCheck, 'warned.toml')
    expect(code).toBe(0)
    expect(out).toContain('warned.toml is good')
    expect(err).toContain('warning: idle is longer than lifetime')
    expect(err).toContain('1 warning in warned.toml')
  })

  test('shows mistakes with the name that was given, and exits 1', () => {
    const { code, out, err } = run(runCheck, join(folder, 'bad.toml'))
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain(`--> ${join(folder, 'bad.toml')}:12:1`)
    expect(err).toContain('did you mean "upstream"?')
  })

  test('writes the same as JSON for scripts', () => {
    const { code, out, err } = run(runCheck, '--json', 'bad.toml')
    expect({ code, err }).toEqual({ code: 1, err: '' })
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      file: 'bad.toml',
      diagnostics: [{ code: 'key.unknown', path: 'routes[0].upsteam', line: 12, column: 1, length: 7 }],
    })
    expect(JSON.parse(run(runCheck, '--json').out)).toEqual({
      ok: true,
      file: 'routes.toml',
      diagnostics: [],
      untold: [],
    })
  })

  test('names doctor where only a provider can tell', () => {
    const keys = ['max_age', 'acr', 'par', 'provider_logout', 'introspect']
    const { code, out } = run(runCheck, 'asking.toml')
    expect(code).toBe(0)
    expect(out).toContain('asking.toml is good')
    expect(out).toContain('sallyport doctor asking.toml')
    for (const key of keys) expect(out).toContain(key)
    expect(JSON.parse(run(runCheck, 'asking.toml', '--json').out)).toMatchObject({
      ok: true,
      untold: [{ provider: 'id', keys }],
    })
    for (const file of ['routes.toml', 'users.toml', 'bad.toml']) {
      const other = run(runCheck, file)
      expect([file, other.code, other.out.includes('doctor')]).toEqual([file, file === 'bad.toml' ? 1 : 0, false])
    }
  })

  test('says when there is no such file, and exits 1', () => {
    const { code, err } = run(runCheck, 'none.toml')
    expect(code).toBe(1)
    expect(err).toContain('none.toml does not exist')
  })

  test('exits 2 for a wrong command line', () => {
    expect(run(runCheck, '--jsn')).toMatchObject({ code: 2, out: '' })
    expect(run(runCheck, 'a', 'b')).toMatchObject({ code: 2, out: '' })
    expect(run(runCheck, '--json=1')).toMatchObject({ code: 2, out: '' })
  })

  test('explains itself', () => {
    const { code, out } = run(runCheck, '--help')
    expect(code).toBe(0)
    expect(out).toStartWith('usage: sallyport check')
  })
})

test('sallyport schema prints a JSON schema of every table', () => {
  const { code, out } = run(runSchema)
  expect(code).toBe(0)
  expect(Object.keys(JSON.parse(out).properties)).toEqual(ROOT_TABLES)
})
