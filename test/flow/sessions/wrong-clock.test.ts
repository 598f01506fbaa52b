import { expect } from 'bun:test'
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startSaying } from '../../kit/applications/answering.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { oneHost, siteAt } from '../../kit/one-host.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort, startChild } from '../../kit/programs/child.ts'
import { runToEnd } from '../../kit/programs/ended.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { SESSION_KEY } from '../../kit/sessions/shared.ts'

const keep = untilTheEnd()
const upstream = keep(startSaying('let through'))
const valkey = keep(await startValkey())

/** Debian's libfaketime, wherever its architecture has it. */
const LIBRARY = (existsSync('/usr/lib') ? readdirSync('/usr/lib') : [])
  .map(name => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`)
  .find(path => existsSync(path))

/** A clock that is moved by what its file says: `+3h`. */
function movedClock(folder: string) {
  const path = join(folder, 'clock')
  const set = (by: string) => {
    writeFileSync(path, `${by}\n`)
    utimesSync(path, new Date(), new Date())
  }
  set('+0')
  return {
    set,
    env: {
      LD_PRELOAD: LIBRARY ?? '',
      FAKETIME_TIMESTAMP_FILE: path,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_RESET: '1',
    },
  }
}

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

needs('faketime', 'valkey-server').test(
  'the executable on Redis says in its log, its metrics, its status and to doctor that its clock is wrong',
  async () => {
    using folder = temporaryFolder()
    await using provider = await startProviderFor([{ sub: 'ada', name: 'Ada' }])
    const clock = movedClock(folder.path)
    clock.set('-3h')
    const [port, admin] = [await freePort(), await freePort()]
    const store = `store = "${valkey.url(0)}"\nkey = "${SESSION_KEY}"`
    const toml = `admin = "127.0.0.1:${admin}"\n${oneHost(provider, port, upstream, store)}`
    const program = await compiledBinary()
    await using child = await startChild({ command: [program], folder: folder.path, port, toml, env: clock.env })
    await eventually(() => child.output().includes('differs from that of the session store'), 'it is in the log')
    const read = async (path: string) => (await fetch(`http://127.0.0.1:${admin}${path}`)).text()
    expect(JSON.parse(await read('/status.json')).clock).toEqual({
      state: 'wrong',
      ahead_s: expect.closeTo(-10_800, -1),
    })
    const metrics = await read('/metrics')
    expect(metrics).toContain('sallyport_clock_untrusted 1\n')
    expect(metrics).toMatch(/sallyport_clock_ahead_seconds -10[78]\d\d/)
    const doctor = await runToEnd([program, 'doctor'], { cwd: folder.path, env: { ...process.env, ...clock.env } })
    expect(doctor.stdout).toContain('behind that of the session store')
  },
)
