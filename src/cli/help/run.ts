import { suggest } from '../../config/text/suggest.ts'
import { EXIT, parseArguments } from '../../console/args.ts'
import { columns } from '../../console/columns.ts'
import type { Io } from '../../console/io.ts'
import { COMMANDS } from './commands.ts'
import { entriesOf, entryNames, REFERENCES } from './entries.ts'
import { renderChapter } from './render.ts'
import { RECIPES, TOPICS } from './topics.ts'

const USAGE = {
  text: `usage: sallyport help [TOPIC|COMMAND|NAME]

Lists the commands and the chapters; shows a chapter, a command's own help, or what the reference says of a
key of routes.toml, an error code or a metric: sallyport help keep_posts, sallyport help upstream.timeout.
Exit code: 0 shown, 2 for what there is not.`,
  options: {},
  maxPositionals: 1,
} as const

/** How wide the column of names is, so that what they are about ends within 80 columns. */
const NAME_WIDTH = 17

/** What other programs call our commands. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['run', 'serve'],
  ['start', 'serve'],
  ['validate', 'check'],
  ['lint', 'check'],
  ['test', 'check'],
  ['format', 'fmt'],
  ['adapt', 'import'],
  ['convert', 'import'],
])

/** All commands and chapters, a line each. */
export function overview(): string {
  const list = (rows: readonly (readonly [string, string])[]) => columns(rows).replace(/^(?=.)/gm, '  ')
  return `Sallyport: an authenticating reverse proxy. One executable, one routes.toml.

${list(COMMANDS.map(({ call, about }) => [call, about]))}
"sallyport help COMMAND" shows its options, "help TOPIC" a chapter, and
"help NAME" what a key of routes.toml, an error code or a metric means:

${TOPICS.map(({ name, about }) => `  ${under(name)}  ${about}\n`).join('')}`
}

/** A chapter's name, before what it is about. What is too long for its column has a line of its own. */
function under(name: string): string {
  return name.length > NAME_WIDTH ? `${name}\n  ${' '.repeat(NAME_WIDTH)}` : name.padEnd(NAME_WIDTH)
}

/** What a mistake in the name of a command, or of a chapter, is answered with: what was probably meant. Ends without a line break. */
export function hintFor(word: string, isCommand: boolean): string {
  if (isCommand && word.endsWith('.toml')) return `did you mean "serve ${word}"?`
  const elsewhere = ELSEWHERE.get(word.toLowerCase())
  if (isCommand && elsewhere !== undefined) return `did you mean "${elsewhere}"?`
  const commands = COMMANDS.map(({ name }) => name)
  const names = [...commands, ...TOPICS.map(({ name }) => name), ...RECIPES.keys()]
  const part = word.length > 2 ? names.find(name => name.includes(word.toLowerCase())) : undefined
  const meant = suggest(word, names) ?? part ?? suggest(word, entryNames()) ?? undefined
  if (meant === undefined) return '"sallyport help" lists what there is'
  return `did you mean "${isCommand && !commands.includes(meant) ? 'help ' : ''}${meant}"?`
}

/**
 * `sallyport help`: a chapter for a terminal, or the help of a command, which `explain` shows. Answers the exit code.
 */
export async function runHelp(
  argv: readonly string[],
  io: Io,
  explain: (command: string) => Promise<number>,
): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const [word] = parsed.positionals
  if (word === undefined) {
    await io.stdout(overview())
    return EXIT.ok
  }
  const recipe = RECIPES.get(word)
  if (recipe !== undefined) {
    await io.stdout(await Bun.file(recipe).text())
    return EXIT.ok
  }
  const asked = word.toLowerCase().replace(/\.md$/, '')
  if (COMMANDS.some(({ name }) => name === asked)) return explain(asked)
  const topic = TOPICS.find(({ name }) => name === asked)
  const shown = topic === undefined ? await lookUp(word) : await Bun.file(topic.path).text()
  if (shown === '') {
    io.stderr(`there is no command or chapter "${word}": ${hintFor(word, false)}\n`)
    return EXIT.usage
  }
  await io.stdout(renderChapter(shown, io.colour.stdout))
  return EXIT.ok
}

/** What the references say of a name, as Markdown. */
async function lookUp(name: string): Promise<string> {
  const references = TOPICS.filter(topic => REFERENCES.includes(topic.name))
  const entries = await Promise.all(references.map(async ({ path }) => entriesOf(await Bun.file(path).text(), name)))
  return entries.join('')
}
