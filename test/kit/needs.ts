import * as runner from 'bun:test'
import { existsSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { mayMount, mayMountApart } from './programs/mount.ts'

/** A program that Debian has and npm has not, by the name that a person would look for; where it has several, one will do. */
const PROGRAMS = {
  apache2: ['apache2'],
  aria2c: ['aria2c'],
  buildah: ['buildah'],
  cadaver: ['cadaver'],
  caddy: ['caddy'],
  cgit: ['/usr/lib/cgit/cgit.cgi'],
  // Unpacked by the set-up: to install it is to register the machine.
  crowdsec: ['/opt/crowdsec/usr/bin/crowdsec'],
  certutil: ['certutil'],
  chromium: [process.env.CHROMIUM ?? '/usr/bin/chromium'],
  curl: ['curl'],
  'dpkg-deb': ['dpkg-deb'],
  'fail2ban-regex': ['fail2ban-regex'],
  faketime: ['faketime'],
  fcgiwrap: ['fcgiwrap'],
  'firefox-esr': [process.env.FIREFOX ?? 'firefox-esr'],
  fish: ['fish'],
  git: ['git'],
  haproxy: ['haproxy'],
  man: ['man'],
  mmdebstrap: ['mmdebstrap'],
  mosquitto: ['mosquitto'],
  named: ['named'],
  nginx: ['nginx'],
  nsupdate: ['nsupdate'],
  openssl: ['openssl'],
  'opentelemetry-proto': ['/usr/include/opentelemetry/proto/collector/trace/v1/trace_service.proto'],
  pebble: ['pebble'],
  prometheus: ['prometheus'],
  python3: ['python3'],
  'qemu-aarch64': ['qemu-aarch64'],
  radicale: ['radicale'],
  setpriv: ['setpriv'],
  syncthing: ['syncthing'],
  'systemd-analyze': ['systemd-analyze'],
  'systemd-nspawn': ['systemd-nspawn'],
  'transmission-daemon': ['transmission-daemon'],
  'valkey-server': ['valkey-server', 'redis-server'],
  WebKitWebDriver: ['WebKitWebDriver'],
  Xvfb: ['Xvfb'],
  zsh: ['zsh'],
} as const satisfies Readonly<Record<string, readonly string[]>>
export type Program = keyof typeof PROGRAMS

/** Those among them that not every release of Debian has. */
const NOT_EVERYWHERE: ReadonlySet<Need> = new Set(['crowdsec', 'opentelemetry-proto'])

/** What nobody can bring, and not every machine or user has. */
const ABILITIES = {
  root: () => process.getuid?.() === 0,
  'right to mount': mayMount,
  'mounts of its own': mayMountApart,
  'podman with runc': () =>
    process.getuid?.() === 0 && ['podman', 'runc', 'catatonit'].every(name => Bun.which(name) !== null),
  '/proc': () => existsSync('/proc/self/status'),
  '127.0.0.2': () => mayListenOn('127.0.0.2'),
  '::1': () => mayListenOn('::1'),
  'an address of its own': () =>
    Object.values(networkInterfaces()).some(each => each?.some(({ internal }) => !internal) === true),
} as const satisfies Readonly<Record<string, () => boolean>>

/** Of these, what a machine of `.ci/fresh` has in any case. */
const FRESH: ReadonlySet<Need> = new Set(['root', 'right to mount', 'mounts of its own', '/proc'])

export type Need = Program | keyof typeof ABILITIES

type Tests = Pick<typeof runner, 'describe' | 'test' | 'beforeAll' | 'afterAll'>

export function isProgram(name: string): name is Program {
  return Object.hasOwn(PROGRAMS, name)
}

/** Whether a program can be started here. */
export function isProgramHere(program: Program): boolean {
  const PATH = `${process.env.PATH}:/usr/sbin:/sbin`
  return PROGRAMS[program].some(name => (name.startsWith('/') ? existsSync(name) : Bun.which(name, { PATH }) !== null))
}

/**
 * What registers tests that start these programs, or need these things of the machine. Where one is missing they are skipped, and their
 * titles end with its name, by which `.ci/count.ts` counts them. With `CI=true`, where everything is to run, one that the set-up can
 * bring is a failure.
 */
export function needs(...names: readonly Need[]): Tests {
  const missing = names.filter(name => !isThere(name))
  return whereThereIs(missing.length === 0, missing.join(', '), () => missing.filter(isOwed).join(', '))
}

/** Answers are kept: to mount costs more than to remember. */
const there = new Map<Need, boolean>()

function isThere(name: Need): boolean {
  const known = there.get(name)
  if (known !== undefined) return known
  const ask = isProgram(name) ? () => isProgramHere(name) : ABILITIES[name]
  const answer = ask()
  there.set(name, answer)
  return answer
}

/** Whether the set-up can bring it here. */
export function isOwed(name: Need): boolean {
  if (!isProgram(name)) return FRESH.has(name) && process.env.SALLYPORT_FRESH !== undefined
  return !NOT_EVERYWHERE.has(name) || isKnownToApt(name)
}

function isKnownToApt(name: string): boolean {
  if (Bun.which('apt-cache') === null) return false
  const said = Bun.spawnSync(['apt-cache', 'policy', name], { env: { ...process.env, LC_ALL: 'C' } })
  return /^ *Candidate: [^(]/m.test(said.stdout.toString())
}

function mayListenOn(hostname: string): boolean {
  try {
    Bun.listen({ hostname, port: 0, socket: { data() {} } }).stop(true)
    return true
  } catch {
    return false
  }
}

/** The same for what is asked elsewhere whether it is here. `owed` names what of it the set-up can bring; nothing, if absent. */
export function whereThereIs(isHere: boolean, what: string, owed: () => string = () => ''): Tests {
  if (isHere) return runner
  const failing = process.env.CI === 'true' ? owed() : ''
  if (failing !== '') {
    runner.test(`CI=true: ${failing} can be started`, () => {
      throw new Error(`not on this machine: ${failing}; sh .ci/setup all as root installs it`)
    })
  }
  return {
    describe: skipping(runner.describe.skip, what),
    test: skipping(runner.test.skip, what),
    // A file's own would run, were all of its tests skipped.
    beforeAll: () => undefined,
    afterAll: () => undefined,
  }
}

function skipping<T extends typeof runner.describe | typeof runner.test>(skip: T, what: string): T {
  const register = (to: (title: string, ...rest: unknown[]) => unknown, args: readonly unknown[]) => {
    const [title, ...rest] = args
    return to(`${title} (needs ${what})`, ...rest)
  }
  return new Proxy(skip, {
    apply: (target, _, args) => register(target as never, args),
    get: (target, name) => {
      if (name === 'each')
        return (table: unknown) => {
          const to = (target.each as (rows: unknown) => (title: string, ...rest: unknown[]) => unknown)(table)
          return (...args: unknown[]) => register(to, args)
        }
      // All of them are skipped already.
      if (name === 'skipIf' || name === 'if') return () => skipping(skip, what)
      if (name === 'skip' || name === 'concurrent') return skipping(skip, what)
      return Reflect.get(target, name)
    },
  })
}

/**
 * Stands where a file opens a program for all of its tests, and it is missing: the file loads, and what it does with this leads to
 * nothing but to what is `known` of it. Its tests are skipped; one that forgets to say what it needs fails by it.
 */
export function absent<T extends object>(program: Program, known: Partial<T> = {}): T {
  const nothing: object = new Proxy(() => undefined, {
    get: (_, name) => {
      if (name === 'then') return undefined
      if (Object.hasOwn(known, name)) return Reflect.get(known, name)
      if (name === Symbol.toPrimitive) return () => `(there is no ${program} here)`
      return nothing
    },
    apply: () => nothing,
    construct: () => nothing,
  })
  return nothing as T
}
