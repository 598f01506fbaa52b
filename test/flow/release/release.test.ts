import { expect } from 'bun:test'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { needs } from '../../kit/needs.ts'
import { packagesInBundle } from '../../kit/programs/bundled.ts'
import { cloneOfThis } from '../../kit/programs/checkout.ts'
import { makeLibc } from '../../kit/programs/container.ts'
import { mayMountApart } from '../../kit/programs/mount.ts'

const { afterAll, beforeAll, describe, test } = needs('dpkg-deb', 'buildah', 'git')

const ROOT = join(import.meta.dir, '../../..')
const { version }: { version: string } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const ARCHIVE = `sallyport-${version}-linux-x64.tar.gz`
const PACKAGE = `sallyport_${version}_amd64.deb`
const BILL = `sallyport-${version}.cdx.json`
const IMAGE = `sallyport-${version}-image-amd64.tar`
const PROVENANCE = `sallyport-${version}.provenance.json`

const folder = temporaryFolder()
const once = join(folder.path, 'once')
const again = join(folder.path, 'somewhere/else/again')
const inRelease = (name: string) => readFileSync(join(once, 'dist/release', name), 'utf8')
const RELEASE = [
  'bun',
  '.ci/release/run.ts',
  '--target',
  'linux-x64',
  ...(mayMountApart() ? ['--base', 'localhost/base'] : ['--without', 'image']),
]
let commit = ''
let env: Record<string, string | undefined> = process.env

function release(clone: string, ...args: readonly string[]) {
  const { exitCode, stderr } = Bun.spawnSync([...RELEASE, ...args], { cwd: clone, env })
  return { exitCode, said: stderr.toString() }
}

