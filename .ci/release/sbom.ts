import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { version as bunVersion } from 'bun'
import type { Release } from './types.ts'

interface LockedPackage {
  readonly version?: string
  readonly integrity?: string
  readonly dev?: boolean
  readonly license?: string
  readonly dependencies?: Readonly<Record<string, string>>
}

interface Component {
  readonly type: string
  readonly 'bom-ref': string
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[]
  readonly licenses?: readonly unknown[]
}

/**
 * What is inside an executable, as CycloneDX 1.6 (JSON): the packages that package-lock.json pins and that are not for
 * development alone, with their SHA-512, and the Bun that they run in.
 */
export function billOfMaterials({ root, version, commit, time }: Release): string {
  const lock: { readonly packages: Readonly<Record<string, LockedPackage>> } = JSON.parse(
    readFileSync(join(root, 'package-lock.json'), 'utf8'),
  )
  const shipped = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && dev !== true)
  const components = shipped.map(([path, one]) => componentOf(root, path, one))
  const bun = runtimeComponent()
  const own = `pkg:generic/sallyport@${version}`
  const refOf = (name: string, from: string) => nearest(lock.packages, name, from)
  const dependencies = [
    { ref: own, dependsOn: [bun['bom-ref'], ...namesIn(lock.packages['']).map(name => refOf(name, ''))] },
    { ref: bun['bom-ref'], dependsOn: [] },
    ...shipped.map(([path, one]) => ({
      ref: purlOf(path, one),
      dependsOn: namesIn(one).map(name => refOf(name, path)),
    })),
  ]
  return `${JSON.stringify(
    {
      $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      serialNumber: `urn:uuid:${uuidOf(commit)}`,
      version: 1,
      metadata: {
        timestamp: new Date(time * 1000).toISOString(),
        component: {
          type: 'application',
          'bom-ref': own,
          name: 'sallyport',
          version,
          purl: own,
          licenses: licensesOf('MIT'),
        },
      },
      components: [bun, ...components],
      dependencies,
    },
    null,
    2,
  )}\n`
}

function componentOf(root: string, path: string, { version = '', integrity, license }: LockedPackage): Component {
  const purl = purlOf(path, { version })
  const hash = /^sha512-(\S+)$/.exec(integrity ?? '')?.[1]
  return {
    type: 'library',
    'bom-ref': purl,
    name: nameOf(path),
    version,
    purl,
    ...(hash === undefined
      ? {}
      : { hashes: [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }] }),
    licenses: licensesOf(license ?? installedLicense(root, path) ?? LICENSES[nameOf(path)]),
  }
}

function runtimeComponent(): Component {
  const purl = `pkg:npm/bun@${bunVersion}`
  return { type: 'platform', 'bom-ref': purl, name: 'bun', version: bunVersion, purl, licenses: licensesOf('MIT') }
}

/** What a package's repository says where the package itself does not. */
const LICENSES: Readonly<Record<string, string>> = { '@tombi-toml/wasm-lib': 'MIT' }

/** An SPDX expression; none where a package says nothing. */
function licensesOf(expression: string | undefined): readonly unknown[] {
  return expression === undefined ? [] : [{ expression }]
}

function installedLicense(root: string, path: string): string | undefined {
  const file = join(root, path, 'package.json')
  if (!existsSync(file)) return undefined
  const { license }: { license?: unknown } = JSON.parse(readFileSync(file, 'utf8'))
  return typeof license === 'string' ? license : undefined
}

function namesIn(one: LockedPackage | undefined): readonly string[] {
  return Object.keys(one?.dependencies ?? {})
}

/** The reference of what a package at `from` gets for a name, as Node.js looks for it: the nearest node_modules upwards. */
function nearest(packages: Readonly<Record<string, LockedPackage>>, name: string, from: string): string {
  for (let place = from; ; place = place.slice(0, Math.max(0, place.lastIndexOf('node_modules/') - 1))) {
    const path = `${place === '' ? '' : `${place}/`}node_modules/${name}`
    const found = packages[path]
    if (found !== undefined) return purlOf(path, found)
    if (place === '') throw new Error(`package-lock.json has no ${name} for ${from}`)
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

/** Package URL (ECMA-427): a scope is percent-encoded at its sign. */
function purlOf(path: string, { version = '' }: LockedPackage): string {
  return `pkg:npm/${nameOf(path).replace(/^@/, '%40')}@${version}`
}

/** A name-based UUID (RFC 9562 section 5.8, version 8): the same for the same commit. */
function uuidOf(text: string): string {
  const hex = new Bun.CryptoHasher('sha256').update(`sallyport release ${text}`).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
