import { expect } from 'bun:test'
import { startSaying } from '../../kit/applications/answering.ts'
import { movedClock } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { oneHost } from '../../kit/one-host.ts'
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
