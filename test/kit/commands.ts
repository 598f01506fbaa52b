import type { Ports } from '../../src/base/ports.ts'
import { runTokens } from '../../src/cli/tokens.ts'
import type { EndingPorts } from '../../src/cli/with-sessions.ts'
import type { Io } from '../../src/console/io.ts'
import { quietPorts } from './clock.ts'
import { commandPorts, type Ran, runIn } from './io.ts'

/** A command that looks at the sessions of a gate, as `sallyport tokens` does. */
export type StoreCommand = (argv: readonly string[], io: Io, ports: EndingPorts) => number | Promise<number>

/** Runs a command in the folder of a gate, by the real clock unless another is given. */
export function runOn(
  { folder }: { readonly folder: string },
  command: StoreCommand,
  argv: readonly string[],
  clock: Pick<Ports, 'now'> = { now: Date.now },
): Promise<Ran> {
  return runIn(folder, io => command(argv, io, { ...commandPorts(io), ...quietPorts(clock) }))
}

/** A token of a service with the role `user`, by `sallyport tokens create`; `more` are further options. Throws where that is refused. */
export async function createToken(
  gate: { readonly folder: string },
  more: readonly string[] = [],
  clock?: Pick<Ports, 'now'>,
): Promise<{ readonly token: string; readonly id: string }> {
  const service = ['--name', 'backup', '--portal', 'home', '--service', 'backup', '--roles', 'user']
  const { code, out, err } = await runOn(gate, runTokens, ['create', '--json', ...service, ...more], clock)
  if (code !== 0) throw new Error(err)
  return JSON.parse(out)
}
