/**
 * Looks for regular expressions of which a long input makes far more work than its length: `bun .ci/expressions.ts`, a part of
 * `npm run check`. Exit code 1 where there is one that nobody has answered for below.
 *
 * What was found of an expression is kept in expressions.txt by its text: to look at all of them takes minutes. What is new is looked at
 * and added there, what is gone is taken out.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Node, parse } from 'acorn'
import { checkSync } from 'recheck/lib/browser.js'

const SRC = join(import.meta.dir, '../src')
const ANSWERS = join(import.meta.dir, 'expressions.txt')

/** What bounds the input of whole rooms, where more work than its length hurts nobody but who wrote it. */
const ROOMS: Readonly<Record<string, string>> = {
  cli: 'a command of its own: nobody waits but who gave it its input',
  console: 'the same',
  migrate: 'the same: a file or a log of the one who moves in',
  config: 'routes.toml and what it names: whoever writes it is trusted, and 64 kB and more are checked on a thread',
}

/** What bounds the input of single expressions. */
const BOUNDS: Readonly<Record<string, string>> = {
  '/"(?:[^"\\\\]|\\\\.)*"([\\t\\n\\r ]*:)?/g':
    'mcp/messages.ts: a text that JSON.parse has taken, in which every string has its end',
}

/** Made while the program runs: what they are made of, and what they read. */
const MADE: Readonly<Record<string, string>> = {
  'server/listen/inherited/descriptors.ts': 'a number; a file of the system',
  'config/text/locate.ts': 'a name of the file, escaped; the file',
  'cli/init/proxy-in-front.ts': 'names of our own; a text of our own',
  'cli/recipe/recipe.ts': 'names of our own; a text of our own',
  'cli/user/tables.ts': 'a name of a key; the file of users, of whoever runs the command',
}

interface Found {
  readonly file: string
  /** As it would be written: between slashes, with its flags. */
  readonly text: string
}

type Any = Node & Record<string, unknown>

const transpilers = { ts: new Bun.Transpiler({ loader: 'ts' }), tsx: new Bun.Transpiler({ loader: 'tsx' }) }

/** The expressions of a file, and those that it makes of something that is not known from its text. */
function expressionsOf(file: string): { readonly known: readonly Found[]; readonly made: readonly string[] } {
  const code = transpilers[file.endsWith('x') ? 'tsx' : 'ts'].transformSync(readFileSync(join(SRC, file), 'utf8'))
  const program = parse(code, { ecmaVersion: 'latest', sourceType: 'module' }) as unknown as Any
  const constants = new Map<string, Any>()
  const known: Found[] = []
  const made: string[] = []
  each(program, node => {
    const id = node.id as Any | undefined
    if (node.type === 'VariableDeclarator' && id?.type === 'Identifier' && node.init !== null)
      constants.set(String(id.name), node.init as Any)
  })
  each(program, node => {
    const regex = node.regex as { readonly pattern: string; readonly flags: string } | undefined
    if (regex !== undefined) known.push({ file, text: `/${regex.pattern}/${regex.flags}` })
    if (node.type !== 'NewExpression' && node.type !== 'CallExpression') return
    if ((node.callee as Any).name !== 'RegExp') return
    const [source, flags] = (node.arguments as Any[]).map(one => textOf(one, constants))
    if (source == null || flags === null) made.push(file)
    else known.push({ file, text: `/${source}/${flags ?? ''}` })
  })
  return { known, made }
}

function each(value: unknown, look: (node: Any) => void): void {
  if (typeof value !== 'object' || value === null) return
  if ('type' in value) look(value as Any)
  for (const inner of Object.values(value)) each(inner, look)
}

/** The text that a node comes to; null where that is not known here. */
function textOf(node: Any, constants: ReadonlyMap<string, Any>): string | null {
  switch (node.type) {
    case 'Literal':
      return typeof node.value === 'string' ? node.value : null
    case 'Identifier': {
      const init = constants.get(String(node.name))
      return init === undefined ? null : textOf(init, constants)
    }
    case 'TaggedTemplateExpression': {
      const isRaw = (node.tag as Any).type === 'MemberExpression' && ((node.tag as Any).property as Any).name === 'raw'
      return isRaw ? joined(node.quasi as Any, 'raw', constants) : null
    }
    case 'TemplateLiteral':
      return joined(node, 'cooked', constants)
    default:
      return null
  }
}

function joined(node: Any, as: 'raw' | 'cooked', constants: ReadonlyMap<string, Any>): string | null {
  const values = (node.expressions as Any[]).map(one => textOf(one, constants))
  if (values.includes(null)) return null
  const quasis = node.quasis as { readonly value: Record<typeof as, string> }[]
  return quasis.map(({ value }, at) => value[as] + (values[at] ?? '')).join('')
}

/** What an expression costs, in few words: `linear`, or how it grows, or that nobody could say. */
function answerFor(text: string): string {
  const end = text.lastIndexOf('/')
  const found = checkSync(text.slice(1, end), text.slice(end + 1), { timeout: 20_000, randomSeed: 1 })
  if (found.status === 'safe') return 'linear'
  if (found.status === 'unknown') return `unknown (${found.error.kind})`
  return found.complexity.summary
}

/** Why it is well all the same; null where nobody said so. What doubles with each letter is never well. */
function excuseOf({ file, text }: Found, answer: string): string | null {
  if (answer.startsWith('exponential')) return null
  return BOUNDS[text] ?? ROOMS[file.split('/', 1)[0] ?? ''] ?? null
}

const kept = new Map(
  (await Bun.file(ANSWERS).exists())
    ? readFileSync(ANSWERS, 'utf8')
        .split('\n')
        .filter(line => line !== '')
        .map(line => {
          const { answer, text } = JSON.parse(line) as { readonly answer: string; readonly text: string }
          return [text, answer] as const
        })
    : [],
)
const files = [...new Bun.Glob('**/*.{ts,tsx}').scanSync(SRC)].toSorted()
const all = files.map(expressionsOf)
const found = all.flatMap(({ known }) => known)
const texts = [...new Set(found.map(({ text }) => text))].toSorted()
const answers = new Map(texts.map(text => [text, kept.get(text) ?? answerFor(text)]))
const lines = [...answers].map(([text, answer]) => `${JSON.stringify({ answer, text })}\n`).join('')
if (lines !== (kept.size === 0 ? '' : readFileSync(ANSWERS, 'utf8'))) writeFileSync(ANSWERS, lines)

const faults = [
  ...found
    .map(one => ({ ...one, answer: answers.get(one.text) ?? '' }))
    .filter(one => one.answer !== 'linear' && excuseOf(one, one.answer) === null)
    .map(({ file, text, answer }) => `src/${file}: ${text} is ${answer}`),
  ...all
    .flatMap(({ made }) => made)
    .filter(file => MADE[file] === undefined)
    .map(
      file => `src/${file}: an expression is made there of what is not known here: say in .ci/expressions.ts of what`,
    ),
  ...Object.keys(BOUNDS)
    .filter(text => (answers.get(text) ?? 'linear') === 'linear')
    .map(text => `.ci/expressions.ts: ${text} needs no answer (any more)`),
]
if (faults.length > 0) {
  console.error(faults.join('\n'))
  console.error('\nWrite it so that it has one way to be read, or say in .ci/expressions.ts what bounds its input.')
  process.exit(1)
}
