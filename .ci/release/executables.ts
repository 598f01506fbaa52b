import { join } from 'node:path'
import type { Target } from '../runtime.ts'
import { command } from './command.ts'
import { sha256Of } from './sums.ts'
import type { Executable, Release } from './types.ts'

/** Builds an executable for each target, twice; throws Error where the two differ in a byte. */
export async function buildExecutables(
  { root }: Release,
  targets: readonly Target[],
  work: string,
): Promise<readonly Executable[]> {
  const [once, again] = [join(work, 'once'), join(work, 'again')]
  for (const out of [once, again]) await build(root, targets, out)
  const built = targets.map(target => ({ target, path: join(once, `sallyport-${target}`) }))
  for (const { target, path } of built) {
    const other = join(again, `sallyport-${target}`)
    if ((await sha256Of(path)) !== (await sha256Of(other))) throw new Error(`two builds for ${target} differ`)
  }
  return built
}

/** `out` is inside the checkout, whose name for it the build takes. */
async function build(root: string, targets: readonly Target[], out: string): Promise<void> {
  const named = targets.flatMap(target => ['--target', target])
  await command([process.execPath, '.ci/build.ts', '--out', out.slice(root.length + 1), ...named], root)
}
