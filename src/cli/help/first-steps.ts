/** What `sallyport` says without a routes.toml. Apart from `help`, which a server does not load. */

import { columns } from '../../console/terminal.ts'
import { COMMANDS } from './commands.ts'

/** What somebody without a routes.toml probably wants, in this order. */
const BEGINNINGS: readonly string[] = ['demo', 'init', 'import']

/** For a user who has just unpacked the program and starts it to see what happens. */
export function firstSteps(): string {
  const commands = COMMANDS.filter(({ name }) => BEGINNINGS.includes(name))
  const ordered = commands.toSorted((one, other) => BEGINNINGS.indexOf(one.name) - BEGINNINGS.indexOf(other.name))
  const rows = ordered.map(({ call, about }) => [`  sallyport ${call}`, about])
  return `There is no routes.toml in this folder yet. What next:

${columns([...rows, ['  sallyport serve FILE', 'serves a file that is elsewhere'], ['  sallyport help', 'all commands and chapters']])}`
}
