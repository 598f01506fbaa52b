import manifest from '../../package.json' with { type: 'json' }

/** Name, version, the Bun inside, and what it was built for. */
export function versionText(): string {
  return `sallyport ${manifest.version} (Bun ${Bun.version}, ${process.platform}-${process.arch})`
}
