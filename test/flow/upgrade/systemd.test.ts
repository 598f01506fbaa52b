import { expect } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { childToml, freePort } from '../../kit/programs/child.ts'
import { signalOne } from '../../kit/programs/ended.ts'
import { askOn, type Load, onKept, onNew } from '../../kit/upgrade/load.ts'
import { type Managed, type ManagerEvent, startManaged } from '../../kit/upgrade/manager.ts'

const { test } = needs('python3', '/proc')

const ROUTE = '[[routes]]\nhost = "app.example"\nallow = "public"\nrespond = { status = 200, body = "here" }\n'

/** A managed service, with the path of its file and the file as it is at first. */
async function serveManaged(options: {
  readonly folder: string
  readonly server?: string
  readonly notifySocket?: string
  readonly isHanded?: boolean
  readonly env?: Readonly<Record<string, string>>
}): Promise<{ readonly service: Managed; readonly port: number; readonly path: string; readonly good: string }> {
  const { folder, server = '', notifySocket = join(folder, 'notify'), isHanded = false, env = {} } = options
  const port = await freePort()
  const path = join(folder, 'routes.toml')
  const good = childToml(port, `access_log = false\n${server}\n${ROUTE}`)
  writeFileSync(path, good)
  const service = startManaged({
    command: [await compiledBinary(), 'serve', '--config', path],
    notifySocket,
    ports: isHanded ? [port] : [],
    env: { HOME: folder, ...env },
  })
  return { service, port, path, good }
}

function mainPid(service: Managed): number {
  return Number(service.events.findLast(({ started }) => started !== undefined)?.started)
}

const isReady = ({ READY }: ManagerEvent) => READY === '1'

test.each([
  ['one process', 1],
  ['a supervisor of two', 2],
])(
  'sd_notify(3): %s tells its manager when it is ready, reloads, hands on and stops, and feeds the watchdog',
  async (_what, workers) => {
    using folder = temporaryFolder()
    const { path, good, ...rest } = await serveManaged({
      folder: folder.path,
      server: `workers = ${workers}\ndrain = "7s"`,
      env: { WATCHDOG_USEC: '300000', WATCHDOG_PID: 'PID_OF_SERVICE' },
    })
    await using service = rest.service
    const { pid, STATUS } = await service.until('it is ready', isReady)
    expect([pid, STATUS]).toEqual([mainPid(service), 'Serving routes.toml'])
    await service.until('the watchdog is fed', event => event.WATCHDOG === '1' && event.pid === pid)

    signalOne(pid, 'SIGHUP')
    const { MONOTONIC_USEC, at_us } = await service.until('it reloads', ({ RELOADING }) => RELOADING === '1')
    const agoUs = Number(at_us) - Number(MONOTONIC_USEC)
    expect(agoUs >= 0 && agoUs < 60e6).toBe(true)
    await eventually(() => service.events.filter(isReady).length === 2, 'it is ready again')

    writeFileSync(path, `${good}\nupstrem = 1\n`)
    await service.until('a mistake is told', event => `${event.STATUS}`.startsWith('routes.toml has mistakes'))
    writeFileSync(path, good)
    const mended = (event: ManagerEvent) => event.STATUS === 'Serving routes.toml' && event.READY === undefined
    await service.until('its mend is told', mended)

    signalOne(pid, 'SIGUSR2')
    const { MAINPID, pid: teller } = await service.until('it hands on', event => event.MAINPID !== undefined)
    expect(teller).toBe(pid)
    const next = Number(MAINPID)
    await service.until('the next one is fed for', event => event.WATCHDOG === '1' && event.pid === next)
    await service.until('the first one ends', event => event.ended === pid)
    // Nobody but the service speaks, which is what a manager hears by default.
    const handedAt = service.events.findIndex(event => event.MAINPID !== undefined)
    const speaks = (events: readonly ManagerEvent[]) => new Set(events.flatMap(event => event.pid ?? []))
    expect(speaks(service.events.slice(0, handedAt + 1))).toEqual(new Set([Number(pid)]))
    expect(speaks(service.events.slice(handedAt + 1))).toEqual(new Set([next]))

    signalOne(next, 'SIGTERM')
    const stopping = await service.until('it stops', event => event.STOPPING === '1')
    expect([stopping.pid, stopping.EXTEND_TIMEOUT_USEC]).toEqual([next, '12000000'])
    expect(service.events.find(({ ended }) => ended === pid)?.code).toBe(0)
  },
  300_000,
)

test('an abstract socket is told too, and without a watchdog nothing is sent but news', async () => {
  using folder = temporaryFolder()
  const { service } = await serveManaged({ folder: folder.path, notifySocket: `@sallyport-test-${process.pid}` })
  await using _service = service
  await service.until('it is ready', isReady)
  await Bun.sleep(500)
  expect(service.events.filter(({ pid }) => pid !== undefined)).toHaveLength(1)
})

test.each([
  ['one process', 1],
  ['two workers', 2],
])(
  'sd_listen_fds(3): on a socket of its manager, %s that is started again fails no request, nor does one that is succeeded',
  async (_what, workers) => {
    using folder = temporaryFolder()
    const { service, port } = await serveManaged({
      folder: folder.path,
      server: `workers = ${workers}`,
      isHanded: true,
    })
    await using _service = service
    await service.until('it is ready', isReady)
    const load: Load = { asked: 0, failures: [] }
    let isOver = false
    const asks = [...Array.from({ length: 6 }, () => onKept(port)), ...Array.from({ length: 4 }, () => onNew(port))]
    const done = Promise.all(asks.map(ask => askOn(load, () => isOver, ask)))
    const goesOn = async () => {
      const before = load.asked
      await eventually(() => load.asked > before + 300, 'the load goes on')
    }
    await goesOn()
    const first = mainPid(service)
    signalOne(first, 'SIGTERM')
    await service.until('it ends', ({ ended }) => ended === first)
    service.startAgain()
    await goesOn()
    signalOne(mainPid(service), 'SIGUSR2')
    await service.until('another takes over', ({ MAINPID }) => MAINPID !== undefined)
    await service.until('the second one ends', ({ ended }) => ended === mainPid(service))
    await goesOn()
    isOver = true
    await done
    expect(load.failures).toEqual([])
  },
  300_000,
)

test('a socket that the file does not listen on is told, and closed', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 'routes.toml')
  const [port, other] = [await freePort(), await freePort()]
  writeFileSync(path, childToml(port, ROUTE))
  await using service = startManaged({
    command: [await compiledBinary(), 'serve', '--config', path],
    notifySocket: join(folder.path, 'notify'),
    ports: [other, port],
    env: { HOME: folder.path },
  })
  await service.until('it is ready', isReady)
  expect(await onNew(port)()).toBe('here')
  expect(service.errors()).toContain('Sockets were handed over that the file does not listen on')
  expect(service.errors()).toContain(`127.0.0.1:${other}`)
})
