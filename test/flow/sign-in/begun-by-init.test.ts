import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runInit } from '../../../src/cli/init/run.ts'
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
      expect((await ada.open(`${APP}/`)).text).toContain('<input name="login"')

      const bob = browserOf()
      await bob.signIn(`${APP}/`, 'bob')
      expect((await bob.visit(`${APP}/`)).status).toBe(302)
    } finally {
      await gate.stop()
    }
  },
)
