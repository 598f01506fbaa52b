/** `sallyport help`: commands, chapters of the documents, and single entries of the reference. */

import { ERROR_TERMS } from '../../base/error-reference.ts'
import { CODES } from '../../base/errors.ts'
import { SECTIONS } from '../../config/keys/keys.ts'
import { ALL_WORDS } from '../../config/keys/synonyms.ts'
import { suggest } from '../../config/text/suggest.ts'
import { EXIT, failWith, parseArguments } from '../../console/args.ts'
import type { Io } from '../../console/io.ts'
import { columns } from '../../console/terminal.ts'
import { COMMANDS } from './commands.ts'
import { RECIPES, TOPICS } from './topics.ts'

const USAGE = {
  text: `usage: sallyport help [TOPIC|COMMAND|NAME]

Lists the commands and the chapters; shows a chapter, a command's own help, or what the reference says of a
key of routes.toml, an error code, a metric, or an error message of another program:
sallyport help keep_posts, sallyport help upstream.timeout, sallyport help 502 bad gateway.
Exit code: 0 shown, 2 if there is no such name.`,
  options: {},
  maxPositionals: 10,
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

/** What people look up who do not know our word: a command, a chapter, or a key. */
const MEANT: ReadonlyMap<string, string> = new Map([
  ...['public', 'everyone', 'anonymous', 'authenticated', 'access'].map(word => [word, 'routes-and-rules'] as const),
  ...['guest', 'guest link', 'guest links', 'invitation'].map(word => [word, 'tokens-and-guests'] as const),
  ...['token', 'api token', 'api tokens', 'api key', 'bearer'].map(word => [word, 'tokens-and-guests'] as const),
  ...['login', 'log in', 'sign in', 'password', 'totp', 'second factor', '2fa'].map(
    word => [word, 'signing-in'] as const,
  ),
  ...['logout', 'log out', 'sign out'].map(word => [word, 'signing-in'] as const),
  ...['tls', 'ssl', 'certificate', 'letsencrypt', "let's encrypt"].map(word => [word, 'https'] as const),
  ...['rule', 'rules', 'route', 'routes', 'role', 'admin'].map(word => [word, 'routes-and-rules'] as const),
  ...['install', 'quickstart', 'start'].map(word => [word, 'getting-started'] as const),
  ...ALL_WORDS,
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

/** A chapter's name, before its subject. A name that is too long for its column has a separate line. */
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
  const word = parsed.positionals.join(' ')
  if (word === '') {
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
  const own = topic === undefined ? await lookUp(word) : await Bun.file(topic.path).text()
  const meant = own === '' ? (MEANT.get(asked) ?? MEANT.get(asked.replace(/[ _-]/g, ''))) : undefined
  const chapter = TOPICS.find(({ name }) => name === meant)
  const shown =
    meant === undefined ? own : chapter === undefined ? await lookUp(meant) : await Bun.file(chapter.path).text()
  if (shown === '') return failWith(io, `there is no command or chapter "${word}": ${hintFor(word, false)}`, EXIT.usage)
  await io.stdout(renderChapter(shown, io.colour.stdout))
  return EXIT.ok
}

/** What the references say of a name, as Markdown. */
async function lookUp(name: string): Promise<string> {
  const references = TOPICS.filter(topic => REFERENCES.includes(topic.name))
  const texts = await Promise.all(references.map(({ path }) => Bun.file(path).text()))
  const find = (wanted: string) => texts.map(text => entriesOf(text, wanted)).join('')
  return find(name) || codesCalled(name).map(find).join('')
}

/** The error codes that an error of another program may stand for: `redirect_uri mismatch`, `502 Bad Gateway`. */
function codesCalled(words: string): readonly string[] {
  const asked = plain(words)
  if (asked.length < 3) return []
  const terms = [...ERROR_TERMS].map(([term, codes]) => ({ term: plain(term), codes }))
  const same = terms.filter(({ term }) => term === asked)
  const holds = (whole: string, part: string) => ` ${whole} `.includes(` ${part} `)
  const found = same.length > 0 ? same : terms.filter(({ term }) => holds(term, asked) || holds(asked, term))
  return [...new Set(found.flatMap(({ codes }) => codes))]
}

/** In small letters, with a space between words: people copy errors from pages, logs and addresses. */
function plain(words: string): string {
  return words
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, ' ')
    .trim()
}

/** The chapters that are tables of names. */
const REFERENCES: readonly string[] = ['keys', 'errors', 'metrics']

/** Everything that can be looked up by name, for a hint: every key and every error code. */
function entryNames(): readonly string[] {
  return [...new Set(SECTIONS.flatMap(({ keys }) => Object.keys(keys))), ...Object.keys(CODES)]
}

/**
 * What a chapter's tables say of one name: the rows that begin with it, each as a table under its heading. Markdown in and out; empty
 * where there are none.
 */
function entriesOf(markdown: string, name: string): string {
  let heading = ''
  let head = ''
  const found: string[] = []
  const lines = markdown.split('\n')
  for (const [index, line] of lines.entries()) {
    const below = lines[index + 1] ?? ''
    if (line.startsWith('#')) heading = line
    else if (below.startsWith('|---')) head = `${line}\n${below}`
    else if (line.startsWith(`| \`${name}\` |`)) found.push(`${heading}\n\n${head}\n${line}\n\n`)
  }
  return found.join('')
}

/** What pages of a manual are wide: a terminal has at least that, and longer lines are hard to read. */
const WIDTH = 80

/** Between cells and rows of a table, and before an item of a list, while they are read; no chapter has them. */
const [CELL_END, ROW_END, ITEM] = ['\x1f', '\x1e', '\x1d']

/**
 * A chapter in Markdown as text for a terminal: headings bold, prose wrapped, code as it is, links as their words, with the chapter
 * that they lead to. Without colours headings are underlined, and nothing is escaped.
 *
 * A table that is too wide for columns becomes a list: each row's first cell, and below it the others by their headings.
 */
export function renderChapter(markdown: string, hasColours: boolean): string {
  const bold = (text: string) => (hasColours ? `\x1b[1m${text}\x1b[22m` : text)
  const text = Bun.markdown.render(markdown, {
    heading: (children, { level }) => `${heading(children, level, hasColours)}\n\n`,
    paragraph: children => `${wrap(children)}\n\n`,
    list: children => `${children}\n`,
    listItem: (children, { ordered, start, index }) =>
      `${item(children, ordered ? `${(start ?? 1) + index}. ` : '- ')}\n`,
    code: children => `${indent(children.trimEnd(), '    ')}\n\n`,
    codespan: children => `\`${children}\``,
    strong: bold,
    emphasis: children => children,
    link: (children, { href }) => children + destination(children, href),
    html: () => '',
    tr: children => `${children}${ROW_END}`,
    th: children => `${children}${CELL_END}`,
    td: children => `${children}${CELL_END}`,
    table: children => `${table(readRows(children), bold)}\n`,
  })
  return `${text
    .replaceAll(ITEM, '')
    .replace(/\n{3,}/g, '\n\n')
    .trim()}\n`
}

function heading(text: string, level: number, hasColours: boolean): string {
  if (hasColours) return `\x1b[1m${text}\x1b[22m`
  return `${text}\n${(level === 1 ? '=' : '-').repeat(Bun.stringWidth(text))}`
}

/** Where a link leads, behind its words: another chapter or file of docs, or another site. Nothing for a place in the same chapter. */
function destination(words: string, href: string): string {
  if (/^[a-z]+:/.test(href)) return words === href ? '' : ` (${href})`
  const chapter = /^([\w-]+)\.md(?:#|$)/.exec(href)?.[1]?.toLowerCase()
  const recipe = /^recipes\/services\/([\w-]+)\.toml$/.exec(href)?.[1]
  if (recipe !== undefined) return ` (sallyport recipe ${recipe})`
  const shown = chapter ?? /^(?:recipes\/.+|compose\.yaml)$/.exec(href)?.[0]
  return shown === undefined ? '' : ` (sallyport help ${shown})`
}

function wrap(text: string, width = WIDTH): string {
  return Bun.wrapAnsi(text.replace(/\s*\n\s*/g, ' '), width)
}

/** One item of a list, behind its mark; what is below its first paragraph stands below it. */
function item(children: string, mark: string): string {
  const width = WIDTH - mark.length
  const blocks = children.trimEnd().split(/\n\n+/)
  const body = blocks.map(block => (isProse(block) ? wrap(block, width) : block)).join('\n\n')
  return ITEM + mark + indent(body, ' '.repeat(mark.length)).trimStart()
}

/** Whether this is a paragraph, and neither code nor a list. */
function isProse(block: string): boolean {
  return !block.startsWith('    ') && !block.includes(ITEM)
}

function indent(text: string, by: string): string {
  return text.replace(/^(?=.)/gm, by)
}

function readRows(children: string): readonly (readonly string[])[] {
  const rows = children.split(ROW_END).slice(0, -1)
  return rows.map(row => row.split(CELL_END).slice(0, -1))
}

function table(rows: readonly (readonly string[])[], bold: (text: string) => string): string {
  const [head = [], ...body] = rows
  const asColumns = columns([head, ...body])
  if (Math.max(...asColumns.split('\n').map(line => Bun.stringWidth(line))) <= WIDTH) return asColumns
  const entries = body.map(([first = '', ...cells]) => {
    const told = cells.map((cell, index) => ({ name: head[index + 1] ?? '', cell })).filter(({ cell }) => cell !== '')
    const lines = told.map(({ name, cell }) =>
      indent(wrap(told.length > 1 ? `${name}: ${cell}` : cell, WIDTH - 4), '    '),
    )
    return `${[bold(wrap(first)), ...lines].join('\n')}\n`
  })
  return entries.join('\n')
}
