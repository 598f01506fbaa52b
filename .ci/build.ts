/**
 * Builds the executable: dist/sallyport for this machine, dist/sallyport-TARGET for another.
 *
 * Usage: bun .ci/build.ts [--target NAME|all]… [--entry FILE] [--out DIR]
 *
 * The result reads neither a .env nor a bunfig.toml of the folder it is started in: whoever can write there would otherwise
 * run code in it. Names survive minifying, so that a stack trace in a bug report can be read.
 */
import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { commitOf } from './commit.ts'
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
const THREADS = ['check-thread', 'draft-thread']
/** Puts the formatter into the executable by a fifth of its size; what uses it unpacks it (src/cli/fmt/format.ts). */
const PACKED: Bun.BunPlugin = {
  name: 'packed',
  setup(build) {
    build.onLoad({ filter: /\.wasm$/ }, async ({ path }) => ({
      contents: Bun.zstdCompressSync(await Bun.file(path).bytes(), { level: 19 }),
      loader: 'file',
    }))
  },
}
const names = values.target.flatMap(name => (name === 'all' ? Object.keys(RUNTIMES) : name.split(',')))
const commit = commitOf(root)
mkdirSync(join(root, values.out), { recursive: true })
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
  const result = await Bun.build({
    // Threads are found by these paths (src/process/threads/ask-thread.ts).
    entrypoints: [join(root, values.entry), ...THREADS.map(name => join(root, `src/process/threads/${name}.ts`))],
    root,
    target: 'bun',
    format: 'esm',
    bytecode: true,
    sourcemap: 'inline',
    minify: { whitespace: true, syntax: true, identifiers: false },
    define: { 'process.env.NODE_ENV': '"production"', BUILD_COMMIT: JSON.stringify(commit) },
    compile: {
      outfile,
      autoloadDotenv: false,
      autoloadBunfig: false,
      ...(target === null
        ? {}
        : { target: RUNTIMES[target].bunTarget, executablePath: await fetchRuntime(root, target) }),
    },
    plugins: [PACKED],
    throw: false,
  })
  for (const message of result.logs) console.error(String(message))
  if (!result.success) process.exit(1)
  // The maps are inside the executable; Bun leaves copies beside it.
  const copies = [`${outfile}.map`, ...THREADS.map(name => join(root, values.out, `${name}.js.map`))]
  for (const copy of copies) rmSync(copy, { force: true })
  chmodSync(outfile, 0o755)
  console.error(`build: ${outfile.slice(root.length + 1)}, ${(statSync(outfile).size / 1e6).toFixed(0)} MB`)
}

function isTarget(name: string): name is Target {
  return Object.hasOwn(RUNTIMES, name)
}
