import manifest from '../../package.json' with { type: 'json' }

/** The build (.ci/build.ts) sets it: the commit, with `-dirty` where files differed; null where it is unknown. */
declare const BUILD_COMMIT: string | null | undefined

/** What this program is. */
export interface Version {
  /** Of the package, as semver.org says. */
  readonly version: string
  /**
   * Forty hexadecimal digits, with `-dirty` where files differed; null where the sources run, or where it is unknown.
   */
  readonly commit: string | null
  /** Of the Bun inside. */
  readonly bun: string
  /** As Node.js names them: `linux`, `darwin`; `x64`, `arm64`. */
  readonly platform: string
  readonly arch: string
  /** Whether this is the executable, and not the sources. */
  readonly compiled: boolean
}

/** What the running program is. */
export function versionOfThis(): Version {
  const isBuilt = typeof BUILD_COMMIT !== 'undefined'
  return {
    version: manifest.version,
    commit: isBuilt ? (BUILD_COMMIT ?? null) : null,
    bun: Bun.version,
    platform: process.platform,
    arch: process.arch,
    compiled: isBuilt,
  }
}

export function versionNumber(): string {
  return manifest.version
}

/** Name, version, the Bun version inside, and the build's target. */
export function versionText(): string {
  const { version, bun, platform, arch } = versionOfThis()
  return `sallyport ${version} (Bun ${bun}, ${platform}-${arch})`
}
