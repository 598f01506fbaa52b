import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { version as bunVersion } from 'bun'

/** Machines that an executable can be built for: the npm package that holds Bun for each, and Bun's own name for it. */
export const RUNTIMES = {
  'linux-x64': { npmPackage: '@oven/bun-linux-x64', bunTarget: 'bun-linux-x64' },
  'linux-arm64': { npmPackage: '@oven/bun-linux-aarch64', bunTarget: 'bun-linux-arm64' },
  'linux-x64-musl': { npmPackage: '@oven/bun-linux-x64-musl', bunTarget: 'bun-linux-x64-musl' },
  'linux-arm64-musl': { npmPackage: '@oven/bun-linux-aarch64-musl', bunTarget: 'bun-linux-arm64-musl' },
  'darwin-x64': { npmPackage: '@oven/bun-darwin-x64', bunTarget: 'bun-darwin-x64' },
  'darwin-arm64': { npmPackage: '@oven/bun-darwin-aarch64', bunTarget: 'bun-darwin-arm64' },
} as const

export type Target = keyof typeof RUNTIMES

/**
 * The path of Bun's executable for a target, fetched from the npm registry once and kept in node_modules/.cache.
 *
 * The archive must have the hash that package-lock.json pins; only then is it unpacked. Throws Error when npm fails or when
 * the hash differs.
 */
export async function fetchRuntime(root: string, target: Target): Promise<string> {
  const name = RUNTIMES[target].npmPackage
  const folder = join(root, 'node_modules/.cache/bun-runtimes', `${target}-${bunVersion}`)
  const executable = join(folder, 'package/bin/bun')
  if (existsSync(executable)) return executable

  console.error(`build: fetching ${name}@${bunVersion}`)
  const incoming = `${folder}.${process.pid}`
  mkdirSync(incoming, { recursive: true })
  try {
    await run(['npm', 'pack', '--silent', '--pack-destination', incoming, `${name}@${bunVersion}`], root)
    const archive = join(incoming, `${name.slice(1).replace('/', '-')}-${bunVersion}.tgz`)
    const actual = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`
    const pinned = pinnedIntegrity(root, name)
    if (actual !== pinned)
      throw new Error(`${name}@${bunVersion} is not what package-lock.json pins: ${actual}, not ${pinned}`)
    await run(['tar', '-xzf', archive, '-C', incoming], root)
    rmSync(archive)
    rmSync(folder, { recursive: true, force: true })
    renameSync(incoming, folder)
  } finally {
    rmSync(incoming, { recursive: true, force: true })
  }
  return executable
}

function pinnedIntegrity(root: string, name: string): string | undefined {
  const lock: { packages: Record<string, { integrity?: string } | undefined> } = JSON.parse(
    readFileSync(join(root, 'package-lock.json'), 'utf8'),
  )
  return lock.packages[`node_modules/${name}`]?.integrity
}

async function run(command: string[], cwd: string): Promise<void> {
  const child = Bun.spawn(command, { cwd, stdin: 'ignore', stdout: 'ignore', stderr: 'inherit' })
  const status = await child.exited
  if (status !== 0) throw new Error(`${command[0]} exited ${status}`)
}
