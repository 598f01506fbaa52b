import { expect } from 'bun:test'
import { startSaying } from '../../kit/applications/answering.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { movedClock } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { oneHost, siteAt } from '../../kit/one-host.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort, startChild } from '../../kit/programs/child.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'

const keep = untilTheEnd()
const upstream = keep(startSaying('let through'))

async function signedIn(port: number): Promise<() => Promise<number>> {
  const at = `127.0.0.1:${port}`
  const site = siteAt(port)
  const browser = new BrowserLite({ hosts: { [site.host]: at } })
  expect((await browser.signIn(site, 'ada')).text).toBe('let through')
  const headers = { host: site.host, cookie: browser.cookieHeader(site), accept: 'application/json' }
  return async () => (await fetch(`http://${at}/`, { headers, redirect: 'manual' })).status
}

needs('faketime').test(
  'the executable on SQLite keeps everyone for whose time a jump of its clock is over, until it is set back',
  async () => {
    using folder = temporaryFolder()
    await using provider = await startProviderFor([{ sub: 'ada', name: 'Ada' }])
    const clock = movedClock(folder.path)
    const port = await freePort()
    const toml = oneHost(provider, port, upstream)
    await using child = await startChild({
      command: [await compiledBinary()],
      folder: folder.path,
      port,
      toml,
      env: clock.env,
    })
    const status = await signedIn(port)
    expect(await status()).toBe(200)
    clock.set('+30h')
    // Once it has said so, a clean-up has come by.
    await eventually(() => child.output().includes('The clock of this machine was set'), 'it notices', 90_000)
    expect(await status()).toBe(401)
    clock.set('+0')
    await eventually(async () => (await status()) === 200, 'the session is there again')
  },
  300_000,
)
