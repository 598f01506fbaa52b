import { join } from 'node:path'

const ROOT = join(import.meta.dir, '../../..')

/** The packages of npm of which the executable holds anything, as its bundler says. */
export async function packagesInBundle(): Promise<ReadonlySet<string>> {
  const bundled = await Bun.build({
    entrypoints: [
      join(ROOT, 'src/main.ts'),
      ...['check', 'draft'].map(name => join(ROOT, `src/process/threads/${name}-thread.ts`)),
    ],
    root: ROOT,
    target: 'bun',
    metafile: true,
  })
  return new Set(
    Object.keys(bundled.metafile?.inputs ?? {}).flatMap(path => {
      const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path) ?? []
      return name === undefined ? [] : [name]
    }),
  )
}
