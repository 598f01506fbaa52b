import * as runner from 'bun:test'
import { existsSync } from 'node:fs'

/** A program that Debian has and npm has not, by the name that a person would look for; where it has several, one will do. */
const PROGRAMS = {
  apache2: ['apache2'],
  buildah: ['buildah'],
  cadaver: ['cadaver'],
  caddy: ['caddy'],
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
  named: ['named'],
  nginx: ['nginx'],
  nsupdate: ['nsupdate'],
  openssl: ['openssl'],
  pebble: ['pebble'],
  prometheus: ['prometheus'],
  python3: ['python3'],
  'qemu-aarch64': ['qemu-aarch64'],
  radicale: ['radicale'],
  syncthing: ['syncthing'],
  'systemd-analyze': ['systemd-analyze'],
  'transmission-daemon': ['transmission-daemon'],
  'valkey-server': ['valkey-server', 'redis-server'],
  WebKitWebDriver: ['WebKitWebDriver'],
  Xvfb: ['Xvfb'],
  zsh: ['zsh'],
} as const satisfies Readonly<Record<string, readonly string[]>>
export type Program = keyof typeof PROGRAMS

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
 * What registers tests that start these programs. Where one is missing they are skipped, and their titles end with its name, by which
 * `.ci/count.ts` counts them. With `CI=true`, where everything is to run, a missing one is a failure.
 */
export function needs(...programs: readonly Program[]): Tests {
  const missing = programs.filter(program => !isProgramHere(program))
  if (missing.length > 0 && process.env.CI === 'true') {
    runner.test(`CI=true: ${missing.join(', ')} can be started`, () => {
      throw new Error(`not on this machine: ${missing.join(', ')}; sh .ci/setup all as root installs it`)
    })
  }
  return whereThereIs(missing.length === 0, missing.join(', '))
}

/** The same for what Debian cannot bring, and of which a machine decides whether it is there: skipped without it, whoever runs them. */
export function whereThereIs(isHere: boolean, what: string): Tests {
  if (isHere) return runner
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
      if (name === 'skip') return skipping(skip, what)
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
