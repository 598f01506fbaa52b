import { beforeAll, expect, test } from 'bun:test'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makePackage } from '../../../.ci/release/debian.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort } from '../../kit/programs/child.ts'
import { bootMachine, type Machine } from '../../kit/programs/machine.ts'
import { routeTo } from '../../kit/toml.ts'

const ROOT = join(import.meta.dir, '../../..')
const PACKAGE = '/srv/sallyport.deb'
const UNIT = 'sallyport.service'

needs('systemd-nspawn', 'mmdebstrap', 'mounts of its own', '/proc').describe(
  'the package on a machine that systemd booted',
  () => {
    const keep = untilTheEnd()
    const upstream = keep(
      Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        idleTimeout: 0,
        fetch: () =>
          new Response(
            new ReadableStream({
              async start(controller) {
                controller.enqueue('begun ')
                await Bun.sleep(3_000)
                controller.enqueue('and ended')
                controller.close()
              },
            }),
          ),
      }),
    )
    let port = 0
    let machine: Machine
    const systemctl = (...argv: readonly string[]) => machine.run('systemctl', ...argv)
    const succeeds = async (...command: readonly string[]) => {
      const { code, stdout, stderr } = await machine.run(...command)
      expect([command.join(' '), code, stderr]).toEqual([command.join(' '), 0, expect.any(String)])
      return stdout + stderr
    }
    const journal = async () => (await machine.run('journalctl', '--unit', UNIT, '--no-pager')).stdout

    async function show() {
      const { stdout } = await systemctl('show', '--property', 'MainPID,ActiveState,Result', UNIT)
      const of = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(stdout)?.[1]
      return { pid: Number(of('MainPID')), state: of('ActiveState'), result: of('Result') }
    }

    function configure(server = '', rest = ''): void {
      const admin = join(machine.root, 'etc/sallyport/routes.toml')
      const text = `[server]\nlisten = "127.0.0.1:${port}"\n${server}\n${routeTo(upstream, 'app.example', 'allow = "public"')}\n${rest}`
      writeFileSync(admin, text)
    }

    /** A request that the application answers for three seconds; settles once that has begun. */
    async function begin(): Promise<{ readonly whole: Promise<string> }> {
      const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { host: 'app.example' } })
      return { whole: response.text().catch(String) }
    }

    /** Has another process take over, and answers its number. */
    async function takeOver(how: () => Promise<unknown>): Promise<number> {
      const before = (await show()).pid
      await how()
      await eventually(async () => (await show()).pid !== before, 'another process is the main one', 20_000).catch(
        async error => {
          throw new Error(`${error}\n${await journal()}`)
        },
      )
      const { pid, state } = await show()
      expect([pid > 0, state]).toEqual([true, 'active'])
      return pid
    }
    const signalled = () => succeeds('systemctl', 'kill', '--kill-whom=main', '--signal=USR2', UNIT)

    beforeAll(async () => {
      const binary = await compiledBinary()
      using folder = temporaryFolder()
      port = await freePort()
      const target = process.arch === 'arm64' ? 'linux-arm64' : 'linux-x64'
      const release = { root: ROOT, out: folder.path, version: '0.0.1', commit: '0'.repeat(40), time: 1_700_000_000 }
      ;[machine] = await Promise.all([
        bootMachine().then(keep),
        makePackage(release, target, binary, join(folder.path, 'work')),
      ])
      const architecture = target === 'linux-arm64' ? 'arm64' : 'amd64'
      copyFileSync(join(folder.path, `sallyport_0.0.1_${architecture}.deb`), join(machine.root, PACKAGE))
      await succeeds('dpkg', '--install', PACKAGE)
      // What a stop takes is told by the service, and no limit of systemd's.
      const more = join(machine.root, 'etc/systemd/system/sallyport.service.d')
      mkdirSync(more, { recursive: true })
      writeFileSync(join(more, 'test.conf'), '[Service]\nTimeoutStopSec=1\n')
      await succeeds('systemctl', 'daemon-reload')
    }, 300_000)

    test('the package’s own words lead to a service that reads its secret, and to commands that find its data', async () => {
      const secret = join(machine.root, 'etc/sallyport/client-secret')
      const file = join(machine.root, 'etc/sallyport/routes.toml')
      writeFileSync(join(machine.root, 'srv/secret'), 's3cret\n')
      const client = [
        '--issuer',
        'https://id.example.com',
        '--client-id',
        'gate',
        '--client-secret-file',
        '/srv/secret',
      ]
      const place = ['--host', 'app.example', '--upstream', 'http://127.0.0.1:9', '--tls', 'plain', '--portal', 'own']
      const init = ['init', '--out', '/etc/sallyport/routes.toml', '--yes', '--offline', '--everyone']
      const said = await succeeds('sallyport', ...init, ...client, ...place)
      expect(said).toContain('client-secret beside it, for you and the group sallyport to read')
      const service = statSync(join(machine.root, 'etc/sallyport')).gid
      const { uid, gid, mode } = statSync(secret)
      expect([uid, gid, mode & 0o777]).toEqual([0, service, 0o640])
      writeFileSync(file, readFileSync(file, 'utf8').replace('0.0.0.0:8080', `127.0.0.1:${port}`))
      expect(await succeeds('sallyport', 'check', '/etc/sallyport/routes.toml')).not.toContain('cannot read')
      await succeeds('systemctl', 'enable', '--now', 'sallyport')
      expect(await show()).toMatchObject({ state: 'active' })

      expect(await succeeds('sallyport', 'sessions', 'list')).toBe('Nobody is signed in.\n')
      expect(await succeeds('sallyport', 'backup', '/srv/copy.db')).toContain('/var/lib/sallyport/sallyport.db')
      expect((await machine.run('sallyport', 'doctor')).stdout).toContain('sessions are kept in /var/lib/sallyport')
      await succeeds('systemctl', 'stop', UNIT)
      expect(await succeeds('sallyport', 'audit')).toEqual(expect.any(String))

      chmodSync(secret, 0o600)
      const unread = 'the user sallyport, who runs the service, cannot read /etc/sallyport/client-secret'
      expect(await succeeds('sallyport', 'check', '/etc/sallyport/routes.toml')).toContain(unread)
      const looked = await machine.run('sallyport', 'doctor', '/etc/sallyport/routes.toml')
      expect([looked.code, looked.stdout]).toEqual([1, expect.stringContaining(`FAIL  ${unread}`)])
      rmSync(secret)

      // In a folder that the service has no part in, it says the one command.
      const beside = await succeeds(
        'sallyport',
        'init',
        '--out',
        '/srv/routes.toml',
        ...init.slice(3),
        ...client,
        ...place,
      )
      expect(beside).toContain(
        'for you alone to read. The service has to read it too: chown -h sallyport /srv/client-secret',
      )
      expect(statSync(join(machine.root, 'srv/client-secret')).mode & 0o777).toBe(0o600)
    }, 60_000)

    test.each([
      ['one process', 1],
      ['a supervisor of two', 2],
    ])(
      '%s that took over is reloaded, stopped and restarted as the first one is',
      async (_what, workers) => {
        configure(`workers = ${workers}`)
        await succeeds('systemctl', 'start', UNIT)
        const first = await show()
        expect(first).toEqual({ pid: expect.any(Number), state: 'active', result: 'success' })

        // What the first one has begun, the second one outlives.
        const early = await begin()
        const second = await takeOver(signalled)
        await succeeds('systemctl', 'reload', UNIT)
        expect(await show()).toEqual({ pid: second, state: 'active', result: 'success' })
        const late = await begin()
        await succeeds('systemctl', 'stop', UNIT)
        expect(await show()).toEqual({ pid: 0, state: 'inactive', result: 'success' })
        expect([await early.whole, await late.whole]).toEqual(['begun and ended', 'begun and ended'])

        await succeeds('systemctl', 'start', UNIT)
        await takeOver(signalled)
        const third = await takeOver(() => succeeds('dpkg', '--install', PACKAGE))
        const restarted = await begin()
        await succeeds('systemctl', 'restart', UNIT)
        const { pid, ...rest } = await show()
        expect([pid > 0 && pid !== third, rest]).toEqual([true, { state: 'active', result: 'success' }])
        expect(await restarted.whole).toBe('begun and ended')
        await succeeds('systemctl', 'stop', UNIT)
        expect(await show()).toEqual({ pid: 0, state: 'inactive', result: 'success' })
        expect(await journal()).not.toContain('SIGKILL')
      },
      60_000,
    )

    test('a file with mistakes fails a reload, is told by an upgrade, and holds a start up until it is mended', async () => {
      configure()
      await succeeds('systemctl', 'start', UNIT)
      const { pid } = await show()
      configure('upstrem = 1')
      expect((await systemctl('reload', UNIT)).code).not.toBe(0)
      expect((await machine.run('dpkg', '--install', PACKAGE)).stdout).toContain('the new one has not taken over')
      expect(await show()).toMatchObject({ pid, state: 'active' })

      await systemctl('restart', UNIT)
      const tries = async () => Number((await systemctl('show', '--value', '--property', 'NRestarts', UNIT)).stdout)
      await eventually(async () => (await tries()) >= 2, 'it is tried again and again', 20_000)
      const limit = await systemctl('show', '--value', '--property', 'StartLimitIntervalUSec', UNIT)
      expect(limit.stdout).toBe('0\n')
      configure()
      await eventually(async () => (await show()).state === 'active', 'it serves once the file is mended', 20_000)
      await succeeds('systemctl', 'stop', UNIT)
    }, 60_000)

    test('the watchdog ends a process that is stuck without a word of a crash, and another serves', async () => {
      writeFileSync(
        join(machine.root, 'etc/systemd/system/sallyport.service.d/watched.conf'),
        '[Service]\nWatchdogSec=2\n',
      )
      await succeeds('systemctl', 'daemon-reload')
      configure()
      await succeeds('systemctl', 'start', UNIT)
      const { pid } = await show()
      await succeeds('systemctl', 'kill', '--kill-whom=main', '--signal=STOP', UNIT)
      const serves = async () => {
        const now = await show()
        return now.pid > 0 && now.pid !== pid && now.state === 'active'
      }
      await eventually(serves, 'another process serves', 20_000)
      const lines = await journal()
      expect(lines).toContain('Watchdog timeout')
      expect(lines).not.toContain('crashed')
      expect(lines).not.toContain('ABRT')
    }, 60_000)
  },
)
