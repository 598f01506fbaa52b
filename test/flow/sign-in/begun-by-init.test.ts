import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runInit } from '../../../src/cli/init/init.ts'
import { ask } from '../../../src/console/network.ts'
import { startTellingApp } from '../../kit/applications/telling-app.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { runIn } from '../../kit/io.ts'
import { freePort } from '../../kit/programs/child.ts'
import { pocketIdUser } from '../../kit/provider/pocket-id/people.ts'
import { pocketId } from '../../kit/provider/pocket-id/pocket-id.ts'
import { serveInProcess } from '../../kit/serve.ts'

const APP = 'https://app.example.com'

test.each(['2.9', '2.14'] as const)(
  'with what init made at Pocket ID %s, its group gets in, others do not, and signing out is signing out',
  async version => {
    using folder = temporaryFolder()
    await using app = await startTellingApp(['app'])
    const users = [pocketIdUser('ada', { groups: ['staff'] }), pocketIdUser('bob')]
    await using there = await pocketId({ version, users })
    writeFileSync(join(folder.path, 'key'), there.apiKey)
    const upstream = `http://127.0.0.1:${app.portOf('app')}`
    const where = [
      '--issuer',
      there.issuer,
      '--api-key-file',
      'key',
      '--host',
      'app.example.com',
      '--upstream',
      upstream,
    ]
    const argv = [...where, '--group', 'staff', '--proxy-address', '127.0.0.1', '--yes']
    const ran = await runIn(folder.path, io =>
      runInit(argv, io, { ...io, ...quietPorts(fakeClock(Date.now())), ask }, null),
    )
    expect([ran.code, ran.out]).toEqual([0, expect.stringContaining('for the group staff')])

    const port = await freePort()
    const path = join(folder.path, 'routes.toml')
    const text = readFileSync(path, 'utf8').replace('127.0.0.1:8080', `127.0.0.1:${port}`)
    writeFileSync(path, text.replace('admin = "127.0.0.1:9464"', 'admin = "127.0.0.1:0"'))
    const gate = await serveInProcess(path)
    try {
      const browserOf = () =>
        new BrowserLite({
          hosts: { 'app.example.com': `127.0.0.1:${port}` },
          headers: { 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.1' },
        })
      const ada = browserOf()
      const page = await ada.signIn(`${APP}/deep?x=1`, 'ada')
      expect([page.response.status, page.address.href]).toEqual([200, `${APP}/deep?x=1`])
      const left = await ada.submit(await ada.open(`${APP}/.sallyport/logout`))
      const out = await ada.refresh(left)
      expect([out.address.pathname, out.trail.some(address => address.includes('/end-session'))]).toEqual([
        '/.sallyport/signed-out',
        true,
      ])
      expect((await ada.open(`${APP}/`)).html.has('input[name="login"]')).toBe(true)

      const bob = browserOf()
      await bob.signIn(`${APP}/`, 'bob')
      expect((await bob.visit(`${APP}/`)).status).toBe(302)
    } finally {
      await gate.stop()
    }
  },
)

test.each(['2.9', '2.14'] as const)(
  'Pocket ID %s itself behind Sallyport: init writes its route and the first application’s in one go, and people sign in',
  async version => {
    using folder = temporaryFolder()
    await using app = await startTellingApp(['app'])
    const ID = 'https://id.example.com'
    await using there = await pocketId({ version, appUrl: ID, users: [pocketIdUser('ada')] })
    writeFileSync(join(folder.path, 'key'), there.apiKey)
    const inner = `http://127.0.0.1:${there.port}`
    const argv = ['--issuer', ID, '--internal-url', inner, '--provider-route', '--api-key-file', 'key']
    const place = ['--host', 'app.example.com', '--upstream', `http://127.0.0.1:${app.portOf('app')}`, '--everyone']
    const ran = await runIn(folder.path, io =>
      runInit(
        [...argv, ...place, '--proxy-address', '127.0.0.1', '--yes'],
        io,
        { ...io, ...quietPorts(fakeClock(Date.now())), ask },
        null,
      ),
    )
    expect([ran.code, ran.err]).toEqual([0, ''])
    expect(ran.out).toContain('What pocket-id needs to be told stands above its table')

    const port = await freePort()
    const path = join(folder.path, 'routes.toml')
    const text = readFileSync(path, 'utf8')
    for (const said of ['APP_URL=https://id.example.com', 'TRUST_PROXY=true', 'Passkeys belong to the host']) {
      expect(text).toContain(said)
    }
    writeFileSync(
      path,
      text.replace('127.0.0.1:8080', `127.0.0.1:${port}`).replace('admin = "127.0.0.1:9464"', 'admin = "127.0.0.1:0"'),
    )
    // What init asked itself came by no gate.
    const before = there.asked.length
    const gate = await serveInProcess(path)
    try {
      const at = `127.0.0.1:${port}`
      const ada = new BrowserLite({
        hosts: { 'app.example.com': at, 'id.example.com': at },
        headers: { 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.1' },
      })
      const page = await ada.signIn(`${APP}/deep`, 'ada')
      expect([page.response.status, page.address.href]).toEqual([200, `${APP}/deep`])
      const authorize = there.asked.slice(before).filter(({ path: asked }) => asked === '/authorize')
      expect(authorize.length).toBeGreaterThan(0)
      for (const { forwarded } of authorize) {
        // It counts by the first one.
        expect(forwarded).toEqual({ host: 'id.example.com', for: '192.0.2.1, 127.0.0.1', proto: 'https' })
      }
      // The gate asks at the address inside, and never by itself.
      const token = there.asked.slice(before).filter(({ path: asked }) => asked === '/api/oidc/token')
      expect(token.map(({ forwarded }) => forwarded.for)).toEqual([null])
      expect((await ada.visit(`${ID}/.sallyport/`)).status).toBe(404)
    } finally {
      await gate.stop()
    }
  },
)
