/** `sallyport demo`: a gate with a provider and an application, to try it out. */

import { resolve } from 'node:path'
import { showUnseen } from '../../base/control-characters.ts'
import { toGateError } from '../../base/errors.ts'
import { EXIT, failWith, parseArguments } from '../../console/args.ts'
import type { Io } from '../../console/io.ts'
import { usageLines } from '../../console/usage.ts'
import { DEMO_PEOPLE } from './provider.ts'
import { type Demo, type DemoOptions, type StartServe, startDemo } from './start.ts'

export const USAGE = {
  text: `usage: sallyport demo [--port PORT] [--dir DIR]

Everything on this machine, with a stand-in for your provider and a service to protect.

  --port PORT   Sallyport's port (8080, or the next that is free)
  --dir DIR     keep routes.toml and the database in DIR, and use them again next time`,
  options: { port: { type: 'string' }, dir: { type: 'string' } },
  maxPositionals: 0,
} as const

/**
 * The command `sallyport demo`: starts everything, says what to open, and waits until it has to stop.
 *
 * Returns the exit code: 0 after a stop, 1 where something could not start, 2 for wrong arguments. `stopped` settles
 * when it is time to stop; by default on SIGINT or SIGTERM.
 */
export async function runDemo(
  argv: readonly string[],
  io: Io,
  startServe: StartServe,
  stopped: () => Promise<void> = untilSignalled,
): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const { port, dir } = parsed.values
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) < 65_536))
    return failWith(io, `--port ${port} is not a port\n${usageLines(USAGE.text)}`, EXIT.usage)
  const options: DemoOptions = {
    dir: dir === undefined ? null : resolve(io.cwd, dir),
    port: port === undefined ? null : Number(port),
  }
  // Before anything starts: a signal meanwhile would end the program at once, and leave its folder behind.
  const end = stopped()
  let demo: Demo
  try {
    demo = await startDemo(options, startServe)
  } catch (error) {
    const { message, hint } = toGateError(error)
    io.stderr(`sallyport demo: ${showUnseen(message)}\n${hint === undefined ? '' : `hint: ${showUnseen(hint)}\n`}`)
    return 1
  }
  io.stdout(firstScreen(demo, options, io.colour.stdout))
  await end
  io.stdout('\nStopping.\n')
  await demo.stop()
  return 0
}

/** What a person reads first: what to open, who to be, what to edit. */
function firstScreen(demo: Demo, options: DemoOptions, colour: boolean): string {
  const paint = (code: string) => (text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text)
  const bold = paint('1')
  const link = paint('36')
  const soft = paint('2')
  const at = demo.addresses
  const places: readonly (readonly [address: string, about: string])[] = [
    [at.admin, 'refuses Grace, and says why; switch to Ada there'],
    [at.portal, 'the portal: what each of them may open'],
    [at.public, 'for everyone, without signing in'],
    [at.provider, 'the demo provider, in place of your own'],
  ]
  const width = Math.max(...places.map(([address]) => address.length))
  const people = DEMO_PEOPLE.map(({ name, groups }) => {
    const roles = groups.length === 0 ? 'no role' : `role${groups.length > 1 ? 's' : ''} ${rolesOf(groups).join(', ')}`
    return `    ${name.padEnd(8)}${roles.padEnd(20)}${soft(`opens ${opens(groups)}`)}`
  })
  return `
${bold('Sallyport demo')}: a gate, a provider and a service, all on this machine

  ${bold('Open')}      ${link(at.app)}   and sign in as Grace; there are no passwords

${people.join('\n')}

  ${bold('Then')}

${places.map(([address, about]) => `    ${link(address)}${' '.repeat(width - address.length)}   ${soft(about)}`).join('\n')}

  ${bold('Edit')}      ${demo.configPath}
            ${soft('change allow = ["admin"] to ["user"] and save; reload the admin page as Grace')}

  ${bold('Stop')}      Ctrl-C${options.dir === null ? soft(' (the folder goes too; --dir DIR keeps one)') : ''}

`
}

/** The demo's roles are named for its groups, in the singular. */
function rolesOf(groups: readonly string[]): string[] {
  return groups.map(group => group.slice(0, -1))
}

function opens(groups: readonly string[]): string {
  if (groups.includes('admins')) return 'everything'
  return groups.includes('users') ? 'app and public' : 'public'
}

/** Settles at the first SIGINT or SIGTERM; a second one ends the program at once, as it would without us. */
function untilSignalled(): Promise<void> {
  return new Promise(resolve => {
    const stop = () => {
      process.off('SIGINT', stop)
      process.off('SIGTERM', stop)
      resolve()
    }
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
  })
}
