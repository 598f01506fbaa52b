/** What the systemd unit of this machine says: the service's user, and the variables that it sets. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where systemd looks for units, an administrator's first (systemd.unit(5)). */
const UNIT_FOLDERS = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
]
const UNIT = 'sallyport.service'
const OPENRC = '/etc/init.d/sallyport'

/** A file that says how the service of this machine is run. */
interface Definition {
  readonly path: string
  readonly text: string
}

/**
 * The name of the user that the service of this machine runs as, by what systemd has loaded, else by the unit with its drop-ins, else by
 * OpenRC's script. Null where nothing says it. `root` is where the machine's files are: of another one than `/` nothing is asked.
 */
export function serviceUserName(root = '/'): string | null {
  const loaded = root === '/' ? askSystemd() : null
  if (loaded !== null) return loaded
  const unit = unitOf(root)
  if (unit.length > 0) return settings(unit, 'User').at(-1)?.value ?? null
  const script = join(root, OPENRC)
  return existsSync(script) ? (/^command_user="?([^\s":]+)/m.exec(readFileSync(script, 'utf8'))?.[1] ?? null) : null
}

/**
 * Where this machine's service takes an environment variable from; null where it has none, or this user may not read
 * it.
 */
export function variableOfService(name: string, root = '/'): { readonly file: string; readonly unit: string } | null {
  const unit = unitOf(root)
  const inFiles = settings(unit, 'EnvironmentFile').map(({ value, path }) => ({ file: value.replace(/^-/, ''), path }))
  const found = inFiles.findLast(({ file }) => hasVariable(join(root, file), name))
  return found === undefined ? null : { file: found.file, unit: found.path }
}

/** What to do about a variable that is not set here, where the service of this machine has it; null: it has not. */
export function hintForUnset(name: string): string | null {
  const found = variableOfService(name)
  if (found === null) return null
  const run = `systemd-run --quiet --wait --pipe --same-dir --property=EnvironmentFile=${found.file} sallyport …`
  return `the service has ${name} from ${found.file} (EnvironmentFile= of ${found.unit}), and this command has not: ${run}`
}

/** The user of the unit that systemd has loaded; null where it has none, or is not what runs services here. */
function askSystemd(): string | null {
  if (!existsSync('/run/systemd/system')) return null
  try {
    const command = ['systemctl', 'show', '--property=User,LoadState', UNIT]
    const { stdout, exitCode } = Bun.spawnSync(command, { stdin: 'ignore', stderr: 'ignore', timeout: 5_000 })
    const said = stdout.toString()
    if (exitCode !== 0 || !/^LoadState=loaded$/m.test(said)) return null
    return /^User=(\S+)$/m.exec(said)?.[1] ?? 'root'
  } catch {
    return null
  }
}

/** The unit, and behind it its drop-ins by their names: of one name the first folder's counts. */
function unitOf(root: string): readonly Definition[] {
  const folders = UNIT_FOLDERS.map(folder => join(root, folder))
  const unit = folders.map(folder => join(folder, UNIT)).find(path => existsSync(path))
  if (unit === undefined) return []
  const dropIns = new Map<string, string>()
  for (const folder of folders.map(folder => join(folder, `${UNIT}.d`)).filter(path => existsSync(path))) {
    for (const name of readdirSync(folder)) {
      if (name.endsWith('.conf') && !dropIns.has(name)) dropIns.set(name, join(folder, name))
    }
  }
  const inOrder = [...dropIns.keys()].sort().flatMap(name => dropIns.get(name) ?? [])
  return [unit, ...inOrder].map(path => ({ path, text: readOrNothing(path) }))
}

/** The values of a setting in a unit, each with its file, in order. An empty value resets those before it. */
function settings(
  unit: readonly Definition[],
  key: string,
): readonly { readonly value: string; readonly path: string }[] {
  const said = unit.flatMap(({ path, text }) =>
    text.split('\n').flatMap(line => {
      const [name = '', ...value] = line.split('=')
      return name.trim() === key ? [{ value: value.join('=').trim(), path }] : []
    }),
  )
  return said.slice(said.findLastIndex(({ value }) => value === '') + 1)
}

function hasVariable(path: string, name: string): boolean {
  return readOrNothing(path)
    .split('\n')
    .some(line => line.trimStart().startsWith(`${name}=`))
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
