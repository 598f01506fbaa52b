import { version as bunVersion } from 'bun'
import { BUN_PARTS, type Lock, type LockedPackage, licenseOf, nameOf, readLock, shippedPackages } from '../notices.ts'
import { RUNTIMES, type Target } from '../runtime.ts'
import type { Release } from './types.ts'

interface Component {
  readonly type: string
  readonly 'bom-ref': string
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly hashes: readonly { readonly alg: string; readonly content: string }[]
  readonly licenses: readonly unknown[]
  /** What is inside. */
  readonly components?: readonly object[]
}

/**
 * What is inside an executable, as CycloneDX 1.6 (JSON): the packages that package-lock.json pins and that are not for
 * development alone, and the Bun that they run in, with their SHA-512 and licences.
 */
export function billOfMaterials({ root, version, commit, time }: Release, targets: readonly Target[]): string {
  const lock = readLock(root)
  const shipped = shippedPackages(lock)
  const components = shipped.map(([path, one]) => componentOf(root, path, one))
  const bun = runtimeComponent(lock, targets)
  const own = `pkg:generic/sallyport@${version}`
  const refOf = (name: string, from: string) => nearest(lock, name, from)
  const dependencies = [
    { ref: own, dependsOn: [bun['bom-ref'], ...namesIn(lock['']).map(name => refOf(name, ''))] },
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

function componentOf(root: string, path: string, one: LockedPackage): Component {
  const purl = purlOf(path, one)
  return {
    type: 'library',
    'bom-ref': purl,
    name: nameOf(path),
    version: one.version ?? '',
    purl,
    hashes: hashesOf(one),
    licenses: licensesOf(licenseOf(root, path, one)),
  }
}

/** Bun, with the package for each platform that is built for, and with what Bun itself says that it contains. */
function runtimeComponent(lock: Lock, targets: readonly Target[]): Component {
  const own = (name: string, licenses: readonly unknown[], components: readonly object[]): Component => {
    const path = `node_modules/${name}`
    const one = lock[path]
    if (one?.version !== bunVersion) throw new Error(`package-lock.json has no ${name} of ${bunVersion}`)
    const purl = purlOf(path, one)
    const inside = components.length === 0 ? {} : { components }
    const type = 'platform'
    return { type, 'bom-ref': purl, name, version: bunVersion, purl, hashes: hashesOf(one), licenses, ...inside }
  }
  const parts = BUN_PARTS.map(({ name, license, url }) => ({
    type: 'library',
    name,
    licenses: license === 'several' ? [{ license: { name: `several: see ${url}` } }] : licensesOf(license),
    externalReferences: [{ type: 'website', url }],
  }))
  const runtimes = targets.map(target => own(RUNTIMES[target].npmPackage, licensesOf('MIT'), []))
  return own('bun', licensesOf('MIT'), [...runtimes, ...parts])
}

function hashesOf({ integrity }: LockedPackage): Component['hashes'] {
  const hash = /^sha512-(\S+)$/.exec(integrity ?? '')?.[1]
  return hash === undefined ? [] : [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }]
}

/** An SPDX expression; none where a package says nothing. */
function licensesOf(expression: string | undefined): readonly unknown[] {
  return expression === undefined ? [] : [{ expression }]
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

/** Package URL (ECMA-427): a scope is percent-encoded at its sign. */
function purlOf(path: string, { version = '' }: LockedPackage): string {
  return `pkg:npm/${nameOf(path).replace(/^@/, '%40')}@${version}`
}

/** A name-based UUID (RFC 9562 section 5.8, version 8): the same for the same commit. */
function uuidOf(text: string): string {
  const hex = new Bun.CryptoHasher('sha256').update(`sallyport release ${text}`).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
