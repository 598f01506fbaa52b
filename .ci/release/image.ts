import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { NOTICES } from '../notices.ts'
import { packFolder } from './archive.ts'
import { command } from './command.ts'
import { debianArchitecture } from './debian.ts'
import type { Executable, Release } from './types.ts'

/**
 * An image for each executable that is for glibc, as an archive that `docker load` and `podman load` take.
 *
 * The Containerfile's last stage alone is built: what its first makes is here already, and takes that stage's name. buildah
 * pulls the base, or finds it where it keeps its images; `CONTAINERS_STORAGE_CONF` says where that is.
 */
export async function makeImage(
  { root, out, version, time }: Release,
  executables: readonly Executable[],
  base: string | undefined,
  work: string,
): Promise<void> {
  for (const { target, path } of executables) {
    const architecture = debianArchitecture(target)
    if (architecture === null) continue
    const built = join(work, 'image', architecture)
    for (const folder of ['src/dist', 'out/data']) mkdirSync(join(built, folder), { recursive: true })
    copyFileSync(path, join(built, 'src/dist/sallyport'))
    copyFileSync(join(dirname(path), NOTICES), join(built, 'src/dist', NOTICES))
    copyFileSync(join(root, 'LICENSE'), join(built, 'src/LICENSE'))
    const tag = `localhost/sallyport:${version}-${architecture}`
    const asked = base === undefined ? [] : ['--build-arg', `BASE_IMAGE=${base}`]
    const how = ['--format', 'docker', '--timestamp', String(time), '--platform', `linux/${architecture}`, '--tag', tag]
    await command(['buildah', 'build', ...how, ...asked, '--build-context', `build=${built}`, '.'], root)
    const pushed = join(work, 'image', `${architecture}.tar`)
    await command(['buildah', 'push', '--quiet', tag, `docker-archive:${pushed}:sallyport:${version}`], root)
    const unpacked = join(work, 'image', `${architecture}-files`)
    mkdirSync(unpacked)
    await command(['tar', '-xf', pushed, '-C', unpacked], root)
    const names = settle(unpacked, [version, 'latest'])
    await packFolder(unpacked, names, join(out, `sallyport-${version}-image-${architecture}.tar`), time)
  }
}

/**
 * Takes the name of the container that it was made in, which is another each time, out of an image's settings, and gives the image its
 * tags, of which docs/compose.yaml names the last. Answers what the image consists of: the names of older formats are left out.
 */
function settle(folder: string, tags: readonly string[]): readonly string[] {
  const [image]: [{ Config: string; RepoTags: readonly string[]; readonly Layers: readonly string[] }] = JSON.parse(
    readFileSync(join(folder, 'manifest.json'), 'utf8'),
  )
  const { container: _, ...settings }: Record<string, unknown> = JSON.parse(
    readFileSync(join(folder, image.Config), 'utf8'),
  )
  const text = JSON.stringify(settings)
  image.Config = `${new Bun.CryptoHasher('sha256').update(text).digest('hex')}.json`
  writeFileSync(join(folder, image.Config), text)
  image.RepoTags = tags.map(tag => `docker.io/library/sallyport:${tag}`)
  const manifest = join(folder, 'manifest.json')
  rmSync(manifest)
  writeFileSync(manifest, JSON.stringify([image]))
  return ['manifest.json', image.Config, ...image.Layers]
}
