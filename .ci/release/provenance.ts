import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { version as bunVersion } from 'bun'
import { RUNTIMES, type Target } from '../runtime.ts'
import type { Release, Sum } from './types.ts'

/**
 * How the files were made: an in-toto statement (v1) with SLSA's provenance (v1), not signed; whoever publishes signs it.
 *
 * `builder` is a URI of who makes it. Says nothing of the machine or the time it was made at: both are the publisher's to add, and would make two builds differ.
 */
export function provenanceOf(
  { root, version, commit }: Release,
  builder: string,
  targets: readonly Target[],
  sums: readonly Sum[],
): string {
  const lockHash = new Bun.CryptoHasher('sha256').update(readFileSync(join(root, 'package-lock.json'))).digest('hex')
  return `${JSON.stringify(
    {
      _type: 'https://in-toto.io/Statement/v1',
      subject: sums.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
      predicateType: 'https://slsa.dev/provenance/v1',
      predicate: {
        buildDefinition: {
          buildType: 'urn:sallyport:npm-run-release:v1',
          externalParameters: { version, commit, targets },
          internalParameters: { command: 'npm run release' },
          resolvedDependencies: [
            { name: 'source', digest: { gitCommit: commit } },
            { name: 'package-lock.json', digest: { sha256: lockHash } },
            ...targets.map(target => ({
              uri: `pkg:npm/${RUNTIMES[target].npmPackage.replace(/^@/, '%40')}@${bunVersion}`,
              name: `Bun for ${target}`,
            })),
          ],
        },
        runDetails: { builder: { id: builder } },
      },
    },
    null,
    2,
  )}\n`
}
