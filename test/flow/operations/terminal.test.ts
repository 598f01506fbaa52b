import { describe, expect, test } from 'bun:test'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { needs } from '../../kit/needs.ts'
import { childToml, freePort } from '../../kit/programs/child.ts'
import { mountFile } from '../../kit/programs/mount.ts'
import { startAtTerminal } from '../../kit/programs/terminal.ts'

const LISTENING = 'Sallyport is listening'

/** A file with one public host, which answers itself; `server` are further lines of `[server]`. */
function fileFor(port: number, host = 'a.localhost', server = ''): string {
  return childToml(
    port,
    `log_level = "info"\n${server}\n[[routes]]\nhost = "${host}"\nrespond = { body = "here" }\nallow = "public"\n`,
  )
}

/** Serves such a file at a terminal, once it listens. */
async function serve(server = '', env?: Readonly<Record<string, string>>, more = '') {
  const folder = temporaryFolder()
  const port = await freePort()
  const path = join(folder.path, 'routes.toml')
  const save = (text: string) => {
    // At once: who reads it between its end and its new beginning would tell of an empty file.
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  }
  const good = fileFor(port, 'a.localhost', server) + more
  save(good)
  const gate = startAtTerminal(folder.path, ['serve'], env)
  await gate.shows(LISTENING)
  return {
    ...gate,
    port,
    path,
    good,
    save,
    async [Symbol.asyncDispose]() {
      await gate[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}

const BAD = (good: string) => good.replace('respond', 'respnd')

/** What `check` shows of the file that `BAD` makes, but for the line that counts: what stands under a misspelt key may be a secret. */
function frameOf(path: string, text: string): string {
  const line =
    BAD(text)
      .split('\n')
      .findIndex(one => one.startsWith('respnd')) + 1
  const gutter = ' '.repeat(String(line).length)
  return `${gutter}--> ${path}:${line}:1\n${gutter} |\n${line} | respnd = { body = … }\n${gutter} | ^^^^^^\n`
}

describe.each([
  ['one process', ''],
  ['two workers', 'workers = 2'],
])('at a terminal, with %s', (_how, server) => {
  test('a bad save is shown as check shows it, and told to be mended', async () => {
    await using gate = await serve(server)
    gate.save(BAD(gate.good))
    await gate.shows(frameOf(gate.path, gate.good))
    await gate.shows('hint: ')
    expect(gate.screen()).not.toContain('\\u000a')
    expect(gate.screen()).not.toContain('\x1b')
    gate.save(gate.good)
    await gate.shows('The file is good again')
    expect(gate.screen().split('The changed file has errors').length).toBe(2)
    expect(gate.screen().split('The file is good again').length).toBe(2)
  })

  test('a request is a line for people', async () => {
    await using gate = await serve(server)
    const ask = (path: string, host: string) => fetch(`http://127.0.0.1:${gate.port}${path}`, { headers: { host } })
    await ask('/a%20b?secret=1', 'a.localhost')
    await gate.shows('200   GET a.localhost/a%20b from 127.0.0.1 in ')
    await ask('/', 'nowhere.localhost')
    await gate.shows('404   GET nowhere.localhost/ from 127.0.0.1 in ')
    expect(gate.screen()).not.toContain('secret=1')
    expect(gate.screen()).not.toContain('{"time"')
  })
})

test('what to open in a browser is named at a terminal', async () => {
  const more = `
[portals.home]
url = "https://auth.example.com:8443"
providers = ["id"]
roles.user = { any = true }
[providers.id]
issuer = "https://id.example.com"
client_id = "gate"
client_secret = "gate-secret"
[[routes]]
host = "app.example.com"
path = "/deep"
respond = { body = "app" }
portal = "home"
allow = ["user"]
[[routes]]
host = "*.example.com"
respond = { body = "any" }
allow = "public"
`
  {
    await using gate = await serve()
    await gate.shows(`\n  Open  http://a.localhost:${gate.port}/\n`)
  }
  {
    await using gate = await serve('workers = 2', undefined, more)
    await gate.shows('\n  Open  https://auth.example.com:8443/     portal "home"\n')
    await gate.shows('\n        https://a.localhost:8443/\n        https://app.example.com:8443/deep\n')
    expect(gate.screen()).not.toContain('https://*')
  }
})

test('at a terminal with colours the frame has them', async () => {
  await using gate = await serve('', {})
  gate.save(BAD(gate.good))
  await gate.shows('\x1b[1;31m^^^^^^\x1b[0m')
  expect(gate.screen()).not.toContain('\\u001b')
})

test('the time at a terminal is that of the place', async () => {
  await using gate = await serve('', { NO_COLOR: '1', TZ: 'Asia/Kolkata' })
  const shown = /^(\d\d):(\d\d):\d\d info {2}Sallyport is listening/m.exec(gate.screen())
  const minutes = Number(shown?.[1]) * 60 + Number(shown?.[2])
  const now = new Date()
  const ahead = (minutes - now.getUTCHours() * 60 - now.getUTCMinutes() + 1440) % 1440
  // Half past five, and what it took to read it.
  expect(ahead).toBeWithin(320, 331)
})

test('an address to listen on that is put back asks for no restart', async () => {
  await using gate = await serve()
  gate.save(fileFor(gate.port, 'a.localhost').replace(`:${gate.port}`, `:${await freePort()}`))
  await gate.shows('Some changes need a restart keys=server.listen')
  gate.save(gate.good)
  await gate.shows('No restart is needed any more')
  expect(gate.screen().split('Some changes need a restart').length).toBe(2)
})

needs('right to mount').test(
  'a file that is mounted by itself and replaced outside is told, with the mend',
  async () => {
    using outside = temporaryFolder()
    using inside = temporaryFolder()
    const port = await freePort()
    const real = join(outside.path, 'routes.toml')
    const mounted = join(inside.path, 'routes.toml')
    writeFileSync(real, fileFor(port))
    writeFileSync(mounted, '')
    using _mount = mountFile(real, mounted)
    await using gate = startAtTerminal(inside.path, ['serve'])
    await gate.shows(LISTENING)
    writeFileSync(`${real}.new`, fileFor(port, 'b.localhost'))
    renameSync(`${real}.new`, real)
    await gate.shows('no save will be seen')
    await gate.shows('mount its folder')
  },
)
