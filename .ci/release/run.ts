/**
 * Makes what a release consists of, in dist/release: executables in archives, Debian packages, an image, a list of what is
 * inside, a statement of how it was made, the notes, and the sums of all of it.
 *
 * Usage: bun .ci/release/run.ts [--target NAME]… [--without deb|image]… [--base IMAGE] [--builder URI] [--out DIR]
 *
 * The same commit gives the same bytes, wherever and whenever it is built: each executable is built twice, in two folders, and
 * times are the commit's. Takes a Linux with GNU tar; dpkg-deb for the packages, buildah and a base for the image.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import manifest from '../../package.json' with { type: 'json' }
import { commitOf, commitTime } from '../commit.ts'
import { RUNTIMES, type Target } from '../runtime.ts'
import { archive } from './archive.ts'
import { debianArchitecture, makePackage } from './debian.ts'
import { buildExecutables } from './executables.ts'
import { makeImage } from './image.ts'
import { notesOf } from './notes.ts'
import { provenanceOf } from './provenance.ts'
import { billOfMaterials } from './sbom.ts'
import { checkSums, sumsText } from './sums.ts'
import type { Release } from './types.ts'

const PARTS = ['deb', 'image'] as const

const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true, default: Object.keys(RUNTIMES) },
    without: { type: 'string', multiple: true, default: [] },
    base: { type: 'string' },
    builder: { type: 'string', default: 'urn:sallyport:builder:unstated' },
    out: { type: 'string', default: 'dist/release' },
  },
})
const root = join(import.meta.dir, '../..')
const commit = commitOf(root)
const targets = values.target.filter((name): name is Target => Object.hasOwn(RUNTIMES, name))
const strange = [
  ...values.target.filter(name => !Object.hasOwn(RUNTIMES, name)),
  ...values.without.filter(part => !PARTS.some(known => known === part)),
]
if (strange.length > 0)
  fail(2, `knows no ${strange.join(', ')}: targets are ${Object.keys(RUNTIMES).join(', ')}; parts are deb, image`)
if (commit === null) fail(1, 'is made of a commit, and this folder is no clone of the repository, or git is missing')
if (commit.endsWith('-dirty')) fail(1, 'is made of a commit: commit or stash what differs (git status), then try again')

const wants = (part: (typeof PARTS)[number]) => !values.without.includes(part)
const release: Release = {
  root,
  out: join(root, values.out),
  version: manifest.version,
  commit,
  time: commitTime(root),
}
// What may be read is the same whoever runs it.
process.umask(0o022)
rmSync(release.out, { recursive: true, force: true })
mkdirSync(release.out, { recursive: true })
try {
  const work = join(release.out, '.work')
  const executables = await buildExecutables(release, targets, work)
  for (const { target, path } of executables) await archive(release, target, path)
  if (wants('deb')) {
    for (const { target, path } of executables) {
      if (debianArchitecture(target) !== null) await makePackage(release, target, path, work)
    }
  }
  if (wants('image')) await makeImage(release, executables, values.base, work)
  await Bun.write(join(release.out, `sallyport-${release.version}.cdx.json`), billOfMaterials(release, targets))
  await Bun.write(join(release.out, 'NOTES.md'), notesOf(release))
  rmSync(work, { recursive: true })
  await Bun.write(
    join(release.out, `sallyport-${release.version}.provenance.json`),
    provenanceOf(release, values.builder, targets, await checkSums(release.out)),
  )
  await Bun.write(join(release.out, 'SHA256SUMS'), sumsText(await checkSums(release.out)))
} catch (error) {
  fail(1, `was not made: ${error instanceof Error ? error.message : String(error)}`)
}
console.error(`release: ${values.out} holds ${release.version} of ${commit.slice(0, 12)}`)

function fail(status: number, why: string): never {
  console.error(`release: a release ${why}`)
  process.exit(status)
}
