/**
 * Builds the executable: dist/sallyport for this machine, dist/sallyport-TARGET for another; and dist/THIRD-PARTY-NOTICES.
 *
 * Usage: bun .ci/build.ts [--target NAME|all]… [--entry FILE] [--out DIR]
 *
 * The result reads neither a .env nor a bunfig.toml of the folder it is started in: whoever can write there would otherwise
 * run code in it. Names survive minifying, so that a stack trace in a bug report can be read.
 */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { HEAD_LIMIT_OPTION } from '../src/server/listen/head-limit.ts'
import { commitOf } from './commit.ts'
import { NOTICES, noticesText } from './notices.ts'
import { fetchRuntime, RUNTIMES, type Target } from './runtime.ts'

const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true, default: [] },
    entry: { type: 'string', default: 'src/main.ts' },
    out: { type: 'string', default: 'dist' },
  },
})

const root = join(import.meta.dir, '..')
/** What runs in threads of its own. */
const THREADS = ['check-thread', 'draft-thread', 'log-thread']
/** Puts the formatter into the executable by a fifth of its size; what uses it unpacks it (src/cli/fmt.ts). */
const PACKED: Bun.BunPlugin = {
  name: 'packed',
  setup(build) {
    build.onLoad({ filter: /\.wasm$/ }, async ({ path }) => ({
      contents: Bun.zstdCompressSync(await Bun.file(path).bytes(), { level: 19 }),
      loader: 'file',
    }))
  },
}
/**
 * Spells letters beyond ASCII as escapes, which are as good in a comment: Bun does so with everything but the notices of licences, and
 * one such letter makes it keep all that stands in the same file by two bytes a letter.
 */
const ESCAPED: Bun.BunPlugin = {
  name: 'escaped',
  setup(build) {
    build.onLoad({ filter: /\/node_modules\/otpauth\/.*\.js$/ }, async ({ path }) => ({
      contents: (await Bun.file(path).text()).replace(/[^\0-\x7f]/g, one => `\\u${hex(one.charCodeAt(0))}`),
      loader: 'js',
    }))
  },
}
const pages = join(root, 'src/portal/layout')
/** The scripts of pages by their paths, made short before anything else is built: no build waits for one within it. */
const scripts = new Map<string, string>()
for (const name of readdirSync(join(pages, 'scripts')).filter(one => one.endsWith('.js'))) {
  const path = join(pages, 'scripts', name)
  scripts.set(path, await minifyScript(path, name === 'editor.js' ? 'iife' : 'esm'))
}
/** A file of its own, which only one page loads, and packed (src/portal/file/editor-script.ts). */
const EDITOR = join(pages, 'scripts/editor.js')
/** Makes the stylesheet and the scripts of pages short: each travels in every page that has it. */
const SHORT: Bun.BunPlugin = {
  name: 'short',
  setup(build) {
    build.onLoad({ filter: /\/src\/portal\/layout\/.*\.css$/ }, async ({ path }) => ({
      contents: minifyCss(await Bun.file(path).text()),
      loader: 'text',
    }))
    build.onLoad({ filter: /\/src\/portal\/layout\/scripts\/.*\.js$/ }, ({ path }) => {
      const contents = scripts.get(path)
      if (contents === undefined) return undefined
      return path === EDITOR
        ? { contents: new Uint8Array(Bun.gzipSync(contents, { level: 9 })), loader: 'file' }
        : { contents, loader: 'text' }
    })
  },
}
const names = values.target.flatMap(name => (name === 'all' ? Object.keys(RUNTIMES) : name.split(',')))
const commit = commitOf(root)
mkdirSync(join(root, values.out), { recursive: true })
writeFileSync(join(root, values.out, NOTICES), noticesText(root))
if (names.length === 0) await build(null)
for (const name of names) {
  if (!isTarget(name)) {
    console.error(`build: no target "${name}"; there are: ${Object.keys(RUNTIMES).join(', ')}, all`)
    process.exit(2)
  }
  await build(name)
}

/** Builds one executable; null is this machine, with the Bun that runs this script. */
async function build(target: Target | null): Promise<void> {
  const outfile = join(root, values.out, target === null ? 'sallyport' : `sallyport-${target}`)
  // Bun leaves copies of the maps beside the executable, which are inside it.
  const draft = mkdtempSync(join(root, values.out, 'draft-'))
  const made = join(draft, basename(outfile))
  const result = await Bun.build({
    // Threads are found by these paths (src/process/threads/ask-thread.ts).
    entrypoints: [join(root, values.entry), ...THREADS.map(name => join(root, `src/process/threads/${name}.ts`))],
    root,
    target: 'bun',
    format: 'esm',
    bytecode: true,
    // What a command does not need is a file of its own, and stays unread.
    splitting: true,
    sourcemap: 'inline',
    minify: { whitespace: true, syntax: true, identifiers: false },
    define: { 'process.env.NODE_ENV': '"production"', BUILD_COMMIT: JSON.stringify(commit) },
    compile: {
      outfile: made,
      autoloadDotenv: false,
      autoloadBunfig: false,
      execArgv: [HEAD_LIMIT_OPTION],
      ...(target === null
        ? {}
        : { target: RUNTIMES[target].bunTarget, executablePath: await fetchRuntime(root, target) }),
    },
    plugins: [PACKED, ESCAPED, SHORT],
    throw: false,
  })
  for (const message of result.logs) console.error(String(message))
  const isDone = result.success && finish(made, outfile)
  rmSync(draft, { recursive: true, force: true })
  if (!isDone) process.exit(1)
  console.error(`build: ${outfile.slice(root.length + 1)}, ${(statSync(outfile).size / 1e6).toFixed(0)} MB`)
}

/** Puts an executable in its place; false, having said why, where it is not as it should be. */
function finish(made: string, outfile: string): boolean {
  if (readFileSync(made).includes(Buffer.from('// @bun', 'utf16le'))) {
    console.error('build: a part of the program is not ASCII, and takes twice its room: see ESCAPED in .ci/build.ts')
    return false
  }
  chmodSync(made, 0o755)
  renameSync(made, outfile)
  return true
}

/** Only what has no meaning goes: comments, blanks, the last semicolon of a block, and a zero before a point. */
function minifyCss(css: string): string {
  return css
    .replace(/\/\*.*?\*\//gs, '')
    .replace(/\s+/g, ' ')
    .replace(/ ?([{};,>/!]) ?/g, '$1')
    .replace(/([\w-]): /g, '$1:')
    .replace(/(?<![\w.])0(?=\.\d)/g, '')
    .replace(/;\}/g, '}')
    .trim()
}

/** One that imports others would leave all their names to the page. */
async function minifyScript(path: string, format: 'esm' | 'iife'): Promise<string> {
  const { outputs } = await Bun.build({ entrypoints: [path], minify: true, target: 'browser', format })
  const [script] = outputs
  if (script === undefined) throw new TypeError(`${path} comes to nothing`)
  return (await script.text()).trim()
}

function hex(code: number): string {
  return code.toString(16).padStart(4, '0')
}

function isTarget(name: string): name is Target {
  return Object.hasOwn(RUNTIMES, name)
}
