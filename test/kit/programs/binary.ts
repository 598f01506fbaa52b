import { existsSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dir, '../..', '..')

/** The compiled executable of this checkout; built first where it is missing (`npm test` always builds it anew). */
export async function compiledBinary(): Promise<string> {
  const path = join(ROOT, 'dist', 'sallyport')
  if (existsSync(path)) return path
  const build = Bun.spawn([process.execPath, '.ci/build.ts'], { cwd: ROOT, stdout: 'ignore', stderr: 'pipe' })
  const [code, complaint] = await Promise.all([build.exited, new Response(build.stderr).text()])
  if (code !== 0 || !existsSync(path)) throw new Error(`dist/sallyport was not built: ${complaint}`)
  return path
}
