import { resolve } from 'node:path'
import { EXIT, parseArguments } from '../../console/args.ts'
import type { Io } from '../../console/io.ts'
import { nextCommand } from '../../console/process.ts'
import { SERVICES, type ServicePlace, socketUnit } from './units.ts'

export const USAGE = {
  text: `usage: sallyport service [systemd|socket|openrc|launchd] [options]

Prints what tells the machine to run this as a service: a hardened unit for systemd (and one for its sockets), a script for OpenRC, a
list for launchd.
Nothing is written. Exit code: 0 shown, 2 for what there is not.

  --config FILE, -c   the file that it serves; /etc/sallyport/routes.toml when absent
  --user NAME         who runs it; sallyport when absent
  --program FILE      the executable; the one that prints this when absent
  --listen ADDRESS    systemd, socket: where systemd listens for it (0.0.0.0:443; commas between several)`,
  options: {
    config: { type: 'string', short: 'c' },
    user: { type: 'string' },
    program: { type: 'string' },
    listen: { type: 'string' },
  },
  maxPositionals: 1,
} as const

/** What may stand in a unit, a script and a list alike without being read as anything else. */
const PLAIN = /^[\w@+=:,./[\]-]+$/

/** `sallyport service`: answers the exit code. */
export async function runService(argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const { positionals, values } = parsed
  const [kind = 'systemd'] = positionals
  const print = kind === 'socket' ? socketUnit : Object.hasOwn(SERVICES, kind) ? SERVICES[kind] : undefined
  if (print === undefined) {
    io.stderr(`there is no definition for "${kind}": socket, ${Object.keys(SERVICES).join(', ')}\n`)
    return EXIT.usage
  }
  const ports = values.listen?.split(',') ?? []
  const mayListen = kind === 'socket' || kind === 'systemd'
  if (ports.length > 0 && !mayListen) {
    io.stderr('--listen is for systemd alone: others hand no sockets to a service\n')
    return EXIT.usage
  }
  if (ports.length === 0 && kind === 'socket') {
    io.stderr('a socket unit needs --listen, with the addresses that the file has in listen\n')
    return EXIT.usage
  }
  const place: ServicePlace = {
    program: resolve(io.cwd, values.program ?? nextCommand()[0] ?? 'sallyport'),
    config: resolve(io.cwd, values.config ?? '/etc/sallyport/routes.toml'),
    user: values.user ?? 'sallyport',
    ports,
  }
  for (const word of [place.program, place.config, place.user, ...ports]) {
    if (PLAIN.test(word)) continue
    io.stderr(`"${word}" has characters that a definition would read otherwise: give it a plain name\n`)
    return EXIT.usage
  }
  await io.stdout(print(place))
  return EXIT.ok
}
