import manifest from '../../package.json' with { type: 'json' }

/** Put in by the build (.ci/build.ts): the commit, `-dirty` behind it where files differed, null where nobody knew. */
declare const BUILD_COMMIT: string | null | undefined

/** What this program is. */
export interface Version {
  /** Of the package, as semver.org says. */
  readonly version: string
  /** Forty hexadecimal digits, `-dirty` behind them where files differed; null where the sources run or nobody knew. */
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

/** The version alone. */
export function versionNumber(): string {
  return manifest.version
}

/** Name, version, the Bun inside, and what it was built for. */
export function versionText(): string {
  const { version, bun, platform, arch } = versionOfThis()
  return `sallyport ${version} (Bun ${bun}, ${platform}-${arch})`
}
