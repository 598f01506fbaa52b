import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dir, '../..', '..')

/** What the executable is made of. */
const SOURCES = ['src', '.ci/build.ts', 'package-lock.json']

/**
 * The compiled executable of this checkout; built first where it is missing (`npm test` always builds it anew).
 *
 * Throws where it is older than what it is made of: a test of it would speak of another program. It is not built anew here, since
 * other tests may be running it.
 */
export function compiledBinary(): Promise<string> {
  found ??= find()
  return found
}

let found: Promise<string> | null = null

async function find(): Promise<string> {
  const path = join(ROOT, 'dist', 'sallyport')
  if (existsSync(path)) {
    const newer = newerThan(statSync(path).mtimeMs, ROOT, SOURCES)
    if (newer !== null) throw new Error(`dist/sallyport is older than ${newer}: npm run build`)
    return path
  }
  const build = Bun.spawn([process.execPath, '.ci/build.ts'], { cwd: ROOT, stdout: 'ignore', stderr: 'pipe' })
  const [code, complaint] = await Promise.all([build.exited, new Response(build.stderr).text()])
  if (code !== 0 || !existsSync(path)) throw new Error(`dist/sallyport was not built: ${complaint}`)
  return path
}

/** A file that was written after this, among these and all that is below them; null where none was. */
function newerThan(atMs: number, root: string, names: readonly string[]): string | null {
  for (const name of names) {
    const stat = statSync(join(root, name))
    const newer = stat.isDirectory()
      ? newerThan(
          atMs,
          root,
          readdirSync(join(root, name)).map(one => join(name, one)),
        )
      : stat.mtimeMs > atMs
        ? name
        : null
    if (newer !== null) return newer
  }
  return null
}
