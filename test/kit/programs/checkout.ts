import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'

const ROOT = join(import.meta.dir, '../../..')

/**
 * Makes a clone of this checkout as it is now, uncommitted changes and all, in one commit of a fixed time, with the packages that a
 * build takes. Returns the commit.
 */
export function cloneOfThis(path: string): string {
  const files = run(ROOT, 'ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate').split('\0')
  for (const file of files.filter(name => name !== '')) {
    mkdirSync(dirname(join(path, file)), { recursive: true })
    cpSync(join(ROOT, file), join(path, file))
  }
  copyPackages(path)
  run(path, 'init', '--quiet')
  run(path, 'add', '--all')
  run(path, 'commit', '--quiet', '--no-gpg-sign', '--message', 'as it is')
  return run(path, 'rev-parse', 'HEAD').trim()
}

/** Copies, since a build names what is in it by where it really is; of the runtimes that were fetched, a link will do. */
function copyPackages(path: string): void {
  const lock: { readonly packages: Readonly<Record<string, { readonly dev?: boolean }>> } = JSON.parse(
    readFileSync(join(ROOT, 'package-lock.json'), 'utf8'),
  )
  for (const [name, { dev }] of Object.entries(lock.packages)) {
    if (name !== '' && dev !== true) cpSync(join(ROOT, name), join(path, name), { recursive: true })
  }
  mkdirSync(join(ROOT, 'node_modules/.cache'), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules/.cache'), join(path, 'node_modules/.cache'))
}

function run(cwd: string, ...args: readonly string[]): string {
  const who = { name: 'test', email: 'test@localhost', date: '2026-01-02T03:04:05Z' }
  const env = Object.fromEntries(
    ['AUTHOR', 'COMMITTER'].flatMap(part => [
      [`GIT_${part}_NAME`, who.name],
      [`GIT_${part}_EMAIL`, who.email],
      [`GIT_${part}_DATE`, who.date],
    ]),
  )
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    ['git', '-c', 'safe.directory=*', '-c', 'core.hooksPath=/dev/null', ...args],
    {
      cwd,
      env: { ...process.env, ...env },
    },
  )
  if (exitCode !== 0) throw new Error(`git ${args[0]}: ${stderr}`)
  return stdout.toString()
}
