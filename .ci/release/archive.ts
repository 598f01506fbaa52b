import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { NOTICES } from '../notices.ts'
import type { Target } from '../runtime.ts'
import { command } from './command.ts'
import type { Release } from './types.ts'

/** Files of the checkout that go with an executable. */
const BESIDE = ['LICENSE', 'README.md', 'CHANGELOG.md', 'routes.toml']

/** A .tar.gz of one folder: the executable, and what one reads first. */
export async function archive(
  { root, out, version, time }: Release,
  target: Target,
  executable: string,
): Promise<void> {
  const name = `sallyport-${version}-${target}`
  const folder = join(out, '.work/archives', name)
  mkdirSync(folder, { recursive: true })
  copyFileSync(executable, join(folder, 'sallyport'))
  for (const file of BESIDE) copyFileSync(join(root, file), join(folder, file))
  copyFileSync(join(dirname(executable), NOTICES), join(folder, NOTICES))
  const tar = join(folder, '..', `${name}.tar`)
  await packFolder(join(folder, '..'), [name], tar, time)
  writeFileSync(join(out, `${name}.tar.gz`), Bun.gzipSync(await Bun.file(tar).bytes(), { level: 6 }))
}

/** Puts files and folders of a folder into a .tar; the same bytes for the same files: their order, times, owners and modes. */
export async function packFolder(folder: string, names: readonly string[], file: string, time: number): Promise<void> {
  const whose = ['--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX']
  const same = ['--format=ustar', '--sort=name', `--mtime=@${time}`, ...whose]
  await command(['tar', ...same, '-cf', file, ...names], folder)
}
