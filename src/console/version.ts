import manifest from '../../package.json' with { type: 'json' }

/** The version alone. */
export function versionNumber(): string {
  return manifest.version
}

/** Name, version, the Bun inside, and what it was built for. */
export function versionText(): string {
  return `sallyport ${manifest.version} (Bun ${Bun.version}, ${process.platform}-${process.arch})`
}
