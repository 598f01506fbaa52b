import { beforeAll, expect, test } from 'bun:test'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makePackage } from '../../../.ci/release/debian.ts'
import { patienceMs } from '../../kit/clock.ts'
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
const SOCKET = 'sallyport.socket'
/** So soon a service has to tell systemd that it takes longer. The answer that it waits for comes within `drain`, which is ten seconds. */
const STOP_S = Math.min(7, Math.ceil(patienceMs(1_000) / 1_000))

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
                await Bun.sleep((STOP_S + 2) * 1_000)
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
      let told = ''
      const of = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(told)?.[1]
      // A reload that has been ordered begins and ends when the service says so.
      await eventually(async () => {
        told = (await systemctl('show', '--property', 'MainPID,ActiveState,Result', UNIT)).stdout
        return of('ActiveState') !== 'reloading'
      }, 'it has been reloaded')
      return { pid: Number(of('MainPID')), state: of('ActiveState'), result: of('Result') }
    }

    /** Adds to a unit, until that file is removed. */
    function dropIn(kind: 'service' | 'socket', name: string, text: string): string {
      const folder = join(machine.root, `etc/systemd/system/sallyport.${kind}.d`)
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, `${name}.conf`), text)
      return join(folder, `${name}.conf`)
    }

    function configure(server = '', rest = '', listen: readonly string[] = [`127.0.0.1:${port}`]): void {
      const admin = join(machine.root, 'etc/sallyport/routes.toml')
      const text = `[server]\nlisten = ${JSON.stringify(listen)}\n${server}\n${routeTo(upstream, 'app.example', 'allow = "public"')}\n${rest}`
      writeFileSync(admin, text)
    }

    /** A request that the application answers for longer than a stop may take by systemd alone; settles once that has begun. */
    async function begin(): Promise<{ readonly whole: Promise<string> }> {
      const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { host: 'app.example' } })
      return { whole: response.text().catch(String) }
    }

    /** Has another process take over, and answers its number. */
    async function takeOver(how: () => Promise<unknown>): Promise<number> {
      const before = (await show()).pid
      await how()
      await eventually(async () => (await show()).pid !== before, 'another process is the main one').catch(
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
      dropIn('service', 'test', `[Service]\nTimeoutStopSec=${STOP_S}\n`)
      await succeeds('systemctl', 'daemon-reload')
      // A Debian is made and booted, and a package built.
    }, 900_000)

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
      // The machine shares our network, where another run of this test, or a gate, may have the usual ports.
      const admin = await freePort()
      const made = readFileSync(file, 'utf8').replace('0.0.0.0:8080', `127.0.0.1:${port}`)
      expect(made).toContain('"127.0.0.1:9464"')
      writeFileSync(file, made.replace('127.0.0.1:9464', `127.0.0.1:${admin}`))
      expect(await succeeds('sallyport', 'check', '/etc/sallyport/routes.toml')).not.toContain('cannot read')
      await succeeds('systemctl', 'enable', '--now', 'sallyport')
      expect(await show()).toMatchObject({ state: 'active' })

      expect(await succeeds('sallyport', 'sessions', 'list')).toBe('No user is signed in.\n')
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
    }, 300_000)

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
      300_000,
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
      await eventually(async () => (await tries()) >= 2, 'it is tried again and again')
      const limit = await systemctl('show', '--value', '--property', 'StartLimitIntervalUSec', UNIT)
      expect(limit.stdout).toBe('0\n')
      configure()
      await eventually(async () => (await show()).state === 'active', 'it serves once the file is mended')
      await succeeds('systemctl', 'stop', UNIT)
    }, 300_000)

    test('the watchdog ends a process that is stuck without a word of a crash, and another serves', async () => {
      const watched = dropIn('service', 'watched', '[Service]\nWatchdogSec=2\n')
      await succeeds('systemctl', 'daemon-reload')
      configure()
      await succeeds('systemctl', 'start', UNIT)
      const { pid } = await show()
      await succeeds('systemctl', 'kill', '--kill-whom=main', '--signal=STOP', UNIT)
      const serves = async () => {
        const now = await show()
        return now.pid > 0 && now.pid !== pid && now.state === 'active'
      }
      await eventually(serves, 'another process serves')
      const lines = await journal()
      expect(lines).toContain('Watchdog timeout')
      expect(lines).not.toContain('crashed')
      expect(lines).not.toContain('ABRT')
      await succeeds('systemctl', 'stop', UNIT)
      rmSync(watched)
      await succeeds('systemctl', 'daemon-reload')
    }, 300_000)

    test('the journal tells an error from what goes well', async () => {
      configure('', '[log]\nrequests = "/var/log/sallyport/not/there/access.log"\n')
      await succeeds('systemctl', 'start', UNIT)
      expect(await (await begin()).whole).toBe('begun and ended')
      const of = async (...more: readonly string[]) =>
        (await machine.run('journalctl', '--unit', UNIT, '--output=cat', ...more)).stdout
      await eventually(async () => (await of()).includes('The log cannot be written'), 'the error is told')
      const errors = await of('--priority=err')
      expect(errors).toContain('The log cannot be written')
      expect(errors).not.toContain('Sallyport is listening')
      expect(await of('--priority=info..info')).toContain('Sallyport is listening')
      await succeeds('systemctl', 'stop', UNIT)
    }, 300_000)

    test('a filter that refuses pidfd_getfd is named where workers are to hand their sockets on, and the first ones go on', async () => {
      const filter = dropIn('service', 'filter', '[Service]\nSystemCallFilter=~pidfd_getfd\n')
      await succeeds('systemctl', 'daemon-reload')
      configure('workers = 2')
      await succeeds('systemctl', 'start', UNIT)
      const before = await show()
      await signalled()
      const refused = 'the system does not hand out the sockets of the workers (pidfd_getfd)'
      await eventually(async () => (await journal()).includes(refused), 'the cause is told')
      expect(await (await begin()).whole).toBe('begun and ended')
      expect(await show()).toEqual(before)
      await succeeds('systemctl', 'stop', UNIT)
      rmSync(filter)
      await succeeds('systemctl', 'daemon-reload')
    }, 300_000)

    test('the package’s socket unit listens once it is enabled, at what `service socket` prints for both families too', async () => {
      const enabled = async () => (await systemctl('is-enabled', SOCKET)).stdout.trim()
      expect(await enabled()).toBe('disabled')
      const at = async (host: string) =>
        (await fetch(`http://${host}:${port}/`, { headers: { host: 'app.example', connection: 'close' } })).text()
      // As `systemctl edit` would write it.
      const own = dropIn('socket', 'own', `[Socket]\nListenStream=\nListenStream=127.0.0.1:${port}\n`)
      await succeeds('systemctl', 'daemon-reload')
      configure()
      await succeeds('systemctl', 'enable', '--now', SOCKET)
      // Who comes before it runs has it started, and after a stop as well.
      for (const _time of ['first', 'again']) {
        expect(await show()).toMatchObject({ pid: 0, state: 'inactive' })
        expect(await at('127.0.0.1')).toBe('begun and ended')
        expect(await show()).toMatchObject({ state: 'active' })
        expect((await systemctl('stop', UNIT)).code).toBe(0)
      }
      await succeeds('systemctl', 'disable', '--now', SOCKET)
      rmSync(own)

      const both = [`0.0.0.0:${port}`, `[::]:${port}`]
      const printed = await machine.run('sallyport', 'service', 'socket', '--listen', both.join(','))
      const unit = join(machine.root, 'etc/systemd/system', SOCKET)
      writeFileSync(unit, printed.stdout)
      await succeeds('systemctl', 'daemon-reload')
      configure('', '', both)
      await succeeds('systemctl', 'start', SOCKET)
      expect([await at('127.0.0.1'), await at('[::1]')]).toEqual(['begun and ended', 'begun and ended'])
      expect((await journal()).includes('Sockets were handed over that the file does not listen on')).toBe(false)
      await succeeds('systemctl', 'stop', SOCKET, UNIT)
      rmSync(unit)
      await succeeds('systemctl', 'daemon-reload')
    }, 300_000)

    test('commands beside the unit know the user of a drop-in, and say which variable they lack and how to have it', async () => {
      await succeeds('useradd', '--system', 'other')
      const user = dropIn('service', 'user', '[Service]\nUser=other\n')
      await succeeds('systemctl', 'daemon-reload')
      configure()
      const check = ['sallyport', 'check', '/etc/sallyport/routes.toml']
      expect(await succeeds(...check)).toContain('the user other, who runs the service, cannot read')
      rmSync(user)
      await succeeds('systemctl', 'daemon-reload')
      expect(await succeeds(...check)).not.toContain('cannot read')

      const environment = join(machine.root, 'etc/sallyport/environment')
      writeFileSync(environment, 'GREETING=hello\n')
      const greeting = 'respond = { status = 200, body = "${GREETING}" }\nallow = "public"\n'
      configure('', `[[routes]]\nhost = "greeting.example"\n${greeting}`)
      const { code, stderr } = await machine.run(...check)
      expect([code, stderr]).toEqual([1, expect.stringContaining('GREETING is not set')])
      const how = 'systemd-run --quiet --wait --pipe --same-dir --property=EnvironmentFile=/etc/sallyport/environment'
      expect(stderr).toContain(`the service has GREETING from /etc/sallyport/environment`)
      expect(stderr).toContain(`${how} sallyport …`)
      await succeeds(...how.split(' '), ...check)
      rmSync(environment)
    }, 300_000)

    test('files of [log] are rotated without a signal, and a purge leaves what it says', async () => {
      const logs = join(machine.root, 'var/log/sallyport')
      configure('', '[log]\nrequests = "/var/log/sallyport/access.log"\n')
      await succeeds('systemctl', 'start', UNIT)
      const lines = (name: string) => {
        const path = join(logs, name)
        return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').length : 0
      }
      await (await begin()).whole
      await eventually(() => lines('access.log') === 1, 'the first request is logged')
      await succeeds('logrotate', '--force', '/etc/logrotate.d/sallyport')
      await (await begin()).whole
      await eventually(() => lines('access.log') === 1, 'the second one is in a new file')
      expect(lines('access.log.1')).toBe(1)

      writeFileSync(join(machine.root, 'etc/sallyport/client-secret'), 's3cret\n')
      const said = await succeeds('dpkg', '--purge', 'sallyport')
      expect(said).toContain('Left for you to remove: /etc/sallyport, with client-secret')
      expect(await show()).toMatchObject({ pid: 0, state: 'inactive' })
      const left = (path: string) => existsSync(join(machine.root, path))
      const kept = ['etc/sallyport/routes.toml', 'etc/sallyport/client-secret']
      const gone = ['var/lib/sallyport', 'var/log/sallyport', 'etc/logrotate.d/sallyport', 'usr/bin/sallyport']
      expect([...kept, ...gone].filter(left)).toEqual(kept)
    }, 300_000)
  },
)
