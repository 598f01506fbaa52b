import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runService } from '../../src/cli/service.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { runIn } from '../kit/io.ts'
import { isProgramHere, needs } from '../kit/needs.ts'
import { runToEnd } from '../kit/programs/ended.ts'

/** What the command prints, in a file of this name, with a program that is there. */
async function printed(folder: string, name: string, ...argv: readonly string[]): Promise<string> {
  const { code, out, err } = await runIn(folder, io => runService([...argv, '--program', '/bin/true'], io))
  expect([code, err]).toEqual([0, ''])
  const path = join(folder, name)
  writeFileSync(path, out)
  return path
}

/** Keys that came with systemd 254: an older one takes no note of them, and says so. */
const YOUNG = /^(?:RestartSteps|RestartMaxDelaySec)=.*\n/gm

/** The version of systemd here; 0 where there is none. */
const systemd = isProgramHere('systemd-analyze')
  ? Number(/^systemd (\d+)/.exec(Bun.spawnSync(['systemd-analyze', '--version']).stdout.toString())?.[1])
  : 0

// Without /proc it takes the machine for one that has no IPv6, and says so.
needs('systemd-analyze', '/proc').test.each([
  ['that listens itself', [], 2.0],
  ['whose sockets systemd has', ['--listen', '0.0.0.0:443,[::]:80'], 1.5],
])('systemd-analyze(1): a unit %s has next to no exposure, and no mistakes', async (_what, argv, most) => {
  using folder = temporaryFolder()
  const path = await printed(folder.path, 'sallyport.service', 'systemd', ...argv)
  const socket = await printed(folder.path, 'sallyport.socket', 'socket', '--listen', '0.0.0.0:443,[::]:80')
  if (systemd < 254) writeFileSync(path, readFileSync(path, 'utf8').replaceAll(YOUNG, ''))
  const { stdout, stderr } = await runToEnd(['systemd-analyze', 'security', '--offline=true', '--no-pager', path])
  const level = /Overall exposure level for sallyport.service: ([\d.]+)/.exec(stdout)?.[1]
  expect([level, stderr]).toEqual([expect.stringMatching(/^\d/), ''])
  // 252 counts a tenth more of the same unit.
  expect(Number(level)).toBeLessThanOrEqual(systemd < 254 ? most + 0.1 : most)
  const verified = await runToEnd(['systemd-analyze', 'verify', '--man=no', '--recursive-errors=no', path, socket])
  expect([verified.code, verified.stdout + verified.stderr]).toEqual([0, ''])
})

test.each([
  ['0.0.0.0:80,[::]:80', 'ipv6-only', ['0.0.0.0:80', '[::]:80']],
  ['[::]:80', 'both', ['[::]:80']],
  ['0.0.0.0:443,[::]:80', 'both', ['0.0.0.0:443', '[::]:80']],
  ['0.0.0.0:80,[::]:80,[::]:443', 'ipv6-only', ['0.0.0.0:80', '[::]:80', '[::]:443', '0.0.0.0:443']],
])(
  'systemd can open the sockets of %s, each for the families that the file has there',
  async (listen, only, opened) => {
    using folder = temporaryFolder()
    const unit = readFileSync(await printed(folder.path, 'a.socket', 'socket', '--listen', listen), 'utf8')
    const of = (key: string) => [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value)
    expect([of('BindIPv6Only'), of('ListenStream')]).toEqual([[only], opened])
  },
)

test('a process that is stuck is ended by the watchdog of its unit, and started again', async () => {
  using folder = temporaryFolder()
  const unit = readFileSync(await printed(folder.path, 'sallyport.service', 'systemd'), 'utf8')
  const of = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1]
  // systemd.service(5): a watchdog's end is a failure.
  expect([of('Type'), Number(of('WatchdogSec')) > 0, of('Restart')]).toEqual([
    expect.stringMatching(/^notify/),
    true,
    'on-failure',
  ])
})

test('the unit may write where docs/logs.md has the log', async () => {
  using folder = temporaryFolder()
  const unit = readFileSync(await printed(folder.path, 'sallyport.service', 'systemd'), 'utf8')
  const mayWrite = `/var/log/${/^LogsDirectory=(.+)$/m.exec(unit)?.[1]}`
  const docs = readFileSync(join(import.meta.dir, '../../docs/logs.md'), 'utf8')
  const places = [...docs.matchAll(/^(?:requests|events) = "([^"]+)"/gm)].map(([, path = '']) => dirname(path))
  expect(places).toEqual([mayWrite, mayWrite])
})

/** What ProtectHome and PrivateTmp hide (systemd.exec(5)). */
const HIDDEN_FOLDERS = ['home', 'root', 'run/user', 'tmp', 'var/tmp']

test.each<[string, string, string | null]>([
  ...HIDDEN_FOLDERS.map((folder): [string, string, string] => [
    `/${folder}/first/sallyport`,
    '/etc/sallyport/routes.toml',
    `/${folder}/first/sallyport`,
  ]),
  ...HIDDEN_FOLDERS.map((folder): [string, string, string] => [
    '/usr/local/bin/sallyport',
    `/${folder}/routes.toml`,
    `/${folder}/routes.toml`,
  ]),
  ['/usr/local/bin/sallyport', '/etc/sallyport/routes.toml', null],
])(
  'a unit for %s and %s is printed, with a word on what it hides from the service',
  async (program, config, hidden) => {
    const { code, out, err } = await runIn('/', io => runService(['--program', program, '--config', config], io))
    expect([code, out]).toEqual([0, expect.stringContaining(`ExecStart=${program} serve --config ${config}\n`)])
    const say = hidden === null ? /^$/ : `the unit hides home folders and /tmp from the service, and so ${hidden}`
    expect(err).toEqual(expect.stringMatching(say))
    // launchd and OpenRC hide nothing.
    expect((await runIn('/', io => runService(['openrc', '--program', program], io))).err).toBe('')
  },
)

needs('python3').test(
  'the script for OpenRC is one for a shell, and the list for launchd one that is read',
  async () => {
    using folder = temporaryFolder()
    const script = await printed(folder.path, 'sallyport', 'openrc')
    expect(await runToEnd(['sh', '-n', script])).toEqual({ code: 0, stdout: '', stderr: '' })
    const list = await printed(folder.path, 'sallyport.plist', 'launchd', '--user', '_sallyport', '--config', 'a.toml')
    const read = 'import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], "rb"))))'
    const { stdout } = await runToEnd(['python3', '-c', read, list])
    expect(JSON.parse(stdout)).toMatchObject({
      UserName: '_sallyport',
      ProgramArguments: ['/bin/true', 'serve', '--config', join(folder.path, 'a.toml')],
    })
  },
)

test.each([
  [['upstart'], 'systemd'],
  [['socket'], '--listen'],
  [['openrc', '--listen', '0.0.0.0:443'], '--listen'],
  [['systemd', '--config', '/etc/a file/$HOME.toml'], 'plain name'],
  [['systemd', '--user', 'a\nExecStartPre=/bin/sh'], 'plain name'],
])('%j is refused, with what to do', async (argv, hint) => {
  using folder = temporaryFolder()
  const { code, out, err } = await runIn(folder.path, io => runService(argv, io))
  expect([code, out]).toEqual([2, ''])
  expect(err).toContain(hint)
})