function succeeds(...argv: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...argv], { cwd: join(once, 'dist/release'), env })
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stdout}${stderr}`)
  return stdout.toString()
}

/** Images of these tests alone, and in them a base with the C library. */
async function makeBase(): Promise<void> {
  const at = (name: string) => join(folder.path, name)
  const [storage, run] = [at('storage'), at('run')]
  writeFileSync(at('storage.conf'), `[storage]\ndriver = "vfs"\ngraphroot = "${storage}"\nrunroot = "${run}"\n`)
  env = { ...process.env, CONTAINERS_STORAGE_CONF: at('storage.conf'), STORAGE_DRIVER: 'vfs' }
  writeFileSync(at('base'), 'FROM scratch\nCOPY . /\n')
  const how = ['--format', 'docker', '--tag', 'localhost/base', '--file', at('base')]
  const { exitCode, stderr } = Bun.spawnSync(['buildah', 'build', ...how, await makeLibc(at('libc'))], { env })
  if (exitCode !== 0) throw new Error(stderr.toString())
}

beforeAll(async () => {
  if (mayMountApart()) await makeBase()
  commit = cloneOfThis(once)
  expect(release(once)).toMatchObject({ exitCode: 0 })
}, 1_800_000)
afterAll(() => folder[Symbol.dispose]())

test('what is released is named in the sums, and has them', () => {
  const names = [ARCHIVE, PACKAGE, BILL, PROVENANCE, 'NOTES.md', 'SHA256SUMS', ...(mayMountApart() ? [IMAGE] : [])]
  expect(readdirSync(join(once, 'dist/release')).sort()).toEqual([...names].sort())
  const checked = succeeds('sha256sum', '--check', '--strict', 'SHA256SUMS').trim().split('\n')
  expect(checked.sort()).toEqual(
    names
      .filter(name => name !== 'SHA256SUMS')
      .map(name => `${name}: OK`)
      .sort(),
  )
})

test('the same commit gives the same bytes, in another folder, time zone and umask', () => {
  expect(cloneOfThis(again)).toBe(commit)
  const { exitCode, stderr } = Bun.spawnSync(['sh', '-c', 'umask 077; exec "$@"', 'sh', ...RELEASE], {
    cwd: again,
    env: { ...env, TZ: 'Pacific/Auckland', LANG: 'C', HOME: folder.path },
  })
  expect([exitCode, exitCode === 0 ? '' : stderr.toString()]).toEqual([0, ''])
  expect(readFileSync(join(again, 'dist/release/SHA256SUMS'), 'utf8')).toBe(inRelease('SHA256SUMS'))
}, 1_800_000)

test('the executable of the archive says what it is, the commit included', () => {
  const at = join(folder.path, 'unpacked')
  succeeds('mkdir', at)
  succeeds('tar', '-xzf', ARCHIVE, '-C', at, '--strip-components=1')
  expect(readdirSync(at).sort()).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'THIRD-PARTY-NOTICES',
    'routes.toml',
    'sallyport',
  ])
  expect(JSON.parse(succeeds(join(at, 'sallyport'), 'version', '--json'))).toEqual({
    version,
    commit,
    bun: Bun.version,
    platform: 'linux',
    arch: process.arch,
    compiled: true,
  })
})

describe('the Debian package', () => {
  const field = (name: string) => succeeds('dpkg-deb', '--field', PACKAGE, name).trim()

  test('says what it is and needs no more than the C library', () => {
    expect(['Package', 'Version', 'Architecture'].map(field)).toEqual(['sallyport', version, 'amd64'])
    expect(field('Depends')).toMatch(/^libc6 \(>= [\d.]+\)$/)
  })

  test('holds the executable, its units, its user, its manual and completions, all of them root’s', () => {
    const lines = succeeds('dpkg-deb', '--contents', PACKAGE).trim().split('\n')
    expect(lines.filter(line => !/^\S+ root\/root /.test(line))).toEqual([])
    const files = lines.filter(line => line.startsWith('-')).map(line => /\.\/(\S+)$/.exec(line)?.[1])
    expect(files).toEqual(
      expect.arrayContaining([
        'usr/bin/sallyport',
        'usr/share/doc/sallyport/THIRD-PARTY-NOTICES',
        'usr/lib/systemd/system/sallyport.service',
        'usr/lib/systemd/system/sallyport.socket',
        'usr/lib/sysusers.d/sallyport.conf',
        'usr/share/man/man1/sallyport.1.gz',
        'etc/logrotate.d/sallyport',
        'usr/share/bash-completion/completions/sallyport',
      ]),
    )
  })

  test('unpacks into a program that runs, and a unit that is what `sallyport service` prints', () => {
    const at = join(folder.path, 'installed')
    succeeds('dpkg-deb', '--extract', PACKAGE, at)
    const program = join(at, 'usr/bin/sallyport')
    expect(succeeds(program, 'version')).toContain(version)
    expect(readFileSync(join(at, 'usr/lib/systemd/system/sallyport.service'), 'utf8')).toBe(
      succeeds(program, 'service', 'systemd', '--program', '/usr/bin/sallyport'),
    )
  })

  test('has scripts that the shell can read', () => {
    const at = join(folder.path, 'control')
    succeeds('dpkg-deb', '--control', PACKAGE, at)
    for (const script of ['postinst', 'prerm', 'postrm']) succeeds('sh', '-n', join(at, script))
  })
})

needs('mounts of its own').test(
  'the image is the last stage of the Containerfile, around the executable of the archive',
  () => {
    const at = join(folder.path, 'image')
    mkdirSync(at)
    succeeds('tar', '-xf', IMAGE, '-C', at)
    const read = (file: string) => JSON.parse(readFileSync(join(at, file), 'utf8'))
    const [{ Config, Layers, RepoTags }]: [{ Config: string; Layers: string[]; RepoTags: string[] }] =
      read('manifest.json')
    // The second is what docs/compose.yaml names.
    expect(RepoTags).toEqual([`docker.io/library/sallyport:${version}`, 'docker.io/library/sallyport:latest'])
    expect(read(Config)).toMatchObject({
      architecture: 'amd64',
      config: {
        User: '65532:65532',
        Entrypoint: ['/usr/local/bin/sallyport'],
        Healthcheck: { Test: ['CMD', '/usr/local/bin/sallyport', 'health'] },
      },
    })
    const root = join(at, 'root')
    mkdirSync(root)
    for (const layer of Layers) succeeds('tar', '-xf', join(at, layer), '-C', root)
    succeeds('cmp', join(root, 'usr/local/bin/sallyport'), join(folder.path, 'unpacked/sallyport'))
    for (const name of ['LICENSE', 'THIRD-PARTY-NOTICES'])
      succeeds('cmp', join(root, 'usr/share/doc/sallyport', name), join(folder.path, 'unpacked', name))
  },
)

const SHA_512 = expect.stringMatching(/^[\da-f]{128}$/)

test('the list of what is inside names every package that is bundled', async () => {
  const bill: {
    readonly components: readonly {
      readonly name: string
      readonly version: string
      readonly licenses: readonly { readonly expression: string }[]
      readonly hashes: readonly { readonly alg: string; readonly content: string }[]
      readonly components?: readonly { readonly name: string; readonly hashes?: readonly unknown[] }[]
    }[]
    readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
  } = JSON.parse(inRelease(BILL))
  const inBundle = await packagesInBundle()
  expect(inBundle.size).toBeGreaterThan(5)
  const listed = new Set(bill.components.map(one => one.name))
  expect([...inBundle].filter(name => !listed.has(name))).toEqual([])
  // What may be given on by whoever gives us on.
  const licenses = new Set(bill.components.map(({ licenses: [license] }) => license?.expression))
  expect(
    [...licenses].filter(
      one =>
        !['MIT', 'ISC', 'Apache-2.0', 'BSD-3-Clause', '0BSD', 'CC0-1.0', 'OFL-1.1', '(MIT OR Apache-2.0)'].includes(
          one ?? '',
        ),
    ),
  ).toEqual([])
  const refs = new Set(bill.dependencies.map(({ ref }) => ref))
  expect(bill.dependencies.flatMap(({ dependsOn }) => dependsOn).filter(ref => !refs.has(ref))).toEqual([])
  const bun = bill.components.find(one => one.name === 'bun')
  expect(bun?.version).toBe(Bun.version)
  for (const one of bill.components) expect([one.name, one.hashes[0]?.content]).toEqual([one.name, SHA_512])
  const inBun = bun?.components ?? []
  expect(inBun.map(({ name }) => name)).toEqual(expect.arrayContaining(['@oven/bun-linux-x64', 'BoringSSL', 'ICU']))
})

test('the statement of how it was made names the commit, and every file by its sum', () => {
  const statement: {
    readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[]
    readonly predicate: { readonly buildDefinition: { readonly resolvedDependencies: readonly unknown[] } }
  } = JSON.parse(inRelease(PROVENANCE))
  const sums = inRelease('SHA256SUMS')
    .split('\n')
    .filter(line => line !== '' && !line.endsWith(PROVENANCE))
  expect(statement.subject.map(({ name, digest }) => `${digest.sha256}  ${name}`)).toEqual(sums)
  expect(statement.predicate.buildDefinition.resolvedDependencies).toContainEqual({
    name: 'source',
    digest: { gitCommit: commit },
  })
})

test('what is not committed, no target of ours or no part of a release is refused in one line', () => {
  writeFileSync(join(again, 'README.md'), 'changed')
  expect(release(again)).toEqual({
    exitCode: 1,
    said: 'release: a release is made of a commit: commit or stash what differs (git status), then try again\n',
  })
  const unknown = release(once, '--target', 'plan9', '--without', 'docs')
  expect(unknown.exitCode).toBe(2)
  expect(unknown.said).toContain('knows no plan9, docs')
})
